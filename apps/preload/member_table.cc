#include "apps/preload/member_table.h"

#include <sys/mman.h>

#include <cstring>
#include <new>
#include <utility>

namespace leat::preload {
namespace {

constexpr std::uint32_t kFirstSize = 32;

std::size_t bytes_for(std::uint32_t size) {
  return std::size_t{size} * (sizeof(Member) + 3 * sizeof(std::uint32_t));
}

std::uint64_t mix(std::uint64_t value) {
  value *= 0x9e3779b97f4a7c15ULL;
  return value ^ (value >> 32U);
}

}  // namespace

std::uint64_t MemberTable::key_of(const Connection* connection, int fd) {
  if (connection != nullptr) return reinterpret_cast<std::uintptr_t>(connection);
  return static_cast<std::uint64_t>(fd) << 32U | 1;
}

std::uint32_t MemberTable::bucket(std::uint64_t value) const {
  return static_cast<std::uint32_t>(mix(value)) & (size_ - 1);
}

void MemberTable::place(char* memory, std::uint32_t size) {
  members_ = reinterpret_cast<Member*>(memory);
  by_key_ = reinterpret_cast<std::uint32_t*>(memory + size * sizeof(Member));
  by_data_ = by_key_ + size;
  scan_ = by_data_ + size;
  size_ = size;
}

bool MemberTable::grow() {
  const std::uint32_t old_size = size_;
  const std::uint32_t new_size = old_size == 0 ? kFirstSize : 2 * old_size;
  void* const memory = ::mmap(nullptr, bytes_for(new_size), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  Member* const old_members = members_;
  const std::uint32_t* const old_scan = scan_;
  place(static_cast<char*>(memory), new_size);
  std::memset(by_key_, 0xff, 2 * new_size * sizeof(std::uint32_t));
  for (std::uint32_t i = 0; i < end_; ++i) {
    new (&members_[i]) Member(old_members[i]);
    if (members_[i].used) link(i);
  }
  if (old_size != 0) {
    std::memcpy(scan_, old_scan, scanned_ * sizeof(std::uint32_t));
    ::munmap(old_members, bytes_for(old_size));
  }
  return true;
}

void MemberTable::link(std::uint32_t index) {
  Member& member = members_[index];
  std::uint32_t& key = by_key_[bucket(key_of(member.connection, member.fd))];
  member.next_by_key = std::exchange(key, index);
  std::uint32_t& data = by_data_[bucket(member.data)];
  member.next_by_data = std::exchange(data, index);
}

void MemberTable::unlink_key(std::uint32_t index) {
  const Member& member = members_[index];
  std::uint32_t* at = &by_key_[bucket(key_of(member.connection, member.fd))];
  while (*at != index) at = &members_[*at].next_by_key;
  *at = member.next_by_key;
}

void MemberTable::unlink_data(std::uint32_t index) {
  const Member& member = members_[index];
  std::uint32_t* at = &by_data_[bucket(member.data)];
  while (*at != index) at = &members_[*at].next_by_data;
  *at = member.next_by_data;
}

std::uint32_t MemberTable::add(Connection* connection, int fd, std::uint64_t data) {
  std::uint32_t index = free_;
  if (index != kNoMember) {
    free_ = members_[index].next_by_key;
  } else {
    if (end_ == size_ && !grow()) return kNoMember;
    index = end_++;
  }
  Member& member = *new (&members_[index]) Member;
  member.connection = connection;
  member.fd = fd;
  member.look_fd = fd;
  member.data = data;
  member.used = true;
  link(index);
  ++count_;
  return index;
}

void MemberTable::remove(std::uint32_t index) {
  stop_scanning(index);
  unlink_key(index);
  unlink_data(index);
  members_[index] = Member{};
  members_[index].next_by_key = std::exchange(free_, index);
  --count_;
}

void MemberTable::set_data(std::uint32_t index, std::uint64_t data) {
  if (members_[index].data == data) return;
  unlink_data(index);
  members_[index].data = data;
  members_[index].next_by_data = std::exchange(by_data_[bucket(data)], index);
}

void MemberTable::set_connection(std::uint32_t index, Connection* connection) {
  Member& member = members_[index];
  unlink_key(index);
  member.connection = connection;
  member.next_by_key = std::exchange(by_key_[bucket(key_of(connection, member.fd))], index);
}

std::uint32_t MemberTable::first_of(const Connection* connection, int fd) const {
  if (size_ == 0) return kNoMember;
  const std::uint64_t key = key_of(connection, fd);
  std::uint32_t index = by_key_[bucket(key)];
  while (index != kNoMember && key_of(members_[index].connection, members_[index].fd) != key) {
    index = members_[index].next_by_key;
  }
  return index;
}

std::uint32_t MemberTable::next_of(std::uint32_t index) const {
  const std::uint64_t key = key_of(members_[index].connection, members_[index].fd);
  do {
    index = members_[index].next_by_key;
  } while (index != kNoMember && key_of(members_[index].connection, members_[index].fd) != key);
  return index;
}

std::uint32_t MemberTable::find(const Connection* connection, int fd) const {
  std::uint32_t index = first_of(connection, fd);
  while (index != kNoMember && members_[index].fd != fd) index = next_of(index);
  // It may have become a connection since it was added.
  return index == kNoMember && connection != nullptr ? find(nullptr, fd) : index;
}

std::uint32_t MemberTable::first_with(std::uint64_t data) const {
  if (size_ == 0) return kNoMember;
  std::uint32_t index = by_data_[bucket(data)];
  while (index != kNoMember && members_[index].data != data) index = members_[index].next_by_data;
  return index;
}

std::uint32_t MemberTable::next_with(std::uint32_t index) const {
  const std::uint64_t data = members_[index].data;
  do {
    index = members_[index].next_by_data;
  } while (index != kNoMember && members_[index].data != data);
  return index;
}

void MemberTable::scan(std::uint32_t index) {
  Member& member = members_[index];
  member.idle = 0;
  if (member.scan_place != kNoMember) return;
  member.scan_place = scanned_;
  scan_[scanned_++] = index;
}

void MemberTable::stop_scanning(std::uint32_t index) {
  const std::uint32_t at = members_[index].scan_place;
  if (at == kNoMember) return;
  const std::uint32_t last = scan_[--scanned_];
  scan_[at] = last;
  members_[last].scan_place = at;
  members_[index].scan_place = kNoMember;
}

void MemberTable::clear() {
  if (size_ != 0) ::munmap(members_, bytes_for(size_));
  *this = MemberTable{};
}

}  // namespace leat::preload
