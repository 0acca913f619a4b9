// Boost.Beast in the manner of its own fast example: as many workers as there may be connections,
// each of which accepts, reads and answers with memory that it has had from the start. Unlike the
// example, which closes after each response, connections are kept; sockets name their executor's
// type, and the context knows that one thread runs it, as in echo_asio.cc.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <list>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "bench/net/server.h"
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/optional.hpp>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Listener = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::size_t kWorkers = 1200;
constexpr auto kRequestTime = std::chrono::seconds(60);

/// Memory for the fields of one request and its response, which live together: it is given out
/// from front to back, and is free again when all of it has come back.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* take(std::size_t size) {
    const std::size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
    if (rounded > bytes_.size() - used_) throw std::bad_alloc();
    void* place = bytes_.data() + used_;
    used_ += rounded;
    ++given_out_;
    return place;
  }
  void give_back() {
    if (--given_out_ == 0) used_ = 0;
  }

 private:
  static constexpr std::size_t kAlignment = alignof(std::max_align_t);
  alignas(std::max_align_t) std::array<std::byte, 8192> bytes_;
  std::size_t used_ = 0;
  std::size_t given_out_ = 0;
};

template <typename T>
class ArenaAllocator {
 public:
  using value_type = T;
  explicit ArenaAllocator(Arena& arena) : arena_(&arena) {}
  template <typename U>
  ArenaAllocator(const ArenaAllocator<U>& other) : arena_(other.arena()) {}

  T* allocate(std::size_t count) { return static_cast<T*>(arena_->take(count * sizeof(T))); }
  void deallocate(T*, std::size_t) { arena_->give_back(); }
  [[nodiscard]] Arena* arena() const { return arena_; }
  friend bool operator==(const ArenaAllocator& a, const ArenaAllocator& b) {
    return a.arena_ == b.arena_;
  }

 private:
  Arena* arena_;
};

using Allocator = ArenaAllocator<char>;
using Fields = http::basic_fields<Allocator>;
using Body = http::string_body;

class Worker {
 public:
  explicit Worker(Listener& listener)
      : listener_(listener), socket_(listener.get_executor()), timer_(listener.get_executor()) {}

  void start() {
    accept();
    check_deadline();
  }

 private:
  void accept() {
    beast::error_code ignored;
    socket_.close(ignored);
    buffer_.clear();
    listener_.async_accept(socket_, [this](beast::error_code error) {
      if (error) return accept();
      socket_.set_option(asio::ip::tcp::no_delay(true), error);
      read();
    });
  }

  void read() {
    deadline_ = std::chrono::steady_clock::now() + kRequestTime;
    parser_.emplace(std::piecewise_construct, std::make_tuple(),
                    std::make_tuple(Allocator(arena_)));
    http::async_read(socket_, buffer_, *parser_, [this](beast::error_code error, std::size_t) {
      if (error) return accept();
      answer();
    });
  }

  void answer() {
    const auto& request = parser_->get();
    response_.emplace(std::piecewise_construct, std::make_tuple(),
                      std::make_tuple(Allocator(arena_)));
    const bool is_get = request.method() == http::verb::get;
    response_->result(is_get ? http::status::ok : http::status::bad_request);
    response_->keep_alive(is_get && request.keep_alive());
    response_->set(http::field::server, "Beast");
    response_->set(http::field::content_type, "text/plain");
    if (is_get) response_->body() = leat::bench::kHello;
    response_->prepare_payload();
    serializer_.emplace(*response_);
    http::async_write(socket_, *serializer_, [this](beast::error_code error, std::size_t) {
      const bool keep = !error && response_->keep_alive();
      serializer_.reset();
      response_.reset();
      parser_.reset();
      if (!keep) return accept();
      read();
    });
  }

  /// One timer a worker, which looks whether the deadline has moved.
  void check_deadline() {
    if (deadline_ <= std::chrono::steady_clock::now()) {
      beast::error_code ignored;
      socket_.close(ignored);
      deadline_ = std::chrono::steady_clock::time_point::max();
    }
    timer_.expires_after(kRequestTime);
    timer_.async_wait([this](beast::error_code) { check_deadline(); });
  }

  Listener& listener_;
  Socket socket_;
  Timer timer_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  beast::flat_static_buffer<8192> buffer_;
  Arena arena_;
  boost::optional<http::request_parser<Body, Allocator>> parser_;
  boost::optional<http::response<Body, Fields>> response_;
  boost::optional<http::response_serializer<Body, Fields>> serializer_;
};

}  // namespace

int main() {
  try {
    asio::io_context context(1);
    Listener listener(context.get_executor());
    const asio::ip::tcp::endpoint address(asio::ip::address_v4::loopback(), 0);
    listener.open(address.protocol());
    listener.set_option(asio::ip::tcp::acceptor::reuse_address(true));
    listener.bind(address);
    listener.listen(leat::bench::kBacklog);
    std::list<Worker> workers;
    for (std::size_t i = 0; i < kWorkers; ++i) workers.emplace_back(listener).start();
    const std::string version = std::to_string(BOOST_VERSION / 100000) + "." +
                                std::to_string(BOOST_VERSION / 100 % 1000) + "." +
                                std::to_string(BOOST_VERSION % 100);
    leat::bench::announce(listener.local_endpoint().port(), "beast", version.c_str());
    context.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_http_beast: %s\n", e.what());
    return 1;
  }
}
