#include "leat/net/internal/resolver_core.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/net/internal/host_name.h"
#include "leat/net/internal/name_error.h"
#include "leat/net/internal/source_address.h"

namespace leat::internal {

namespace {

constexpr InetAddress::Family kFamilies[] = {InetAddress::Family::kIpv6,
                                             InetAddress::Family::kIpv4};

std::size_t index_of(InetAddress::Family family) {
  return family == InetAddress::Family::kIpv6 ? 0 : 1;
}

Error resolve_error(int number, const std::string& host, std::string_view problem) {
  return Error::from_errno(number, fmt::format("resolve {} ({})", host, problem));
}

}  // namespace

ResolverCore::ResolverCore(EventLoop& loop, ResolverOptions options)
    : loop_(loop),
      options_(std::move(options)),
      pool_({.name = "leat-names",
             .threads = 1,
             .max_queued = 1,
             .idle_time = std::chrono::milliseconds(100)}) {
  loop_.assert_in_loop_thread();
}

void ResolverCore::start() {
  exit_id_ = loop_.at_exit([this] { tear_down(); });
}

void ResolverCore::tear_down() {
  if (std::exchange(torn_down_, true)) return;
  // Destroying a callback may destroy the resolver.
  const std::shared_ptr<ResolverCore> self = shared_from_this();
  loop_.assert_in_loop_thread();
  loop_.cancel_at_exit(exit_id_);
  questions_.clear();
  forget_lookups();
  dns_.reset();
}

// Questions.

Result<ResolveId> ResolverCore::ask(std::string_view host, std::uint16_t port, Done done) {
  const std::optional<InetAddress> literal = literal_address(host, port);
  if (!literal) {
    if (const Result<void> name = check_host_name(host); !name) {
      return Error::invalid_argument("resolve " + name.error().context());
    }
  }
  const std::string shown(host);
  if (torn_down_) return resolve_error(ESHUTDOWN, shown, "the loop has ended");
  loop_.assert_in_loop_thread();
  if (std::max(questions_.size(), lookups_.size()) >= options_.max_questions) {
    return resolve_error(ENOBUFS, shown, fmt::format("{} questions wait", options_.max_questions));
  }
  const std::string name = to_lower(host);
  const bool needs_files = !literal && !is_localhost(name);
  if (needs_files) {
    const Result<void> looked = look_at_files();
    if (!looked) return resolve_error(looked.error().number(), shown, looked.error().message());
  }
  const Key key = questions_.emplace(Question{shown, name, port, std::move(done)});
  questions_.find(key)->untold = family_count();
  if (literal) {
    answer_all(key, {*literal});
  } else if (!needs_files) {
    answer_all(key, {InetAddress::loopback(0, Family::kIpv6), InetAddress::loopback(0)});
  } else if (!stamps_) {
    waiting_.push_back(key);
  } else {
    begin(key);
  }
  return ResolveId{key};
}

bool ResolverCore::wants(Family family) const {
  using Families = ResolverOptions::Families;
  return options_.families == Families::kBoth ||
         (options_.families == Families::kIpv6) == (family == Family::kIpv6);
}

std::size_t ResolverCore::family_count() const {
  return options_.families == ResolverOptions::Families::kBoth ? 2 : 1;
}

bool ResolverCore::cancel(ResolveId id) {
  if (torn_down_) return false;
  loop_.assert_in_loop_thread();
  const Question* question = questions_.find(id.value);
  if (question == nullptr) return false;
  const std::shared_ptr<ResolverCore> self = shared_from_this();
  const auto lookup = lookups_.find(question->name);
  if (lookup != lookups_.end()) std::erase(lookup->second.questions, id.value);
  std::erase(waiting_, id.value);
  questions_.erase(id.value);
  // c-ares cannot end one query, only all.
  const bool nobody_waits = std::all_of(lookups_.begin(), lookups_.end(), [](const auto& entry) {
    return entry.second.questions.empty();
  });
  if (nobody_waits) forget_lookups();
  return true;
}

/// With the files read: from the hosts file, or from the servers.
void ResolverCore::begin(Key key) {
  const Question* question = questions_.find(key);
  if (question == nullptr) return;
  std::string name = question->name;
  if (name.ends_with('.')) name.pop_back();
  if (const std::vector<InetAddress>* addresses = hosts_->find(name)) {
    answer_all(key, *addresses);
  } else if (dns_) {
    look_up(key);
  } else {
    for (const Family family : kFamilies) {
      answer(key, family,
             resolve_error(dns_error_->number(), question->host, dns_error_->context()));
    }
  }
}

void ResolverCore::look_up(Key key) {
  const std::string name = questions_.find(key)->name;
  const auto [found, is_new] = lookups_.try_emplace(name, Lookup{dns_, loop_.now()});
  Lookup& lookup = found->second;
  lookup.questions.push_back(key);
  if (!is_new) {
    for (const std::shared_ptr<DnsAnswer>& known : lookup.answers) {
      if (known) pass_on(key, lookup, *known);
    }
    return;
  }
  lookup.unanswered = family_count();
  // AAAA first (RFC 8305, section 3).
  for (const Family family : kFamilies) {
    if (wants(family)) dns_->ask(name, family);
  }
}

// Answers.

/// Known without asking: what there is of each family.
void ResolverCore::answer_all(Key key, const std::vector<InetAddress>& addresses) {
  for (const Family family : kFamilies) {
    std::vector<InetAddress> of_family;
    for (const InetAddress& address : addresses) {
      if (address.family() == family && of_family.size() < options_.max_addresses) {
        of_family.push_back(address);
      }
    }
    if (of_family.empty()) {
      const std::string& host = questions_.find(key)->host;
      answer(key, family, resolve_error(ENODATA, host, "no address of this kind"));
    } else {
      answer(key, family, std::move(of_family));
    }
  }
}

void ResolverCore::answer(Key key, Family family, Addresses addresses) {
  Question* question = questions_.find(key);
  if (question == nullptr || !wants(family)) return;
  if (addresses) {
    for (InetAddress& address : *addresses) address.set_port(question->port);
  }
  question->answers[index_of(family)] = std::move(addresses);
  loop_.queue_in_loop([self = weak_from_this(), key, family] {
    if (const std::shared_ptr<ResolverCore> core = self.lock()) core->tell(key, family);
  });
}

void ResolverCore::tell(Key key, Family family) {
  const Question* question = questions_.find(key);
  if (question == nullptr) return;
  if (std::holds_alternative<Resolver::FamilyCallback>(question->done)) {
    tell_one(key, family);
  } else {
    tell_all(key);
  }
}

/// When all families are known, and then once.
void ResolverCore::tell_all(Key key) {
  Question& question = *questions_.find(key);
  if (--question.untold > 0) return;
  std::vector<InetAddress> all;
  std::optional<Error> error;
  for (const std::optional<Addresses>& answer : question.answers) {
    if (!answer) continue;
    if (*answer) {
      all.insert(all.end(), (*answer)->begin(), (*answer)->end());
    } else if (!error || tells_more(answer->error(), *error)) {
      error = answer->error();
    }
  }
  sort_by_preference(all);
  const Resolver::Callback done = std::move(std::get<Resolver::Callback>(question.done));
  questions_.erase(key);
  done(all.empty() ? Addresses(std::move(*error)) : Addresses(std::move(all)));
}

void ResolverCore::tell_one(Key key, Family family) {
  Question& question = *questions_.find(key);
  const bool last = --question.untold == 0;
  Addresses addresses = std::move(*question.answers[index_of(family)]);
  if (addresses) sort_by_preference(*addresses);
  // The callback may cancel its question, which destroys what stays there.
  Resolver::FamilyCallback each = std::move(std::get<Resolver::FamilyCallback>(question.done));
  if (last) questions_.erase(key);
  struct Return {
    ResolverCore& core;
    Key key;
    Resolver::FamilyCallback& each;
    ~Return() {
      Question* there = core.questions_.find(key);
      if (there != nullptr) there->done = std::move(each);
    }
  };
  const Return give_back{*this, key, each};
  each({.family = family, .addresses = std::move(addresses), .last = last});
}

// Name servers.

void ResolverCore::answered(std::shared_ptr<DnsAnswer> answer) {
  const auto found = lookups_.find(answer->name);
  if (found == lookups_.end()) return;
  Lookup& lookup = found->second;
  lookup.answers[index_of(answer->family)] = answer;
  for (const Key key : lookup.questions) pass_on(key, lookup, *answer);
  if (--lookup.unanswered > 0) return;
  // This is what is calling, and may be an old one that nobody else keeps.
  loop_.release_later(std::move(lookup.dns));
  lookups_.erase(found);
}

void ResolverCore::pass_on(Key key, const Lookup& lookup, const DnsAnswer& dns) {
  const Question* question = questions_.find(key);
  if (question == nullptr) return;
  if (dns.number == 0) {
    answer(key, dns.family, dns.addresses);
    return;
  }
  std::string problem = dns.problem;
  if (dns.name_servers) problem += " from " + lookup.dns->servers();
  if (dns.number == ETIMEDOUT) {
    const auto waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now() - lookup.since);
    problem += fmt::format(" within {} ms", waited.count());
  }
  answer(key, dns.family, resolve_error(dns.number, question->host, problem));
}

void ResolverCore::forget_lookups() {
  for (auto& [name, lookup] : lookups_) {
    lookup.dns->cancel_all();
    loop_.release_later(std::move(lookup.dns));
  }
  lookups_.clear();
}

// Files.

/// Has them read if that has not been done, or is long ago; fails only if it must be and cannot.
Result<void> ResolverCore::look_at_files() {
  if (reading_ || (stamps_ && loop_.now() - looked_at_ < options_.files_age)) return {};
  const auto read = [options = options_, stamps = stamps_]() -> Result<std::shared_ptr<NameFiles>> {
    try {
      return std::make_shared<NameFiles>(read_name_files(options, stamps));
    } catch (const std::bad_alloc&) {
      return Error::from_errno(ENOMEM, "read " + options.hosts_file);
    }
  };
  const auto done = [self = weak_from_this()](const Result<std::shared_ptr<NameFiles>>& files) {
    const std::shared_ptr<ResolverCore> core = self.lock();
    if (!core || core->torn_down_) return;
    core->reading_ = false;
    NameFiles failed;
    if (!files) failed.dns_error = files.error();
    core->files_read(files ? std::move(**files) : std::move(failed));
  };
  const Result<void> running = pool_.run(loop_, read, done);
  if (!running) return stamps_ ? Result<void>() : running;
  reading_ = true;
  looked_at_ = loop_.now();
  return {};
}

void ResolverCore::files_read(NameFiles files) {
  stamps_ = NameStamps{.hosts = files.hosts_stamp, .resolv = files.resolv_stamp};
  if (files.hosts) hosts_ = std::move(files.hosts);
  if (!hosts_) hosts_ = std::make_shared<HostsFile>();
  if (files.dns) {
    // Look-ups that run keep theirs.
    dns_ = std::move(files.dns);
    dns_->attach(loop_, [this](std::unique_ptr<DnsAnswer> answer) { answered(std::move(answer)); });
  } else if (files.dns_error) {
    dns_error_ = std::move(files.dns_error);
  }
  for (const Key key : std::exchange(waiting_, {})) begin(key);
}

}  // namespace leat::internal
