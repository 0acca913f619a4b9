// Internal: two TLS sessions that talk to each other in memory.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "leat/base/buffer_pool.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/tls_context_core.h"
#include "leat/net/internal/tls_engine.h"
#include "leat/net/tls_context.h"

namespace leat::testing {

/// One end: an engine, what it wants to send, and what it has read.
struct TlsEnd {
  using Engine = internal::TlsEngine;
  using Status = Engine::Status;

  TlsEnd(TlsContext& context, std::string_view server_name) {
    auto made = Engine::make(context.core().settings(), output, server_name);
    if (made) {
      engine = std::move(*made);
    } else {
      ADD_FAILURE() << made.error().message();
    }
  }

  /// Takes all that waits for the other end.
  std::string take_output() {
    std::string bytes;
    while (!output.empty()) {
      std::array<iovec, 16> vectors;
      const std::size_t count = output.gather(vectors);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        bytes.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
        size += vectors[i].iov_len;
      }
      output.consume(size);
    }
    return bytes;
  }
  /// Goes on with what was fed, as far as possible.
  void go_on() {
    status = engine->handshake();
    std::array<char, 4096> room;
    while (status == Status::kOk) {
      const Engine::Read read = engine->read(room);
      status = read.status;
      received.append(room.data(), read.size);
    }
  }
  void feed(std::string_view bytes) {
    engine->feed(bytes);
    go_on();
    engine->keep_input();
  }
  [[nodiscard]] bool is_established() const { return engine->is_established(); }
  [[nodiscard]] std::string error() const { return engine->error().message(); }

  BufferPool pool{4096, 0};
  internal::SendQueue output{pool};
  std::unique_ptr<Engine> engine;
  Status status = Status::kMore;
  std::string received;
};

/// A client and a server. With `piece` their bytes come so many at a time.
struct TlsPair {
  TlsPair(TlsContext& client_context, TlsContext& server_context,
          std::string_view server_name = "example.org")
      : client(client_context, server_name), server(server_context, {}) {}

  static void carry(TlsEnd& from, TlsEnd& to, std::size_t piece) {
    const std::string bytes = from.take_output();
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      to.feed(std::string_view(bytes).substr(at, piece));
      if (to.status == TlsEnd::Status::kFailed) return;
    }
  }
  /// Until neither has anything to say.
  void run(std::size_t piece = std::string_view::npos / 2) {
    client.go_on();
    while (!client.output.empty() || !server.output.empty()) {
      carry(client, server, piece);
      carry(server, client, piece);
    }
  }
  [[nodiscard]] bool is_established() const {
    return client.is_established() && server.is_established();
  }

  TlsEnd client;
  TlsEnd server;
};

}  // namespace leat::testing
