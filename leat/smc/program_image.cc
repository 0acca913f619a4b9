#include "leat/smc/program_image.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "leat/smc/internal/raw_syscall.h"

namespace leat::smc {
namespace {

using internal::raw_argument;
using internal::raw_syscall;

constexpr int kScripts = 4;  ///< Scripts that are read by scripts.

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
constexpr Elf64_Half kMachine = EM_NONE;
#endif

constexpr char kPreload[] = "LD_PRELOAD=";
constexpr char kName[] = "libleat_preload";

bool is_preload(const char* variable) {
  return strncmp(variable, kPreload, sizeof kPreload - 1) == 0;
}

/// AT_SECURE: the dynamic linker then leaves LD_PRELOAD out.
bool is_privileged(long fd) {
  struct stat status{};
  if (raw_syscall(SYS_fstat, fd, raw_argument(&status)) != 0) return true;
  if ((status.st_mode & (S_ISUID | S_ISGID)) != 0) return true;
  return raw_syscall(SYS_fgetxattr, fd, raw_argument("security.capability"), 0, 0) > 0;
}

Image image_with_interpreter(long fd, const Elf64_Ehdr& header) {
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return Image::kCannot;
  for (unsigned i = 0; i < header.e_phnum && i < 64; ++i) {
    Elf64_Phdr part;
    const auto offset = static_cast<long>(header.e_phoff + i * sizeof part);
    if (raw_syscall(SYS_pread64, fd, raw_argument(&part), sizeof part, offset) != sizeof part) {
      return Image::kCannot;
    }
    if (part.p_type != PT_INTERP) continue;
    char loader[64] = {};
    raw_syscall(SYS_pread64, fd, raw_argument(loader), sizeof loader - 1,
                static_cast<long>(part.p_offset));
    return strstr(loader, "/ld-musl") != nullptr ? Image::kRefuses : Image::kCarries;
  }
  return Image::kCannot;
}

/// Cuts "#! interpreter argument" down to the interpreter.
const char* interpreter(char* line) {
  char* start = line + 2;
  while (*start == ' ' || *start == '\t') ++start;
  char* end = start;
  while (*end != 0 && *end != ' ' && *end != '\t' && *end != '\n') ++end;
  *end = 0;
  return start;
}

Image image_of_file(int directory, const char* path, int scripts) {
  const long fd = raw_syscall(SYS_openat, directory, raw_argument(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Image::kCannot;
  union {
    char text[256];
    Elf64_Ehdr elf;
  } head{};
  const long got = raw_syscall(SYS_pread64, fd, raw_argument(head.text), sizeof head.text - 1, 0);
  const bool is_script = got > 2 && head.text[0] == '#' && head.text[1] == '!';
  Image image = Image::kCannot;
  if (!is_script && got >= static_cast<long>(sizeof head.elf) &&
      memcmp(head.elf.e_ident, ELFMAG, SELFMAG) == 0 && head.elf.e_ident[EI_CLASS] == ELFCLASS64 &&
      head.elf.e_machine == kMachine && !is_privileged(fd)) {
    image = image_with_interpreter(fd, head.elf);
  }
  raw_syscall(SYS_close, fd);
  if (!is_script || scripts == 0) return image;
  return image_of_file(AT_FDCWD, interpreter(head.text), scripts - 1);
}

}  // namespace

Image image_of(int directory, const char* path) {
  return path == nullptr ? Image::kCannot : image_of_file(directory, path, kScripts);
}

bool environment_has_us(char* const environment[]) {
  bool preloads = false;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    if (strcmp(*environment, "LEAT=off") == 0) return false;
    if (is_preload(*environment)) preloads = strstr(*environment, kName) != nullptr;
  }
  return preloads;
}

// Names are parted by colons or spaces.
void leave_us_out(char* const environment[], char** copy, char* list) {
  for (; *environment != nullptr; ++environment) {
    *copy++ = *environment;
    if (!is_preload(*environment)) continue;
    char* to = list + sizeof kPreload - 1;
    memcpy(list, kPreload, sizeof kPreload - 1);
    const char* from = *environment + sizeof kPreload - 1;
    const char* const begin = to;
    while (*from != 0) {
      const unsigned long size = strcspn(from, ": ");
      const char* const us = strstr(from, kName);
      if (size != 0 && (us == nullptr || us >= from + size)) {
        if (to != begin) *to++ = ':';
        memcpy(to, from, size);
        to += size;
      }
      from += size + (from[size] != 0 ? 1 : 0);
    }
    *to = 0;
    copy[-1] = list;
    if (to == begin) --copy;
  }
  *copy = nullptr;
}

const char* find_in_path(const char* name, char* room, unsigned long size) {
  if (name == nullptr || *name == 0) return nullptr;
  if (strchr(name, '/') != nullptr) return name;
  const char* path = getenv("PATH");
  if (path == nullptr) path = "/bin:/usr/bin";
  const unsigned long length = strlen(name);
  while (true) {
    const char* const end = strchrnul(path, ':');
    const auto part = static_cast<unsigned long>(end - path);
    if (part + length + 2 <= size) {
      memcpy(room, path, part);
      room[part] = '/';
      memcpy(room + (part == 0 ? 0 : part + 1), name, length + 1);
      if (raw_syscall(SYS_faccessat, AT_FDCWD, raw_argument(room), X_OK) == 0) return room;
    }
    if (*end == 0) return nullptr;
    path = end + 1;
  }
}

}  // namespace leat::smc
