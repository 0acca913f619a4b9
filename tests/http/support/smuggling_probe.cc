#include "support/smuggling_probe.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace leat::http::testing {
namespace {

bool peer_has_finished(int fd) {
  pollfd state{.fd = fd, .events = POLLRDHUP, .revents = 0};
  return ::poll(&state, 1, 0) == 1;
}

/// The same request for the handler that takes its body in pieces; empty if it has another target.
std::string to_upload(std::string bytes) {
  const std::size_t at = bytes.find(" / HTTP/1.");
  if (at == std::string::npos) return {};
  return bytes.replace(at, 3, " /up/ ");
}

}  // namespace

SmugglingProbe::SmugglingProbe(HttpOptions options) : HttpFixture(options) {
  server().handle([this](const HttpRequest& request, HttpResponder responder) {
    serve(request, request.body(), std::move(responder));
  });
  server().handle_upload("/up/", [this](const HttpRequest& request, HttpResponder responder) {
    {
      const std::lock_guard lock(mutex_);
      ++uploads_begun_;
    }
    return [this, method = std::string(request.method_name()), host = std::string(request.host()),
            body = std::string(),
            responder = std::move(responder)](std::string_view piece, UploadState state) mutable {
      body += piece;
      if (state != UploadState::kEnd) return;
      std::string line = fmt::format("{} / host={} body={}", method, host, body);
      {
        const std::lock_guard lock(mutex_);
        served_.push_back(line);
      }
      responder.respond(HttpResponse::text(std::move(line)));
    };
  });
  start();
}

void SmugglingProbe::serve(const HttpRequest& request, std::string_view body,
                           HttpResponder&& responder) {
  std::string line = fmt::format("{} {} host={} body={}", request.method_name(), request.path(),
                                 request.host(), body);
  {
    const std::lock_guard lock(mutex_);
    served_.push_back(line);
  }
  responder.respond(HttpResponse::text(std::move(line)));
}

std::size_t SmugglingProbe::uploads_begun() const {
  const std::lock_guard lock(mutex_);
  return uploads_begun_;
}

void SmugglingProbe::begin() {
  const std::lock_guard lock(mutex_);
  served_.clear();
  uploads_begun_ = 0;
  awaited_ = net_total(&NetCounters::bytes_received);
}

void SmugglingProbe::send_and_wait(HttpClient& client, std::string_view bytes) {
  if (!client.send(bytes)) return;
  awaited_ += bytes.size();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (net_total(&NetCounters::bytes_received) < awaited_ && !peer_has_finished(client.fd())) {
    if (std::chrono::steady_clock::now() > limit) return;
    std::this_thread::yield();
  }
}

Lines SmugglingProbe::feed(std::string_view bytes, Feed feed, bool finish) {
  begin();
  HttpClient client = this->client();
  if (feed == Feed::kWhole) {
    client.send(bytes);
  } else {
    const int on = 1;
    ::setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while (!bytes.empty() && !peer_has_finished(client.fd())) {
      send_and_wait(client, bytes.substr(0, 1));
      bytes.remove_prefix(1);
    }
    client.send(bytes);
  }
  if (finish) client.finish_writing();
  return read(client, feed != Feed::kWhole);
}

Lines SmugglingProbe::feed_cut(std::string_view bytes, std::size_t cut) {
  begin();
  HttpClient client = this->client();
  send_and_wait(client, bytes.substr(0, cut));
  client.send(bytes.substr(cut));
  return read(client, true);
}

Lines SmugglingProbe::read(HttpClient& client, bool in_pieces) {
  Lines lines;
  Lines answered;
  bool closes = false;
  while (true) {
    const Reply reply = client.read_reply();
    if (reply.status == 0) break;
    EXPECT_FALSE(closes) << "a response behind Connection: close";
    closes = reply.header("Connection") == "close";
    const bool framed =
        reply.complete && (reply.status == 100 || (reply.header("Content-Length") != "<none>" &&
                                                   reply.header("Content-Length") != "<several>" &&
                                                   reply.header("Transfer-Encoding") == "<none>"));
    if (reply.status == 200) answered.push_back(reply.body);
    lines.push_back(!framed               ? "malformed"
                    : reply.status == 200 ? reply.body
                                          : std::to_string(reply.status));
  }
  // A client that sends on into a connection that was closed may see a reset.
  EXPECT_TRUE(client.sees_end() || in_pieces) << "the server keeps the connection";
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(served_, answered) << "what was served is not what was answered";
  return lines;
}

void expect_refused(SmugglingProbe& probe, const std::vector<Hostile>& cases, bool head) {
  for (const Hostile& one : cases) {
    const Lines expected = {std::to_string(one.status)};
    for (std::string bytes : {one.bytes, to_upload(one.bytes)}) {
      if (bytes.empty()) continue;
      bytes.append(kSmuggled).append(kNext);
      SCOPED_TRACE(fmt::format("{}: {}", one.name, visible(bytes)));
      EXPECT_EQ(probe.feed(bytes), expected);
      EXPECT_TRUE(!head || probe.uploads_begun() == 0) << "a handler was called";
      EXPECT_EQ(probe.feed(bytes, SmugglingProbe::Feed::kBytewise), expected) << "byte by byte";
    }
  }
}

void expect_served(SmugglingProbe& probe, const std::vector<Hostile>& cases,
                   const std::string& line) {
  const Lines expected = {line, "GET /next host=test body="};
  for (const Hostile& one : cases) {
    for (std::string bytes : {one.bytes, to_upload(one.bytes)}) {
      if (bytes.empty()) continue;
      bytes += kNext;
      SCOPED_TRACE(fmt::format("{}: {}", one.name, visible(bytes)));
      EXPECT_EQ(probe.feed(bytes), expected);
      EXPECT_EQ(probe.feed(bytes, SmugglingProbe::Feed::kBytewise), expected) << "byte by byte";
    }
  }
}

std::string visible(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace leat::http::testing
