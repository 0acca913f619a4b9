#include "leat/steering/toeplitz_method.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace leat::steering {
namespace {

struct Available {
  std::array<ToeplitzMethod, 4> methods{};
  std::size_t count = 0;

  void add(ToeplitzMethod method) { methods[count++] = method; }
};

// The compiler's own look at CPUID also asks whether the system saves the wide registers.
Available look() {
  Available found;
  found.add(ToeplitzMethod::kBitwise);
  found.add(ToeplitzMethod::kTable);
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("pclmul")) return found;
  found.add(ToeplitzMethod::kCarryless);
  if (__builtin_cpu_supports("gfni") && __builtin_cpu_supports("vpclmulqdq") &&
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    found.add(ToeplitzMethod::kAvx512);
  }
#endif
  return found;
}

}  // namespace

std::string_view to_string(ToeplitzMethod method) {
  switch (method) {
    case ToeplitzMethod::kBitwise:
      return "bitwise";
    case ToeplitzMethod::kTable:
      return "table";
    case ToeplitzMethod::kCarryless:
      return "carryless";
    case ToeplitzMethod::kAvx512:
      return "avx512";
  }
  return "unknown";
}

std::span<const ToeplitzMethod> available_toeplitz_methods() {
  static const Available found = look();
  return std::span(found.methods).first(found.count);
}

bool is_available(ToeplitzMethod method) {
  return std::ranges::count(available_toeplitz_methods(), method) != 0;
}

ToeplitzMethod best_toeplitz_method() {
  return available_toeplitz_methods().back();
}

}  // namespace leat::steering
