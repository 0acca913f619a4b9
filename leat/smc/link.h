// Public: an end's hold on the shared memory of one connection, from the broker's answer to its
// end.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "leat/smc/ack_challenge.h"
#include "leat/smc/broker_client.h"
#include "leat/smc/fallback_reason.h"
#include "leat/smc/ready_board.h"
#include "leat/smc/receiver.h"
#include "leat/smc/segment.h"
#include "leat/smc/sender.h"
#include "leat/smc/socket_counts.h"

namespace leat::smc {

/// Maps the segment, carries out the proof that both ends are one connection, and wakes the peer.
/// Neither allocates nor throws; errno is kept. Of several processes that hold one end each has its
/// own Link on the same memory; only the first has anything to prove.
///
///     attach()            prove()                         ready
///     this end looks at   sees the peer attached, looks   both are confirmed: the
///     its socket          at its socket again: confirmed  proof of docs/decisions/shared-memory.md
///
/// Between network namespaces an end is confirmed when its own challenges were met, or when the
/// peer, whose user is the same or allowed, says that its were.
class Link {
 public:
  enum class Progress : std::uint8_t {
    kWaiting,
    kReady,
    kRefused,  ///< The socket is not what it was.
    kNoProof,  ///< This is not the peer, as far as one can see: BrokerClient::reject().
  };

  Link() = default;
  ~Link() { unmap(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Before attach(): the page of boards that `answer` names, asked for if this process has not
  /// mapped it yet. Without one the ends are woken each by itself.
  void find_boards(const BrokerClient& broker, const Offer& offer, const Answer& answer,
                   std::uint64_t page_token);
  /// Maps what `answer` (kSegment) has brought and closes its descriptor, also on failure. The
  /// socket must still be that of `offer`, unless this end was confirmed before by another
  /// process. `connects`: see tcp_written().
  [[nodiscard]] FallbackReason attach(int socket, const Offer& offer, const Answer& answer,
                                      bool connects);
  /// A step of the proof, at any call on the connection. Costs two loads while the peer is away.
  [[nodiscard]] Progress prove(int socket);
  /// Of a connection that is not ready: whether input must be told before the program sees it.
  [[nodiscard]] bool is_across() const { return across_; }
  /// Input has come by TCP, and the program has not seen it yet: does what the peer challenges this
  /// end to, and sets and judges its own challenges. Two to six system calls, or none if there is
  /// nothing to do.
  void challenge(int socket);
  [[nodiscard]] bool is_ready() const;

  /// May be sent to by ring from now on: `consumed` bytes were read from the socket so far. Under
  /// the rx lock, while nobody reads the socket. Does nothing if that was done before.
  void allow_input(std::uint64_t consumed);

  [[nodiscard]] std::uint64_t tcp_written(int socket) const {
    return smc::tcp_written(socket, connects_);
  }
  /// After stores that the peer may sleep on, under the tx lock (Sender::take_marks() says which):
  /// wakes it by futex, by a doorbell, or both, if it sleeps. `alone`: no other process holds this
  /// end, so if this one dies before the doorbell is out the peer hears the end of the connection.
  void wake_peer(int socket, bool alone);
  /// In every way, whether it sleeps or not: the marks may have died with their taker.
  void wake_peer_surely(int socket);
  /// Null: none, or the peer's end does not write to it.
  [[nodiscard]] BoardPage* peers_boards() const;
  [[nodiscard]] BoardPage* boards() const { return boards_; }

  [[nodiscard]] bool is_mapped() const { return base_ != nullptr; }
  [[nodiscard]] EndControl& mine() { return *mine_; }
  [[nodiscard]] EndControl& peer() { return *peer_; }
  [[nodiscard]] const EndControl& peer() const { return *peer_; }
  [[nodiscard]] unsigned end() const { return end_; }
  [[nodiscard]] std::uint64_t token() const;
  /// Views; as cheap to make as to keep.
  [[nodiscard]] Sender<> sender() { return {*mine_, *peer_, peer_rings_}; }
  [[nodiscard]] Receiver<> receiver() { return {*mine_, *peer_, own_rings_}; }
  /// Gives the pages of the big ring that this end writes back to the system. Under the tx lock,
  /// if Sender::big_ring_is_idle(); the receiver could not know whether somebody writes there now.
  void release_big_ring();
  void unmap();

 private:
  void unmap_segment();
  [[nodiscard]] FallbackReason map(int fd);
  [[nodiscard]] Progress judge(EndState theirs);
  void answer_challenge(int socket, const SegmentCounts& counts);
  void challenge_peer(const SegmentCounts& counts);
  [[nodiscard]] unsigned toss();
  void wake(int socket, std::uint32_t marks, std::uint32_t board_place);

  char* base_ = nullptr;
  std::size_t size_ = 0;
  BoardPage* boards_ = nullptr;
  EndControl* mine_ = nullptr;
  EndControl* peer_ = nullptr;
  std::array<RemoteRing, kRings> own_rings_;
  std::array<RemoteRing, kRings> peer_rings_;
  Offer offer_;
  unsigned end_ = 0;
  bool connects_ = false;
  // Between network namespaces. Of several processes that hold this end the first challenges.
  bool across_ = false;
  bool challenges_ = false;
  std::uint64_t challenged_for_ = 0;  // the token of the segment that these are about
  AckChallenger challenger_;
  AckResponder responder_;
  std::uint32_t looks_after_failure_ = 0;
  std::uint64_t coins_ = 0;
  unsigned coins_left_ = 0;
};

}  // namespace leat::smc
