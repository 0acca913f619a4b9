// Who listens on a port: /proc/net/tcp names sockets, /proc/PID/fd whose they are.

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "apps/leat/smc_tools.h"

namespace leat::app {

namespace {

namespace fs = std::filesystem;

/// As /proc/net/tcp prints addresses: words of 32 bits in the machine's order.
std::string table_text(std::string_view address) {
  std::string text;
  for (std::size_t i = 0; i + 4 <= address.size(); i += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, address.data() + i, sizeof word);
    text += fmt::format("{:08X}", word);
  }
  return text;
}

/// inode -> uid of the sockets in LISTEN.
void read_table(const char* path, const std::vector<std::string>& addresses, std::uint16_t port,
                std::map<std::string, uid_t>& found) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string number;
    std::string local;
    std::string peer;
    std::string state;
    std::string skipped;
    uid_t uid = 0;
    std::string inode;
    words >> number >> local >> peer >> state >> skipped >> skipped >> skipped >> uid >> skipped >>
        inode;
    if (!words || state != "0A") continue;
    for (const std::string& address : addresses) {
      if (local == fmt::format("{}:{:04X}", address, port)) found[inode] = uid;
    }
  }
}

bool maps_a_page(const fs::path& process) {
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/memfd:leat-process") != std::string::npos) return true;
  }
  return false;
}

/// Of the environment that it was started with.
std::string variable_of(const fs::path& process, std::string_view name) {
  std::ifstream environment(process / "environ", std::ios::binary);
  for (std::string entry; std::getline(environment, entry, '\0');) {
    if (entry.starts_with(name)) return entry.substr(name.size());
  }
  return {};
}

}  // namespace

std::vector<Listener> find_listeners(std::string_view address, std::uint16_t port) {
  const std::string own = table_text(address);
  const std::string mapped = table_text(std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12));
  std::map<std::string, uid_t> inodes;
  const std::string any4(8, '0');
  const std::string any6(32, '0');
  if (address.size() == 4) {
    read_table("/proc/net/tcp", {own, any4}, port, inodes);
    read_table("/proc/net/tcp6", {mapped + own, any6}, port, inodes);
  } else {
    read_table("/proc/net/tcp6", {own, any6}, port, inodes);
  }
  std::vector<Listener> listeners;
  std::map<std::string, bool> seen;
  std::error_code error;
  for (const fs::directory_entry& process : fs::directory_iterator("/proc", error)) {
    const std::string name = process.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    for (const fs::directory_entry& fd : fs::directory_iterator(process.path() / "fd", error)) {
      const std::string target = fs::read_symlink(fd.path(), error).string();
      if (!target.starts_with("socket:[")) continue;
      const std::string inode = target.substr(8, target.size() - 9);
      const auto found = inodes.find(inode);
      if (found == inodes.end()) continue;
      seen[inode] = true;
      Listener listener{found->second, pid, {}, maps_a_page(process.path()), {}};
      listener.ports = variable_of(process.path(), "LEAT_PORTS=");
      std::ifstream(process.path() / "comm") >> listener.program;
      listeners.push_back(listener);
      break;
    }
  }
  for (const auto& [inode, uid] : inodes) {
    if (!seen.contains(inode)) listeners.push_back({uid, 0, {}, false, {}});
  }
  return listeners;
}

}  // namespace leat::app
