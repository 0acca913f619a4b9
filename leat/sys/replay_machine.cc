#include "leat/sys/replay_machine.h"

#include <linux/ethtool.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "leat/sys/internal/exchange.h"
#include "leat/sys/internal/fake_kernel.h"
#include "leat/sys/internal/ioctl_json.h"

namespace leat::sys {

using internal::Json;
using internal::number_in;
using internal::text_in;

struct ReplayMachine::State {
  Json root;
  std::vector<Write> writes;
  WriteHook hook;
};

namespace {

constexpr const char* kFormat = "leat-machine 1";

/// The value at a name, nullptr if there is none; an error that was recorded there otherwise.
Result<const Json*> recorded(const Json& root, const char* section, const std::string& name,
                             const char* verb) {
  const auto all = root.find(section);
  const Json* found = nullptr;
  if (all != root.end() && all->is_object() && all->contains(name)) found = &(*all)[name];
  if (found != nullptr && found->is_object() && found->contains("error")) {
    const std::string message = text_in(*found, "message");
    return Error::from_errno(static_cast<int>(number_in(*found, "error", EIO)),
                             message.empty() ? std::string(verb) + " " + name : message);
  }
  return found;
}

/// A recording comes from outside: a value of another type than it should have is an error.
template <typename Function>
auto guarded(Function work) -> decltype(work()) {
  try {
    return work();
  } catch (const Json::exception& wrong) {
    return Error::from_errno(EBADMSG,
                             std::string("a recording that makes no sense: ") + wrong.what());
  }
}

/// Files may be given as a list of lines.
std::string file_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string text;
  for (const Json& line : value)
    text.append(line.is_string() ? line.get<std::string>() + "\n" : "");
  return text;
}

}  // namespace

ReplayMachine::ReplayMachine(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReplayMachine::~ReplayMachine() = default;

Result<std::unique_ptr<ReplayMachine>> ReplayMachine::parse(std::string_view text) {
  auto state = std::make_unique<State>();
  state->root = Json::parse(text, nullptr, false);
  if (!state->root.is_object() || text_in(state->root, "format") != kFormat) {
    return Error::from_errno(EBADMSG, "no recording of a machine (format \"leat-machine 1\")");
  }
  for (const char* const section :
       {"files", "lists", "links", "netlink", "ioctl", "behaviour", "socket_options"}) {
    Json& place = state->root[section];
    if (place.is_null()) place = Json::object();
    if (!place.is_object()) {
      return Error::from_errno(EBADMSG,
                               std::string("a recording whose \"") + section + "\" is no object");
    }
  }
  for (auto& [path, value] : state->root["files"].items()) {
    if (value.is_array()) value = file_text(value);
  }
  return std::unique_ptr<ReplayMachine>(new ReplayMachine(std::move(state)));
}

std::string ReplayMachine::text() const {
  return state_->root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ReplayMachine::label() const {
  return text_in(state_->root, "label");
}

const std::vector<ReplayMachine::Write>& ReplayMachine::writes() const {
  return state_->writes;
}

void ReplayMachine::on_write(WriteHook hook) {
  state_->hook = std::move(hook);
}

void ReplayMachine::deliver_interrupts() {
  internal::FakeKernel(state_->root).deliver_interrupts();
}

void ReplayMachine::change_file(const std::string& path, std::string text) {
  state_->root["files"][path] = std::move(text);
}

Result<void> ReplayMachine::announce(std::string what, std::string value) {
  state_->writes.push_back({std::move(what), std::move(value)});
  return state_->hook ? state_->hook(state_->writes.back()) : Result<void>();
}

Result<std::string> ReplayMachine::read_file(const std::string& path) {
  const auto found = recorded(state_->root, "files", path, "open");
  if (!found) return found.error();
  if (*found == nullptr || !(*found)->is_string()) {
    return Error::from_errno(ENOENT, "open " + path);
  }
  return (*found)->get<std::string>();
}

Result<void> ReplayMachine::write_file(const std::string& path, std::string_view text) {
  if (auto hooked = announce(path, std::string(text)); !hooked) return hooked;
  return guarded([&] { return internal::FakeKernel(state_->root).write_file(path, text); });
}

Result<std::vector<std::string>> ReplayMachine::list(const std::string& path) {
  const auto found = recorded(state_->root, "lists", path, "open");
  if (!found) return found.error();
  std::set<std::string> names;
  if (*found != nullptr) {
    for (const Json& name : **found) {
      if (name.is_string()) names.insert(name.get<std::string>());
    }
    return std::vector<std::string>(names.begin(), names.end());
  }
  // Not recorded: what is known of files and links below it.
  const std::string below = path + "/";
  for (const char* const section : {"files", "links"}) {
    for (const auto& [name, value] : state_->root[section].items()) {
      if (!name.starts_with(below)) continue;
      names.insert(name.substr(below.size(), name.find('/', below.size()) - below.size()));
    }
  }
  if (names.empty()) return Error::from_errno(ENOENT, "open " + path);
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::string> ReplayMachine::read_link(const std::string& path) {
  const auto found = recorded(state_->root, "links", path, "read the link");
  if (!found) return found.error();
  if (*found == nullptr || !(*found)->is_string()) {
    return Error::from_errno(ENOENT, "read the link " + path);
  }
  return (*found)->get<std::string>();
}

Result<NetlinkAnswer> ReplayMachine::set(const NetlinkRequest& request,
                                         const internal::Exchange& exchange) {
  const Json change = internal::attributes_to_json(exchange.schema, Attributes(request.body),
                                                   internal::Bits::kChange);
  const std::string object = exchange.path.back();
  const bool is_napi = exchange.device.empty();
  const std::string what = is_napi ? "netdev napi " + std::to_string(number_in(change, "id", 0))
                                   : "ethtool " + object + " " + exchange.device;
  if (const auto hooked = announce(what, change.dump()); !hooked) return hooked.error();
  const std::string rss_by = text_in(state_->root["behaviour"], "rss_set");
  if (object == "rss" && !rss_by.empty() && rss_by != "netlink") {
    return Error::from_errno(EOPNOTSUPP, what);
  }
  internal::FakeKernel kernel(state_->root);
  const auto done =
      is_napi ? kernel.set_napi(change) : kernel.set_ethtool(exchange.device, object, change);
  if (!done) return done.error();
  return NetlinkAnswer();
}

Result<NetlinkAnswer> ReplayMachine::get(const internal::Exchange& exchange) {
  const Json* place = &state_->root["netlink"];
  for (const std::string& step : exchange.path) {
    if (!place->is_object() || !place->contains(step)) {
      if (exchange.is_list && exchange.path.front() != "netdev") return NetlinkAnswer();
      return Error::from_errno(EOPNOTSUPP, exchange.path.front() + " " + exchange.path.back());
    }
    place = &(*place)[step];
  }
  if (const auto number = number_in(*place, "error", 0); place->is_object() && number != 0) {
    return Error::from_errno(static_cast<int>(number), text_in(*place, "message"));
  }
  NetlinkAnswer answer;
  if (!exchange.is_list) {
    answer.add(exchange.reply, internal::json_to_message(exchange, *place));
    return answer;
  }
  for (const Json& object : *place) {
    answer.add(exchange.reply, internal::json_to_message(exchange, object));
  }
  return answer;
}

Result<NetlinkAnswer> ReplayMachine::netlink(const NetlinkRequest& request) {
  const auto exchange = internal::exchange_of(request);
  if (!exchange) return Error::from_errno(EOPNOTSUPP, "a request that is not in a recording");
  return guarded([&] {
    return request.kind == NetlinkRequest::Kind::kSet ? set(request, *exchange) : get(*exchange);
  });
}

Result<void> ReplayMachine::ethtool(const std::string& device, std::span<std::byte> command) {
  const std::string name = internal::ioctl_name(command);
  const std::string what = "ethtool " + name + " " + device;
  if (internal::is_writing_ioctl(command)) {
    if (auto hooked = announce(what, internal::to_hex(command)); !hooked) return hooked;
  }
  if (name == "rss") {
    if (text_in(state_->root["behaviour"], "rss_set") != "ioctl" ||
        !internal::is_writing_ioctl(command)) {
      return Error::from_errno(EOPNOTSUPP, what);
    }
    return guarded(
        [&] { return internal::FakeKernel(state_->root).set_rss_by_ioctl(device, command); });
  }
  Json& devices = state_->root["ioctl"];
  if (!devices.contains(device)) return Error::from_errno(ENODEV, what);
  return guarded([&] { return internal::answer_ioctl(name, devices[device], command); });
}

Result<Machine::SocketOptions> ReplayMachine::socket_options(int pid, int fd) {
  const std::string name = std::to_string(pid) + "/" + std::to_string(fd);
  const auto found = recorded(state_->root, "socket_options", name, "borrow");
  if (!found) return found.error();
  if (*found == nullptr) return Error::from_errno(ESRCH, "borrow " + name);
  return guarded([&]() -> Result<SocketOptions> {
    SocketOptions options;
    options.incoming_cpu = (*found)->value("incoming_cpu", -1);
    options.napi_id = static_cast<std::uint32_t>(number_in(**found, "napi_id", 0));
    options.reuse_port = (*found)->value("reuse_port", false);
    return options;
  });
}

}  // namespace leat::sys
