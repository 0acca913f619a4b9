#include "leat/net/internal/cares_channel.h"

#include <arpa/nameser.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "leat/base/logging.h"
#include "leat/net/internal/cares_answer.h"

// As in cares_answer.cc.
#define CARES_NO_DEPRECATED 1
#include <ares.h>

namespace leat::internal {

namespace {

Error ares_error(int status, std::string_view what) {
  const int number = status == ARES_ENOMEM ? ENOMEM : status == ARES_EFILE ? EIO : EINVAL;
  return Error::from_errno(number, fmt::format("{} ({})", what, ares_strerror(status)));
}

/// Global state of c-ares, set up once and kept.
int library_status() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status;
}

int to_milliseconds(Duration duration) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(count, 1, std::numeric_limits<int>::max() / 64));
}

}  // namespace

Result<std::unique_ptr<DnsChannel>> open_dns_channel(const ResolverOptions& options) {
  return CaresChannel::open(options);
}

// Making it.

Result<std::unique_ptr<DnsChannel>> CaresChannel::open(const ResolverOptions& options) {
  if (const int status = library_status(); status != ARES_SUCCESS) {
    return ares_error(status, "c-ares");
  }
  std::unique_ptr<CaresChannel> channel(new CaresChannel(options));
  const Result<void> configured = channel->configure(options);
  if (!configured) return configured.error();
  return std::unique_ptr<DnsChannel>(std::move(channel));
}

CaresChannel::CaresChannel(const ResolverOptions& options)
    : max_addresses_(std::max<std::size_t>(options.max_addresses, 1)) {}

Result<void> CaresChannel::configure(const ResolverOptions& options) {
  // Not the file that $HOSTALIASES names, which c-ares would open for each name without a dot.
  const int flags = ARES_FLAG_NOALIASES;
  const Result<void> initialized = initialize(options, flags);
  if (!initialized || describe_servers() != 1) return initialized;
  // A server that fails or refuses is left for the next one; where there is none, its answer says
  // more than that there was no usable one.
  ares_destroy(std::exchange(ares_, nullptr));
  return initialize(options, flags | ARES_FLAG_NOCHECKRESP);
}

Result<void> CaresChannel::initialize(const ResolverOptions& options, int flags) {
  ares_options ares{};
  // Only DNS ("b"): the hosts file is read by HostsFile, because c-ares would read it again for
  // each question, on the loop. With that given it has no use for nsswitch.conf and its like.
  std::string lookups = "b";
  std::string resolv_conf = options.resolv_conf.empty() ? "/dev/null" : options.resolv_conf;
  std::vector<std::string> search = options.search.value_or(std::vector<std::string>{});
  std::vector<char*> domains;
  for (std::string& domain : search) domains.push_back(domain.data());
  ares.flags = flags;
  ares.timeout = to_milliseconds(options.timeout);
  ares.tries = std::max(options.tries, 1);
  ares.lookups = lookups.data();
  ares.resolvconf_path = resolv_conf.data();
  ares.sock_state_cb = &CaresChannel::socket_changed;
  ares.sock_state_cb_data = this;
  int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
             ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;
  if (options.search) {
    ares.domains = domains.data();
    ares.ndomains = static_cast<int>(domains.size());
    mask |= ARES_OPT_DOMAINS;
  }
  const int status = ares_init_options(&ares_, &ares, mask);
  if (status != ARES_SUCCESS) {
    ares_ = nullptr;
    return ares_error(status, "read " + resolv_conf);
  }
  return set_servers(options.servers);
}

Result<void> CaresChannel::set_servers(const std::vector<InetAddress>& servers) {
  if (servers.empty()) return {};
  std::vector<std::string> texts;
  for (const InetAddress& server : servers) {
    if (!server.is_ip() || server.scope_id() != 0) {
      return Error::invalid_argument("name server " + server.to_string());
    }
    texts.push_back(server.to_string());
  }
  const std::string list = fmt::format("{}", fmt::join(texts, ","));
  const int status = ares_set_servers_ports_csv(ares_, list.c_str());
  if (status != ARES_SUCCESS) return ares_error(status, "name servers " + list);
  return {};
}

/// Sets `servers_`; says how many there are.
std::size_t CaresChannel::describe_servers() {
  ares_addr_port_node* list = nullptr;
  if (ares_get_servers_ports(ares_, &list) != ARES_SUCCESS) return 0;
  std::vector<std::string> texts;
  for (const ares_addr_port_node* node = list; node != nullptr; node = node->next) {
    char digits[INET6_ADDRSTRLEN] = "";
    ares_inet_ntop(node->family, &node->addr, digits, sizeof digits);
    const int port = node->udp_port == 0 ? NS_DEFAULTPORT : node->udp_port;
    texts.push_back(node->family == AF_INET6 ? fmt::format("[{}]:{}", digits, port)
                                             : fmt::format("{}:{}", digits, port));
  }
  ares_free_data(list);
  servers_ = fmt::format("{}", fmt::join(texts, ", "));
  return texts.size();
}

CaresChannel::~CaresChannel() {
  // Calls back for what is open, and for its sockets.
  if (ares_ != nullptr) ares_destroy(ares_);
  // Without one, the loop may be gone.
  if (timer_.is_valid()) loop_->cancel(timer_);
}

void CaresChannel::attach(EventLoop& loop, Answered answered) {
  loop_ = &loop;
  answered_ = std::move(answered);
}

// Questions.

void CaresChannel::ask(const std::string& name, InetAddress::Family family) {
  auto answer = std::make_unique<DnsAnswer>();
  answer->name = name;
  answer->family = family;
  Question& question = open_.emplace_back(Question{this, {}, std::move(answer)});
  question.self = std::prev(open_.end());
  const int type = family == InetAddress::Family::kIpv6 ? ns_t_aaaa : ns_t_a;
  // The call back may come before this returns.
  ares_search(ares_, name.c_str(), ns_c_in, type, &CaresChannel::question_answered, &question);
  set_timer();
}

void CaresChannel::cancel_all() {
  ares_cancel(ares_);
  open_.clear();
  finished_.clear();
  set_timer();
}

void CaresChannel::question_answered(void* arg, int status, int, unsigned char* reply,
                                     int size) noexcept {
  auto& question = *static_cast<Question*>(arg);
  if (status == ARES_SUCCESS && reply != nullptr && size > 0) {
    read_reply(*question.answer, {reply, static_cast<std::size_t>(size)},
               question.channel->max_addresses_);
  } else {
    set_failure(*question.answer, status == ARES_SUCCESS ? ARES_EBADRESP : status);
  }
  std::list<Question>& finished = question.channel->finished_;
  finished.splice(finished.end(), question.channel->open_, question.self);
}

// Waiting.

void CaresChannel::socket_changed(void* self, int fd, int readable, int writable) noexcept {
  auto& channel = *static_cast<CaresChannel*>(self);
  if (readable == 0 && writable == 0) {
    channel.forget(fd);
    return;
  }
  try {
    channel.watch(fd, readable != 0, writable != 0);
  } catch (const std::exception& error) {
    // The question then ends by its time limit.
    LEAT_LOG_WARN("a name server's socket is not watched: {}", error.what());
  }
}

void CaresChannel::watch(int fd, bool readable, bool writable) {
  auto found = std::find_if(sockets_.begin(), sockets_.end(),
                            [fd](const auto& socket) { return socket->fd() == fd; });
  if (found == sockets_.end()) {
    auto socket = std::make_shared<Channel>(*loop_, fd);
    socket->on_read([this, fd](Timestamp) { process(fd, ARES_SOCKET_BAD); });
    socket->on_write([this, fd] { process(ARES_SOCKET_BAD, fd); });
    socket->on_error([this, fd] { process(fd, fd); });
    socket->on_close([this, fd] { process(fd, fd); });
    found = sockets_.insert(sockets_.end(), std::move(socket));
  }
  Channel& socket = **found;
  Result<void> changed = readable ? socket.enable_reading() : socket.disable_reading();
  if (changed) changed = writable ? socket.enable_writing() : socket.disable_writing();
  if (!changed) {
    LEAT_LOG_WARN("a name server's socket is not watched: {}", changed.error().message());
  }
}

/// c-ares closes the socket next; perhaps its own callback is what is running.
void CaresChannel::forget(int fd) {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(),
                                  [fd](const auto& socket) { return socket->fd() == fd; });
  if (found == sockets_.end()) return;
  (*found)->remove();
  loop_->release_later(std::move(*found));
  sockets_.erase(found);
}

void CaresChannel::process(int readable, int writable) {
  ares_process_fd(ares_, readable, writable);
  // If delivering throws, what is left over comes by the timer.
  set_timer();
  if (finished_.empty()) return;
  deliver();
  set_timer();
}

void CaresChannel::set_timer() {
  loop_->cancel(std::exchange(timer_, {}));
  timeval time{};
  Duration delay = Duration::zero();
  if (finished_.empty()) {
    if (ares_timeout(ares_, nullptr, &time) == nullptr) return;
    delay = std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  }
  timer_ = loop_->run_after(delay, [this] {
    timer_ = {};
    process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

void CaresChannel::deliver() {
  while (!finished_.empty()) {
    std::unique_ptr<DnsAnswer> answer = std::move(finished_.front().answer);
    finished_.pop_front();
    answered_(std::move(answer));
  }
}

}  // namespace leat::internal
