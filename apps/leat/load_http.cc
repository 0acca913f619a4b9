// leat load http://...: GET requests; the answers are parsed by llhttp and compared.

#include <llhttp.h>

#include <mutex>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "apps/leat/body_hash.h"
#include "apps/leat/load_protocol.h"

namespace leat::app {

namespace {

/// What the first good answer of the run was; every other has to be the same.
class ReferenceBody {
 public:
  struct Body {
    std::uint64_t size;
    std::uint64_t hash;
    friend bool operator==(const Body&, const Body&) = default;
  };

  /// The reference, which becomes `body` if there is none yet. Any thread.
  Body get_or_set(const Body& body) {
    const std::lock_guard lock(mutex_);
    if (!body_) body_ = body;
    return *body_;
  }

 private:
  std::mutex mutex_;
  std::optional<Body> body_;
};

struct HttpPlan {
  std::string request;
  bool any_body = false;
  ReferenceBody reference;
};

class HttpProtocol final : public LoadProtocol {
 public:
  explicit HttpProtocol(std::shared_ptr<HttpPlan> plan) : plan_(std::move(plan)) { restart(); }

  void restart() override {
    llhttp_init(&parser_, HTTP_RESPONSE, &settings());
    parser_.data = this;
    complete_ = false;
    body_.reset();
  }

  std::size_t send_request(TcpConnection& connection) override {
    connection.send(std::string_view(plan_->request));
    return plan_->request.size();
  }

  Step receive(std::string_view input) override {
    std::size_t consumed = 0;
    while (consumed < input.size()) {
      const std::string_view rest = input.substr(consumed);
      const llhttp_errno_t error = llhttp_execute(&parser_, rest.data(), rest.size());
      if (error == HPE_OK) return {.event = Event::kNeedMore, .consumed = input.size()};
      consumed += static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - rest.data());
      if (error != HPE_PAUSED || !complete_) return lost(consumed);
      complete_ = false;
      const bool last = llhttp_should_keep_alive(&parser_) == 0;
      const bool interim = parser_.status_code < 200 && parser_.status_code != 101;
      llhttp_resume(&parser_);
      if (!interim) return {.event = judge(), .consumed = consumed, .last = last};
    }
    return {.event = Event::kNeedMore, .consumed = consumed};
  }

  Event receive_end() override {
    const llhttp_errno_t error = llhttp_finish(&parser_);
    if (!complete_ || (error != HPE_OK && error != HPE_PAUSED)) return Event::kNeedMore;
    complete_ = false;
    return judge();
  }

  [[nodiscard]] std::string_view complaint() const override { return complaint_; }
  [[nodiscard]] int status() const override { return status_; }

 private:
  static HttpProtocol& self(llhttp_t* parser) { return *static_cast<HttpProtocol*>(parser->data); }

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t kSettings = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
        if (!self(parser).plan_->any_body) self(parser).body_.add({at, length});
        return 0;
      };
      // Stops after each answer, for the next one may be in the same input.
      s.on_message_complete = [](llhttp_t* parser) {
        self(parser).complete_ = true;
        return static_cast<int>(HPE_PAUSED);
      };
      return s;
    }();
    return kSettings;
  }

  Step lost(std::size_t consumed) {
    const char* reason = llhttp_get_error_reason(&parser_);
    complaint_ = fmt::format("the response is no HTTP: {}", reason != nullptr ? reason : "");
    return {.event = Event::kLost, .consumed = consumed, .last = true};
  }

  /// Of the answer that is complete now.
  Event judge() {
    const ReferenceBody::Body body{body_.size(), body_.value()};
    body_.reset();
    status_ = parser_.status_code;
    if (status_ < 200 || status_ > 299) {
      complaint_ = fmt::format("status {}", status_);
      return Event::kBadStatus;
    }
    if (plan_->any_body) return Event::kAnswer;
    if (!reference_) reference_ = plan_->reference.get_or_set(body);
    if (body == *reference_) return Event::kAnswer;
    complaint_ =
        body.size != reference_->size
            ? fmt::format("a body of {} bytes, the first one had {}", body.size, reference_->size)
            : fmt::format("a body of {} bytes differs from the first one", body.size);
    return Event::kBadBody;
  }

  const std::shared_ptr<HttpPlan> plan_;
  llhttp_t parser_;
  BodyHash body_;
  bool complete_ = false;
  int status_ = 0;
  std::optional<ReferenceBody::Body> reference_;
  std::string complaint_;
};

class HttpFactory final : public LoadProtocolFactory {
 public:
  explicit HttpFactory(const LoadOptions& options) : plan_(std::make_shared<HttpPlan>()) {
    plan_->any_body = options.any_body;
    plan_->request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: leat-load/{}\r\n",
                                 options.target.path, options.target.host, LEAT_VERSION);
    for (const std::string& header : options.headers) plan_->request += header + "\r\n";
    if (options.new_connections) plan_->request += "Connection: close\r\n";
    plan_->request += "\r\n";
  }

  std::unique_ptr<LoadProtocol> make(std::size_t /*index*/) override {
    return std::make_unique<HttpProtocol>(plan_);
  }

 private:
  const std::shared_ptr<HttpPlan> plan_;
};

}  // namespace

std::unique_ptr<LoadProtocolFactory> make_http_factory(const LoadOptions& options) {
  return std::make_unique<HttpFactory>(options);
}

}  // namespace leat::app
