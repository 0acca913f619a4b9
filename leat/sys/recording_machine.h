// Public: a machine whose answers are kept, so that another can give them again.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "leat/sys/machine.h"

namespace leat::sys {

/// Passes everything on to `inner`, which must outlive it, and keeps the last answer to each
/// question that readers of leat/sys ask, errors too. Addresses, names of processes and whatever
/// else was read are in it: say so to whoever is to send one.
class RecordingMachine final : public Machine {
 public:
  explicit RecordingMachine(Machine& inner);
  ~RecordingMachine() override;

  /// What ReplayMachine::parse() reads. `label` says where it comes from: "recorded on ...".
  [[nodiscard]] std::string text(std::string_view label) const;

  [[nodiscard]] Result<std::string> read_file(const std::string& path) override;
  Result<void> write_file(const std::string& path, std::string_view text) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) override;
  [[nodiscard]] Result<std::string> read_link(const std::string& path) override;
  [[nodiscard]] Result<NetlinkAnswer> netlink(const NetlinkRequest& request) override;
  Result<void> ethtool(const std::string& device, std::span<std::byte> command) override;
  [[nodiscard]] Result<SocketOptions> socket_options(int pid, int fd) override;

 private:
  struct Kept;

  Machine& inner_;
  std::unique_ptr<Kept> kept_;
};

}  // namespace leat::sys
