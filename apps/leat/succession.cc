#include "apps/leat/succession.h"

#include <cerrno>
#include <cstddef>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace leat::app {

namespace {

constexpr Duration kAnswerTime = std::chrono::seconds(5);

Result<InetAddress> parse_path(const std::string& path) {
  if (path.starts_with('@')) return InetAddress::unix_abstract(path.substr(1));
  return InetAddress::unix_path(path);
}

}  // namespace

Result<void> Succession::inherit() {
  Result<ListenerSet> passed = ListenerSet::from_systemd();
  if (!passed) return std::move(passed).error();
  listeners_ = *std::move(passed);
  if (!listeners_.is_empty()) tell_inherited("systemd", listeners_.size());
  return path_.empty() ? Result<void>() : ask_predecessor();
}

Result<void> Succession::ask_predecessor() {
  const Result<InetAddress> address = parse_path(path_);
  if (!address) return address.error();
  address_ = *address;
  Result<Takeover> takeover = Takeover::request(address_, kAnswerTime);
  if (takeover) {
    tell_inherited("takeover", takeover->listeners().size());
    for (ListenerSocket& socket : takeover->listeners().take_all()) {
      listeners_.add(std::move(socket));
    }
    predecessor_.emplace(*std::move(takeover));
    return {};
  }
  const int number = takeover.error().number();
  if (number != ENOENT && number != ECONNREFUSED) return std::move(takeover).error();
  // Nobody is there: this is the first. Who comes second finds out here, before it binds.
  Result<std::unique_ptr<TakeoverServer>> server = TakeoverServer::listen(base_, address_);
  if (!server) return std::move(server).error();
  server_ = *std::move(server);
  return {};
}

void Succession::tell_inherited(const char* from, std::size_t count) {
  log_.event("inherited", {{"from", from}, {"sockets", count}},
             fmt::format("{} sockets from {}", count, from));
}

Result<void> Succession::serve_on(TcpServer& server) {
  served_ = &server;
  tell_unused();
  if (server_) return wait_for_successor();
  if (predecessor_) {
    predecessor_->ready(base_, kAnswerTime,
                        [this](const Result<void>& done) { predecessor_done(done); });
  }
  return {};
}

/// They are closed, which whoever connects to them should know beforehand.
void Succession::tell_unused() {
  EventLog::Json addresses = EventLog::Json::array();
  std::string text;
  for (const ListenerSocket& socket : listeners_.take_all()) {
    addresses.push_back(socket.address.to_string());
    text += fmt::format("{}not served any more: {}", text.empty() ? "" : "\n",
                        socket.address.to_string());
  }
  if (!addresses.empty()) log_.event("unused", {{"addresses", std::move(addresses)}}, text);
}

void Succession::predecessor_done(const Result<void>& done) {
  if (!done) {
    served_->disown_listeners();
    const std::string reason = done.error().message();
    log_.event("takeover_rejected", {{"message", reason}},
               fmt::format("the process before this one serves on: {}", reason));
    return callbacks_.on_rejected();
  }
  served_->own_listeners();
  log_.event("taken_over", {{"path", path_}}, "the process before this one lets go");
  if (ended_) return;
  server_ = std::make_unique<TakeoverServer>(base_, predecessor_->take_path_listener());
  if (const Result<void> waiting = wait_for_successor(); !waiting) {
    log_.event("takeover_failed", {{"message", waiting.error().message()}},
               fmt::format("nobody can take over from here: {}", waiting.error().message()));
  }
}

Result<void> Succession::wait_for_successor() {
  server_->on_request([this]() -> Result<ListenerSet> {
    log_.event("takeover_requested", EventLog::Json::object(), "a new process takes over");
    return served_->duplicate_listeners();
  });
  server_->on_failed([this](const Error& error) {
    log_.event("takeover_failed", {{"message", error.message()}},
               fmt::format("serving on: {}", error.message()));
  });
  server_->on_handed_over([this] { hand_over(); });
  return server_->start();
}

void Succession::hand_over() {
  served_->disown_listeners();
  log_.event("handed_over", {{"connections", served_->connection_count()}},
             "the new process serves");
  callbacks_.on_succeeded();
}

}  // namespace leat::app
