#include "apps/leat/serving.h"

#include <unistd.h>

#include <csignal>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/leat/command.h"
#include "apps/leat/serve_counters.h"

namespace leat::app {

Result<void> Serving::start() {
  // Before the threads, so that they inherit the blocked signals.
  std::vector<int> watched{SIGTERM, SIGINT};
  if (options_.tls) watched.push_back(SIGHUP);
  if (options_.max_loops != 0) watched.insert(watched.end(), {SIGTTIN, SIGTTOU});
  Result<std::unique_ptr<SignalWatcher>> signals = SignalWatcher::create(
      base_, watched, [this](int signal, const auto&) { handle_signal(signal); });
  if (!signals) return std::move(signals).error();
  signals_ = *std::move(signals);

  if (Result<void> inherited = succession_.inherit(); !inherited) return inherited;
  if (options_.directory.empty()) {
    service_ = make_stream_service(base_, options_);
  } else {
    Result<std::unique_ptr<Service>> service = make_http_service(base_, options_);
    if (!service) return std::move(service).error();
    service_ = *std::move(service);
  }
  for (const InetAddress& address : addresses()) {
    Result<void> listening = service_->listen(address, succession_.listeners());
    if (!listening) return listening;
  }
  if (Result<void> started = service_->start(); !started) return started;
  started_ = monotonic_now();
  announce();
  return succession_.serve_on(service_->server());
}

/// Without --listen: what there is from before.
std::vector<InetAddress> Serving::addresses() {
  if (!options_.listen.empty()) return options_.listen;
  std::vector<InetAddress> inherited =
      succession_.listeners().addresses(ListenerSet::Kind::kStream);
  if (inherited.empty()) inherited.push_back(InetAddress::loopback(8080));
  return inherited;
}

int Serving::run() {
  if (const Result<void> ended = base_.loop(); !ended) {
    return fail("serve", ended.error().message());
  }
  service_.reset();
  return status_;
}

void Serving::handle_signal(int signal) {
  if (signal == SIGHUP) {
    reload_certificates();
    return;
  }
  if (signal == SIGTTIN || signal == SIGTTOU) return resize(signal);
  const char* name = signal == SIGINT ? "SIGINT" : "SIGTERM";
  if (std::exchange(stopping_, true)) {
    log_.event("cut", {{"signal", name}}, fmt::format("{} again: ending at once", name));
    status_ = 128 + signal;
    base_.quit();
    return;
  }
  const std::size_t open = service_->server().connection_count();
  const double limit = to_seconds(options_.drain_timeout);
  log_.event("stopping", {{"signal", name}, {"connections", open}, {"drain_timeout_s", limit}},
             fmt::format("{}: {} connections may finish within {} s", name, open, limit));
  succession_.end();
  drain();
}

void Serving::drain() {
  stopping_ = true;
  service_->stop(options_.drain_timeout, [this](const StopReport& stop) {
    report(stop);
    base_.quit();
  });
}

/// One loop more or less; the signals are those that other servers use for their workers.
void Serving::resize(int signal) {
  if (stopping_) return;
  TcpServer& server = service_->server();
  const std::size_t wanted = server.accepting_loops() + (signal == SIGTTIN ? 1 : std::size_t(-1));
  const Result<void> resized = server.resize_loops(wanted);
  const std::size_t now = server.accepting_loops();
  if (!resized) {
    log_.event("resize_failed", {{"loops", now}, {"message", resized.error().message()}},
               fmt::format("still {} loops: {}", now, resized.error().message()));
    return;
  }
  log_.event("resized", {{"loops", now}}, fmt::format("{} loops accept", now));
}

void Serving::reload_certificates() {
  // On the main thread, where nothing waits for the files to be read.
  if (const Result<void> reloaded = options_.tls->reload(); !reloaded) {
    const std::string reason = reloaded.error().message();
    log_.event("reload_failed", {{"message", reason}},
               fmt::format("SIGHUP: the certificates stay as they were: {}", reason));
    return;
  }
  log_.event("reloaded", {{"certificates", options_.tls->certificates().size()}},
             "SIGHUP: new connections get the new certificates");
}

void Serving::announce() {
  EventLog::Json addresses = EventLog::Json::array();
  std::string text;
  const std::string_view serving = options_.echo      ? std::string_view("echo")
                                   : options_.discard ? std::string_view("discard")
                                                      : std::string_view(options_.directory);
  for (const InetAddress& address : service_->server().addresses()) {
    addresses.push_back(address.to_string());
    text += fmt::format("{}listening on {}", text.empty() ? "" : "\n", address.to_string());
  }
  const std::string cpus = options_.loops.cpus.to_list();
  // As the first address is served; the log has a line for each that is served otherwise.
  const ListenerBalance balance = service_->server().balances().front();
  const std::string_view poller = service_->server().loops().front()->poller().name();
  text +=
      fmt::format("\nserving {}{} on {} loops over {}{}, {}, as process {}", serving,
                  options_.tls ? " by TLS" : "", options_.loops.count, poller,
                  cpus.empty() ? "" : " on CPUs " + cpus, to_string(balance.balance), ::getpid());
  log_.event("listening",
             {{"addresses", std::move(addresses)},
              {"serving", serving},
              {"tls", options_.tls != nullptr},
              {"loops", options_.loops.count},
              {"poller", poller},
              {"cpus", cpus.empty() ? EventLog::Json() : EventLog::Json(cpus)},
              {"balance", to_string(balance.balance)},
              {"pid", ::getpid()},
              {"version", LEAT_VERSION}},
             text);
}

void Serving::report(const StopReport& stop) {
  EventLog::Json counters = server_counters(service_->server());
  counters.update(service_->counters());
  const EventLog::Json cpu = cpu_times();
  std::string closed;
  for (const auto& [reason, count] : counters["closed"].items()) {
    closed += fmt::format("{}{} {}", closed.empty() ? "" : ", ", reason, count.get<std::size_t>());
  }
  std::string loops;
  for (const EventLog::Json& loop : counters["loops"]) {
    loops += fmt::format(" {}", loop["accepted"].get<std::size_t>());
  }
  const std::string text = fmt::format(
      "stopped: {} connections finished, {} cut with {} bytes unsent\n"
      "served {} connections (by loop:{}), {} bytes in, {} bytes out\n"
      "closed: {}\n"
      "CPU: {:.2f} s user, {:.2f} s system",
      stop.drained, stop.cut, stop.bytes_unsent, counters["accepted"].get<std::size_t>(), loops,
      counters["bytes_received"].get<std::size_t>(), counters["bytes_sent"].get<std::size_t>(),
      closed.empty() ? "none" : closed, cpu["user_s"].get<double>(), cpu["system_s"].get<double>());
  log_.event("stopped",
             {{"drained", stop.drained},
              {"cut", stop.cut},
              {"bytes_unsent", stop.bytes_unsent},
              {"uptime_s", to_seconds(monotonic_now() - started_)},
              {"cpu", cpu},
              {"counters", std::move(counters)}},
             text);
}

}  // namespace leat::app
