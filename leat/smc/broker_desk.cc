#include "leat/smc/internal/broker_desk.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace leat::smc::internal {

namespace {

/// Of each table, in one tick: about a millisecond.
constexpr std::size_t kSweptAtOnce = 1024;

Answer refused(FallbackReason reason) {
  Answer answer;
  answer.kind = Answer::Kind::kRefused;
  answer.reason = reason;
  return answer;
}

Answer known() {
  Answer answer;
  answer.kind = Answer::Kind::kUnknown;
  return answer;
}

}  // namespace

Result<void> BrokerDesk::refresh_policy() {
  std::string path = directory_ + "/policy";
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    path = "/etc/leat/policy";
    status = {};
    if (::stat(path.c_str(), &status) != 0) status = {};
  }
  const timespec& time = status.st_mtim;
  if (path == policy_path_ && time.tv_sec == policy_time_.tv_sec &&
      time.tv_nsec == policy_time_.tv_nsec) {
    return {};
  }
  policy_path_ = path;
  policy_time_ = time;
  Result<Policy> policy = Policy::load(path, owner_);
  if (!policy) return policy.error();
  policy_ = std::move(*policy);
  return {};
}

// Who has the token of a page belongs to a family that was allowed: a server that has given up
// root, for example.
bool BrokerDesk::is_allowed(const Asker& asker, const Request& request) const {
  if (asker.uid == owner_ || asker.uid == 0 || policy_.knows(asker.uid)) return true;
  uid_t family = 0;
  if (request.page_token != 0 && pages_.find(request.page_token, family)) return true;
  // Heirs of hold(), which looks at the user itself.
  return request.ask == Ask::kLookupOrPin || request.ask == Ask::kBoards ||
         request.ask == Ask::kPing;
}

Answer BrokerDesk::answer(const Asker& asker, const Request& request, MonotonicTime now) {
  report_.reset();
  if (!is_allowed(asker, request)) return refused(FallbackReason::kPolicy);
  const bool is_own = asker.uid == owner_ || asker.uid == 0;
  switch (request.ask) {
    case Ask::kHello:
      return hello(asker, request, now);
    case Ask::kOffer:
      return rendezvous_.offer(asker, request, policy_, now);
    case Ask::kFetch:
      return rendezvous_.fetch(asker, request, now);
    case Ask::kReject:
      return rendezvous_.reject(asker, request, policy_, now);
    case Ask::kLookupOrPin:
      return rendezvous_.lookup_or_pin(asker, request, is_own, now);
    case Ask::kHold:
      return rendezvous_.hold(asker, request, now);
    case Ask::kBoards:
      return rendezvous_.boards(asker, request);
    case Ask::kReport:
      return is_own ? report() : refused(FallbackReason::kPolicy);
    case Ask::kReset:
      if (!is_own) return refused(FallbackReason::kPolicy);
      baseline_ = {};
      baseline_ = totals();
      return known();
    case Ask::kPing:
      return known();
    case Ask::kRelay:
      break;  // The broker's own: it comes with descriptors.
  }
  return refused(FallbackReason::kPolicy);
}

Answer BrokerDesk::hello(const Asker& asker, const Request& request, MonotonicTime now) {
  // Another user cannot take all pages.
  if (asker.uid != owner_ && asker.uid != 0 && pages_.size() >= limits_.pages / 2) {
    return refused(FallbackReason::kSegmentLimit);
  }
  Result<int> page = pages_.add(asker.uid, asker.pid, request.program, now);
  if (!page) {
    // A script may start programs faster than the sweep comes round.
    pages_.sweep(limits_.pages, now);
    page = pages_.add(asker.uid, asker.pid, request.program, now);
  }
  if (!page) return refused(FallbackReason::kNoMemory);
  Answer answer;
  answer.kind = Answer::Kind::kSegment;
  answer.fd = *page;
  return answer;
}

BrokerTotals BrokerDesk::totals() const {
  BrokerTotals sum = pages_.totals();
  sum += rendezvous_.totals();
  sum -= baseline_;
  return sum;
}

Answer BrokerDesk::report() {
  BrokerReport report;
  report.broker_pid = ::getpid();
  report.pending_offers = rendezvous_.pending();
  report.processes = pages_.size();
  report.totals = totals();
  pages_.list(report.connections);
  for (ConnectionRecord& record : report.connections) {
    record.segment = rendezvous_.segment_of(record.cookie);
  }
  rendezvous_.list(report.segments);
  const std::string bytes = report.encode();
  Result<MemoryFile> file = MemoryFile::create("leat-report", bytes.size());
  if (!file || !file->write(bytes.data(), bytes.size(), 0)) {
    return refused(FallbackReason::kNoMemory);
  }
  report_.emplace(std::move(*file));
  Answer answer;
  answer.kind = Answer::Kind::kSegment;
  answer.fd = report_->fd();
  return answer;
}

void BrokerDesk::sweep(MonotonicTime now) {
  pages_.sweep(kSweptAtOnce, now);
  rendezvous_.sweep(kSweptAtOnce, now);
}

}  // namespace leat::smc::internal
