// Internal: a request that is in an io_uring.
#pragma once

#include <cstdint>

namespace leat::internal {

class Uring;

/// In flight from Uring::submit() until complete() is called for its last completion, and must live
/// as long; one request at a time. Belongs to the ring's thread.
class UringOperation {
 public:
  UringOperation() = default;
  virtual ~UringOperation() = default;
  UringOperation(const UringOperation&) = delete;
  UringOperation& operator=(const UringOperation&) = delete;

  /// The kernel's answer: a result or a negated errno value, and IORING_CQE_F_* flags. Not the last
  /// one while in_flight(). May throw what a user's callback throws; may submit again.
  virtual void complete(int result, std::uint32_t flags) = 0;

  [[nodiscard]] bool in_flight() const { return in_flight_; }

 private:
  friend class Uring;

  bool in_flight_ = false;
};

}  // namespace leat::internal
