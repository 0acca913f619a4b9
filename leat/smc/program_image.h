// Public: whether a program that is about to be executed will carry the preload library.
#pragma once

namespace leat::smc {

enum class Image {
  kCarries,  ///< Its loader will load the library if the environment names it.
  kCannot,   ///< A static program, another ELF class or machine, set-user-ID and the like, and
             ///< whatever cannot be looked at. The environment does not matter.
  kRefuses,  ///< Its loader is musl's, which ends a program that is to preload a library of glibc.
};

/// `path` as execve() takes it, relative to `directory` (a descriptor or AT_FDCWD). Of a script: of
/// what interprets it.
[[nodiscard]] Image image_of(int directory, const char* path);

/// LD_PRELOAD names the library, and LEAT is not off.
[[nodiscard]] bool environment_has_us(char* const environment[]);
/// Puts the pointers of `environment` into `copy`, which has as much room, less the library: its
/// name is left out of LD_PRELOAD, which then is in `list`, with room for that variable.
void leave_us_out(char* const environment[], char** copy, char* list);

/// The file that execvp() would take for `name`, in `room`; null if there is none.
const char* find_in_path(const char* name, char* room, unsigned long size);

}  // namespace leat::smc
