#include "apps/leat/serve_counters.h"

#include <sys/resource.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "leat/net/close_reason.h"
#include "leat/net/net_counters.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

namespace leat::app {

namespace {

using Json = nlohmann::ordered_json;

struct NamedCounter {
  const char* name;
  Counter NetCounters::* counter;
};

constexpr std::array kCounters{
    NamedCounter{"accepted", &NetCounters::accepted},
    NamedCounter{"open", &NetCounters::open},
    NamedCounter{"bytes_received", &NetCounters::bytes_received},
    NamedCounter{"bytes_sent", &NetCounters::bytes_sent},
    NamedCounter{"bytes_discarded", &NetCounters::bytes_discarded},
    NamedCounter{"bytes_unsent", &NetCounters::bytes_unsent},
    NamedCounter{"reads", &NetCounters::reads},
    NamedCounter{"writes", &NetCounters::writes},
    NamedCounter{"write_blocked", &NetCounters::write_blocked},
    NamedCounter{"high_water", &NetCounters::high_water},
    NamedCounter{"receive_full", &NetCounters::receive_full},
    NamedCounter{"receive_starved", &NetCounters::receive_starved},
    NamedCounter{"tls_handshakes", &NetCounters::tls_handshakes},
    NamedCounter{"tls_resumed", &NetCounters::tls_resumed},
    NamedCounter{"tls_failed", &NetCounters::tls_failed},
    NamedCounter{"accept_wake_ups", &NetCounters::accept_wake_ups},
    NamedCounter{"accept_empty", &NetCounters::accept_empty},
    NamedCounter{"accept_paused", &NetCounters::accept_paused},
    NamedCounter{"accept_failed", &NetCounters::accept_failed},
    NamedCounter{"handed_over", &NetCounters::handed_over},
};

/// Adds `counters` to what `json` holds already.
void add(Json& json, const NetCounters& counters) {
  for (const NamedCounter& named : kCounters) {
    json[named.name] = json.value(named.name, std::uint64_t{0}) + (counters.*named.counter).load();
  }
  if (!json.contains("closed")) json["closed"] = Json::object();
  Json& closed = json["closed"];
  for (std::size_t i = 0; i < counters.closed.size(); ++i) {
    const std::uint64_t count = counters.closed[i].load();
    if (count == 0) continue;
    const std::string reason(to_string(static_cast<CloseReason>(i)));
    closed[reason] = closed.value(reason, std::uint64_t{0}) + count;
  }
}

Json loop_counters(const EventLoop& loop, const NetCounters& net) {
  Json json{{"name", loop.name()}};
  add(json, net);
  const LoopCounters& counters = loop.counters();
  json["iterations"] = counters.iterations.load();
  json["events"] = counters.events.load();
  json["wake_ups"] = counters.wake_ups.load();
  json["empty_polls"] = counters.empty_polls.load();
  return json;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

Json server_counters(const TcpServer& server) {
  Json json = Json::object();
  Json loops = Json::array();
  add(json, server.base_counters());
  const std::vector<EventLoop*> on_loops = server.loops();
  const std::vector<const NetCounters*> counters = server.counters();
  for (std::size_t i = 0; i < counters.size(); ++i) {
    add(json, *counters[i]);
    loops.push_back(loop_counters(*on_loops[i], *counters[i]));
  }
  json["loops"] = std::move(loops);
  return json;
}

Json cpu_times() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {{"user_s", seconds(usage.ru_utime)}, {"system_s", seconds(usage.ru_stime)}};
}

}  // namespace leat::app
