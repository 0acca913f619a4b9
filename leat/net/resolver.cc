#include "leat/net/resolver.h"

#include <unordered_map>
#include <utility>

#include "leat/net/internal/resolver_core.h"

namespace leat {

Resolver::Resolver(EventLoop& loop, ResolverOptions options)
    : core_(std::make_shared<internal::ResolverCore>(loop, std::move(options))) {
  core_->start();
}

Resolver::~Resolver() {
  // Once torn down before, its loop may be gone.
  if (core_->is_torn_down()) return;
  core_->tear_down();
  // Perhaps one of its callbacks is what destroys this.
  core_->loop().release_later(core_);
}

std::shared_ptr<Resolver> Resolver::shared(EventLoop& loop) {
  loop.assert_in_loop_thread();
  // A loop belongs to a thread, so no lock is needed, and nothing of it outlives the thread.
  thread_local std::unordered_map<const EventLoop*, std::weak_ptr<Resolver>> resolvers;
  std::erase_if(resolvers, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Resolver>& place = resolvers[&loop];
  std::shared_ptr<Resolver> resolver = place.lock();
  // One that outlived its loop may be kept while another loop stands in the same place.
  if (resolver && !resolver->core_->is_torn_down()) return resolver;
  resolver = std::make_shared<Resolver>(loop);
  place = resolver;
  return resolver;
}

Result<ResolveId> Resolver::resolve(std::string_view host, std::uint16_t port, Callback done) {
  return core_->ask(host, port, std::move(done));
}

Result<ResolveId> Resolver::resolve_each(std::string_view host, std::uint16_t port,
                                         FamilyCallback each) {
  return core_->ask(host, port, std::move(each));
}

bool Resolver::cancel(ResolveId question) {
  return core_->cancel(question);
}

std::size_t Resolver::open_questions() const {
  return core_->open_questions();
}

}  // namespace leat
