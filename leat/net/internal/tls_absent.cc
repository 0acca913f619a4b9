// In place of TLS in a library that was built without it (LEAT_TLS).

#include <cerrno>

#include "leat/net/tcp_connection.h"
#include "leat/net/tls_context.h"

namespace leat {

namespace internal {
class TlsContextCore {};
}  // namespace internal

namespace {

Error absent() {
  return Error::from_errno(ENOTSUP, "TLS, without which this libleat was built");
}

}  // namespace

TlsContext::TlsContext(std::unique_ptr<internal::TlsContextCore> core) : core_(std::move(core)) {}

TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::server(TlsServerOptions /*options*/) {
  return absent();
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(TlsClientOptions /*options*/) {
  return absent();
}

Result<void> TlsContext::reload() {
  return absent();
}

bool TlsContext::is_server() const {
  return false;
}

std::vector<TlsCertificateInfo> TlsContext::certificates() const {
  return {};
}

Result<void> TcpConnection::put_tls_below(const TlsContext& /*context*/,
                                          std::string_view /*server_name*/,
                                          std::string_view /*early*/) {
  return absent();
}

Result<void> TcpConnection::start_tls(const std::shared_ptr<TlsContext>& /*context*/,
                                      ConnectionCallbacks::Event /*on_ready*/,
                                      std::string_view /*server_name*/) {
  return absent();
}

std::optional<TlsInfo> TcpConnection::tls() const {
  return std::nullopt;
}

}  // namespace leat
