// Internal: the receive path as a tree for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "leat/host/findings.h"
#include "leat/host/inventory.h"
#include "leat/host/observation.h"

namespace leat::app {

/// Lines with an indentation, cut at words to a width. Names from outside are escaped by whoever
/// puts them in.
class TreeText {
 public:
  explicit TreeText(std::size_t width) : width_(width) {}

  /// A line; what does not fit goes on below, four columns further in.
  void line(std::size_t indent, std::string_view text);
  /// The findings of that place, marked "!!" (problem), "!" (warning) or "?" (hint).
  void findings(std::size_t indent, const std::vector<host::Finding>& findings,
                std::string_view place);
  void blank() { text_.push_back('\n'); }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::size_t width_;
  std::string text_;
};

[[nodiscard]] std::string path_tree(const host::Inventory& inventory,
                                    const std::vector<host::Finding>& findings, std::size_t width);

/// The part about sockets, their groups and owners.
void add_sockets(TreeText& out, const host::Inventory& inventory,
                 const std::vector<host::Finding>& findings);

/// What was seen in some seconds: where interrupts came, which threads ran where.
[[nodiscard]] std::string observation_text(const host::Inventory& inventory,
                                           const host::Observation& observation, std::size_t width);

/// "-" for none, the list otherwise, or why it is not known.
[[nodiscard]] std::string cpus_text(const host::Reading<CpuSet>& cpus);
/// "?(needs CAP_NET_ADMIN)", "none" for what there is not.
[[nodiscard]] std::string unreadable_text(const sys::Unreadable& unreadable);

}  // namespace leat::app
