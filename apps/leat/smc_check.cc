// leat smc check: what would a connection get, and why.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "leat/base/unique_fd.h"
#include "leat/smc/port_list.h"

#include "apps/leat/command.h"
#include "apps/leat/smc_tools.h"

namespace leat::app {

namespace {

struct Verdict {
  bool shared = false;
  std::string why;
};

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
  std::string bytes;  ///< The address alone, 4 or 16.
  std::uint16_t port = 0;
  std::string text;
};

Result<Target> resolve(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return Error::invalid_argument(text + " is not HOST:PORT");
  }
  std::string host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &found);
      error != 0) {
    return Error::invalid_argument(text + ": " + ::gai_strerror(error));
  }
  Target target;
  std::memcpy(&target.address, found->ai_addr, found->ai_addrlen);
  target.size = found->ai_addrlen;
  ::freeaddrinfo(found);
  std::array<char, INET6_ADDRSTRLEN> shown{};
  if (target.address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(target.address);
    target.bytes.assign(reinterpret_cast<const char*>(&four.sin_addr), 4);
    target.port = ntohs(four.sin_port);
    ::inet_ntop(AF_INET, &four.sin_addr, shown.data(), shown.size());
    target.text = fmt::format("{}:{}", shown.data(), target.port);
  } else {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(target.address);
    target.bytes.assign(reinterpret_cast<const char*>(&six.sin6_addr), 16);
    target.port = ntohs(six.sin6_port);
    ::inet_ntop(AF_INET6, &six.sin6_addr, shown.data(), shown.size());
    target.text = fmt::format("[{}]:{}", shown.data(), target.port);
  }
  return target;
}

/// Whether a socket here may have the address, which is what makes it this host's.
bool is_local(Target target) {
  const UniqueFd fd(::socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (target.address.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in&>(target.address).sin_port = 0;
  } else {
    reinterpret_cast<sockaddr_in6&>(target.address).sin6_port = 0;
  }
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&target.address), target.size) == 0;
}

std::string name_of(const Listener& listener) {
  if (listener.pid == 0)
    return fmt::format("a process of user {} that is not visible here", listener.uid);
  return fmt::format("{} (pid {}, user {})", listener.program, listener.pid, listener.uid);
}

std::string name_of(const smc::ConnectionRecord& record) {
  return fmt::format("{} (pid {}, user {})", record.program, record.pid, record.uid);
}

/// Another host's, or another network namespace's that shares the directory. Listeners there cannot
/// be seen from here, but what became of the connections that they had can.
Verdict judge_elsewhere(const smc::BrokerDirectory& directory, const Target& target) {
  const Result<smc::BrokerReport> report = smc::ask_report(directory);
  if (!report) return {false, report.error().message()};
  const smc::ConnectionRecord* best = nullptr;
  for (const smc::ConnectionRecord& record : report->connections) {
    const bool there =
        (record.names.family == AF_INET6) == (target.bytes.size() == 16) &&
        record.names.local_port == target.port &&
        std::memcmp(record.names.local, target.bytes.data(), target.bytes.size()) == 0;
    if (!there || record.state == smc::SlotState::kFree) continue;
    if (best == nullptr || record.state == smc::SlotState::kShared) best = &record;
  }
  if (best == nullptr) {
    return {false,
            "the address is another host's or another namespace's, and nobody there has had "
            "exchanges enough on it under Leat"};
  }
  if (best->state == smc::SlotState::kShared) {
    return {true, name_of(*best) + " shares memory on it from another namespace"};
  }
  return {false, fmt::format("{} has it in another namespace: {}", name_of(*best),
                             smc::to_string(best->reason))};
}

Verdict judge(const Target& target) {
  // NOLINTBEGIN(concurrency-mt-unsafe): one thread.
  const char* const leat = std::getenv("LEAT");
  if (leat != nullptr && std::string_view(leat) == "off") return {false, "LEAT=off is set here"};
  const char* const ports = std::getenv("LEAT_PORTS");
  // NOLINTEND(concurrency-mt-unsafe)
  if (!smc::PortList::parse(ports).allows(target.port, 0)) {
    return {false, fmt::format("LEAT_PORTS={} is set here, which keeps the port on TCP", ports)};
  }
  const smc::BrokerDirectory directory = smc::BrokerDirectory::standard();
  const bool local = is_local(target);
  if (!smc::broker_answers(directory)) {
    return {false, "no broker answers in " + directory.path + "; `leat run` starts one"};
  }
  if (!local) return judge_elsewhere(directory, target);
  const std::vector<Listener> listeners = find_listeners(target.bytes, target.port);
  if (listeners.empty()) return {false, "nobody listens there"};
  const auto under = std::find_if(listeners.begin(), listeners.end(),
                                  [](const Listener& listener) { return listener.under_leat; });
  if (under == listeners.end()) {
    return {false, name_of(listeners.front()) + " listens there, not under `leat run`"};
  }
  if (!smc::PortList::parse(under->ports.c_str()).allows(target.port, 0)) {
    return {false,
            fmt::format("{} listens there under Leat, and its LEAT_PORTS={} keeps the port on TCP",
                        name_of(*under), under->ports)};
  }
  const Result<bool> allowed = smc::policy_allows(directory, ::geteuid(), under->uid);
  if (!allowed) return {false, "no policy can be read: " + allowed.error().message()};
  if (!*allowed) {
    return {false,
            fmt::format("{} listens there under Leat, and the policy does not allow users {} "
                        "and {} to share memory",
                        name_of(*under), ::geteuid(), under->uid)};
  }
  return {true, name_of(*under) + " listens there under Leat"};
}

}  // namespace

int check(const std::string& target, bool json) {
  const Result<Target> resolved = resolve(target);
  if (!resolved) {
    fail("smc check", resolved.error().context());
    return kUsage;
  }
  const Verdict verdict = judge(*resolved);
  if (json) {
    const nlohmann::ordered_json object{
        {"target", resolved->text}, {"mode", verdict.shared ? "SHM" : "TCP"}, {"why", verdict.why}};
    fmt::print("{}\n", object.dump());
  } else {
    fmt::print("{}  {}  {}\n", resolved->text, verdict.shared ? "SHM" : "TCP", verdict.why);
  }
  return verdict.shared ? kSuccess : kFailure;
}

}  // namespace leat::app
