#include "leat/net/tls_context.h"

#include <utility>

#include "leat/net/internal/tls_context_core.h"

namespace leat {

TlsContext::TlsContext(std::unique_ptr<internal::TlsContextCore> core) : core_(std::move(core)) {}

TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::server(TlsServerOptions options) {
  auto core = std::make_unique<internal::TlsContextCore>(std::move(options));
  if (auto done = core->reload(); !done) return done.error();
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(core)));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(TlsClientOptions options) {
  auto core = std::make_unique<internal::TlsContextCore>(std::move(options));
  if (auto done = core->reload(); !done) return done.error();
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(core)));
}

Result<void> TlsContext::reload() {
  return core_->reload();
}

bool TlsContext::is_server() const {
  return core_->is_server();
}

std::vector<TlsCertificateInfo> TlsContext::certificates() const {
  const std::shared_ptr<const internal::TlsSettings> settings = core_->settings();
  std::vector<TlsCertificateInfo> all;
  for (const internal::TlsCertificate& certificate : settings->certificates()) {
    all.push_back(internal::describe(certificate));
  }
  return all;
}

}  // namespace leat
