// Internal: a TcpClient by name, a scripted name server, and peers on both families of loopback.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "leat/net/resolver.h"

#include "support/dns_server.h"
#include "support/resolver_fixture.h"
#include "support/tcp_client_fixture.h"

namespace leat::testing {

/// The name "host.example", whose addresses are those of loopback, so that one port stands for two
/// peers: [::1] and 127.0.0.1.
class NameClientTest : public TcpClientTest {
 protected:
  NameClientTest() { make_resolver(); }
  ~NameClientTest() override {
    // Before the loop; what the test has left of them.
    client.reset();
    resolver.reset();
    dns.reset();
  }

  void make_resolver() {
    resolver =
        std::make_shared<Resolver>(*loop, ResolverOptions{.servers = {dns->address()},
                                                          .timeout = std::chrono::seconds(5),
                                                          .tries = 2,
                                                          .search = std::vector<std::string>{},
                                                          .resolv_conf = "",
                                                          .hosts_file = ""});
  }
  void name(DnsReply aaaa = {.records = {"AAAA ::1"}}, DnsReply a = {.records = {"A 127.0.0.1"}}) {
    dns->on("host.example", "AAAA", std::move(aaaa));
    dns->on("host.example", "A", std::move(a));
  }
  void make_by_name(std::uint16_t port, TcpClientOptions options = {}) {
    if (!options.resolver) options.resolver = resolver;
    client = std::make_unique<TcpClient>(*loop, HostPort{"host.example", port}, std::move(options));
    set_callbacks();
  }
  /// When the last connect() was called, to "open" or "failed".
  Duration connect_and_wait(const std::string& event) {
    const MonotonicTime begin = monotonic_now();
    EXPECT_TRUE(client->connect());
    EXPECT_TRUE(wait_for(event)) << last_error;
    return monotonic_now() - begin;
  }

  std::unique_ptr<DnsServer> dns = std::make_unique<DnsServer>(*loop);
  std::shared_ptr<Resolver> resolver;
};

/// Listeners with the same port on both families, or only one.
struct Peers {
  explicit Peers(int v4_backlog = 16, int v6_backlog = 16) {
    for (int tries = 0; tries < 100 && !v6; ++tries) {
      v4 = plain_listener(v4_backlog);
      port = bound(v4).port();
      v6 = plain_listener(v6_backlog, InetAddress::loopback(port, InetAddress::Family::kIpv6));
    }
  }
  /// Fills the queue of a listener with backlog 0: the kernel drops further SYNs.
  void fill(InetAddress::Family family) {
    const InetAddress address = InetAddress::loopback(port, family);
    for (UniqueFd& socket : fillers) {
      socket.reset(::socket(address.domain(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      static_cast<void>(::connect(socket.get(), address.get(), address.size()));
    }
  }

  UniqueFd v4;
  UniqueFd v6;
  std::uint16_t port = 0;
  UniqueFd fillers[2];
};

}  // namespace leat::testing
