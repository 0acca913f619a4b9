#include "leat/smc/broker_report.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include "leat/base/unique_fd.h"
#include "leat/smc/internal/ask_broker.h"

namespace leat::smc {

namespace {

using Words = std::array<std::uint64_t, sizeof(BrokerTotals) / sizeof(std::uint64_t)>;
static_assert(std::is_trivially_copyable_v<BrokerTotals> && sizeof(Words) == sizeof(BrokerTotals));
static_assert(std::is_trivially_copyable_v<ConnectionRecord>);
static_assert(std::is_trivially_copyable_v<SegmentRecord>);

struct Header {
  static constexpr std::uint64_t kMagic = 0x31505252'424c454cULL;
  std::uint64_t magic = kMagic;
  std::int64_t broker_pid = 0;
  std::uint64_t pending_offers = 0;
  std::uint64_t processes = 0;
  std::uint64_t connections = 0;
  std::uint64_t segments = 0;
  BrokerTotals totals;
};

template <typename T>
std::string bytes_of(const T* first, std::size_t count) {
  return std::string(reinterpret_cast<const char*>(first), count * sizeof(T));
}

Result<std::string> content_of(const Answer& answer) {
  const UniqueFd fd(answer.fd);
  std::string bytes(answer.size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(fd.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got <= 0) return Error::from_errno(got < 0 ? errno : EBADMSG, "read the broker's report");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<Answer> ask(const BrokerDirectory& directory, internal::Ask what) {
  internal::Request request;
  request.ask = what;
  const std::string path = directory.socket();
  if (path.size() > 107) return Error::from_errno(ENAMETOOLONG, directory.path);
  const Answer answer = internal::ask_broker(path.c_str(), directory.trust, request);
  if (answer.kind == Answer::Kind::kNoBroker) {
    return Error::from_errno(ENOENT, "no broker answers in " + directory.path);
  }
  if (answer.kind == Answer::Kind::kRefused) {
    return Error::from_errno(EACCES, "the broker in " + directory.path + " is another user's");
  }
  return answer;
}

}  // namespace

BrokerTotals& BrokerTotals::operator+=(const BrokerTotals& other) {
  Words sum;
  Words added;
  std::memcpy(sum.data(), this, sizeof sum);
  std::memcpy(added.data(), &other, sizeof added);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += added[i];
  std::memcpy(this, sum.data(), sizeof sum);
  return *this;
}

BrokerTotals& BrokerTotals::operator-=(const BrokerTotals& other) {
  Words rest;
  Words taken;
  std::memcpy(rest.data(), this, sizeof rest);
  std::memcpy(taken.data(), &other, sizeof taken);
  for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= rest[i] < taken[i] ? rest[i] : taken[i];
  std::memcpy(this, rest.data(), sizeof rest);
  return *this;
}

std::string BrokerReport::encode() const {
  Header header;
  header.broker_pid = broker_pid;
  header.pending_offers = pending_offers;
  header.processes = processes;
  header.connections = connections.size();
  header.segments = segments.size();
  header.totals = totals;
  std::string bytes = bytes_of(&header, 1);
  bytes += bytes_of(connections.data(), connections.size());
  bytes += bytes_of(segments.data(), segments.size());
  return bytes;
}

Result<BrokerReport> BrokerReport::decode(const std::string& bytes) {
  const Error bad = Error::from_errno(EBADMSG, "the broker's report");
  Header header;
  if (bytes.size() < sizeof header) return bad;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::size_t left = bytes.size() - sizeof header;
  if (header.magic != Header::kMagic) return bad;
  if (header.connections > left / sizeof(ConnectionRecord)) return bad;
  left -= header.connections * sizeof(ConnectionRecord);
  if (header.segments != left / sizeof(SegmentRecord) || left % sizeof(SegmentRecord) != 0) {
    return bad;
  }
  BrokerReport report;
  report.broker_pid = static_cast<std::int32_t>(header.broker_pid);
  report.pending_offers = header.pending_offers;
  report.processes = header.processes;
  report.totals = header.totals;
  const char* at = bytes.data() + sizeof header;
  report.connections.resize(header.connections);
  for (ConnectionRecord& record : report.connections) {
    std::memcpy(&record, at, sizeof record);
    record.program[sizeof record.program - 1] = '\0';
    at += sizeof record;
  }
  report.segments.resize(header.segments);
  for (SegmentRecord& record : report.segments) {
    std::memcpy(&record, at, sizeof record);
    at += sizeof record;
  }
  return report;
}

Result<BrokerReport> ask_report(const BrokerDirectory& directory) {
  const Result<Answer> answer = ask(directory, internal::Ask::kReport);
  if (!answer) return answer.error();
  if (answer->fd < 0) return Error::from_errno(ENOMEM, "the broker has no memory for a report");
  const Result<std::string> bytes = content_of(*answer);
  if (!bytes) return bytes.error();
  return BrokerReport::decode(*bytes);
}

Result<void> reset_report(const BrokerDirectory& directory) {
  const Result<Answer> answer = ask(directory, internal::Ask::kReset);
  if (!answer) return answer.error();
  return {};
}

}  // namespace leat::smc
