#include "leat/net/internal/tls_session_cache.h"

#include <ctime>
#include <utility>

namespace leat::internal {

namespace {

bool is_usable(const SSL_SESSION& session) {
  if (SSL_SESSION_is_resumable(&session) != 1) return false;
  const long age = static_cast<long>(std::time(nullptr)) - SSL_SESSION_get_time(&session);
  return age >= 0 && age < SSL_SESSION_get_timeout(&session);
}

}  // namespace

void TlsSessionCache::put(const std::string& server, SslSessionPtr session) {
  if (servers_ == 0) return;
  const std::lock_guard lock(mutex_);
  auto found = by_name_.find(server);
  if (found == by_name_.end()) {
    if (entries_.size() >= servers_) {
      by_name_.erase(entries_.back().server);
      entries_.pop_back();
    }
    entries_.push_front(Entry{.server = server, .sessions = {}});
    try {
      found = by_name_.emplace(server, entries_.begin()).first;
    } catch (...) {
      entries_.pop_front();
      throw;
    }
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  std::vector<SslSessionPtr>& sessions = found->second->sessions;
  const bool replaces = SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION;
  if (replaces) sessions.clear();
  if (sessions.size() >= kPerServer) sessions.erase(sessions.begin());
  sessions.push_back(std::move(session));
}

SslSessionPtr TlsSessionCache::take(const std::string& server) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(server);
  if (found == by_name_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  std::vector<SslSessionPtr>& sessions = found->second->sessions;
  while (!sessions.empty()) {
    SSL_SESSION* const newest = sessions.back().get();
    if (!is_usable(*newest)) {
      sessions.pop_back();
      continue;
    }
    if (SSL_SESSION_get_protocol_version(newest) < TLS1_3_VERSION) {
      SSL_SESSION_up_ref(newest);
      return SslSessionPtr(newest);
    }
    SslSessionPtr taken = std::move(sessions.back());
    sessions.pop_back();
    return taken;
  }
  return nullptr;
}

std::size_t TlsSessionCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace leat::internal
