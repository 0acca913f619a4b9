// Internal: datagrams that wait to be sent.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "leat/net/datagram.h"
#include "leat/net/internal/udp_control.h"

namespace leat::internal {

/// Headers for one sendmmsg(), filled by UdpSendQueue::gather().
struct UdpSendBatch {
  static constexpr std::size_t kMessages = 64;

  struct alignas(cmsghdr) Control {
    std::byte bytes[kSendControlRoom];
  };
  std::size_t count = 0;
  // Left as they are: what is not used is not touched.
  std::array<mmsghdr, kMessages> headers;
  std::array<iovec, kMessages> vectors;
  std::array<Control, kMessages> controls;
  std::array<std::uint32_t, kMessages> datagrams;
};

/// Datagrams in order, as runs: datagrams of one size (the last one perhaps shorter) that go the
/// same way and lie behind each other in memory. A run is what the kernel takes as one piece with
/// UDP_SEGMENT. What is appended joins the last run if it fits, so a run grows out of many small
/// appends as it does out of one large one.
///
///     runs_:   | sent |      head      |     |     last: open     |
///                        /       \                  /     \                                     .
///     bytes_:  .......| 1200 1200 1200 1200 | 300 | 900 900 900 |
///
/// Belongs to one thread.
class UdpSendQueue {
 public:
  /// The socket's, for the length of a gather().
  struct Ways {
    bool gso;
    const InetAddress* peer;  ///< Of connect(), null without: stands behind runs with to.port() 0.
  };
  /// For an append().
  struct Joining {
    std::size_t smallest_refused;  ///< Segments from this size on do not join.
    std::size_t most_bytes;        ///< In a run.
    std::size_t most_segments;
  };
  struct Taken {
    std::size_t datagrams = 0;
    std::size_t bytes = 0;
    std::size_t pieces_of_many = 0;
  };
  struct Lost {
    InetAddress to;
    std::size_t datagrams;
    std::size_t bytes;
  };

  /// Copies `payload`, to be cut by `route.segment_size`. All or, if memory runs out, nothing.
  void append(std::string_view payload, const DatagramRoute& route, const Joining& joining);

  [[nodiscard]] bool empty() const { return head_ == runs_.size(); }
  /// Single datagrams.
  [[nodiscard]] std::size_t datagrams() const { return datagrams_; }
  [[nodiscard]] std::size_t runs() const { return runs_.size() - head_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_.size() - sent_bytes_; }

  /// Points `batch` at the first datagrams, which stay until they are taken.
  void gather(UdpSendBatch& batch, const Ways& ways) const;
  /// Drops the first `messages` of what gather() gave.
  Taken take(const UdpSendBatch& batch, std::size_t messages);

  // The head, when the kernel refuses it. The queue must not be empty.

  [[nodiscard]] std::size_t head_segment_size() const { return runs_[head_].segment_size; }
  /// gather() gives its datagrams one by one from now on.
  void split_head() { runs_[head_].split = true; }
  /// Drops what the first message of gather() stands for.
  Lost drop(const UdpSendBatch& batch);
  /// Drops all.
  void clear();

 private:
  struct Run {
    InetAddress to;
    InetAddress from;
    std::size_t begin;  // of what is not sent, in bytes_
    std::size_t size;   // of what is not sent
    std::size_t segment_size;
    Ecn ecn;
    bool split;  // the kernel does not take it as one
    bool open;   // its last datagram is not a shorter one
  };

  [[nodiscard]] bool joins(std::string_view payload, const DatagramRoute& route,
                           std::size_t segment_size, const Joining& joining) const;
  static std::size_t segments(std::size_t size, std::size_t segment_size);
  void add_message(UdpSendBatch& batch, const Run& run, std::size_t begin, std::size_t size,
                   const Ways& ways) const;
  void take_one(std::size_t size, std::size_t datagrams);
  void compact();

  // A burst must not keep its memory for ever.
  static constexpr std::size_t kKeptBytes = 512 * 1024;
  static constexpr std::size_t kKeptRuns = 1024;

  std::vector<char> bytes_;
  std::vector<Run> runs_;
  std::size_t head_ = 0;        // the runs before it are sent
  std::size_t sent_bytes_ = 0;  // and so are these
  std::size_t datagrams_ = 0;
};

}  // namespace leat::internal
