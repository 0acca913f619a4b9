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

/// Where the words of `parser` itself end, of argv[2] and the following: at "--", or at the first
/// that is neither an option nor an option's value.
int end_of_own_words(const CLI::App& parser, int argc, char** argv) {
  int i = 2;
  for (; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with('-') || word == "-" || word == "--") return i;
    const CLI::Option* const option = parser.get_option_no_throw(word);
    if (option != nullptr && option->get_expected_min() > 0) ++i;
  }
  return argc;
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
  for (const Command& command : commands) {
    if (!command.take_program || command.parser->get_name() != first) continue;
    const int end = end_of_own_words(*command.parser, argc, argv);
    const int begin = end < argc && std::string_view(argv[end]) == "--" ? end + 1 : end;
    command.take_program({argv + begin, argv + argc});
    argc = end;
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
    const std::vector<Command> commands{
        leat::app::add_serve(app), leat::app::add_load(app), leat::app::add_predict(app),
        leat::app::add_run(app),   leat::app::add_ss(app),   leat::app::add_smc(app),
#ifdef LEAT_HAS_HOST
        leat::app::add_path(app),
#endif
    };
    app.add_subcommand("help", "Explain a command");
    return run_command(app, commands, argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "leat: {}\n", e.what());
    return leat::app::kFailure;
  }
}
