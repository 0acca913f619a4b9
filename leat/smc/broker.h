// Public: the process that pairs the ends of local connections and makes their memory.
#pragma once

#include <memory>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/smc/broker_directory.h"

namespace leat::smc {

struct BrokerOptions {
  BrokerDirectory directory = BrokerDirectory::standard();
  /// run() ends when for so long nobody was served and no process page is mapped; 0: never.
  Duration linger = std::chrono::minutes(2);
  /// How long what was given out may take until it is mapped. Memory that nobody maps any more is
  /// given back a second after that at the latest.
  Duration grace = std::chrono::seconds(5);
  /// How often it looks for what has died.
  Duration tick = std::chrono::seconds(1);
  std::size_t most_segments = 16384;  ///< Fewer if the limit of descriptors is lower.
};

/// Listens in its directory (see BrokerDirectory). One lives for a directory at a time. Maps no
/// memory of its clients and trusts nothing that they say; their connections go on without it when
/// it dies, new ones stay on TCP.
class Broker {
 public:
  /// Takes the lock and listens, so that clients may ask from now on. EEXIST: a broker lives there
  /// already. Else as BrokerDirectory::prepare(), the policy's EINVAL or EACCES, and the system's.
  static Result<std::unique_ptr<Broker>> create(const BrokerOptions& options);
  ~Broker();

  /// Serves until stop(), the end of `linger`, or until somebody else's socket, or none, lies at
  /// its path. Removes the socket. Once, any thread.
  Result<void> run();
  /// From any thread or signal handler.
  void stop();

 private:
  class Parts;
  explicit Broker(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace leat::smc
