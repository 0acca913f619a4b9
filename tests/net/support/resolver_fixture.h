// Internal: a Resolver that asks a scripted name server, and what it says in words.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/resolver.h"
#include "leat/reactor/event_loop.h"

#include "support/dns_server.h"
#include "support/raw_sockets.h"

namespace leat::testing {

inline void write_file(const std::string& path, const std::string& text) {
  // Replaced as editors do it, so that no half of it can be read.
  const std::string fresh = path + ".new";
  std::FILE* file = std::fopen(fresh.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(text.c_str(), file);
  std::fclose(file);
  ASSERT_EQ(std::rename(fresh.c_str(), path.c_str()), 0);
}

/// "[2001:db8::1]:80 192.0.2.1:80", or the error.
inline std::string words(const Result<std::vector<InetAddress>>& addresses) {
  if (!addresses) return addresses.error().message();
  std::string text;
  for (const InetAddress& address : *addresses) {
    if (!text.empty()) text += " ";
    text += address.to_string();
  }
  return text;
}

class ResolverTest : public ::testing::Test {
 protected:
  /// Knows neither the machine's hosts nor its servers.
  [[nodiscard]] ResolverOptions options() const {
    return {.servers = {dns->address()},
            .search = std::vector<std::string>{},
            .resolv_conf = "",
            .hosts_file = ""};
  }
  void make() { make(options()); }
  void make(ResolverOptions options) {
    resolver = std::make_unique<Resolver>(*loop, std::move(options));
  }
  /// The answer to one question, in words.
  std::string resolve(const std::string& host, std::uint16_t port = 80) {
    std::optional<std::string> answer;
    const auto asked =
        resolver->resolve(host, port, [&](const Result<std::vector<InetAddress>>& addresses) {
          EXPECT_FALSE(answer);
          answer = words(addresses);
        });
    if (!asked) return "refused: " + asked.error().message();
    EXPECT_FALSE(answer) << "called back before it returned";
    run_until(*loop, [&] { return answer.has_value(); });
    return answer.value_or("nothing came");
  }
  /// Whatever is still to come, comes now.
  void settle() {
    int rounds = 0;
    run_until(*loop, [&] { return ++rounds == 20; });
  }

  std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  std::unique_ptr<DnsServer> dns = std::make_unique<DnsServer>(*loop);
  std::unique_ptr<Resolver> resolver;
};

}  // namespace leat::testing
