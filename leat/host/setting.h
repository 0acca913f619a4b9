// Public: what of a machine's receive path can be written, each under the key that people, plans
// and journals use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "leat/base/result.h"
#include "leat/host/inventory.h"
#include "leat/sys/machine.h"

namespace leat::host {

/// One setting: where it stands, how its value is written as text, what the kernel makes of a
/// value. The table of keys is in docs/decisions/host.md. Values are text in one canonical form, so
/// that equal texts are equal values:
///
///     numbers      "1024"          switches   "on", "off"
///     CPU sets     "0-2,7", "-"    tables     "0,1,0,1", "default"    keys   "6d5a56da..."
///
/// A value type; it refers to queues and interrupts as they were when it was found, so find it anew
/// after channels have changed.
class Setting {
 public:
  /// ENOENT if there is no such setting on this machine, EXDEV if the device's files are another
  /// network namespace's. `device` is empty for settings of the machine.
  [[nodiscard]] static Result<Setting> find(const Inventory& inventory, std::string_view device,
                                            std::string_view name);
  /// All that can be found and read, of `device` or (empty) of the machine, in the order in which a
  /// change of all would have to be made: channels before what belongs to queues.
  [[nodiscard]] static std::vector<Setting> all_of(const Inventory& inventory,
                                                   std::string_view device);

  [[nodiscard]] const std::string& device() const { return device_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// "eth0 rps.rx-0", "rfs.entries".
  [[nodiscard]] std::string key() const;

  /// The canonical form of what a person wrote, EINVAL with the reason if it is no value of this
  /// setting: "0x400" is no number, "yes" no switch. "" and "-" are the empty set.
  [[nodiscard]] Result<std::string> parse(std::string_view text) const;
  /// The value now; the error is the kernel's.
  [[nodiscard]] Result<std::string> read(sys::Machine& machine) const;
  /// Writes a canonical value. The kernel may round or narrow it: read it back.
  Result<void> write(sys::Machine& machine, std::string_view value) const;
  /// What the kernel is known to make of a canonical value (tables of flows have a power of two
  /// entries). Drivers round further, and CPUs may be withheld.
  [[nodiscard]] std::string rounded(std::string_view value) const;

 private:
  enum class Form { kNumber, kCpuList, kCpuMask, kQueueMask, kText };
  struct File {
    std::string path;
    Form form = Form::kNumber;
    bool rounds = false;
  };
  struct Ethtool {
    std::string object;  ///< "rings", "channels", "coalesce"
    std::string member;  ///< "rx", "combined-count", "rx-usecs"
  };
  struct Feature {
    std::string name;
  };
  struct RssTable {
    std::uint32_t queues = 0;  ///< For telling the driver's own table.
  };
  struct RssKey {};
  struct NapiMember {
    std::uint32_t id = 0;
    int index = 0;
    std::string member;
  };
  using Place = std::variant<File, Ethtool, Feature, RssTable, RssKey, NapiMember>;

  Setting(std::string device, std::string name, Place place);
  static Result<Place> place_of(const Inventory& inventory, const Device* device,
                                std::string_view name);
  static Result<Place> queue_place(const Device& device, std::string_view name);
  static Result<Place> device_place(const Device& device, std::string_view name);

  std::string device_;
  std::string name_;
  Place place_;
};

}  // namespace leat::host
