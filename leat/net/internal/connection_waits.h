// Internal: what a coroutine awaits of a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "leat/base/result.h"
#include "leat/net/chunk.h"
#include "leat/reactor/internal/linked_list.h"
#include "leat/reactor/internal/wait.h"

namespace leat {

class ReceiveBuffer;
class TcpConnection;

namespace internal {

struct OutputTag;

/// co_await connection->read() and its sisters.
class ReadWait final : public Wait {
 public:
  /// Whatever there is.
  explicit ReadWait(std::shared_ptr<TcpConnection> connection);
  /// `count` bytes.
  ReadWait(std::shared_ptr<TcpConnection> connection, std::size_t count);
  /// Up to and with `delimiter`, `most` bytes.
  ReadWait(std::shared_ptr<TcpConnection> connection, std::string delimiter, std::size_t most);
  ~ReadWait();

  [[nodiscard]] Result<Chunk> await_resume();

  // For the connection.

  /// Takes what was asked for if it is there, or what is left if no more follows.
  bool take_from(ReceiveBuffer& input, bool is_last);
  /// The connection has ended before that.
  void fail(Error error) { result_.emplace(std::move(error)); }
  /// The wait is over: by what the loop has told, or by a call of the user's.
  using Wait::resume;
  using Wait::resume_soon;

 private:
  enum class Kind : std::uint8_t { kAny, kCount, kDelimiter };

  bool begin() override;
  void cancel() override;
  [[nodiscard]] std::optional<std::size_t> find(std::string_view input);
  void leave();

  const std::shared_ptr<TcpConnection> connection_;
  const Kind kind_;
  const std::size_t most_ = 0;
  const std::string delimiter_;
  std::size_t searched_ = 0;  // no delimiter begins before it
  bool in_place_ = false;     // the connection knows of it
  std::optional<Result<Chunk>> result_;
};

/// co_await connection->write(bytes), and connection->drained().
class OutputWait final : public Wait, public Link<OutputTag> {
 public:
  /// Until all output has gone.
  explicit OutputWait(std::shared_ptr<TcpConnection> connection);
  OutputWait(std::shared_ptr<TcpConnection> connection, std::string_view bytes);
  OutputWait(std::shared_ptr<TcpConnection> connection, std::string&& bytes);
  ~OutputWait() = default;

  [[nodiscard]] Result<void> await_resume();

  // For the connection.

  void fail(Error error) { result_ = std::move(error); }
  using Wait::resume;
  using Wait::resume_soon;

 private:
  bool begin() override;
  void cancel() override;

  const std::shared_ptr<TcpConnection> connection_;
  std::variant<std::monostate, std::string_view, std::string> bytes_;
  Result<void> result_;
};

/// What a connection knows of the coroutines that use it.
struct CoroutineSide {
  explicit CoroutineSide(TcpConnection& connection)
      : account(std::make_shared<ChunkAccount>(connection)) {}

  bool reads = false;      // input is for read(), not for on_message
  bool no_more = false;    // reads end as if the peer had finished
  bool end_taken = false;  // a read has yielded the end
  ReadWait* reader = nullptr;
  LinkedList<OutputWait, OutputTag> writers;   // above the high-water mark
  LinkedList<OutputWait, OutputTag> drainers;  // until there is no output
  const std::shared_ptr<ChunkAccount> account;
};

}  // namespace internal
}  // namespace leat
