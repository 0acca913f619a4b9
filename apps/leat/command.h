// Internal: what a subcommand is.
#pragma once

#include <functional>
#include <string_view>

namespace CLI {
class App;
}

namespace leat::app {

/// Exit statuses of all subcommands; signals end with 128 + their number, as in a shell.
enum ExitStatus : int { kSuccess = 0, kFailure = 1, kUsage = 2 };

struct Command {
  CLI::App* parser;
  std::function<int()> run;  ///< Called after parsing; returns the exit status.
};

Command add_serve(CLI::App& app);
Command add_load(CLI::App& app);
Command add_predict(CLI::App& app);

/// One line on stderr, "leat serve: MESSAGE"; returns kFailure.
int fail(std::string_view command, std::string_view message);

}  // namespace leat::app
