#include "apps/leat/event_log.h"

#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include "leat/base/logging.h"
#include "leat/base/timestamp.h"

namespace leat::app {

EventLog::EventLog(bool json) : json_(json) {
  if (!json_) return;
  set_log_sink([this](const LogRecord& record) {
    event("log",
          {{"level", log_level_name(record.level)},
           {"message", record.message},
           {"thread", record.thread}},
          {});
  });
}

EventLog::~EventLog() {
  if (json_) set_log_sink({});
}

void EventLog::event(std::string_view name, const Json& fields, std::string_view text) {
  if (!json_) {
    if (!text.empty()) print_line(text);
    return;
  }
  Json line{{"time", Timestamp::now().to_iso8601()}, {"event", name}};
  line.update(fields);
  // What a peer sent may stand in a message: what is not UTF-8 is replaced, for JSON is.
  print_line(line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void EventLog::print_line(std::string_view line) {
  const std::lock_guard lock(mutex_);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace leat::app
