#include "leat/http/internal/directory_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "leat/http/internal/file_path.h"

namespace leat::http::internal {

namespace {

constexpr std::size_t kMaxEntries = 10'000;

struct Entry {
  std::string name;
  bool is_directory = false;
  std::uint64_t size = 0;
};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

Result<std::vector<Entry>> read_entries(int fd, bool show_hidden) {
  // A descriptor of its own: closedir() closes it, and readdir() moves its offset.
  UniqueFd own(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, CloseDirectory> directory(own ? ::fdopendir(own.get()) : nullptr);
  if (!directory) return Error::from_errno(errno, "listing a directory");
  static_cast<void>(own.release());
  std::vector<Entry> entries;
  while (const dirent* found = ::readdir(directory.get())) {
    Entry entry{.name = found->d_name};
    if (entry.name == "." || entry.name == ".." || (!show_hidden && entry.name[0] == '.')) continue;
    struct stat status{};
    // A link is shown as what it leads to; whether it may be followed is seen when it is.
    if (::fstatat(fd, found->d_name, &status, 0) != 0) continue;
    entry.is_directory = S_ISDIR(status.st_mode);
    entry.size = static_cast<std::uint64_t>(status.st_size);
    if (!entry.is_directory && !S_ISREG(status.st_mode)) continue;
    entries.push_back(std::move(entry));
    if (entries.size() == kMaxEntries) break;
  }
  return entries;
}

void append_link(std::string& out, std::string_view href, std::string_view text,
                 std::string_view size) {
  out.append("<tr><td><a href=\"").append(href).append("\">");
  append_html_escaped(out, text);
  out.append("</a></td><td>").append(size).append("</td></tr>\n");
}

}  // namespace

Result<std::string> list_directory(const OpenedFile& directory, std::string_view title,
                                   bool is_root, bool show_hidden) {
  Result<std::vector<Entry>> entries = read_entries(directory.fd->get(), show_hidden);
  if (!entries) return std::move(entries).error();
  std::sort(entries->begin(), entries->end(), [](const Entry& a, const Entry& b) {
    return std::tuple(!a.is_directory, std::string_view(a.name)) <
           std::tuple(!b.is_directory, std::string_view(b.name));
  });
  std::string escaped;
  append_html_escaped(escaped, title);
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<style>body{{font-family:monospace}}td+td{{text-align:right;padding-left:2em}}</style>"
      "</head>\n<body><h1>{0}</h1>\n<table>\n",
      escaped);
  if (!is_root) append_link(out, "../", "../", "");
  for (const Entry& entry : *entries) {
    // "./" keeps a name with a colon from being taken for a scheme (RFC 3986, 4.2).
    std::string href = "./";
    append_percent_encoded(href, entry.name);
    if (entry.is_directory) href += '/';
    append_link(out, href, entry.is_directory ? entry.name + "/" : entry.name,
                entry.is_directory ? "" : std::to_string(entry.size));
  }
  return out + "</table></body></html>\n";
}

}  // namespace leat::http::internal
