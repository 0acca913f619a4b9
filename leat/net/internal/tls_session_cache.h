// Internal: the sessions a client can resume.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "leat/net/internal/openssl_ptr.h"

namespace leat::internal {

/// Sessions by the name of their server; the server used longest ago makes room. Any thread.
class TlsSessionCache {
 public:
  /// Sessions kept for one server: as many connections can be resumed at the same time.
  static constexpr std::size_t kPerServer = 4;

  explicit TlsSessionCache(std::size_t servers) : servers_(servers) {}

  void put(const std::string& server, SslSessionPtr session);
  /// The newest usable session, or null. One of TLS 1.3 is given away, for a ticket used twice
  /// lets onlookers connect two visits (RFC 8446 C.4); one of TLS 1.2 is shared.
  [[nodiscard]] SslSessionPtr take(const std::string& server);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::string server;
    std::vector<SslSessionPtr> sessions;  // the newest last
  };

  const std::size_t servers_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_name_;
};

}  // namespace leat::internal
