// Public: what the two ends of a TLS connection have agreed on.
#pragma once

#include <string>

namespace leat {

/// Known once the handshake is done.
struct TlsInfo {
  std::string version;       ///< "TLSv1.3".
  std::string cipher;        ///< OpenSSL's name: "TLS_AES_256_GCM_SHA384".
  std::string alpn;          ///< The protocol chosen (RFC 7301); empty if none was.
  std::string server_name;   ///< What the client asked for (SNI, RFC 6066); empty if nothing.
  bool resumed = false;      ///< Made from an earlier session, so no certificates were sent.
  std::string peer_subject;  ///< Of the peer's certificate, RFC 2253 form; empty without one.
};

}  // namespace leat
