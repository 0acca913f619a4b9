// Internal: a network namespace for one test: interfaces of its own, nobody else's disturbed.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "leat/base/unique_fd.h"

namespace leat::testing {

/// Runs `work` on a thread in a namespace of its own, with loopback up; false where that is not
/// allowed, and nothing was run.
inline bool in_own_network(const std::function<void()>& work) {
  bool allowed = false;
  std::thread([&] {
    allowed = ::unshare(CLONE_NEWNET) == 0;
    if (allowed) work();
  }).join();
  return allowed;
}

/// ioctl() on an interface by its name; true if that worked.
inline bool configure(const char* interface, unsigned long request,
                      const std::function<void(ifreq&)>& fill) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq settings{};
  std::strncpy(settings.ifr_name, interface, IFNAMSIZ - 1);
  fill(settings);
  return ::ioctl(socket.get(), request, &settings) == 0;
}

inline bool set_up(const char* interface, int mtu) {
  return configure(interface, SIOCSIFMTU, [mtu](ifreq& settings) { settings.ifr_mtu = mtu; }) &&
         configure(interface, SIOCSIFFLAGS,
                   [](ifreq& settings) { settings.ifr_flags = IFF_UP | IFF_RUNNING; });
}

inline sockaddr ipv4(const char* address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &in.sin_addr);
  sockaddr result{};
  std::memcpy(&result, &in, sizeof in);
  return result;
}

/// An Ethernet of 192.0.2.0/24 (RFC 5737) with nobody on it: what is sent to 192.0.2.2 waits in
/// the kernel for an answer to ARP, and counts against the sender's buffer meanwhile.
class SilentEthernet {
 public:
  SilentEthernet() : tap_(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
    ifreq settings{};
    settings.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(settings.ifr_name, kName, IFNAMSIZ - 1);
    ready_ = ::ioctl(tap_.get(), TUNSETIFF, &settings) == 0 &&
             configure(kName, SIOCSIFADDR, [](ifreq& one) { one.ifr_addr = ipv4("192.0.2.1"); }) &&
             configure(kName, SIOCSIFNETMASK,
                       [](ifreq& one) { one.ifr_netmask = ipv4("255.255.255.0"); }) &&
             set_up(kName, 1500);
  }

  [[nodiscard]] bool ready() const { return ready_; }
  /// As if 192.0.2.2 had answered: what waits goes out.
  [[nodiscard]] bool answer() const {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    arpreq entry{};
    entry.arp_pa = ipv4("192.0.2.2");
    entry.arp_ha.sa_family = ARPHRD_ETHER;
    entry.arp_ha.sa_data[0] = 2;
    entry.arp_ha.sa_data[5] = 2;
    entry.arp_flags = ATF_PERM | ATF_COM;
    std::strncpy(entry.arp_dev, kName, sizeof entry.arp_dev - 1);
    return ::ioctl(socket.get(), SIOCSARP, &entry) == 0;
  }

 private:
  static constexpr const char* kName = "silent0";

  UniqueFd tap_;
  bool ready_ = false;
};

}  // namespace leat::testing
