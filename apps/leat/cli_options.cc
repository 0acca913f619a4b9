#include "apps/leat/cli_options.h"

#include <chrono>
#include <utility>

namespace leat::app {

namespace {

constexpr double kLongestSeconds = 31'536'000;  // a year

}  // namespace

CLI::Option* add_parsed(CLI::App& parser, const std::string& name,
                        std::function<Result<void>(const std::string&)> parse,
                        const std::string& description) {
  return parser.add_option_function<std::string>(
      name,
      [name, parse = std::move(parse)](const std::string& text) {
        const Result<void> parsed = parse(text);
        if (!parsed) throw CLI::ValidationError(name, parsed.error().context());
      },
      description);
}

CLI::Option* add_seconds(CLI::App& parser, const std::string& name,
                         std::function<void(Duration)> take, const std::string& description,
                         double least) {
  return parser
      .add_option_function<double>(
          name,
          [take = std::move(take)](double seconds) {
            take(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
          },
          description)
      ->type_name("SECONDS")
      ->check(number_within(least, kLongestSeconds));
}

CLI::Option* add_seconds(CLI::App& parser, const std::string& name, Duration& value,
                         const std::string& description, double least) {
  return add_seconds(parser, name, [&value](Duration time) { value = time; }, description, least);
}

CLI::Option* add_threads(CLI::App& parser, const std::string& name, Threads& value,
                         const std::string& description) {
  const auto parse = [&value](const std::string& text) -> Result<void> {
    Result<Threads> threads = parse_threads(text);
    if (!threads) return std::move(threads).error();
    value = *std::move(threads);
    return {};
  };
  return add_parsed(parser, name, parse, description)->type_name("N|CPUS");
}

}  // namespace leat::app
