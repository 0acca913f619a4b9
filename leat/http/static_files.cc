#include "leat/http/static_files.h"

#include <utility>

#include "leat/base/assert.h"
#include "leat/http/internal/file_server.h"

namespace leat::http {

Result<StaticFiles> StaticFiles::create(const std::string& root, BlockingPool& pool,
                                        StaticFilesOptions options) {
  LEAT_ASSERT(options.mount.starts_with('/') && options.mount.ends_with('/'),
              "a mount that does not begin and end with '/'");
  Result<internal::FileRoot> opened = internal::FileRoot::open(root);
  if (!opened) return std::move(opened).error();
  return StaticFiles(
      std::make_shared<const internal::FileServer>(*std::move(opened), pool, std::move(options)));
}

void StaticFiles::operator()(const HttpRequest& request, HttpResponder responder) const {
  server_->serve(request, std::move(responder));
}

}  // namespace leat::http
