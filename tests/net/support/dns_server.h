// Internal: a name server that answers from a script, over UDP and TCP, on a test's own loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"
#include "leat/net/tcp_connection.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"

namespace leat::testing {

/// What is said to one question.
struct DnsReply {
  /// "A 192.0.2.1", "AAAA 2001:db8::1", "CNAME other.example"; what follows a CNAME belongs to its
  /// target.
  std::vector<std::string> records = {};
  int rcode = 0;                 ///< 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
  bool silent = false;           ///< no answer at all
  Duration delay{0};             ///< before the answer
  bool held = false;             ///< the answer waits for release()
  bool truncated = false;        ///< over UDP: TC and nothing else, so that TCP is tried
  bool wrong_id = false;         ///< another question's number
  std::string raw = {};          ///< these bytes instead of an answer
  std::size_t fill = 0;          ///< so many further A records 10.x.y.z, of the type asked for
  bool silent_over_tcp = false;  ///< takes the connection and says nothing
  std::size_t times = std::size_t(-1);  ///< then the next reply of the same question counts
};

class DnsServer {
 public:
  explicit DnsServer(EventLoop& loop);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  /// The answer to `type` ("A", "AAAA") of `name`. A name with another type only has no records
  /// of this one; a name without any does not exist.
  void on(const std::string& name, const std::string& type, DnsReply reply);

  /// Sends the answers that were held.
  void release();

  [[nodiscard]] const InetAddress& address() const { return address_; }
  /// "A example.org", in the order they came; with " tcp" behind it if so.
  [[nodiscard]] const std::vector<std::string>& asked() const { return asked_; }
  [[nodiscard]] std::size_t times_asked(const std::string& question) const;

 private:
  struct Query {
    std::uint16_t id = 0;
    std::string name;
    std::string type;
    std::string question;  // as it came
  };

  void read_udp();
  void read_tcp(const TcpConnectionPtr& connection, ReceiveBuffer& input);
  [[nodiscard]] static bool parse(std::string_view packet, Query& query);
  [[nodiscard]] DnsReply reply_to(const Query& query);
  [[nodiscard]] static std::string packet_for(const Query& query, const DnsReply& reply,
                                              bool over_udp);
  void send_later(const DnsReply& reply, LoopTask send);

  EventLoop& loop_;
  TcpServer tcp_;
  InetAddress address_;
  UniqueFd udp_;
  std::unique_ptr<Channel> channel_;
  std::map<std::pair<std::string, std::string>, std::vector<DnsReply>> replies_;
  std::vector<std::string> asked_;
  std::vector<TimerId> timers_;
  std::vector<LoopTask> held_;
};

}  // namespace leat::testing
