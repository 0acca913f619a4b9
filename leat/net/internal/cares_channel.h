// Internal: questions to name servers by c-ares, over the loop's own channels and timers.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "leat/net/internal/dns_channel.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/timer_id.h"

struct ares_channeldata;

namespace leat::internal {

/// c-ares opens the sockets and speaks DNS; this waits for them. Nothing is told from inside
/// c-ares, whose queries must not be touched there: its callbacks only move their question from
/// `open_` to `finished_`, which cannot fail.
class CaresChannel final : public DnsChannel {
 public:
  /// Reads files; any thread.
  [[nodiscard]] static Result<std::unique_ptr<DnsChannel>> open(const ResolverOptions& options);
  ~CaresChannel() override;

  void attach(EventLoop& loop, Answered answered) override;
  void ask(const std::string& name, InetAddress::Family family) override;
  void cancel_all() override;
  [[nodiscard]] const std::string& servers() const override { return servers_; }

 private:
  struct Question {
    CaresChannel* channel;
    std::list<Question>::iterator self;
    std::unique_ptr<DnsAnswer> answer;
  };

  explicit CaresChannel(const ResolverOptions& options);
  [[nodiscard]] Result<void> configure(const ResolverOptions& options);
  [[nodiscard]] Result<void> initialize(const ResolverOptions& options, int flags);
  [[nodiscard]] Result<void> set_servers(const std::vector<InetAddress>& servers);
  std::size_t describe_servers();

  // For c-ares.
  static void socket_changed(void* self, int fd, int readable, int writable) noexcept;
  static void question_answered(void* question, int status, int timeouts, unsigned char* reply,
                                int size) noexcept;

  void watch(int fd, bool readable, bool writable);
  void forget(int fd);
  void process(int readable, int writable);
  void set_timer();
  void deliver();

  const std::size_t max_addresses_;
  ares_channeldata* ares_ = nullptr;
  std::string servers_;
  EventLoop* loop_ = nullptr;
  Answered answered_;
  TimerId timer_;
  std::vector<std::shared_ptr<Channel>> sockets_;  // shared for release_later(), which never throws
  std::list<Question> open_;
  std::list<Question> finished_;
};

}  // namespace leat::internal
