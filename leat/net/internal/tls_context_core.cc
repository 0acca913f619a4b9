#include "leat/net/internal/tls_context_core.h"

#include <utility>

namespace leat::internal {

TlsContextCore::TlsContextCore(TlsServerOptions options)
    : options_(std::move(options)),
      keys_(std::get<TlsServerOptions>(options_).session_lifetime > Duration::zero()
                ? std::make_shared<TlsTicketKeys>(
                      std::get<TlsServerOptions>(options_).session_lifetime)
                : nullptr) {}

TlsContextCore::TlsContextCore(TlsClientOptions options) : options_(std::move(options)) {}

Result<std::shared_ptr<const TlsSettings>> TlsContextCore::read() const {
  if (const auto* server = std::get_if<TlsServerOptions>(&options_)) {
    return TlsSettings::make(*server, keys_);
  }
  return TlsSettings::make(std::get<TlsClientOptions>(options_), settings().get());
}

Result<void> TlsContextCore::reload() {
  const std::lock_guard one_at_a_time(reloading_);
  Result<std::shared_ptr<const TlsSettings>> fresh = read();
  if (!fresh) return fresh.error();
  const std::lock_guard lock(mutex_);
  settings_.swap(*fresh);  // the old one goes after the lock
  return {};
}

std::shared_ptr<const TlsSettings> TlsContextCore::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

const TlsProtocolOptions& TlsContextCore::protocol() const {
  return std::visit(
      [](const auto& options) -> const TlsProtocolOptions& { return options.protocol; }, options_);
}

}  // namespace leat::internal
