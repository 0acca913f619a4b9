// leat run: a program whose local TCP connections go through shared memory.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "leat/smc/program_image.h"

#include "apps/leat/broker_start.h"
#include "apps/leat/cli_options.h"
#include "apps/leat/command.h"

namespace leat::app {

namespace {

constexpr std::uint64_t kLeastRing = 64U << 10U;
constexpr std::uint64_t kMostRing = 64U << 20U;

struct RunOptions {
  std::uint64_t receive_ring = 0;
  std::uint64_t send_ring = 0;
  std::string allowed_ports;
  std::string denied_ports;
  std::uint32_t spin_us = 0;
  bool no_spin = false;
  bool verbose = false;
  std::vector<std::string> program;  ///< And its arguments.
};

void say(const RunOptions& options, const std::string& message) {
  if (options.verbose) fmt::print(stderr, "leat run: {}\n", message);
}

Result<std::uint64_t> parse_size(const std::string& text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  std::uint64_t size = digits == 0 || digits > 9 ? 0 : std::stoull(text.substr(0, digits));
  const std::string suffix = text.substr(digits);
  if (suffix == "k" || suffix == "K") size <<= 10U;
  if (suffix == "m" || suffix == "M") size <<= 20U;
  const bool known =
      suffix.empty() || suffix == "k" || suffix == "K" || suffix == "m" || suffix == "M";
  if (!known || size < kLeastRing || size > kMostRing || !std::has_single_bit(size)) {
    return Error::invalid_argument(fmt::format("'{}' is not a power of two from 64k to 64m", text));
  }
  return size;
}

/// "22,5000-5010", each with `mark` before it.
Result<std::string> parse_ports(const std::string& text, std::string_view mark) {
  std::string list;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string piece = text.substr(begin, end - begin);
    const std::size_t dash = piece.find('-');
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    const bool good =
        CLI::detail::lexical_cast(piece.substr(0, dash), first) &&
        (dash == std::string::npos || CLI::detail::lexical_cast(piece.substr(dash + 1), last));
    if (!good || first == 0 || (dash != std::string::npos && last < first)) {
      return Error::invalid_argument(
          fmt::format("'{}' is no port and no range of ports; write 22,5000-5010", piece));
    }
    if (!list.empty()) list += ',';
    list += mark;
    list += piece;
    begin = end + 1;
  }
  return list;
}

/// Beside this program in the build tree, or where it was installed; $LEAT_PRELOAD before both.
Result<std::string> find_library() {
  namespace fs = std::filesystem;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  const char* const named = std::getenv("LEAT_PRELOAD");
  std::vector<fs::path> candidates;
  std::error_code error;
  if (named != nullptr && *named != '\0') {
    candidates.push_back(fs::absolute(named, error));
  } else {
    const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
    candidates = {folder / ".." / "preload" / "libleat_preload.so",
                  folder / LEAT_PRELOAD_FROM_BIN / "libleat_preload.so"};
  }
  for (const fs::path& candidate : candidates) {
    const std::string path = candidate.lexically_normal().string();
    if (::access(path.c_str(), R_OK) != 0) continue;
    // The dynamic loader splits there, and has no way to quote.
    if (path.find_first_of(": ") != std::string::npos) {
      return Error::from_errno(EINVAL, path + ", which LD_PRELOAD cannot name");
    }
    return path;
  }
  return Error::from_errno(ENOENT, candidates.back().lexically_normal().string());
}

void set(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread.
}

void set_environment(const RunOptions& options, const smc::BrokerDirectory& directory,
                     const std::string& library) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  const char* const before = std::getenv("LD_PRELOAD");
  std::string list = before == nullptr ? "" : before;
  if (list.find(library) == std::string::npos) {
    if (!list.empty()) list += ':';
    list += library;
  }
  set("LD_PRELOAD", list);
  set("LEAT_DIR", directory.path);
  if (options.receive_ring != 0) set("LEAT_RCVBUF", std::to_string(options.receive_ring));
  if (options.send_ring != 0) set("LEAT_SNDBUF", std::to_string(options.send_ring));
  if (!options.allowed_ports.empty()) set("LEAT_PORTS", options.allowed_ports);
  if (!options.denied_ports.empty()) set("LEAT_PORTS", options.denied_ports);
  if (options.spin_us != 0) set("LEAT_SPIN", std::to_string(options.spin_us));
  if (options.no_spin) set("LEAT_SPIN", "off");
  say(options, "LD_PRELOAD=" + list);
}

bool is_of_musl(const std::string& program) {
  std::array<char, PATH_MAX> room{};
  const char* const path = smc::find_in_path(program.c_str(), room.data(), room.size());
  return smc::image_of(AT_FDCWD, path) == smc::Image::kRefuses;
}

int execute(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::signal(SIGPIPE, SIG_DFL);  // main() ignores it, and exec would pass that on.
  ::execvp(arguments[0], arguments.data());
  const int error = errno;
  fail("run", Error::from_errno(error, words[0]).message());
  return error == ENOENT ? kNotFound : kNotExecutable;
}

int run(const RunOptions& options) {
  if (options.program.empty()) {
    fail("run", "name a program: leat run -- PROGRAM ARGUMENTS\nSee leat run --help");
    return kUsage;
  }
  const Result<std::string> library = find_library();
  if (!library) {
    fail("run", library.error().message());
    return kNotStarted;
  }
  smc::BrokerDirectory directory = smc::BrokerDirectory::standard();
  // The program may change its directory, and the broker does.
  std::error_code error;
  directory.path = std::filesystem::absolute(directory.path, error).string();
  const Result<bool> started = start_broker(directory, false);
  if (!started) {
    // Without a broker all stays on TCP, which is right, and slower.
    fail("run", "no broker, so all connections stay on TCP: " + started.error().context());
  } else {
    say(options, fmt::format("broker in {}, {}", directory.path,
                             *started ? "started now" : "which was there"));
  }
  if (is_of_musl(options.program[0])) {
    // Its loader would end it; what it talks to finds no offer, and stays on TCP as well.
    fail("run", options.program[0] +
                    " is linked with musl, for which there is no library: it runs on TCP");
    return execute(options.program);
  }
  set_environment(options, directory, *library);
  return execute(options.program);
}

void add_ports(CLI::App& parser, RunOptions& options) {
  CLI::Option* const deny = add_parsed(
      parser, "--deny-port",
      [&options](const std::string& text) -> Result<void> {
        Result<std::string> list = parse_ports(text, "!");
        if (!list) return list.error();
        options.denied_ports = *std::move(list);
        return {};
      },
      "Connections from or to these ports stay on TCP: 22,5000-5010");
  CLI::Option* const allow = add_parsed(
      parser, "--allow-port",
      [&options](const std::string& text) -> Result<void> {
        Result<std::string> list = parse_ports(text, "");
        if (!list) return list.error();
        options.allowed_ports = *std::move(list);
        return {};
      },
      "Connections that have none of these ports stay on TCP");
  deny->type_name("LIST")->excludes(allow);
  allow->type_name("LIST");
}

void add_ring(CLI::App& parser, const std::string& name, std::uint64_t& size,
              const std::string& description) {
  add_parsed(
      parser, name,
      [&size](const std::string& text) -> Result<void> {
        const Result<std::uint64_t> parsed = parse_size(text);
        if (!parsed) return parsed.error();
        size = *parsed;
        return {};
      },
      description)
      ->type_name("SIZE");
}

}  // namespace

Command add_run(CLI::App& app) {
  CLI::App* parser =
      app.add_subcommand("run", "Run a program; its local connections use shared memory");
  parser->footer(
      "leat run [OPTIONS] [--] PROGRAM [ARGUMENTS...]\n"
      "Starts a broker if none runs. A connection goes through shared memory when both of its\n"
      "programs run so; all others are TCP as ever. `leat ss` shows which, `leat smc stats` sums.\n"
      "Exit status: the program's; 125 if it could not be tried, 126 if it cannot be executed,\n"
      "127 if there is no such program.");
  const auto options = std::make_shared<RunOptions>();
  add_ring(*parser, "-r,--receive-ring", options->receive_ring,
           "Most bytes that wait for this program on a connection,\n"
           "beside what TCP holds; as 256k or 4m [4m]");
  add_ring(*parser, "-t,--send-ring", options->send_ring,
           "The same for its peers, where they name none");
  add_ports(*parser, *options);
  CLI::Option* const no_spin =
      parser->add_flag("--no-spin", options->no_spin, "Sleep at once where nothing is to be read");
  add_number<std::uint32_t>(*parser, "--spin", options->spin_us, 1, 1000,
                            "Look for so many microseconds at most before sleeping")
      ->excludes(no_spin);
  parser->add_flag("-v,--verbose", options->verbose, "Say what is done");
  return {parser, [options] { return run(*options); },
          [options](std::vector<std::string> words) { options->program = std::move(words); }};
}

}  // namespace leat::app
