// Internal: a broker in a thread, on a directory of its own, and its clients' memory.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "leat/smc/broker.h"
#include "leat/smc/broker_client.h"
#include "leat/smc/process_page.h"
#include "leat/smc/segment.h"

namespace leat::smc {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

/// Mapped shared; unmapped and closed when it goes.
template <typename T>
class Mapped {
 public:
  explicit Mapped(const Answer& answer) : size_(answer.size) {
    if (answer.fd < 0) return;
    void* const at =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, answer.fd, 0);
    ::close(answer.fd);
    if (at != MAP_FAILED) at_ = static_cast<T*>(at);
  }
  Mapped(Mapped&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(other.size_) {}
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped() { reset(); }
  void reset() {
    if (at_ != nullptr) ::munmap(at_, size_);
    at_ = nullptr;
  }
  T* operator->() const { return at_; }
  T& operator*() const { return *at_; }
  explicit operator bool() const { return at_ != nullptr; }

 private:
  T* at_ = nullptr;
  std::size_t size_ = 0;
};

class BrokerHarness : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/leat-broker-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_.path = std::string(name) + "/d";
    start();
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(std::filesystem::path(directory_.path).parent_path());
  }

  virtual BrokerOptions options() {
    BrokerOptions options;
    options.directory = directory_;
    options.grace = 250ms;
    options.tick = 5ms;
    return options;
  }
  void start() {
    Result<std::unique_ptr<Broker>> broker = Broker::create(options());
    ASSERT_TRUE(broker) << broker.error().message();
    broker_ = std::move(*broker);
    thread_ = std::thread([this] { EXPECT_TRUE(broker_->run()); });
  }
  void stop() {
    if (!broker_) return;
    broker_->stop();
    thread_.join();
    broker_.reset();
  }

  [[nodiscard]] BrokerClient client() const { return BrokerClient(directory_.socket().c_str()); }
  Mapped<ProcessPage> hello(const char* program = "test") {
    return Mapped<ProcessPage>(client().hello(program));
  }
  /// 127.0.0.1, ports as named.
  static Offer make_offer(std::uint64_t cookie, std::uint16_t local, std::uint16_t peer) {
    Offer offer;
    offer.cookie = cookie;
    offer.netns = 1;
    offer.names.family = AF_INET;
    offer.names.local_port = local;
    offer.names.peer_port = peer;
    offer.names.local[0] = offer.names.peer[0] = 127;
    offer.names.local[3] = offer.names.peer[3] = 1;
    return offer;
  }
  static void eventually(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + 5s;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), until);
      std::this_thread::sleep_for(2ms);
    }
  }

  BrokerDirectory directory_;
  std::unique_ptr<Broker> broker_;
  std::thread thread_;
};

}  // namespace leat::smc
