// Internal: what a Resolver is made of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "leat/base/slot_table.h"
#include "leat/net/internal/dns_channel.h"
#include "leat/net/internal/name_files.h"
#include "leat/net/resolver.h"
#include "leat/reactor/blocking_pool.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

/// A Question is a caller's; a Lookup is what runs for it at the name servers, and serves all
/// questions for the same name. Callbacks are called from tasks only, each from its own, so they
/// may do anything, and an exception out of one takes nothing from another.
class ResolverCore : public std::enable_shared_from_this<ResolverCore> {
 public:
  using Done = std::variant<Resolver::Callback, Resolver::FamilyCallback>;

  ResolverCore(EventLoop& loop, ResolverOptions options);
  /// Behind the constructor, which has no shared pointer to this yet.
  void start();

  Result<ResolveId> ask(std::string_view host, std::uint16_t port, Done done);
  bool cancel(ResolveId id);
  /// Ends everything, now and silently; a second call does nothing.
  void tear_down();

  [[nodiscard]] std::size_t open_questions() const { return questions_.size(); }
  [[nodiscard]] bool is_torn_down() const { return torn_down_; }
  [[nodiscard]] EventLoop& loop() const { return loop_; }

 private:
  using Key = SlotTable<int>::Key;
  using Family = InetAddress::Family;
  using Addresses = Result<std::vector<InetAddress>>;
  /// One for each family, IPv6 first.
  template <typename T>
  using PerFamily = std::array<T, 2>;

  struct Question {
    std::string host;  // as it was asked, for errors
    std::string name;  // in lower case
    std::uint16_t port = 0;
    Done done;
    PerFamily<std::optional<Addresses>> answers = {};
    std::size_t untold = 0;  // families
  };
  struct Lookup {
    std::shared_ptr<DnsChannel> dns;
    MonotonicTime since;
    PerFamily<std::shared_ptr<DnsAnswer>> answers = {};
    std::size_t unanswered = 0;  // families
    std::vector<Key> questions = {};
  };

  [[nodiscard]] bool wants(Family family) const;
  [[nodiscard]] std::size_t family_count() const;
  void begin(Key key);
  void look_up(Key key);
  void answer_all(Key key, const std::vector<InetAddress>& addresses);
  void answer(Key key, Family family, Addresses addresses);
  void tell(Key key, Family family);
  void tell_all(Key key);
  void tell_one(Key key, Family family);

  Result<void> look_at_files();
  void files_read(NameFiles files);

  void answered(std::shared_ptr<DnsAnswer> answer);
  void pass_on(Key key, const Lookup& lookup, const DnsAnswer& answer);
  void forget_lookups();

  EventLoop& loop_;
  const ResolverOptions options_;
  EventLoop::ExitId exit_id_ = 0;
  bool torn_down_ = false;
  SlotTable<Question> questions_;
  std::unordered_map<std::string, Lookup> lookups_;

  BlockingPool pool_;
  bool reading_ = false;
  MonotonicTime looked_at_;
  std::optional<NameStamps> stamps_;  // none until the files have been read
  std::vector<Key> waiting_;          // for that
  std::shared_ptr<const HostsFile> hosts_;
  std::shared_ptr<DnsChannel> dns_;
  std::optional<Error> dns_error_;
};

}  // namespace leat::internal
