// leat predict: where the packets of a trace would land.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "apps/leat/cli_options.h"
#include "apps/leat/command.h"
#include "apps/leat/predict_options.h"
#include "apps/leat/predict_report.h"
#include "apps/leat/predict_run.h"

namespace leat::app {

namespace {

constexpr std::uint32_t kMostQueues = 1024;
constexpr int kMostCpus = 1024;
constexpr std::size_t kMostBacklog = 1'000'000;
/// Of all CPUs together: a gigabyte.
constexpr std::size_t kMostWaiting = 64'000'000;
constexpr std::size_t kMostSocketFlows = std::size_t{1} << 24;
constexpr std::uint64_t kLongestServiceNs = 1'000'000'000;
constexpr std::uint32_t kMostWeight = 65'536;

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return Error::from_errno(errno != 0 ? errno : EIO, "write the picture " + path);
  return {};
}

int run_predict(PredictOptions options) {
  if (const Result<void> checked = check_options(options); !checked) {
    fail("predict", checked.error().context() + "\nSee leat predict --help");
    return kUsage;
  }
  if (static_cast<std::size_t>(options.cpus) * options.backlog > kMostWaiting) {
    fail("predict", fmt::format("--backlog: {} packets on each of {} CPUs need too much memory: "
                                "say fewer\nSee leat predict --help",
                                options.backlog, options.cpus));
    return kUsage;
  }
  const Result<PredictResult> result = predict(options);
  if (!result) return fail("predict", result.error().message());
  if (result->error && result->packets == 0 && !options.json) {
    return fail("predict", *result->error);
  }
  fmt::print("{}", options.json ? predict_report_json(options, *result) + "\n"
                                : predict_report_text(options, *result));
  std::fflush(stdout);
  if (!options.svg.empty()) {
    const Result<void> written = write_file(options.svg, predict_svg(options, *result));
    if (!written) return fail("predict", written.error().message());
  }
  if (!result->error) return kSuccess;
  return fail("predict", *result->error + " (what was read before counts)");
}

Result<void> parse_weights(const std::string& text, std::vector<std::uint32_t>& weights) {
  weights.clear();
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string piece = text.substr(begin, end - begin);
    std::uint32_t weight = 0;
    if (!CLI::detail::lexical_cast(piece, weight) || piece[0] == '-' || weight > kMostWeight) {
      return Error::invalid_argument(
          fmt::format("'{}': '{}' at column {} is not a number from 0 to {}; write 6,2", text,
                      piece, begin + 1, kMostWeight));
    }
    weights.push_back(weight);
    begin = end + 1;
  }
  return {};
}

Result<void> parse_key(const std::string& text, PredictCard& card) {
  if (text == "symmetric") {
    card.key = steering::ToeplitzKey::symmetric();
  } else {
    Result<steering::ToeplitzKey> key = steering::ToeplitzKey::parse(text);
    if (!key) {
      return Error::invalid_argument(key.error().context() +
                                     "; ethtool -x prints a card's, and 'symmetric' is one too");
    }
    card.key = *std::move(key);
  }
  card.key_name = text;
  return {};
}

void add_card(CLI::App& parser, PredictOptions& options) {
  PredictCard& card = options.card;
  add_number(parser, "--queues", options.queues, std::uint32_t{1}, kMostQueues,
             "Receive queues of the card")
      ->required();
  CLI::Option* equal = add_number(parser, "--equal", card.equal, std::uint32_t{1}, kMostQueues,
                                  "The table as ethtool -X equal N makes it [all queues]");
  add_parsed(
      parser, "--weight",
      [&card](const std::string& text) { return parse_weights(text, card.weights); },
      "The table as ethtool -X weight makes it: 6,2")
      ->type_name("W,W...")
      ->excludes(equal);
  add_number(parser, "--table-size", card.table_size, std::size_t{1},
             steering::IndirectionTable::kMaxSize, "Entries of the indirection table [128]");
  add_parsed(
      parser, "--key", [&card](const std::string& text) { return parse_key(text, card); },
      "The hash key, 40 bytes or more in hexadecimal digits, or\n"
      "'symmetric' [that of Microsoft's published vectors]")
      ->type_name("HEX|symmetric");
  const auto parse_fields = [&card](const std::string& text) -> Result<void> {
    const Result<steering::HashFields> fields = steering::HashFields::parse(text);
    if (!fields) return fields.error();
    card.fields = *fields;
    return {};
  };
  add_parsed(parser, "--fields", parse_fields,
             "What is hashed of TCP and UDP, in ethtool's letters [sdfn]")
      ->type_name("sdfn");
}

void add_cpus(CLI::App& parser, PredictOptions& options) {
  const auto set_to = [](CpuSet& set, auto parse) {
    return [&set, parse](const std::string& text) -> Result<void> {
      Result<CpuSet> cpus = parse(text);
      if (!cpus) return std::move(cpus).error();
      if (cpus->empty()) return Error::invalid_argument("it names no CPU");
      set = *std::move(cpus);
      return {};
    };
  };
  add_parsed(parser, "--rps", set_to(options.rps, &CpuSet::parse_mask),
             "rps_cpus of every queue: a mask as ff or f,00000001 [off]")
      ->type_name("MASK");
  add_number(parser, "--rfs", options.rfs, std::size_t{1}, kMostSocketFlows,
             "rps_sock_flow_entries, shared out to the queues [off]");
  parser.add_flag("--arfs", options.arfs, "The card follows the readers by filters");
  add_parsed(parser, "--readers", set_to(options.readers, &CpuSet::parse_list),
             "CPUs on which programs read, a flow each in turn [all]")
      ->type_name("CPUS");
  add_number(parser, "--cpus", options.cpus, 1, kMostCpus,
             "CPUs of the machine [as many as queues]");
}

void add_model(CLI::App& parser, PredictOptions& options) {
  add_number(parser, "--backlog", options.backlog, std::size_t{1}, kMostBacklog,
             "netdev_max_backlog, packets on each CPU [1000]");
  parser.add_flag("--flow-limit", options.flow_limit,
                  "The flow limit is on, on the CPUs of the interrupts");
  parser
      .add_option_function<std::uint64_t>(
          "--service-ns",
          [&options](std::uint64_t time) {
            options.service = Duration(static_cast<Duration::rep>(time));
          },
          "Time that a packet takes its CPU [1000]")
      ->check(number_within(std::uint64_t{0}, kLongestServiceNs))
      ->type_name("NS");
  parser.add_flag("--json", options.json, "The report as one JSON object");
  parser.add_option("--svg", options.svg, "A picture of the spread, into this file")
      ->type_name("FILE");
}

constexpr std::string_view kFooter =
    "Nothing of this machine is read or changed but the trace. Capture what arrives only\n"
    "(tcpdump -Q in): what the machine sends would count as received.";

}  // namespace

Command add_predict(CLI::App& app) {
  CLI::App* parser =
      app.add_subcommand("predict", "Forecast on which queues and CPUs a trace's packets land");
  parser->footer(std::string(kFooter));
  const auto options = std::make_shared<PredictOptions>();
  parser->add_option("TRACE", options->trace, "A pcap or pcapng file; - reads standard input")
      ->type_name("")
      ->required();
  add_card(*parser, *options);
  add_cpus(*parser, *options);
  add_model(*parser, *options);
  return {parser, [options] { return run_predict(*options); }};
}

}  // namespace leat::app
