// Public: a machine that is a recording, or made up, and behaves like a kernel when it is written.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "leat/sys/machine.h"

namespace leat::sys {

namespace internal {
struct Exchange;
}

/// Answers from a text that RecordingMachine has kept or a person has made up. What is in it, and
/// what a made-up kernel may be told to do, is in docs/decisions/host.md.
///
/// Takes writes, in memory only, to the files and netlink objects that are settings, and does with
/// them what the kernel does: rounds rps_flow_cnt and rps_sock_flow_entries up to powers of two,
/// narrows masks to the housekeeping CPUs, refuses masks beyond the last CPU (EOVERFLOW), channels
/// below what a user's indirection table names and rings above their maximum (EINVAL), makes and
/// removes queues with their channels, rebuilds an indirection table that no user has set, and lets
/// effective affinities follow at the next interrupt only.
class ReplayMachine final : public Machine {
 public:
  struct Write {
    std::string what;   ///< A path, or "ethtool rings eth0", "netdev napi 258".
    std::string value;  ///< As it was written, attributes as a JSON object.
  };
  /// Called before each write; an error makes that write fail with it, and nothing is changed.
  using WriteHook = std::function<Result<void>(const Write&)>;

  /// EBADMSG and what is wrong if `text` is no recording.
  [[nodiscard]] static Result<std::unique_ptr<ReplayMachine>> parse(std::string_view text);
  ~ReplayMachine() override;

  /// The recording as it is now, with all that was written: equal texts, equal machines.
  [[nodiscard]] std::string text() const;
  /// "recorded on ...", "constructed: ...".
  [[nodiscard]] std::string label() const;
  /// All writes so far, refused ones too.
  [[nodiscard]] const std::vector<Write>& writes() const;
  void on_write(WriteHook hook);
  /// An interrupt of each line: effective affinities follow what was asked.
  void deliver_interrupts();
  /// What somebody else does to a file: no hook, no rules, not in writes().
  void change_file(const std::string& path, std::string text);

  [[nodiscard]] Result<std::string> read_file(const std::string& path) override;
  Result<void> write_file(const std::string& path, std::string_view text) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) override;
  [[nodiscard]] Result<std::string> read_link(const std::string& path) override;
  [[nodiscard]] Result<NetlinkAnswer> netlink(const NetlinkRequest& request) override;
  Result<void> ethtool(const std::string& device, std::span<std::byte> command) override;
  [[nodiscard]] Result<SocketOptions> socket_options(int pid, int fd) override;

 private:
  struct State;

  explicit ReplayMachine(std::unique_ptr<State> state);
  Result<void> announce(std::string what, std::string value);
  Result<NetlinkAnswer> set(const NetlinkRequest& request, const internal::Exchange& exchange);
  Result<NetlinkAnswer> get(const internal::Exchange& exchange);

  std::unique_ptr<State> state_;
};

}  // namespace leat::sys
