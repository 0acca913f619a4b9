#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

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
constexpr double kCaptionRow = 17;
constexpr std::size_t kCaptionLength = 84;  // characters

/// How many bytes the character has that `text` begins with, which is not empty; 0 if they are no
/// UTF-8 (RFC 3629, 4), which file names need not be.
std::size_t character_size(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (byte(i) >> 6 != 2) return 0;
  }
  const unsigned second = byte(1);
  const bool is_short = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool is_no_character = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return is_short || is_no_character ? 0 : size;
}

/// XML takes no control characters and nothing but UTF-8.
std::string escaped(std::string_view character) {
  if (character.size() > 1) return std::string(character);
  switch (const char c = character[0]; c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    default:
      return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e
                 ? "?"
                 : std::string(1, c);
  }
}

/// In lines that fit into the picture.
std::vector<std::string> caption_lines(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t count = 0; !text.empty(); ++count) {
    if (count % kCaptionLength == 0) lines.emplace_back();
    const std::size_t size = std::max<std::size_t>(character_size(text), 1);
    lines.back() += escaped(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
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
  const std::vector<std::string> caption = caption_lines(fmt::format(
      "{}: {}; fields {}; {}; key {}", options.trace, table_text(options.card, options.queues),
      fields_text(options.card), rps_text(options.rps), options.card.key_name));
  const double queues_top = kMargin + kCaptionRow * static_cast<double>(caption.size());
  const double cpus_top = queues_top + height_of(result.queues) + kMargin;
  const double height = cpus_top + height_of(result.cpus) + kMargin;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\">\n"
      "<style>text {{ font: 13px sans-serif; fill: #222 }} .title {{ font-weight: bold }} "
      ".label {{ text-anchor: end }} .mean {{ stroke: #c33; stroke-dasharray: 4 3 }}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      kWidth, height);
  for (std::size_t i = 0; i < caption.size(); ++i) {
    svg += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kMargin,
                       kMargin + 4 + kCaptionRow * static_cast<double>(i), caption[i]);
  }
  svg += bars(result.queues, "queue", "#4878a8", queues_top);
  svg += bars(result.cpus, "CPU", "#6a9a4a", cpus_top);
  return svg + "</svg>\n";
}

}  // namespace leat::app
