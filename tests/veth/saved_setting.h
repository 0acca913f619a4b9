// Internal: a setting of the whole machine that a test changes, and that is put back whatever
// happens.
#pragma once

#include <memory>
#include <string>

#include "leat/base/unique_fd.h"

namespace leat::testing {

/// Keeps the value that a file of /proc/sys had. It is put back by a process of its own when this
/// object goes or its process ends, be it by SIGKILL; that process stands outside of the caller's
/// process group and family, so that what interrupts or kills those leaves it alone.
///
/// Only one object, of any process, has a file at a time (flock).
class SavedSetting {
 public:
  /// Waits up to a minute for another that has it. nullptr where that is not possible, and then
  /// `why` says so.
  static std::unique_ptr<SavedSetting> create(const char* path, std::string& why);
  /// Returns when the value is back.
  ~SavedSetting();
  SavedSetting(const SavedSetting&) = delete;
  SavedSetting& operator=(const SavedSetting&) = delete;

  /// False if the kernel refused.
  bool set(const std::string& value);

 private:
  SavedSetting() = default;
  std::string start(const char* path);

  UniqueFd file_;
  UniqueFd alive_;     // closed when this object or its process is gone
  UniqueFd restored_;  // ends when the value is back
};

}  // namespace leat::testing
