#include <algorithm>

#include <fmt/format.h>

#include "apps/leat/load_report.h"

namespace leat::app {

namespace {

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

/// Nanoseconds in the unit that suits them: "12.3 us", "4.56 ms", "1.20 s".
std::string time_text(double nanoseconds) {
  if (nanoseconds < 1e6) return fmt::format("{:.1f} us", nanoseconds / 1e3);
  if (nanoseconds < 1e9) return fmt::format("{:.2f} ms", nanoseconds / 1e6);
  return fmt::format("{:.2f} s", nanoseconds / 1e9);
}

std::string summary(const Histogram& histogram) {
  const auto at = [&](double percent) {
    return time_text(static_cast<double>(histogram.percentile(percent)));
  };
  return fmt::format("p50 {}, p90 {}, p99 {}, p99.9 {}, max {}", at(50), at(90), at(99), at(99.9),
                     time_text(static_cast<double>(histogram.max())));
}

std::string short_summary(const Histogram& histogram) {
  return fmt::format("p50 {}, max {}", time_text(static_cast<double>(histogram.percentile(50))),
                     time_text(static_cast<double>(histogram.max())));
}

std::string line(std::string_view name, std::string_view text) {
  return fmt::format("  {:<14}{}\n", name, text);
}

std::string headline(const LoadOptions& options, const LoadResult& result) {
  const std::string mode = options.idle   ? std::string("idle")
                           : options.rate ? fmt::format("open loop at {:.0f} /s", *options.rate)
                                          : std::string("closed loop");
  const LoadTarget& target = options.target;
  const std::string found =
      target.name.host.empty() ? "" : fmt::format(" ({})", target.address.to_string());
  return fmt::format("{}{}: {}{} connections, {} thread{}, {}, {:.2f} s\n", target.text, found,
                     options.connections, options.new_connections ? " new" : "",
                     options.threads.count, options.threads.count == 1 ? "" : "s", mode,
                     result.duration_s);
}

std::string errors(const LoadStats& all) {
  std::string kinds;
  for (std::size_t i = 0; i < all.errors.size(); ++i) {
    if (all.errors[i] != 0) kinds += fmt::format(", {} {}", all.errors[i], kLoadErrorNames[i]);
  }
  return kinds + "\n  " + fmt::format("{:<14}{}", "first", all.first_error);
}

std::string schedule(const LoadStats& all) {
  std::string text = line("own lag", summary(all.lag));
  if (all.backlog_max != 0) {
    text += line("backlog", fmt::format("up to {} requests waited for a free connection",
                                        grouped(all.backlog_max)));
  }
  if (all.unsent != 0) {
    text += line("unsent", fmt::format("{} requests were due and never sent{}", grouped(all.unsent),
                                       all.kept_up() ? "" : ": the target cannot keep up"));
  }
  return text;
}

std::string cpu(const LoadResult& result) {
  double busiest = 0;
  for (const LoadStats& thread : result.threads) {
    busiest = std::max(busiest, thread.user_s + thread.system_s);
  }
  const double seconds = result.all.user_s + result.all.system_s;
  const double share = result.duration_s > 0 ? busiest / result.duration_s : 0;
  std::string text = fmt::format("{:.2f} s", seconds);
  if (result.all.requests != 0) {
    text += fmt::format(", {:.2f} us a request",
                        seconds * 1e6 / static_cast<double>(result.all.requests));
  }
  text += fmt::format("; busiest thread {:.0f} %", share * 100);
  if (share > 0.9) text += ": the generator is the bottleneck";
  return text;
}

}  // namespace

std::string load_report_text(const LoadOptions& options, const LoadResult& result) {
  const LoadStats& all = result.all;
  const double rate =
      result.duration_s > 0 ? static_cast<double>(all.requests) / result.duration_s : 0;
  std::string text = headline(options, result);
  if (!options.idle) {
    text +=
        line("requests", fmt::format("{}, {} /s; {} bytes sent, {} received", grouped(all.requests),
                                     grouped(static_cast<std::uint64_t>(rate)),
                                     grouped(all.bytes_sent), grouped(all.bytes_received)));
    text += line("latency", summary(all.latency));
  }
  if (options.rate) text += schedule(all);
  text += line("connects", fmt::format("{}, {} open at the end; {}", grouped(all.connects),
                                       grouped(all.open_at_end), short_summary(all.connect)));
  if (!options.idle && !options.new_connections) {
    text += line("a connection",
                 fmt::format("{} to {} requests", all.least_on_connection, all.most_on_connection));
  }
  text += line("CPU", cpu(result));
  const std::uint64_t total = all.errors_total();
  text += line("errors", total == 0 ? "none" : grouped(total) + errors(all));
  if (options.histogram) {
    all.latency.for_each_bucket([&](std::uint64_t low, std::uint64_t high, std::uint64_t count) {
      text += fmt::format("  {:>14.3f} ... {:>14.3f} us  {}\n", static_cast<double>(low) / 1e3,
                          static_cast<double>(high) / 1e3, count);
    });
  }
  return text;
}

}  // namespace leat::app
