#include "apps/preload/real.h"

#include <dlfcn.h>

namespace leat::preload {

void* look_up_next(const char* name) {
  return dlsym(RTLD_NEXT, name);
}

namespace real {

#define LEAT_DEFINE_REAL(name) constinit Real<decltype(::name)> name{#name};
LEAT_REAL_FUNCTIONS(LEAT_DEFINE_REAL)
#undef LEAT_DEFINE_REAL

void resolve_all() {
#define LEAT_RESOLVE_REAL(name) (void)name.get();
  LEAT_REAL_FUNCTIONS(LEAT_RESOLVE_REAL)
#undef LEAT_RESOLVE_REAL
}

}  // namespace real
}  // namespace leat::preload
