// leat: the command line.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/leat/command.h"

namespace {

using leat::app::Command;

int usage_error(const CLI::App& app, const std::string& message) {
  std::string name = "leat";
  for (const CLI::App* chosen : app.get_subcommands()) name += " " + chosen->get_name();
  fmt::print(stderr, "{}: {}\nSee {} --help\n", name, message, name);
  return leat::app::kUsage;
}

/// "leat help" and "leat help serve". By hand, for CLI11 takes "serve" for a second command.
int help(const CLI::App& app, std::string_view topic) {
  if (topic.empty()) {
    fmt::print("{}", app.help());
    return leat::app::kSuccess;
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() != topic) continue;
    fmt::print("{}", command->help(app.get_name()));
    return leat::app::kSuccess;
  }
  return usage_error(app, fmt::format("there is no command '{}'", topic));
}

int run_command(CLI::App& app, const std::vector<Command>& commands, int argc, char** argv) {
  if (argc < 2) return usage_error(app, "a command is missing");
  const std::string_view first = argv[1];
  if (first == "help") return help(app, argc > 2 ? argv[2] : "");
  const bool known = std::any_of(commands.begin(), commands.end(), [&](const Command& command) {
    return command.parser->get_name() == first;
  });
  if (!first.starts_with('-') && !known) {
    return usage_error(app, fmt::format("there is no command '{}'", first));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return usage_error(app, e.what());
  }
  for (const Command& command : commands) {
    if (command.parser->parsed()) return command.run();
  }
  return usage_error(app, "a command is missing");
}

}  // namespace

int main(int argc, char** argv) {
  // Writing to a closed pipe or socket is an error to be handled where it happens.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    CLI::App app("Leat: a high-performance network stack for Linux servers", "leat");
    app.set_version_flag("--version", "leat " LEAT_VERSION);
    app.get_formatter()->column_width(34);
    const std::vector<Command> commands{leat::app::add_serve(app), leat::app::add_load(app),
                                        leat::app::add_predict(app)};
    app.add_subcommand("help", "Explain a command");
    return run_command(app, commands, argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "leat: {}\n", e.what());
    return leat::app::kFailure;
  }
}
