// The part of ServerCore that owns listeners: binding, inheriting, handing on, and which loop
// watches which.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "leat/base/logging.h"
#include "leat/net/internal/reuseport_program.h"
#include "leat/net/internal/run_and_wait.h"
#include "leat/net/internal/server_core.h"
#include "leat/net/internal/socket_ops.h"

namespace leat::internal {

namespace {

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return Error::from_errno(errno, "duplicating a listener");
  return copy;
}

}  // namespace

// Opening.

std::size_t ServerCore::serving_loops() const {
  if (own_pool_ || pool_ == nullptr) {
    return options_.loops == 0 ? 1 : std::max(options_.loops, options_.max_loops);
  }
  return std::max<std::size_t>(pool_->loops().size(), 1);
}

std::size_t ServerCore::sockets_wanted(Balance balance) const {
  if (!has_group(balance)) return 1;
  return options_.keep_listeners ? serving_loops() : accepting_;
}

/// A pool of others may have been started after this server was made.
void ServerCore::know_pool() {
  if (accepting_ == 0) accepting_ = pool_->loops().size();
}

Result<void> ServerCore::listen(const InetAddress& address) {
  base_.assert_in_loop_thread();
  know_pool();
  if (stopping_) return Error::from_errno(ESHUTDOWN, "listen on " + address.to_string());
  if (Result<void> checked = check_balance(address); !checked) return checked;
  Result<Listener> listener = bind_all(address);
  if (!listener) return std::move(listener).error();
  return serve_listener(*std::move(listener));
}

Result<void> ServerCore::listen(const InetAddress& address, ListenerSet& inherited) {
  base_.assert_in_loop_thread();
  know_pool();
  if (stopping_) return Error::from_errno(ESHUTDOWN, "listen on " + address.to_string());
  std::vector<ListenerSocket> sockets = inherited.take(ListenerSet::Kind::kStream, address);
  if (sockets.empty()) return listen(address);
  if (Result<void> checked = check_balance(address); !checked) return checked;
  Result<Listener> listener = inherit_all(std::move(sockets));
  if (!listener) return std::move(listener).error();
  return serve_listener(*std::move(listener));
}

Result<void> ServerCore::serve_listener(Listener listener) {
  if (listener.balance != options_.balance && listener.reason.empty()) {
    listener.reason = "Unix sockets know no SO_REUSEPORT";
  }
  allow_migration(listener);
  if (started_) {
    if (Result<void> accepting = accept_on(listener); !accepting) return accepting;
  }
  addresses_.push_back(listener.address);
  if (listener.removes_path && !listener.borrowed) unix_paths_.emplace_back(listener.address);
  listeners_.push_back(std::move(listener));
  note_balances();
  return {};
}

Result<ServerCore::Listener> ServerCore::bind_all(const InetAddress& address) const {
  Listener listener{.address = address, .balance = balance_for(address), .sockets = {}};
  const std::size_t count = sockets_wanted(listener.balance);
  const bool is_group = has_group(listener.balance) && serving_loops() > 1;
  const bool reuse_port = address.is_ip() && (is_group || options_.share_port);
  Result<UniqueFd> first =
      open_listener(address, {.backlog = options_.backlog,
                              .reuse_address = options_.reuse_address,
                              .reuse_port = reuse_port,
                              .first_of_group = reuse_port && !options_.share_port,
                              .connection = options_.connection});
  if (!first) return std::move(first).error();
  Result<InetAddress> bound = InetAddress::local_of(first->get());
  if (!bound) return std::move(bound).error();
  listener.address = *bound;
  listener.sockets.push_back(*std::move(first));
  if (Result<void> joined = join_group(listener, count); !joined) return std::move(joined).error();
  return listener;
}

/// Opens what the listener's group lacks of so many sockets.
Result<void> ServerCore::join_group(Listener& listener, std::size_t count) const {
  while (listener.sockets.size() < count) {
    Result<UniqueFd> socket =
        open_listener(listener.address, {.backlog = options_.backlog,
                                         .reuse_address = options_.reuse_address,
                                         .reuse_port = true,
                                         .connection = options_.connection});
    if (!socket) return std::move(socket).error();
    listener.sockets.push_back(*std::move(socket));
  }
  return {};
}

Result<ServerCore::Listener> ServerCore::inherit_all(std::vector<ListenerSocket> inherited) const {
  const InetAddress address = inherited.front().address;
  Listener listener{.address = address, .balance = balance_for(address), .sockets = {}};
  for (ListenerSocket& socket : inherited) {
    const int fd = socket.fd.get();
    if (auto applied = apply_options(fd, options_.connection, address.family()); !applied) {
      return std::move(applied).error();
    }
    // On a socket that listens it changes the backlog and nothing else.
    if (::listen(fd, options_.backlog) != 0) {
      return Error::from_errno(errno, "listen " + address.to_string());
    }
    listener.removes_path = socket.removes_path;
    listener.borrowed = true;
    listener.sockets.push_back(std::move(socket.fd));
  }
  if (!has_group(listener.balance)) return listener;
  const std::size_t wanted = sockets_wanted(listener.balance);
  if (listener.sockets.size() >= wanted) return listener;
  Result<void> joined = Error::from_errno(EADDRINUSE, "it has no SO_REUSEPORT");
  if (is_in_group(listener.sockets.front().get())) joined = join_group(listener, wanted);
  if (!joined) {
    LEAT_LOG_INFO("{} has {} listeners for {} loops, which share them: {}", address.to_string(),
                  listener.sockets.size(), wanted, joined.error().context());
    listener.balance = Balance::kShared;
    listener.reason = joined.error().message();
  }
  return listener;
}

// Accepting.

Result<void> ServerCore::accept_on(Listener& listener) {
  apply_balance(listener);
  if (listener.balance != Balance::kRoundRobin) return watch_as_planned(listener);
  const std::size_t before = base_acceptors_.size();
  for (const UniqueFd& socket : listener.sockets) {
    Result<UniqueFd> copy = duplicate(socket.get());
    const Result<void> accepting =
        copy ? accept_on_base(*std::move(copy)) : Result<void>(copy.error());
    if (accepting) continue;
    base_acceptors_.resize(before);
    return accepting;
  }
  return {};
}

/// The loops that accept, without those that have ended.
std::vector<std::size_t> ServerCore::takers() const {
  std::vector<std::size_t> loops;
  for (std::size_t i = 0; i < accepting_; ++i) {
    if (!loop_has_ended_[i]) loops.push_back(i);
  }
  return loops;
}

/// Lets the loops that accept watch the listener, and only them: listener s is for loop s, or if
/// that accepts none for the one at s modulo their number; for all of them (kShared); for the first
/// (kStandby). On failure all is as before.
Result<void> ServerCore::watch_as_planned(Listener& listener) {
  std::vector<Watch> plan;
  const bool shared = listener.balance == Balance::kShared;
  const std::vector<std::size_t> loops = takers();
  if (loops.empty()) return {};
  for (std::size_t socket = 0; socket < listener.sockets.size(); ++socket) {
    const bool has_own = std::find(loops.begin(), loops.end(), socket) != loops.end();
    const std::size_t one = has_own ? socket : loops[socket % loops.size()];
    const bool standby = listener.balance == Balance::kStandby;
    if (!shared) plan.push_back({.loop = standby ? loops.front() : one, .socket = socket});
    for (std::size_t i = 0; shared && i < loops.size(); ++i) {
      plan.push_back({.loop = loops[i], .socket = socket});
    }
  }
  const auto wanted_by = [](const std::vector<Watch>& list) {
    return [&list](const Watch& watch) {
      return std::any_of(list.begin(), list.end(), [&](const Watch& other) {
        return other.loop == watch.loop && other.socket == watch.socket;
      });
    };
  };
  // First who begins, then who ends: no queue is without a loop meanwhile.
  const std::vector<Watch> before = listener.watches;
  if (Result<void> added = add_watches(listener, plan); !added) {
    drop_watches(listener, wanted_by(before));
    return added;
  }
  drop_watches(listener, wanted_by(plan));
  return {};
}

Result<void> ServerCore::add_watches(Listener& listener, const std::vector<Watch>& plan) {
  const bool shared = listener.balance == Balance::kShared;
  for (const Watch& wanted : plan) {
    const bool is_there =
        std::any_of(listener.watches.begin(), listener.watches.end(), [&](const Watch& watch) {
          return watch.loop == wanted.loop && watch.socket == wanted.socket;
        });
    if (is_there) continue;
    Result<UniqueFd> copy = duplicate(listener.sockets[wanted.socket].get());
    if (!copy) return std::move(copy).error();
    const int fd = copy->get();
    const auto& share = loops_[wanted.loop];
    const auto accepting = run_and_wait(share->handle(), [&share, &copy, shared] {
      return share->accept_from(*std::move(copy), shared);
    });
    if (!accepting) continue;  // loop_ended() is on its way
    if (!*accepting) return *accepting;
    listener.watches.push_back({.loop = wanted.loop, .socket = wanted.socket, .fd = fd});
  }
  return {};
}

void ServerCore::drop_watches(Listener& listener,
                              const std::function<bool(const Watch&)>& is_wanted) {
  std::vector<Watch> kept;
  for (const Watch& watch : listener.watches) {
    if (is_wanted(watch)) {
      kept.push_back(watch);
      continue;
    }
    const auto& share = loops_[watch.loop];
    // Of a listener that is closed here this is the last descriptor; and of one that is shared,
    // the kernel may have told this loop alone of what waits.
    const bool closes = watch.socket >= listener.sockets.size();
    const bool shared = listener.balance == Balance::kShared;
    run_and_wait(share->handle(), [&share, fd = watch.fd, closes, shared] {
      if (shared) share->accept_what_waits();
      share->drop_acceptor(fd, closes);
      return Result<void>();
    });
  }
  listener.watches = std::move(kept);
}

// Changing the number of loops.

Result<void> ServerCore::resize_loops(std::size_t count) {
  base_.assert_in_loop_thread();
  if (count < 1 || count > serving_loops()) {
    return Error::invalid_argument(
        fmt::format("resize_loops({}): from 1 to {}", count, serving_loops()));
  }
  if (stopping_) return Error::from_errno(ESHUTDOWN, "resize_loops()");
  const std::size_t before = std::exchange(accepting_, count);
  if (!started_) return {};
  next_ = 0;
  Result<void> resized;
  for (Listener& listener : listeners_) {
    resized = resize(listener);
    if (!resized) break;
  }
  if (!resized) {
    accepting_ = before;
    for (Listener& listener : listeners_) (void)resize(listener);
  }
  tell_who_accepts();
  note_balances();
  resume_base_acceptors();
  return resized;
}

/// Which nobody asked for: what would wait in its listeners is for the others.
void ServerCore::loop_ended(std::size_t index) {
  if (stopping_ || torn_down_) return;
  LEAT_LOG_ERROR("server {}: loop {} has ended", options_.name, index);
  loop_has_ended_[index] = true;
  for (Listener& listener : listeners_) {
    if (listener.balance == Balance::kRoundRobin) continue;
    if (listener.balance == Balance::kShared) accept_for_ended_loop();
    if (listener.hash) apply_balance(listener);
    if (const Result<void> watched = watch_as_planned(listener); !watched) {
      LEAT_LOG_ERROR("server {}: nobody accepts from some listeners of {}: {}", options_.name,
                     listener.address.to_string(), watched.error().message());
    }
  }
}

/// Who shares a listener with a loop that has ended has not been told of what that one was.
void ServerCore::accept_for_ended_loop() const {
  for (const std::size_t i : takers()) {
    loops_[i]->handle().queue([share = loops_[i]] { share->accept_what_waits(); });
  }
}

Result<void> ServerCore::resize(Listener& listener) {
  if (listener.balance == Balance::kRoundRobin) return {};
  if (has_group(listener.balance) && !options_.keep_listeners) {
    if (Result<void> joined = join_group(listener, accepting_); !joined) return joined;
    listener.sockets.resize(accepting_);
    apply_balance(listener);
  } else if (listener.hash) {
    apply_balance(listener);
  }
  return watch_as_planned(listener);
}

// Handing on.

Result<ListenerSet> ServerCore::duplicate_listeners() const {
  base_.assert_in_loop_thread();
  ListenerSet set;
  for (const Listener& listener : listeners_) {
    for (const UniqueFd& socket : listener.sockets) {
      Result<UniqueFd> copy = duplicate(socket.get());
      if (!copy) return std::move(copy).error();
      ListenerSocket item;
      item.fd = *std::move(copy);
      item.kind = ListenerSocket::Kind::kStream;
      item.address = listener.address;
      item.removes_path = listener.removes_path;
      set.add(std::move(item));
    }
  }
  return set;
}

void ServerCore::own_listeners() {
  base_.assert_in_loop_thread();
  for (Listener& listener : listeners_) {
    if (!std::exchange(listener.borrowed, false)) continue;
    if (listener.removes_path) unix_paths_.emplace_back(listener.address);
    if (listener.hash) apply_balance(listener);
  }
  note_balances();
}

void ServerCore::disown_listeners() {
  base_.assert_in_loop_thread();
  disowned_ = true;
  // The group's program, if any, stays with the group; the maps are the kernel's alone then.
  for (Listener& listener : listeners_) listener.hash.reset();
  for (BoundUnixPath& path : unix_paths_) path.forget();
}

}  // namespace leat::internal
