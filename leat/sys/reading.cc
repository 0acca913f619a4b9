#include "leat/sys/reading.h"

namespace leat::sys {

Unreadable why_unreadable(const Error& error, std::string_view right) {
  using Kind = Unreadable::Kind;
  switch (error.number()) {
    case EPERM:
    case EACCES:
      return {Kind::kDenied, error.message(), std::string(right)};
    case ENOENT:
    case ENOTDIR:
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
    case ENODATA:
    case EINVAL:  // A file of sysfs says so where the driver has nothing behind it.
      return {Kind::kNotOffered, error.message(), {}};
    case ENODEV:
    case ENXIO:
    case ESRCH:
      return {Kind::kGone, error.message(), {}};
    default:
      return {Kind::kFailed, error.message(), {}};
  }
}

}  // namespace leat::sys
