// Public: accepting connections in a coroutine.
#pragma once

#include <cstddef>
#include <memory>

#include "leat/base/result.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/internal/accept_wait.h"
#include "leat/net/tcp_connection.h"

namespace leat {

class EventLoop;
struct NetCounters;
namespace internal {
class ListenerCore;
}

struct TcpListenerOptions {
  /// Connections taken from the kernel in one go (>= 1). They wait here for accept(); with so many
  /// waiting no more are taken, and the others wait in the kernel's queue.
  std::size_t batch = 64;
  ConnectionOptions connection = {};
};

/// A listening socket for coroutines of one loop; TcpServer::serve() is for servers on several.
///
///     Task<> serve(TcpListener& listener) {
///       while (auto connection = co_await listener.accept()) {
///         spawn(co_await current_loop(), talk(std::move(*connection)));
///       }
///     }
///
/// All methods and the destructor belong to the loop's thread. Without descriptors or memory it
/// behaves as Acceptor does.
class TcpListener {
 public:
  /// Binds and listens. Fails with what bind() and listen() fail with, and what watching a
  /// descriptor does.
  [[nodiscard]] static Result<std::unique_ptr<TcpListener>> listen(EventLoop& loop,
                                                                   const InetAddress& address,
                                                                   TcpListenerOptions options = {});
  /// Closes the listener: tasks that wait in accept() get ECANCELED; connections that nobody had
  /// accepted yet are closed, those that were stay.
  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

  /// `co_await listener.accept()`: the next connection, as a Result<TcpConnectionPtr>. It is closed
  /// when the last copy of that pointer has gone, if not before. Several tasks may wait; they are
  /// served in their order. Fails with ECANCELED if the task is cancelled, the listener destroyed
  /// or the loop ends. Throws std::bad_alloc without memory, and that connection is closed.
  [[nodiscard]] internal::AcceptWait accept();

  /// What was bound, with the port as the kernel gave it.
  [[nodiscard]] Result<InetAddress> address() const;
  /// Any thread, while the listener lives.
  [[nodiscard]] const NetCounters& counters() const;

 private:
  explicit TcpListener(std::shared_ptr<internal::ListenerCore> core);
  const std::shared_ptr<internal::ListenerCore> core_;
};

}  // namespace leat
