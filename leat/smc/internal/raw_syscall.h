// Internal: system calls past the C library, whose functions a preloaded library replaces.
#pragma once

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace leat::smc::internal {

/// The kernel's own result: -errno on failure. errno stays as it is. Not a cancellation point.
inline long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
#else
  const int kept = errno;
  const long result = ::syscall(number, a, b, c, d, e, f);
  const long told = result == -1 ? -static_cast<long>(errno) : result;
  errno = kept;
  return told;
#endif
}

template <typename T>
long raw_argument(const T* pointer) {
  return static_cast<long>(reinterpret_cast<unsigned long>(pointer));
}

}  // namespace leat::smc::internal
