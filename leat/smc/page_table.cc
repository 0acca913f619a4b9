#include "leat/smc/internal/page_table.h"

#include <sys/random.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "leat/base/assert.h"

namespace leat::smc::internal {

namespace {

constexpr std::uint64_t slot_offset(std::uint32_t slot) {
  return offsetof(ProcessPage, slots) + slot * sizeof(ConnectionSlot);
}

}  // namespace

std::uint64_t random_token() {
  std::uint64_t token = 0;
  // Not interrupted, and whole, for up to 256 bytes (man 2 getrandom).
  const ssize_t got = ::getrandom(&token, sizeof token, 0);
  LEAT_ASSERT(got == sizeof token, "getrandom() of eight bytes");
  return token == 0 ? 1 : token;
}

Result<int> PageTable::add(uid_t uid, pid_t pid, const char* program, MonotonicTime now) {
  if (pages_.size() >= most_) return Error::from_errno(EMFILE, "another process page");
  Result<MemoryFile> file = MemoryFile::create("leat-process", sizeof(ProcessPage));
  if (!file) return file.error();
  Page page{std::move(*file), uid, pid, {}, now + grace_};
  std::memcpy(page.program, program, sizeof page.program);
  const std::uint64_t token = random_token();
  const std::uint64_t magic = ProcessPage::kMagic;
  const MemoryFile& to = page.file;
  const bool written =
      to.write(&uid, sizeof uid, offsetof(ProcessPage, uid)) &&
      to.write(&pid, sizeof pid, offsetof(ProcessPage, pid)) &&
      to.write(page.program, sizeof page.program, offsetof(ProcessPage, program)) &&
      to.write(&token, sizeof token, offsetof(ProcessPage, token)) &&
      to.write(&magic, sizeof magic, offsetof(ProcessPage, magic));
  if (!written) return Error::from_errno(ENOMEM, "write a process page");
  const int fd = to.fd();
  pages_.emplace(token, std::move(page));
  return fd;
}

bool PageTable::find(std::uint64_t token, uid_t& uid) const {
  const auto found = pages_.find(token);
  if (found == pages_.end()) return false;
  uid = found->second.uid;
  return true;
}

// By pwrite(): see MemoryFile. Each value is new, so that a reader sees that it has changed.
void PageTable::notify(std::uint64_t token, std::uint32_t slot) {
  const auto found = pages_.find(token);
  if (found == pages_.end()) return;
  Page& page = found->second;
  ++page.mail;
  auto matched = static_cast<std::uint32_t>(page.mail);
  if (matched == 0) matched = 1;
  page.file.write(&matched, sizeof matched, slot_offset(slot) + offsetof(ConnectionSlot, matched));
  page.file.write(&page.mail, sizeof page.mail, offsetof(ProcessPage, mail));
}

bool PageTable::holds(std::uint64_t token, std::uint32_t slot, std::uint64_t cookie) const {
  const auto found = pages_.find(token);
  if (found == pages_.end()) return false;
  std::uint64_t there = 0;
  found->second.file.read(&there, sizeof there,
                          slot_offset(slot) + offsetof(ConnectionSlot, cookie));
  return there == cookie;
}

void PageTable::sweep(std::size_t count, MonotonicTime now) {
  auto at = pages_.upper_bound(swept_);
  for (std::size_t i = 0; i < count && i < pages_.size() + 1; ++i) {
    if (at == pages_.end()) at = pages_.begin();
    if (at == pages_.end()) return;
    swept_ = at->first;
    const bool gone =
        now >= at->second.probe_after && at->second.file.probe() != MemoryFile::Holders::kSome;
    if (gone) gone_ += counters(at->second);
    at = gone ? pages_.erase(at) : std::next(at);
  }
}

BrokerTotals PageTable::counters(const Page& page) {
  ProcessCounters read{};
  BrokerTotals totals;
  if (!page.file.read(&read, sizeof read, offsetof(ProcessPage, counters))) return totals;
  totals.connections = read.connections;
  totals.shared = read.shared;
  for (std::size_t i = 0; i < kFallbackReasons; ++i) totals.fallback[i] = read.fallback[i];
  totals.set_spins_won = read.spins_won;
  totals.set_spins_lost = read.spins_lost;
  totals.folded_output = read.folded_output;
  totals.folded_input = read.folded_input;
  return totals;
}

BrokerTotals PageTable::totals() const {
  BrokerTotals sum = gone_;
  for (const auto& [token, page] : pages_) sum += counters(page);
  return sum;
}

void PageTable::list(std::vector<ConnectionRecord>& records) const {
  for (const auto& [token, page] : pages_) list_page(page, records);
}

// Only what was ever touched: most of a page's slots are a hole.
void PageTable::list_page(const Page& page, std::vector<ConnectionRecord>& records) {
  std::uint64_t offset = slot_offset(0);
  for (;;) {
    const std::uint64_t data = page.file.next_data(offset, sizeof(ProcessPage));
    const std::uint64_t from = data > offset ? data : offset;
    const std::uint64_t first = (from - slot_offset(0)) / sizeof(ConnectionSlot);
    if (first >= kConnectionSlots) return;
    constexpr std::size_t kAtOnce = 64;
    ConnectionSlot slots[kAtOnce] = {};
    const std::size_t count =
        kConnectionSlots - first < kAtOnce ? kConnectionSlots - first : kAtOnce;
    offset = slot_offset(static_cast<std::uint32_t>(first));
    if (!page.file.read(&slots, count * sizeof(ConnectionSlot), offset)) return;
    offset += count * sizeof(ConnectionSlot);
    for (std::size_t i = 0; i < count; ++i) {
      const ConnectionSlot& slot = slots[i];
      if (slot.cookie == 0 || slot.state == SlotState::kFree) continue;
      ConnectionRecord record;
      record.cookie = slot.cookie;
      record.calls = slot.calls;
      record.bytes = slot.bytes;
      record.uid = page.uid;
      record.pid = page.pid;
      std::memcpy(record.program, page.program, sizeof record.program);
      record.names = slot.names;
      record.state = slot.state;
      record.reason = slot.reason;
      record.end = slot.end;
      records.push_back(record);
    }
  }
}

}  // namespace leat::smc::internal
