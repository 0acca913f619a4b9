// leat load: a load generator for TCP echo and HTTP servers.

#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "apps/leat/cli_options.h"
#include "apps/leat/command.h"
#include "apps/leat/descriptor_limit.h"
#include "apps/leat/load_options.h"
#include "apps/leat/load_report.h"
#include "apps/leat/load_run.h"

namespace leat::app {

namespace {

constexpr std::size_t kMostConnections = 1'000'000;
constexpr std::size_t kMostPipeline = 4096;
constexpr std::size_t kMostSize = 16 * 1024 * 1024;
constexpr std::size_t kMostUnderWay = 256 * 1024 * 1024;
constexpr std::uint64_t kMostRequests = 1'000'000'000'000;
/// Beside the connections: standard streams, and for each thread its poller, wake-up and clock.
constexpr std::size_t kOtherDescriptors = 16;

/// RFC 9110, 5.1 and 5.5: a token, a colon, visible characters; so nobody adds a second request.
bool is_header(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  constexpr std::string_view kTokenSigns = "!#$%&'*+-.^_`|~";
  const auto is_token = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kTokenSigns.find(c) != std::string_view::npos;
  };
  const auto is_value = [](unsigned char c) { return c == '\t' || (c >= ' ' && c != 0x7f); };
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), is_token) &&
         std::all_of(text.begin() + static_cast<std::ptrdiff_t>(colon), text.end(), is_value);
}

/// What single options cannot know; empty if they fit together.
std::string conflict(const LoadOptions& options) {
  if (options.new_connections && options.pipeline > 1) {
    return "--new-connections has one request on a connection, so --pipeline must be 1";
  }
  if (options.pipeline * options.size > kMostUnderWay) {
    return fmt::format("--pipeline times --size is over {} bytes a connection", kMostUnderWay);
  }
  if (options.target.protocol == LoadTarget::Protocol::kEcho && !options.headers.empty()) {
    return "--header is for http targets";
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t needed = options.connections + kOtherDescriptors + 4 * options.threads.count;
  if (needed > limit.rlim_cur) {
    return fmt::format(
        "--connections {} needs {} descriptors, and the limit is {}: raise it "
        "(ulimit -Hn)",
        options.connections, needed, limit.rlim_cur);
  }
  return "";
}

int load(LoadOptions& options) {
  raise_descriptor_limit();
  options.threads.count = std::min(options.threads.count, options.connections);
  if (const std::string text = conflict(options); !text.empty()) {
    fail("load", text);
    return kUsage;
  }
  Result<std::unique_ptr<EventLoop>> base = EventLoop::create({.name = "base"});
  if (!base) return fail("load", base.error().message());
  Result<void> found = find_address(**base, options.target, options.timeout);
  if (!found) return fail("load", found.error().message());
  LoadRun run(**base, options);
  const Result<LoadResult> result = run.run();
  if (!result) return fail("load", result.error().message());
  if (run.fatal_signal() != 0) return 128 + run.fatal_signal();
  if (options.json) {
    fmt::print("{}\n", load_report_json(options, *result));
  } else {
    fmt::print("{}", load_report_text(options, *result));
  }
  const LoadStats& all = result->all;
  const bool succeeded = options.idle ? all.open_at_end != 0 : all.requests != 0;
  const bool clean = all.errors_total() == 0 || options.allow_errors;
  return succeeded && clean ? kSuccess : kFailure;
}

void add_kind_of_load(CLI::App& parser, LoadOptions& options) {
  add_number<std::size_t>(parser, "--connections", options.connections, 1, kMostConnections,
                          "Connections, opened before the first request [64]");
  add_threads(parser, "--threads", options.threads,
              "Threads: a number, or CPUs to pin one to each,\nas 0-3 or 0,2 [1]");
  CLI::Option* rate = parser.add_option_function<double>(
      "--rate", [&options](double value) { options.rate = value; },
      "Open loop: so many requests a second in all;\nlatency counts from the intended start");
  rate->check(number_within(0.001, 1e8))->type_name("N");
  add_number<std::size_t>(parser, "--pipeline", options.pipeline, 1, kMostPipeline,
                          "Requests under way on a connection [1]");
  CLI::Option* fresh = parser.add_flag("--new-connections", options.new_connections,
                                       "A connection for each request");
  parser.add_flag("--idle", options.idle, "Open the connections and send nothing")
      ->excludes(rate)
      ->excludes(fresh);
}

void add_length(CLI::App& parser, LoadOptions& options) {
  const auto take_duration = [&options](Duration duration) {
    options.has_duration = true;
    options.duration = duration;
  };
  add_seconds(parser, "--duration", take_duration, "Length of the measurement [10]", 0.001);
  parser
      .add_option_function<std::uint64_t>(
          "--requests", [&options](std::uint64_t count) { options.requests = count; },
          "End after so many requests")
      ->check(number_within(std::uint64_t{1}, kMostRequests))
      ->type_name("N");
  add_seconds(parser, "--warmup", options.warmup, "Load that is not counted, before [0]");
  add_seconds(parser, "--timeout", options.timeout, "For a connect and for an answer [5]", 0.001);
}

void add_requests(CLI::App& parser, LoadOptions& options) {
  add_number<std::size_t>(parser, "--size", options.size, 1, kMostSize,
                          "Bytes of an echo message [64]");
  parser.add_option("--header", options.headers, "Added to HTTP requests; may be repeated")
      ->type_name("'NAME: VALUE'")
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        return is_header(text) ? "" : "'" + text + "' is not of the form NAME: VALUE";
      });
  parser.add_flag("--any-body", options.any_body, "HTTP bodies may differ from each other");
}

void add_report(CLI::App& parser, LoadOptions& options) {
  parser.add_flag("--allow-errors", options.allow_errors,
                  "Exit status 0 also with errors, if anything succeeded");
  parser.add_flag("--json", options.json, "The report as one JSON object");
  parser.add_flag("--histogram", options.histogram, "Every bucket of the latencies");
}

}  // namespace

Command add_load(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("load", "Measure a TCP echo or HTTP server under load");
  const auto options = std::make_shared<LoadOptions>();
  const auto parse_target = [options](const std::string& text) -> Result<void> {
    Result<LoadTarget> target = parse_load_target(text);
    if (!target) return std::move(target).error();
    options->target = *std::move(target);
    return {};
  };
  add_parsed(*parser, "TARGET", parse_target,
             "http://HOST:PORT/PATH, http://unix:SOCKET:/PATH,\n"
             "tcp://HOST:PORT or unix:SOCKET (echo)")
      ->type_name("")
      ->required();
  add_kind_of_load(*parser, *options);
  add_length(*parser, *options);
  add_requests(*parser, *options);
  add_report(*parser, *options);
  return {parser, [options] { return load(*options); }};
}

}  // namespace leat::app
