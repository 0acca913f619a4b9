// leat path: the receive path of this machine, from card to thread.

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "leat/host/findings.h"
#include "leat/host/inventory.h"
#include "leat/host/inventory_json.h"
#include "leat/host/observation.h"
#include "leat/sys/live_machine.h"
#include "leat/sys/recording_machine.h"
#include "leat/sys/replay_machine.h"

#include "apps/leat/cli_options.h"
#include "apps/leat/command.h"
#include "apps/leat/path_target.h"
#include "apps/leat/path_tree.h"

namespace leat::app {

namespace {

struct PathOptions {
  PathTarget target;
  bool json = false;
  std::string record;
  std::string replay;
  Duration observe{};
};

/// Of the terminal, 80 where there is none.
std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 80;
}

Result<std::unique_ptr<sys::Machine>> open_machine(const PathOptions& options) {
  if (options.replay.empty()) return std::unique_ptr<sys::Machine>(new sys::LiveMachine);
  const auto text = sys::LiveMachine().read_file(options.replay);
  if (!text) return text.error();
  auto machine = sys::ReplayMachine::parse(*text);
  if (!machine) return machine.error();
  return std::unique_ptr<sys::Machine>(*std::move(machine));
}

Result<void> write_recording(const std::string& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return Error::from_errno(errno != 0 ? errno : EIO, "write " + path);
  return {};
}

int show(const PathOptions& options) {
  const auto opened = open_machine(options);
  if (!opened) return fail("path", opened.error().message());
  sys::RecordingMachine recorder(**opened);
  sys::Machine& machine = options.record.empty() ? **opened : recorder;
  host::InventoryOptions wanted;
  wanted.device = options.target.device;
  wanted.driver_statistics = options.json || !options.record.empty();
  Result<host::Inventory> inventory = host::read_inventory(machine, wanted);
  if (!inventory) return fail("path", inventory.error().message());
  if (!options.record.empty()) {
    const auto written =
        write_recording(options.record, recorder.text("recorded on Linux " + inventory->kernel));
    if (!written) return fail("path", written.error().message());
  }
  if (options.target.pid && !machine.read_file(fmt::format("/proc/{}/comm", *options.target.pid))) {
    return fail("path",
                Error::from_errno(ESRCH, fmt::format("process {}", *options.target.pid)).message());
  }
  keep_wanted(options.target, *inventory);
  const auto findings = host::find_misfits(*inventory);
  std::optional<host::Observation> observed;
  if (options.observe > Duration::zero()) {
    auto result = host::observe(machine, *inventory, options.observe,
                                [](Duration time) { std::this_thread::sleep_for(time); });
    if (!result) return fail("path", result.error().message());
    observed = *std::move(result);
  }
  if (options.json) {
    fmt::print("{}\n", host::inventory_json(*inventory, findings, observed ? &*observed : nullptr));
  } else {
    fmt::print("{}", path_tree(*inventory, findings, terminal_width()));
    if (observed) fmt::print("{}", observation_text(*inventory, *observed, terminal_width()));
  }
  return kSuccess;
}

}  // namespace

Command add_path(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("path", "The receive path, from card to thread");
  const auto options = std::make_shared<PathOptions>();
  const auto parse = [options](const std::string& text) -> Result<void> {
    auto target = parse_path_target(text);
    if (!target) return target.error();
    options->target = *std::move(target);
    return {};
  };
  add_parsed(*parser, "target", parse, "A device, a process, or a port as :80; nothing: all")
      ->type_name("DEV|PID|:PORT");
  parser->add_flag("--json", options->json, "As a JSON object, with everything");
  add_seconds(*parser, "--observe", options->observe,
              "Look on for a while: interrupts and packets by CPU, threads that ran");
  parser->add_option("--record", options->record, "Keep this machine's answers in a file")
      ->type_name("FILE");
  parser
      ->add_option("--replay", options->replay,
                   "Show the machine of such a file instead of this one")
      ->type_name("FILE");
  parser->footer(
      "What does not fit together is marked in place: !! loses packets, ! costs speed, ? may be\n"
      "meant. In [brackets]: the setting that would change it. What cannot be read says which\n"
      "right it would need.");
  return {parser, [options] { return show(*options); }};
}

}  // namespace leat::app
