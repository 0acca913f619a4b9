#include <algorithm>

#include <fmt/format.h>

#include "apps/leat/predict_report.h"

namespace leat::app {

namespace {

// Units of the picture.
//
//     x:  0    kBarAt                                kBarAt + kBarWidth    kWidth
//         | 12 |##########################             | 123,456 (25.0 %)  |
constexpr double kBarAt = 70;
constexpr double kBarWidth = 460;
constexpr double kWidth = 720;
constexpr double kRow = 22;
constexpr double kTitle = 40;
constexpr double kMargin = 20;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      // XML takes no other control characters, and file names may have any.
      out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

template <typename Loads>
double height_of(const Loads& loads) {
  return kTitle + kRow * static_cast<double>(loads.size());
}

/// A row for each; a line where the mean is.
template <typename Loads>
std::string bars(const Loads& loads, std::string_view name, std::string_view colour, double top) {
  std::uint64_t most = 1;
  std::uint64_t sum = 0;
  for (const auto& load : loads) {
    most = std::max(most, load.packets);
    sum += load.packets;
  }
  std::string svg = fmt::format(
      "<text x=\"{}\" y=\"{}\" class=\"title\">packets of each {}, imbalance {:.2f}</text>\n",
      kMargin, top + 24, name, imbalance(loads));
  double y = top + kTitle;
  for (std::size_t i = 0; i < loads.size(); ++i, y += kRow) {
    const double width = kBarWidth * share(loads[i].packets, most);
    svg +=
        fmt::format("<text x=\"{}\" y=\"{}\" class=\"label\">{}</text>\n", kBarAt - 8, y + 13, i);
    svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n",
                       kBarAt, y, width, kRow - 5, colour);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{} ({:.1f} %)</text>\n", kBarAt + width + 6,
                       y + 13, loads[i].packets, 100 * share(loads[i].packets, sum));
  }
  const double mean = kBarAt + kBarWidth * share(sum, most) /
                                   static_cast<double>(std::max<std::size_t>(loads.size(), 1));
  svg += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" class=\"mean\"/>\n",
                     mean, top + kTitle - 4, y);
  return svg;
}

}  // namespace

std::string predict_svg(const PredictOptions& options, const PredictResult& result) {
  const double queues_top = kMargin + kRow;
  const double cpus_top = queues_top + height_of(result.queues) + kMargin;
  const double height = cpus_top + height_of(result.cpus) + kMargin;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\">\n"
      "<style>text {{ font: 13px sans-serif; fill: #222 }} .title {{ font-weight: bold }} "
      ".label {{ text-anchor: end }} .mean {{ stroke: #c33; stroke-dasharray: 4 3 }}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      kWidth, height);
  svg +=
      fmt::format("<text x=\"{}\" y=\"{}\">{}: {}; key {}; fields {}; {}</text>\n", kMargin,
                  kMargin + 4, escaped(options.trace), table_text(options.card, options.queues),
                  escaped(options.card.key_name), fields_text(options.card), rps_text(options.rps));
  svg += bars(result.queues, "queue", "#4878a8", queues_top);
  svg += bars(result.cpus, "CPU", "#6a9a4a", cpus_top);
  return svg + "</svg>\n";
}

}  // namespace leat::app
