// Internal: what a long-running subcommand tells, as text or as one JSON object a line.
#pragma once

#include <mutex>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace leat::app {

/// Lines on stdout, each written whole and at once, so that a script can wait for one. From any
/// thread. In JSON, every line has the keys "time" and "event"; what the library logs is an event
/// of its own, "log". In text, the library's messages go to stderr, as in any program.
class EventLog {
 public:
  using Json = nlohmann::ordered_json;

  explicit EventLog(bool json);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  [[nodiscard]] bool is_json() const { return json_; }
  /// `text` is the whole line for people; empty for events that only programs want.
  void event(std::string_view name, const Json& fields, std::string_view text);

 private:
  void print_line(std::string_view line);

  const bool json_;
  std::mutex mutex_;
};

}  // namespace leat::app
