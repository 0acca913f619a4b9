#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "apps/leat/predict_report.h"
#include "apps/leat/threads.h"

namespace leat::app {

namespace {

constexpr std::size_t kBarLength = 16;
/// Tables longer than this show their busiest rows only.
constexpr std::size_t kMostRows = 64;

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string line(std::string_view name, std::string_view text) {
  return fmt::format("  {:<12}{}\n", name, text);
}

std::string headline(const PredictOptions& options, const PredictResult& result) {
  return fmt::format("{}: {} packets, {} bytes, {} flows, {:.3f} s\n", options.trace,
                     grouped(result.packets), grouped(result.bytes), grouped(result.flows),
                     to_seconds(result.length));
}

std::string card_text(const PredictOptions& options) {
  return fmt::format("{} queues, {} entries: {}; key {}; fields {}", options.queues,
                     options.card.table_size, table_text(options.card, options.queues),
                     options.card.key_name, fields_text(options.card));
}

std::string steering_text(const PredictOptions& options) {
  std::string text = rps_text(options.rps);
  text += options.rfs == 0 ? std::string("; rfs off")
                           : fmt::format("; rfs with {} entries", grouped(options.rfs));
  if (options.arfs) text += "; arfs";
  text += fmt::format("; readers on CPUs {} of {}", options.readers.to_list(), options.cpus);
  return text;
}

std::string odd_lines(const PredictOdd& odd) {
  std::string text;
  if (odd.outgoing != 0) {
    text +=
        line("left out", fmt::format("{} that the capturing machine sent", grouped(odd.outgoing)));
  }
  if (odd.not_ip != 0) {
    text += line("no flow", fmt::format("{} are not IP: on queue 0", grouped(odd.not_ip)));
  }
  if (odd.illegal != 0) {
    text += line("illegal",
                 fmt::format("{}, the first is packet {}: {}; on queue 0", grouped(odd.illegal),
                             grouped(odd.first_illegal), odd.first_illegal_why));
  }
  return text;
}

template <typename Load>
std::uint64_t most_packets(const std::vector<Load>& loads) {
  return std::ranges::max_element(loads, {}, &Load::packets)->packets;
}

std::string bar(std::uint64_t packets, std::uint64_t most) {
  const double part = share(packets, most);
  auto length = static_cast<std::size_t>(std::lround(part * kBarLength));
  if (packets != 0) length = std::max<std::size_t>(length, 1);
  return std::string(length, '#') + std::string(kBarLength - length, ' ');
}

/// Packets, bytes, flows, share, and the picture.
template <typename Load>
std::string columns(const Load& load, std::uint64_t sum, std::uint64_t most) {
  return fmt::format("{:>11} {:>15} {:>9} {:>6.1f} %  {}", grouped(load.packets),
                     grouped(load.bytes), grouped(load.flows), 100 * share(load.packets, sum),
                     bar(load.packets, most));
}

std::string rest_line(std::size_t rows) {
  if (rows <= kMostRows) return "";
  return fmt::format("  ... {} more; --json has all\n", rows - kMostRows);
}

std::string queue_table(const PredictResult& result) {
  std::string text = fmt::format("\n{:<5} {:>11} {:>15} {:>9} {:>8}\n", "queue", "packets", "bytes",
                                 "flows", "share");
  const std::uint64_t most = most_packets(result.queues);
  for (std::size_t i = 0; i < std::min(result.queues.size(), kMostRows); ++i) {
    const std::string row = columns(result.queues[i], result.packets, most);
    text += fmt::format("{:>5} {}", i, row);
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  text += rest_line(result.queues.size());
  return text + fmt::format("  imbalance {:.2f} (maximum over mean)\n", imbalance(result.queues));
}

std::string cpu_table(const PredictOptions& options, const PredictResult& result) {
  std::string text =
      fmt::format("\n{:<5} {:>11} {:>15} {:>9} {:>8}  {:<{}} {:>9} {:>6} {:>9}\n", "CPU", "packets",
                  "bytes", "flows", "share", "", kBarLength, "on reader", "busy", "dropped");
  const std::uint64_t most = most_packets(result.cpus);
  const std::uint64_t sum = total(result.cpus, &PredictCpu::packets);
  for (std::size_t i = 0; i < std::min(result.cpus.size(), kMostRows); ++i) {
    const PredictCpu& cpu = result.cpus[i];
    text += fmt::format("{:>5} {} {:>7.1f} % {:>4.0f} % {:>9}\n", i, columns(cpu, sum, most),
                        100 * share(cpu.on_reader, cpu.packets), 100 * busy(options, result, cpu),
                        grouped(cpu.dropped_full + cpu.dropped_flow_limit));
  }
  text += rest_line(result.cpus.size());
  return text + fmt::format("  imbalance {:.2f} (maximum over mean)\n", imbalance(result.cpus));
}

std::string summary(const PredictOptions& options, const PredictResult& result) {
  const std::uint64_t on_reader = total(result.cpus, &PredictCpu::on_reader);
  std::string text = "\n";
  text += line("on reader's",
               fmt::format("{} packets ({:.1f} %) were handled on the CPU of their flow's reader",
                           grouped(on_reader), 100 * share(on_reader, result.flow_packets)));
  text += line("moves", fmt::format("{} times a flow went to another CPU", grouped(result.moves)));
  if (options.arfs) {
    text += line("filters",
                 fmt::format("{} of {} were in use at one time", grouped(result.filters_most),
                             grouped(result.filters_capacity)));
  }
  text +=
      line("dropped", fmt::format("{} by full backlogs ({} packets each), {} by the flow limit",
                                  grouped(total(result.cpus, &PredictCpu::dropped_full)),
                                  grouped(options.backlog),
                                  grouped(total(result.cpus, &PredictCpu::dropped_flow_limit))));
  text += line("", fmt::format("A model: the trace's time, {} ns a packet, and nothing else on the "
                               "CPUs.",
                               grouped(static_cast<std::uint64_t>(options.service.count()))));
  if (!result.has_time) {
    text += line("", "Some packets have no time and count as coming with the one before.");
  }
  return text;
}

std::string heaviest_flows(const PredictResult& result) {
  if (result.heaviest.empty()) return "";
  std::string text = "\nheaviest flows\n";
  for (const PredictFlow& flow : result.heaviest) {
    const std::string cpu = flow.cpu == PredictFlow::kNowhere ? std::string("dropped")
                                                              : fmt::format("CPU {}", flow.cpu);
    text += fmt::format("  {:>5.1f} %  {:>11} packets  queue {}, {}, reader on {}  {}\n",
                        100 * share(flow.packets, result.packets), grouped(flow.packets),
                        flow.queue, cpu, flow.reader, flow_text(flow.key));
  }
  return text;
}

std::string trial_text(const PredictOptions& options, const PredictTrial& trial) {
  return fmt::format("CPUs {:.2f}, queues {:.2f}: {}; fields {}; {}", trial.cpu_imbalance,
                     trial.queue_imbalance, table_text(trial.card, options.queues),
                     fields_text(trial.card), rps_text(trial.rps));
}

std::string best_lines(const PredictOptions& options, const PredictResult& result) {
  if (!result.best) return "";
  const PredictBest& best = *result.best;
  const bool other_key = !(best.best.card.key == options.card.key);
  std::string text =
      fmt::format("\nbest of {} settings tried (imbalance by flows, without time)\n", best.tried);
  text += line("as asked", trial_text(options, best.as_asked));
  if (other_key) text += line("same key", trial_text(options, best.same_key));
  text += line("best", trial_text(options, best.best));
  if (other_key) text += line("", "key " + best.best.card.key_name);
  if (best.bound > 1) {
    text +=
        line("bound", fmt::format("CPUs {:.2f}: the heaviest flow is never spread", best.bound));
  }
  if (best.flows < result.flows) {
    text += line("", fmt::format("Only the {} heaviest flows were tried, {:.1f} % of the packets.",
                                 grouped(best.flows), 100 * best.share));
  }
  return text;
}

}  // namespace

std::string predict_report_text(const PredictOptions& options, const PredictResult& result) {
  std::string text = headline(options, result);
  text += line("card", card_text(options));
  text += line("steering", steering_text(options));
  text += odd_lines(result.odd);
  text += queue_table(result);
  text += cpu_table(options, result);
  text += summary(options, result);
  text += heaviest_flows(result);
  return text + best_lines(options, result);
}

}  // namespace leat::app
