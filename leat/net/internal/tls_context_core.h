// Internal: what a TlsContext is made of.
#pragma once

#include <memory>
#include <mutex>
#include <variant>

#include "leat/base/result.h"
#include "leat/net/internal/tls_settings.h"
#include "leat/net/tls_context.h"

namespace leat::internal {

/// The options, and the generation of settings that new sessions get. Any thread.
class TlsContextCore {
 public:
  explicit TlsContextCore(TlsServerOptions options);
  explicit TlsContextCore(TlsClientOptions options);

  Result<void> reload();
  [[nodiscard]] std::shared_ptr<const TlsSettings> settings() const;
  [[nodiscard]] const TlsProtocolOptions& protocol() const;
  [[nodiscard]] bool is_server() const {
    return std::holds_alternative<TlsServerOptions>(options_);
  }

 private:
  [[nodiscard]] Result<std::shared_ptr<const TlsSettings>> read() const;

  const std::variant<TlsServerOptions, TlsClientOptions> options_;
  const std::shared_ptr<TlsTicketKeys> keys_;
  std::mutex reloading_;  // one at a time, so that the last to begin is the last to be seen
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsSettings> settings_;
};

}  // namespace leat::internal
