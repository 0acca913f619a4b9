// Leat's answer to the plaintext rows: a handler of one line. LEAT_POLLER picks the poller.

#include <cstdio>

#include "leat/http/http_server.h"
#include "leat/net/inet_address.h"
#include "leat/reactor/event_loop.h"

#include "bench/net/server.h"

int main() {
  auto loop = leat::EventLoop::create().value();
  leat::http::HttpServer server(*loop, {.backlog = leat::bench::kBacklog});
  server.handle([](const leat::http::HttpRequest&, leat::http::HttpResponder responder) {
    (void)responder.respond(leat::http::HttpResponse::text(leat::bench::kHello));
  });
  leat::Result<void> ready = server.listen(leat::InetAddress::parse("127.0.0.1:0").value());
  if (ready) ready = server.start();
  if (!ready) {
    std::fprintf(stderr, "bench_http_leat: %s\n", ready.error().message().c_str());
    return 1;
  }
  leat::bench::announce(server.tcp().addresses().front().port(), "leat", LEAT_BENCH_VERSION);
  return loop->loop() ? 0 : 1;
}
