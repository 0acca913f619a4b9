// leat smc: the broker, its sums, and what a connection would get.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "leat/smc/broker.h"
#include "leat/smc/broker_report.h"

#include "apps/leat/broker_start.h"
#include "apps/leat/cli_options.h"
#include "apps/leat/command.h"
#include "apps/leat/smc_tools.h"

namespace leat::app {

namespace {

std::atomic<smc::Broker*> running{nullptr};

void stop_running(int /*signal*/) {
  if (smc::Broker* const broker = running.load()) broker->stop();
}

struct BrokerCommand {
  bool stay = false;
  bool foreground = false;
  bool detach = false;
};

int serve_broker(const BrokerCommand& command) {
  smc::BrokerOptions options;
  if (command.stay) options.linger = Duration::zero();
  const Result<std::unique_ptr<smc::Broker>> broker = smc::Broker::create(options);
  if (!broker) return fail("smc broker", broker.error().message());
  running = broker->get();
  std::signal(SIGTERM, stop_running);
  std::signal(SIGINT, stop_running);
  if (command.detach) {
    // Who started us waits for this end of its pipe to be closed.
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nothing, STDERR_FILENO);
    ::close(nothing);
  } else {
    fmt::print("listening on {}\n", options.directory.socket());
    std::fflush(stdout);
  }
  const Result<void> ran = (*broker)->run();
  running = nullptr;
  return ran ? int{kSuccess} : fail("smc broker", ran.error().message());
}

int broker(const BrokerCommand& command) {
  if (command.foreground) return serve_broker(command);
  const smc::BrokerDirectory directory = smc::BrokerDirectory::standard();
  const Result<bool> started = start_broker(directory, command.stay);
  if (!started) return fail("smc broker", started.error().context());
  fmt::print("{} {}\n", directory.socket(), *started ? "listens" : "was there already");
  return kSuccess;
}

struct StatsCommand {
  bool json = false;
  std::string action;
};

int stats(const StatsCommand& command) {
  const smc::BrokerDirectory directory = smc::BrokerDirectory::standard();
  if (command.action == "reset") {
    const Result<void> done = smc::reset_report(directory);
    return done ? int{kSuccess} : fail("smc stats", done.error().message());
  }
  const Result<smc::BrokerReport> report = smc::ask_report(directory);
  if (!report) return fail("smc stats", report.error().message());
  fmt::print("{}", command.json ? stats_json(*report) + "\n" : stats_text(*report));
  return kSuccess;
}

struct CheckCommand {
  std::string target;
  bool json = false;
};

}  // namespace

Command add_smc(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("smc", "Shared memory: sums, checks, the broker");
  parser->require_subcommand(1);

  CLI::App* const stats_parser = parser->add_subcommand("stats", "Sums since the broker began");
  const auto stats_command = std::make_shared<StatsCommand>();
  stats_parser->add_flag("--json", stats_command->json, "As one JSON object");
  stats_parser->add_option("ACTION", stats_command->action, "reset: count from now on")
      ->check(CLI::IsMember({"show", "reset"}, CLI::ignore_case))
      ->type_name("");

  CLI::App* const check_parser =
      parser->add_subcommand("check", "What a connection to HOST:PORT would get, and why");
  const auto check_command = std::make_shared<CheckCommand>();
  check_parser->add_option("HOST:PORT", check_command->target, "An address or name, and a port")
      ->required()
      ->type_name("");
  check_parser->add_flag("--json", check_command->json, "As one JSON object");
  check_parser->footer("Looks, and connects to nobody. Exit status: 0 shared memory, 1 TCP.");

  CLI::App* const broker_parser =
      parser->add_subcommand("broker", "Start the broker of $LEAT_DIR, if none runs");
  const auto broker_command = std::make_shared<BrokerCommand>();
  broker_parser->add_flag("--stay", broker_command->stay,
                          "Do not end two minutes after the last program");
  broker_parser->add_flag("--foreground", broker_command->foreground,
                          "Do not go into the background");
  broker_parser->add_flag("--detach", broker_command->detach)->group("");

  return {parser, [=] {
            if (stats_parser->parsed()) return stats(*stats_command);
            if (check_parser->parsed()) return check(check_command->target, check_command->json);
            return broker(*broker_command);
          }};
}

}  // namespace leat::app
