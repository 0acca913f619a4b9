// Public: checks of preconditions; on in the dev and sanitizer presets, free in release builds.
#pragma once

namespace leat::internal {

/// Prints the broken precondition with its place to stderr and ends the process.
[[noreturn]] void assertion_failed(const char* condition, const char* message, const char* file,
                                   int line);

}  // namespace leat::internal

/// A broken precondition is a bug of the caller, so it ends the process where assertions are on.
/// What a peer, the kernel or the machine can cause is never asserted: it is a `Result`.
/// Where assertions are off the condition still has to compile, but nothing evaluates it.
#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
#define LEAT_ASSERT(condition, message) \
  ((condition) ? static_cast<void>(0)   \
               : ::leat::internal::assertion_failed(#condition, message, __FILE__, __LINE__))
#else
#define LEAT_ASSERT(condition, message) static_cast<void>(sizeof((condition) ? 1 : 0))
#endif
