// Internal: what a subcommand is.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace leat::app {

/// Exit statuses of all subcommands; signals end with 128 + their number, as in a shell.
enum ExitStatus : int {
  kSuccess = 0,
  kFailure = 1,
  kUsage = 2,
  // Of `leat run`, as env(1) and nohup(1) have them.
  kNotStarted = 125,
  kNotExecutable = 126,
  kNotFound = 127,
};

struct Command {
  CLI::App* parser;
  std::function<int()> run;  ///< Called after parsing; returns the exit status.
  /// A command that runs another program: gets that one's words, from its name on, before parsing.
  std::function<void(std::vector<std::string>)> take_program = {};
};

Command add_serve(CLI::App& app);
Command add_load(CLI::App& app);
Command add_predict(CLI::App& app);
Command add_run(CLI::App& app);
Command add_ss(CLI::App& app);
Command add_smc(CLI::App& app);
/// Of builds with leat/host.
Command add_path(CLI::App& app);

/// One line on stderr, "leat serve: MESSAGE"; returns kFailure.
int fail(std::string_view command, std::string_view message);

}  // namespace leat::app
