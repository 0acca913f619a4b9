// Internal: an HttpServer that serves a temporary tree.
#pragma once

#include <memory>
#include <utility>

#include "leat/http/static_files.h"
#include "leat/reactor/blocking_pool.h"

#include "support/http_fixture.h"
#include "support/temporary_tree.h"

namespace leat::http::testing {

class FilesFixture {
 public:
  explicit FilesFixture(StaticFilesOptions options = {}, TcpServerOptions tcp = {}) {
    server = std::make_unique<HttpFixture>(HttpOptions{}, std::move(tcp));
    const std::string mount = options.mount;
    server->server().handle(mount,
                            StaticFiles::create(tree.root(), pool, std::move(options)).value());
    server->start();
  }
  [[nodiscard]] HttpClient client(int receive_buffer = 0) const {
    return server->client(receive_buffer);
  }
  [[nodiscard]] Reply get(std::string_view target, std::string_view fields = {}) const {
    HttpClient one = client();
    return one.get(target, fields);
  }

  TemporaryTree tree;
  BlockingPool pool;
  std::unique_ptr<HttpFixture> server;
};

}  // namespace leat::http::testing
