// Internal: the benchmark's client: plain epoll, nothing of any library that it measures.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/net/histogram.h"

namespace leat::bench {

/// A server, whose use is read at both ends of each measurement.
struct Target {
  std::uint16_t port = 0;
  pid_t server = 0;
};

struct ClientOptions {
  std::string mode;
  std::vector<Target> targets;  ///< Each has its turn in every round.
  std::size_t rounds = 1;
  double turn = 0.05;           ///< Seconds of load on one server, a tenth of it unmeasured.
  std::size_t connections = 1;  ///< At the same time, to one server.
  std::size_t size = 64;        ///< Bytes of a message.
  std::size_t depth = 0;        ///< Requests or datagrams in a row.
  std::size_t messages = 1000;  ///< count: so many on each connection.
  bool gso = false;             ///< udp: bursts go and come as one piece, by GSO and GRO.
  bool sink = false;            ///< udp: one acknowledgement for a burst; else the echo.
  bool reset = true;            ///< churn: end by RST rather than FIN.
};

/// What a client does to one server. It rests between its turns, with nothing on its way.
class Load {
 public:
  Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  virtual ~Load() = default;

  void begin() {
    stopping_ = false;
    begin_all();
  }
  /// Goes on for so many seconds.
  void run_for(double seconds);
  /// Waits for what is on its way.
  void finish();

  /// Latencies of all that was completed and recorded.
  [[nodiscard]] const Histogram& latencies() const { return latencies_; }
  /// Whether run_for() records.
  void record(bool on) { recording_ = on; }
  [[nodiscard]] std::uint64_t failed() const { return failed_; }

 protected:
  virtual void begin_all() = 0;
  /// Waits up to `milliseconds` and handles what is ready; false if nothing was.
  virtual bool serve(int milliseconds) = 0;
  void completed(std::uint64_t nanoseconds) {
    if (recording_) latencies_.add(nanoseconds);
  }
  void failed_once() { ++failed_; }

  bool stopping_ = false;        // what is completed is not followed by another
  std::size_t outstanding_ = 0;  // on its way

 private:
  bool recording_ = false;
  Histogram latencies_;
  std::uint64_t failed_ = 0;
};

/// Ping-pong: each of N connections has one message on its way all the time.
[[nodiscard]] std::unique_ptr<Load> make_echo(const ClientOptions& options, const Target& target);
/// N times at once: connect, one message there and back, close.
[[nodiscard]] std::unique_ptr<Load> make_churn(const ClientOptions& options, const Target& target);
/// Each of N connections sends `depth` requests at once, and again when all are answered.
[[nodiscard]] std::unique_ptr<Load> make_http(const ClientOptions& options, const Target& target);
/// Each of N sockets sends `depth` datagrams in a row, and again when they are answered.
[[nodiscard]] std::unique_ptr<Load> make_udp(const ClientOptions& options, const Target& target);
/// The one of these that `options` ask for.
[[nodiscard]] std::unique_ptr<Load> make_load(const ClientOptions& options, const Target& target);
/// N connections, one message there and back on each, then silence until standard input ends.
int run_idle(const ClientOptions& options);

// Parts of the modes.

[[nodiscard]] std::uint64_t now_ns();
/// A non-blocking socket on its way to 127.0.0.1:port; ends the program if there is none.
/// `source`: the last byte of the loopback address that it comes from, 0 for any.
[[nodiscard]] int connect_to(std::uint16_t port, unsigned source = 0);
/// close() will send RST, and no TIME_WAIT keeps the port.
void reset_on_close(int fd);
using Events = std::array<epoll_event, 1024>;
/// Waits up to `milliseconds` and returns what is ready.
[[nodiscard]] std::span<const epoll_event> wait(int epoll, Events& events, int milliseconds);
void watch(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t data);
[[noreturn]] void fail(const char* what);

}  // namespace leat::bench
