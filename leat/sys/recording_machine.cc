#include "leat/sys/recording_machine.h"

#include "leat/sys/internal/exchange.h"
#include "leat/sys/internal/ioctl_json.h"

namespace leat::sys {

using internal::Json;

struct RecordingMachine::Kept {
  Json root = Json::object();
};

namespace {

Json error_json(const Error& error) {
  return {{"error", error.number()}, {"message", error.context()}};
}

template <typename T>
const Result<T>& keep(Json& place, const Result<T>& result) {
  place = result ? Json(*result) : error_json(result.error());
  return result;
}

}  // namespace

RecordingMachine::RecordingMachine(Machine& inner)
    : inner_(inner), kept_(std::make_unique<Kept>()) {}
RecordingMachine::~RecordingMachine() = default;

std::string RecordingMachine::text(std::string_view label) const {
  Json root{{"format", "leat-machine 1"}, {"label", label}};
  root.update(kept_->root);
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::string> RecordingMachine::read_file(const std::string& path) {
  return keep(kept_->root["files"][path], inner_.read_file(path));
}

Result<void> RecordingMachine::write_file(const std::string& path, std::string_view text) {
  return inner_.write_file(path, text);
}

Result<std::vector<std::string>> RecordingMachine::list(const std::string& path) {
  return keep(kept_->root["lists"][path], inner_.list(path));
}

Result<std::string> RecordingMachine::read_link(const std::string& path) {
  return keep(kept_->root["links"][path], inner_.read_link(path));
}

Result<NetlinkAnswer> RecordingMachine::netlink(const NetlinkRequest& request) {
  auto answer = inner_.netlink(request);
  const auto exchange = internal::exchange_of(request);
  if (!exchange || request.kind == NetlinkRequest::Kind::kSet) return answer;
  Json* place = &kept_->root["netlink"];
  for (const std::string& step : exchange->path) place = &(*place)[step];
  if (!answer) {
    *place = error_json(answer.error());
  } else if (exchange->is_list) {
    *place = Json::array();
    for (std::size_t i = 0; i < answer->size(); ++i) {
      place->push_back(internal::message_to_json(*exchange, (*answer)[i].body));
    }
  } else if (!answer->empty()) {
    *place = internal::message_to_json(*exchange, (*answer)[0].body);
  }
  return answer;
}

Result<void> RecordingMachine::ethtool(const std::string& device, std::span<std::byte> command) {
  const std::vector<std::byte> asked(command.begin(), command.end());
  const auto done = inner_.ethtool(device, command);
  const std::string name = internal::ioctl_name(asked);
  if (name.empty()) return done;
  Json& place = kept_->root["ioctl"][device];
  if (done) {
    internal::keep_ioctl(name, command, place);
  } else {
    place[name] = error_json(done.error());
  }
  return done;
}

Result<Machine::SocketOptions> RecordingMachine::socket_options(int pid, int fd) {
  const auto options = inner_.socket_options(pid, fd);
  Json& place = kept_->root["socket_options"][std::to_string(pid) + "/" + std::to_string(fd)];
  place = options ? Json{{"incoming_cpu", options->incoming_cpu},
                         {"napi_id", options->napi_id},
                         {"reuse_port", options->reuse_port}}
                  : error_json(options.error());
  return options;
}

}  // namespace leat::sys
