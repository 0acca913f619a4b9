#include "apps/preload/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "leat/smc/direction_lock.h"
#include "leat/smc/port_list.h"

#include "apps/preload/connection_pool.h"
#include "apps/preload/raw.h"
#include "apps/preload/real.h"
#include "apps/preload/spinner.h"

namespace leat::preload {

constinit Settings Process::settings_{};
constinit smc::ProcessPage* Process::page_ = nullptr;
constinit bool Process::has_broker_ = false;
constinit bool Process::gave_up_ = false;
constinit int Process::pid_ = 0;
constinit thread_local std::uint32_t Process::thread_ = 0;

namespace {

constexpr std::size_t kPathSize = 108;
constinit char broker_path[kPathSize] = {};
constinit smc::BrokerClient::Trust broker_trust = smc::BrokerClient::Trust::kPath;

constinit smc::PortList ports;

const char* variable(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr && value[0] != 0 ? value : nullptr;
}

std::uint64_t number(const char*& text) {
  std::uint64_t value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + static_cast<unsigned>(*text++ - '0');
  return value;
}

std::uint32_t number_or(const char* name, std::uint32_t otherwise) {
  const char* text = variable(name);
  return text != nullptr ? static_cast<std::uint32_t>(number(text)) : otherwise;
}

/// Bytes, with k or m behind them; the power of two that has room for them.
std::uint32_t ring_size(const char* name) {
  const char* text = variable(name);
  if (text == nullptr) return 0;
  std::uint64_t size = number(text);
  if (*text == 'k' || *text == 'K') size <<= 10U;
  if (*text == 'm' || *text == 'M') size <<= 20U;
  std::uint32_t power = smc::kSmallRing;
  while (power < size && power < 1U << 30U) power <<= 1U;
  return size == 0 ? 0 : power;
}

/// LEAT_PROGRAMS: names of programs, "redis-server,nginx" or "!sshd,!postgres".
bool program_is_allowed(const char* program) {
  const char* text = variable("LEAT_PROGRAMS");
  if (text == nullptr) return true;
  const bool denies = text[0] == '!';
  const std::size_t size = strlen(program);
  while (*text != 0) {
    if (*text == '!') ++text;
    const char* const end = strchrnul(text, ',');
    if (static_cast<std::size_t>(end - text) == size && memcmp(text, program, size) == 0) {
      return !denies;
    }
    text = *end == 0 ? end : end + 1;
  }
  return denies;
}

void find_broker() {
  const char* directory = variable("LEAT_DIR");
  char own[32] = "/tmp/leat-";
  if (directory == nullptr) {
    broker_trust = smc::BrokerClient::Trust::kOwner;
    char digits[16];
    std::size_t count = 0;
    for (unsigned uid = geteuid(); uid != 0 || count == 0; uid /= 10) {
      digits[count++] = static_cast<char>('0' + uid % 10);
    }
    char* end = own + strlen(own);
    while (count != 0) *end++ = digits[--count];
    *end = 0;
    directory = own;
  }
  const std::size_t size = strlen(directory);
  if (size + sizeof "/broker" > kPathSize) return;
  memcpy(broker_path, directory, size);
  memcpy(broker_path + size, "/broker", sizeof "/broker");
}

smc::ProcessPage* map_page(long fd, long flags) {
  const long mapped = raw::raw_syscall(SYS_mmap, 0, sizeof(smc::ProcessPage),
                                       PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
  if (mapped < 0 && mapped > -4096) return nullptr;
  return reinterpret_cast<smc::ProcessPage*>(static_cast<std::uintptr_t>(mapped));
}

}  // namespace

const smc::BrokerClient& Process::broker() {
  alignas(smc::BrokerClient) static char room[sizeof(smc::BrokerClient)];
  static constinit bool made = false;
  auto* const client = reinterpret_cast<smc::BrokerClient*>(room);
  if (!made) {
    new (room) smc::BrokerClient(broker_path, broker_trust);
    made = true;
  }
  return *client;
}

void Process::greet_broker() {
  smc::Answer answer = broker().hello(program_invocation_short_name);
  if (answer.kind == smc::Answer::Kind::kSegment) {
    if (answer.size >= sizeof(smc::ProcessPage)) page_ = map_page(answer.fd, MAP_SHARED);
    raw::close(answer.fd);
    if (page_ != nullptr && page_->magic == smc::ProcessPage::kMagic) {
      has_broker_ = true;
      return;
    }
  }
  page_ = map_page(-1, MAP_SHARED | MAP_ANONYMOUS);
}

void Process::start() {
  const int kept = errno;
  real::resolve_all();
  pid_ = raw::process_id();
  const char* const leat = variable("LEAT");
  settings_.off = leat != nullptr && strcmp(leat, "off") == 0;
  settings_.debug = variable("LEAT_DEBUG") != nullptr;
  if (!program_is_allowed(program_invocation_short_name)) {
    settings_.off = true;
    settings_.off_reason = smc::FallbackReason::kDeniedProgram;
  }
  settings_.receive_ring = ring_size("LEAT_RCVBUF");
  settings_.send_ring = ring_size("LEAT_SNDBUF");
  settings_.earned_calls = number_or("LEAT_EARN_CALLS", settings_.earned_calls);
  settings_.earned_bytes = number_or("LEAT_EARN_BYTES", settings_.earned_bytes);
  ports = smc::PortList::parse(variable("LEAT_PORTS"));
  Spinner::configure();
  find_broker();
  if (!settings_.off) greet_broker();
  errno = kept;
}

bool Process::port_is_allowed(std::uint16_t one, std::uint16_t other) {
  return ports.allows(one, other);
}

std::uint32_t Process::ask_thread() {
  thread_ = smc::DirectionLock::this_thread();
  return thread_;
}

bool Process::is_ours() {
  return pid_ == raw::process_id();
}

void Process::forked() {
  pid_ = raw::process_id();
  thread_ = 0;
  ConnectionPool::forked();
}

void Process::debug(const char* event, std::uint64_t number, int fd) {
  if (!settings_.debug) return;
  char line[160];
  std::size_t size = 0;
  const auto put = [&](const char* text) {
    while (*text != 0 && size < sizeof line - 1) line[size++] = *text++;
  };
  const auto put_number = [&](std::uint64_t value) {
    char digits[24];
    std::size_t count = 0;
    do digits[count++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    while (count != 0 && size < sizeof line - 1) line[size++] = digits[--count];
  };
  put("leat[");
  put_number(static_cast<std::uint64_t>(raw::process_id()));
  put("] fd ");
  put_number(static_cast<std::uint64_t>(fd < 0 ? 0 : fd));
  put(": ");
  put(event);
  put(" ");
  put_number(number);
  line[size++] = '\n';
  raw::raw_syscall(SYS_write, 2, raw::raw_argument(line), static_cast<long>(size));
}

namespace {
__attribute__((constructor(101))) void start_process() {
  Process::start();
}
}  // namespace

}  // namespace leat::preload
