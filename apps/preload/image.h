// Internal: whether a program that is about to be executed will carry this library.
#pragma once

namespace leat::preload {

/// `path` as execve() takes it (relative to `directory`, a descriptor or AT_FDCWD). False for a
/// static program, another ELF class or machine, set-user-ID and the like, an environment without
/// this library, and whatever cannot be looked at.
[[nodiscard]] bool image_carries_us(int directory, const char* path, char* const environment[]);

/// The file that execvp() would take for `name`, in `room`; null if there is none.
const char* find_in_path(const char* name, char* room, unsigned long size);

}  // namespace leat::preload
