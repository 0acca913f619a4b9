#include "veth/veth_world.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

namespace leat::testing {
namespace {

constexpr const char* kFlowEntries = "/proc/sys/net/core/rps_sock_flow_entries";

UniqueFd this_network() {
  return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

bool write_file(const std::string& path, const std::string& value) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file &&
         ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

std::string failed(const char* what) {
  return fmt::format("{}: {}", what, std::strerror(errno));
}

bool run(const std::string& command) {
  return std::system((command + " > /dev/null 2>&1").c_str()) == 0;
}

bool set_feature(const char* device, std::uint32_t command, std::uint32_t on) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value value{.cmd = command, .data = on};
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
}

}  // namespace

std::unique_ptr<VethWorld> VethWorld::create(std::string& why, std::size_t queues) {
  if (::geteuid() != 0) {
    why = "needs root, for namespaces";
    return nullptr;
  }
  std::unique_ptr<VethWorld> world(new VethWorld);
  why = world->make(queues);
  if (!why.empty()) world.reset();
  return world;
}

std::string VethWorld::make(std::size_t queues) {
  home_ = this_network();
  std::string why;
  // Its process that keeps the value is not to hold the namespaces.
  socket_flow_entries_ = SavedSetting::create(kFlowEntries, why);
  if (socket_flow_entries_ == nullptr) return why;
  if (::unshare(CLONE_NEWNS) != 0) return failed("a mount namespace");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failed("mount /");
  for (UniqueFd* space : {&near_, &far_}) {
    if (::unshare(CLONE_NEWNET) != 0) return failed("a network namespace");
    *space = this_network();
    ::setns(home_.get(), CLONE_NEWNET);
  }
  in_near([&] { why = make_devices(queues); });
  if (!why.empty()) return why;
  in_far([&] {
    if (!run(fmt::format("ip addr add {}/24 dev lv1 && ip addr add {}/64 dev lv1 nodad && "
                         "ip link set lv1 up",
                         kFarAddress, kFarAddress6))) {
      why = "ip could not set up lv1";
    }
  });
  return why;
}

std::string VethWorld::make_devices(std::size_t queues) {
  struct stat status{};
  ::fstat(near_.get(), &status);
  near_inode_ = static_cast<std::uint32_t>(status.st_ino);
  if (::mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) return failed("mount sysfs");
  sees_devices_ = true;
  const std::string numbers = fmt::format("numtxqueues {0} numrxqueues {0}", queues);
  if (!run(fmt::format("ip link add lv0 {0} type veth peer name lv1 {0} netns /proc/{1}/fd/{2}",
                       numbers, ::getpid(), far_.get()))) {
    return "ip (iproute2) could not make a veth";
  }
  near_device_ = ::if_nametoindex("lv0");
  const bool up =
      run(fmt::format("ip addr add {}/24 dev lv0 && ip addr add {}/64 dev lv0 nodad && "
                      "ip link set lv0 up && ip link set lo up",
                      kNearAddress, kNearAddress6));
  return up ? "" : "ip could not set up lv0";
}

VethWorld::~VethWorld() {
  if (sees_devices_) ::umount2("/sys", MNT_DETACH);
}

void VethWorld::in(int space, const std::function<void()>& work) const {
  ::setns(space, CLONE_NEWNET);
  work();
  ::setns(home_.get(), CLONE_NEWNET);
}

bool VethWorld::set_queue(const char* kind, std::size_t queue, const char* file,
                          const std::string& value) {
  return write_file(fmt::format("/sys/class/net/lv0/queues/{}-{}/{}", kind, queue, file), value);
}
bool VethWorld::set_rps_cpus(std::size_t queue, const CpuSet& cpus) {
  return set_queue("rx", queue, "rps_cpus", cpus.to_mask());
}
bool VethWorld::set_rps_flow_count(std::size_t queue, std::size_t entries) {
  return set_queue("rx", queue, "rps_flow_cnt", fmt::to_string(entries));
}
bool VethWorld::set_xps_cpus(std::size_t queue, const CpuSet& cpus) {
  return set_queue("tx", queue, "xps_cpus", cpus.to_mask());
}
bool VethWorld::set_xps_rxqs(std::size_t queue, const CpuSet& receive_queues) {
  return set_queue("tx", queue, "xps_rxqs", receive_queues.to_mask());
}
bool VethWorld::set_socket_flow_entries(std::size_t entries) {
  return socket_flow_entries_->set(fmt::to_string(entries));
}

bool VethWorld::use_napi() {
  bool done = false;
  in_near([&] { done = set_feature("lv0", ETHTOOL_SGRO, 1); });
  in_far([&] { done = set_feature("lv1", ETHTOOL_STSO, 0) && done; });
  return done;
}

}  // namespace leat::testing
