// Public: the ways in which a Toeplitz hash can be computed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace leat::steering {

/// All give the same hashes. In ascending order of speed on the machines that have them.
enum class ToeplitzMethod : std::uint8_t {
  kBitwise,    ///< As the definition says, bit by bit: for comparison.
  kTable,      ///< One look-up for each byte of the input; 1 KiB of tables for each of them.
  kCarryless,  ///< x86-64 with SSSE3 and PCLMULQDQ.
  kAvx512,     ///< Also GFNI, VPCLMULQDQ and AVX-512 (F, BW, VL): wide inputs, four at a time.
};

/// "bitwise", "table", "carryless", "avx512".
[[nodiscard]] std::string_view to_string(ToeplitzMethod method);
/// Those that this CPU can run, in ascending order of speed; kBitwise and kTable always.
[[nodiscard]] std::span<const ToeplitzMethod> available_toeplitz_methods();
[[nodiscard]] bool is_available(ToeplitzMethod method);
/// The last of them.
[[nodiscard]] ToeplitzMethod best_toeplitz_method();

}  // namespace leat::steering
