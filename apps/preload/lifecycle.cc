#include "apps/preload/lifecycle.h"

#include <sys/socket.h>

#include "leat/smc/socket_counts.h"

#include "apps/preload/epoll_sets.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"
#include "apps/preload/receive.h"
#include "apps/preload/send.h"

namespace leat::preload {
namespace {

Connection* as_connection(std::uintptr_t entry) {
  return entry > DescriptorTable::kConnecting ? reinterpret_cast<Connection*>(entry) : nullptr;
}

bool lingers_for_nothing(int fd) {
  linger value{};
  return raw::get_option(fd, SOL_SOCKET, SO_LINGER, value) && value.l_onoff != 0 &&
         value.l_linger == 0;
}

// The kernel's sets go by descriptors; what they hold is told before the number is another's.
void leave_sets(int fd, Connection* connection) {
  int other = -1;
  if (connection != nullptr && !connection->is_last_descriptor()) {
    for (int i = 0; i < DescriptorTable::end() && other < 0; ++i) {
      if (i != fd && DescriptorTable::known(i) == connection) other = i;
    }
  }
  EpollSets::closing(fd, connection, other);
}

}  // namespace

void descriptor_made(int fd, DescriptorTable::Mark mark) {
  if (fd < 0) return;
  if (DescriptorTable::known(fd) != nullptr) {
    if (!Process::is_ours()) return;
    DescriptorTable::distrust();
  }
  descriptor_replaced(fd, mark);
}

void descriptor_replaced(int fd, DescriptorTable::Mark mark) {
  leave_sets(fd, DescriptorTable::known(fd));
  Connection* const stale = as_connection(DescriptorTable::exchange(fd, mark));
  if (stale != nullptr) stale->drop_descriptor();
}

bool drop_if_stale(int fd) {
  Connection* const connection = DescriptorTable::known(fd);
  if (connection == nullptr || !Process::is_ours() || !connection->try_enter()) return false;
  const bool is_stale = smc::socket_cookie(fd) != connection->slot()->cookie.load();
  if (is_stale && DescriptorTable::known(fd) == connection) {
    descriptor_made(fd);
  }
  connection->leave();
  return is_stale;
}

void descriptor_changed(int fd, DescriptorTable::Mark mark) {
  if (DescriptorTable::known(fd) != nullptr) return descriptor_replaced(fd, mark);
  if (fd >= 0) DescriptorTable::exchange(fd, mark);
}

void descriptor_doubled(int fd, int copy) {
  if (copy < 0) return;
  (void)drop_if_stale(fd);
  Connection* const connection = DescriptorTable::known(fd);
  if (connection == nullptr) {
    const std::uintptr_t entry = DescriptorTable::get(fd);
    descriptor_made(copy, static_cast<DescriptorTable::Mark>(entry));
    return EpollSets::duplicated(fd, copy);
  }
  if (!Process::is_ours()) return;
  leave_sets(copy, DescriptorTable::known(copy));
  connection->add_descriptor();
  Connection* const stale =
      as_connection(DescriptorTable::exchange(copy, reinterpret_cast<std::uintptr_t>(connection)));
  DescriptorTable::note_used(copy);
  if (stale == nullptr) return;
  DescriptorTable::distrust();
  stale->drop_descriptor();
}

Closing::Closing(int fd) : fd_(fd) {
  connection_ = DescriptorTable::known(fd);
  if (connection_ == nullptr) {
    if (EpollSets::concerns(fd) && Process::is_ours()) leave_sets(fd, nullptr);
    DescriptorTable::exchange(fd, DescriptorTable::kUnknown);
    done_ = true;
    return;
  }
  if (connection_->is_shared() && drop_if_stale(fd)) {
    connection_ = nullptr;
    done_ = true;
    return;
  }
  if (!Process::is_ours() || !connection_->try_enter()) {
    connection_ = nullptr;
    done_ = true;
    return;
  }
  is_last_ = connection_->is_last_descriptor();
  if (is_last_ && connection_->is_shared()) {
    if (connection_->sender().fold_wanted()) answer_fold(*connection_, fd);
    eat_doorbells(*connection_, fd);
    if (connection_->slot()->holders.load(std::memory_order_relaxed) == 1 &&
        lingers_for_nothing(fd)) {
      connection_->mine().flags.fetch_or(smc::kFlagReset, std::memory_order_acq_rel);
    }
  }
  leave_sets(fd, connection_);
  // Before the close: afterwards the number may be another thread's.
  Connection* const was = as_connection(DescriptorTable::exchange(fd, DescriptorTable::kUnknown));
  if (was != nullptr) was->drop_descriptor();
}

void Closing::failed() {
  if (done_) return;
  connection_->add_descriptor();
  DescriptorTable::exchange(fd_, reinterpret_cast<std::uintptr_t>(connection_));
  connection_->leave();
  done_ = true;
}

Closing::~Closing() {
  if (done_) return;
  if (is_last_ && connection_->is_shared()) wake_by_futex(*connection_);
  connection_->leave();
}

}  // namespace leat::preload
