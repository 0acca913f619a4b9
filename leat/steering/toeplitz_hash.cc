#include "leat/steering/toeplitz_hash.h"

namespace leat::steering {
namespace {

internal::ToeplitzEngine engine_of(ToeplitzMethod method) {
  switch (method) {
#if defined(__x86_64__)
    case ToeplitzMethod::kCarryless:
      return internal::carryless_toeplitz_engine();
    case ToeplitzMethod::kAvx512:
      return internal::avx512_toeplitz_engine();
#endif
    case ToeplitzMethod::kBitwise:
      return internal::bitwise_toeplitz_engine();
    default:
      return internal::table_toeplitz_engine();
  }
}

}  // namespace

ToeplitzHash::ToeplitzHash(const ToeplitzKey& key, ToeplitzMethod method)
    : key_(key, method == ToeplitzMethod::kTable),
      engine_(engine_of(method)),
      max_input_(key.size() - 4),
      method_(method) {
  LEAT_ASSERT(is_available(method), "a method that this CPU lacks");
}

}  // namespace leat::steering
