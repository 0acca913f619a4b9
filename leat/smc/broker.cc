#include "leat/smc/broker.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <utility>

#include "leat/base/logging.h"
#include "leat/base/unique_fd.h"
#include "leat/smc/internal/broker_desk.h"
#include "leat/smc/internal/relay.h"

namespace leat::smc {

namespace {

using internal::Asker;
using internal::Reply;
using internal::Request;

constexpr std::size_t kMostSilent = 256;  ///< Connections that have not asked yet.
constexpr Duration kPatience = std::chrono::seconds(2);
constexpr int kAcceptedAtOnce = 64;

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlimit raised = limit;
  raised.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return static_cast<std::size_t>(limit.rlim_cur);
}

Result<UniqueFd> take_lock(const std::string& directory) {
  const std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Error::from_errno(errno, path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error::from_errno(errno == EWOULDBLOCK ? EEXIST : errno, "a broker in " + directory);
  }
  return fd;
}

Result<UniqueFd> listen_at(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error::from_errno(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  // Whoever made it has no lock, so does not live.
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0666) != 0 || ::listen(fd.get(), 4096) != 0) {
    return Error::from_errno(errno, path);
  }
  return fd;
}

using Passed = std::array<UniqueFd, internal::kMostPassed>;

/// One message and the descriptors that came with it; more than three are closed by the kernel.
ssize_t receive(int fd, std::span<std::byte> bytes, Passed& passed) {
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(internal::kMostPassed * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
    return got;
  }
  const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (std::size_t i = 0; i < std::min(count, internal::kMostPassed); ++i) {
    int one = -1;
    std::memcpy(&one, CMSG_DATA(header) + i * sizeof one, sizeof one);
    passed[i] = UniqueFd(one);
  }
  return got;
}

bool send_answer(int fd, const Answer& answer) {
  Reply reply;
  reply.kind = static_cast<std::uint32_t>(answer.kind);
  reply.reason = static_cast<std::uint32_t>(answer.reason);
  reply.end = answer.end;
  reply.connects = answer.connects ? 1 : 0;
  reply.boards = answer.boards;
  iovec part{.iov_base = &reply, .iov_len = sizeof reply};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (answer.fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &answer.fd, sizeof answer.fd);
  }
  // One small message fits the buffer of a fresh socket: nobody can keep the broker waiting.
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof reply;
}

}  // namespace

/// A loop of its own: an EventLoop would bring buffers, timers and a logger for what is one recv()
/// and one sendmsg() for each connection. A client that has asked when it is accepted, as all of
/// ours have, is answered at once and never gets into the set.
class Broker::Parts {
 public:
  static Result<std::unique_ptr<Parts>> create(const BrokerOptions& options);

  Result<void> run();
  void stop() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  }

 private:
  struct Silent {
    UniqueFd fd;
    Asker asker;
    MonotonicTime until;
  };
  Parts(const BrokerOptions& options, const internal::BrokerDesk::Limits& limits)
      : options_(options), desk_(options.directory.path, ::geteuid(), limits) {}
  Result<void> open();
  [[nodiscard]] bool owns_path() const;
  void accept_some();
  /// False if it has not asked yet.
  bool serve(int fd, const Asker& asker);
  void serve_silent(int fd);
  void tick();
  bool watch(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  BrokerOptions options_;
  internal::BrokerDesk desk_;
  internal::RelayDesk relays_;
  UniqueFd lock_;
  UniqueFd listener_;
  UniqueFd epoll_;
  UniqueFd stop_;
  std::deque<Silent> silent_;  ///< The oldest first.
  MonotonicTime next_tick_{};
  MonotonicTime served_at_{};
  ino_t inode_ = 0;
  bool ends_ = false;
};

Result<std::unique_ptr<Broker::Parts>> Broker::Parts::create(const BrokerOptions& options) {
  internal::BrokerDesk::Limits limits;
  const std::size_t descriptors = raise_descriptor_limit();
  const std::size_t spare = std::min<std::size_t>(descriptors / 2, kMostSilent + 64);
  limits.pages = std::min<std::size_t>(limits.pages, (descriptors - spare) / 3);
  limits.rendezvous.segments = std::min(options.most_segments, descriptors - spare - limits.pages);
  limits.rendezvous.grace = options.grace;
  limits.page_grace = options.grace / 5;  // Mapped at once, and programs come in crowds.
  limits.rendezvous.lonely_offer = std::chrono::minutes(1);
  limits.rendezvous.idle_ring = options.tick;
  std::unique_ptr<Parts> parts(new Parts(options, limits));
  if (const Result<void> opened = parts->open(); !opened) return opened.error();
  return parts;
}

Result<void> Broker::Parts::open() {
  if (const Result<void> prepared = options_.directory.prepare(); !prepared) return prepared;
  Result<UniqueFd> lock = take_lock(options_.directory.path);
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  if (const Result<void> read = desk_.refresh_policy(); !read) return read;
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !stop_) return Error::from_errno(errno, "epoll_create1 or eventfd");
  const std::string path = options_.directory.socket();
  Result<UniqueFd> listener = listen_at(path);
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return Error::from_errno(errno, path);
  inode_ = status.st_ino;
  if (!watch(stop_.get()) || !watch(listener_.get())) return Error::from_errno(errno, "epoll_ctl");
  return {};
}

bool Broker::Parts::owns_path() const {
  struct stat status{};
  return ::stat(options_.directory.socket().c_str(), &status) == 0 && status.st_ino == inode_;
}

Result<void> Broker::Parts::run() {
  served_at_ = monotonic_now();
  next_tick_ = served_at_ + options_.tick;
  while (!ends_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - monotonic_now());
    std::array<epoll_event, 32> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (count < 0 && errno != EINTR) return Error::from_errno(errno, "epoll_wait");
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == stop_.get()) {
        ends_ = true;
      } else if (fd == listener_.get()) {
        accept_some();
      } else {
        serve_silent(fd);
      }
    }
    if (monotonic_now() >= next_tick_) tick();
  }
  if (owns_path()) ::unlink(options_.directory.socket().c_str());
  return {};
}

void Broker::Parts::accept_some() {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (errno != EMFILE && errno != ENFILE) return;
      silent_.clear();
      ::usleep(10'000);  // The listener would wake us at once, again and again.
      return;
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) continue;
    const Asker asker{peer.uid, peer.pid};
    if (serve(fd.get(), asker) || !watch(fd.get())) continue;
    if (silent_.size() >= kMostSilent) silent_.pop_front();
    silent_.push_back({std::move(fd), asker, monotonic_now() + kPatience});
  }
}

bool Broker::Parts::serve(int fd, const Asker& asker) {
  std::array<std::byte, sizeof(Request) + 1> bytes{};
  Passed passed;
  const ssize_t got = receive(fd, bytes, passed);
  if (got < 0) return errno != EAGAIN && errno != EINTR;
  const auto request =
      internal::parse_request(std::span(bytes).first(static_cast<std::size_t>(got)));
  if (!request) return true;
  served_at_ = monotonic_now();
  if (!desk_.may_relay(asker, *request)) {
    send_answer(fd, desk_.answer(asker, *request, served_at_));
    return true;
  }
  Answer answer;
  const bool goes_on =
      relays_.start({std::move(passed[0]), std::move(passed[1]), std::move(passed[2])});
  answer.kind = goes_on ? Answer::Kind::kSegment : Answer::Kind::kRefused;
  answer.reason = goes_on ? FallbackReason::kNone : FallbackReason::kSegmentLimit;
  send_answer(fd, answer);
  return true;
}

void Broker::Parts::serve_silent(int fd) {
  const auto found = std::find_if(silent_.begin(), silent_.end(),
                                  [fd](const Silent& silent) { return silent.fd.get() == fd; });
  if (found != silent_.end() && serve(fd, found->asker)) silent_.erase(found);
}

void Broker::Parts::tick() {
  const MonotonicTime now = monotonic_now();
  next_tick_ = now + options_.tick;
  while (!silent_.empty() && silent_.front().until <= now) silent_.pop_front();
  if (const Result<void> read = desk_.refresh_policy(); !read) {
    LEAT_LOG_WARN("{}; the policy stays as it was", read.error().message());
  }
  desk_.sweep(now);
  relays_.reap();
  const bool idle = desk_.is_idle() && now - served_at_ >= options_.linger;
  if ((idle && options_.linger != Duration::zero()) || !owns_path()) ends_ = true;
}

Broker::Broker(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Broker::~Broker() = default;

Result<std::unique_ptr<Broker>> Broker::create(const BrokerOptions& options) {
  Result<std::unique_ptr<Parts>> parts = Parts::create(options);
  if (!parts) return parts.error();
  return std::unique_ptr<Broker>(new Broker(std::move(*parts)));
}

Result<void> Broker::run() {
  return parts_->run();
}

void Broker::stop() {
  parts_->stop();
}

}  // namespace leat::smc
