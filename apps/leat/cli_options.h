// Internal: options that several subcommands have, for CLI11.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"

#include "apps/leat/threads.h"

namespace leat::app {

/// An option whose text `parse` understands; its error, without the code, is what the user reads.
CLI::Option* add_parsed(CLI::App& parser, const std::string& name,
                        std::function<Result<void>(const std::string&)> parse,
                        const std::string& description);

/// A length of time in seconds, fractions allowed, from `least` to a year.
CLI::Option* add_seconds(CLI::App& parser, const std::string& name,
                         std::function<void(Duration)> take, const std::string& description,
                         double least = 0);
CLI::Option* add_seconds(CLI::App& parser, const std::string& name, Duration& value,
                         const std::string& description, double least = 0);

/// For Option::check(): a number from `low` to `high`. Unlike CLI::Range it does not clutter the
/// help, and its message is a sentence.
template <typename Number>
CLI::Validator number_within(Number low, Number high) {
  return CLI::Validator(
      [low, high](std::string& text) {
        Number number{};
        const bool is_number = CLI::detail::lexical_cast(text, number);
        if (is_number && number >= low && number <= high) return std::string();
        return fmt::format("'{}' is not a number from {} to {}", text, low, high);
      },
      "");
}

template <typename Number>
CLI::Option* add_number(CLI::App& parser, const std::string& name, Number& value, Number low,
                        Number high, const std::string& description) {
  return parser.add_option(name, value, description)
      ->check(number_within(low, high))
      ->type_name("N");
}

CLI::Option* add_threads(CLI::App& parser, const std::string& name, Threads& value,
                         const std::string& description);

}  // namespace leat::app
