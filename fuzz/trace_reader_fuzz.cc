// Where a trace is cut makes no difference to what is read from it, the reader reads nothing
// outside of what it was shown, and it comes to an end. The first byte of the input chooses the
// cuts.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "leat/base/random.h"
#include "leat/wire/trace_reader.h"

namespace {

using leat::wire::TracePacket;
using leat::wire::TraceReader;

void require(bool condition) {
  if (!condition) std::abort();
}

/// What came out, as text.
class Notes {
 public:
  void take(const TraceReader& reader, TraceReader::Event event, std::span<const std::byte> shown) {
    require(reader.consumed() <= shown.size());
    if (event == TraceReader::Event::kDamaged) text_ += reader.error().message();
    if (event == TraceReader::Event::kEnd) text_ += "end " + std::to_string(reader.offset());
    if (event != TraceReader::Event::kPacket) return;
    const TracePacket& packet = reader.packet();
    require(packet.wire_length >= packet.bytes.size());
    require(packet.bytes.empty() ||
            (packet.bytes.data() >= shown.data() &&
             packet.bytes.data() + packet.bytes.size() <= shown.data() + reader.consumed()));
    text_ += std::to_string(packet.time.count()) + " " + std::to_string(packet.wire_length) + " ";
    text_.append(reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size());
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string read(const std::uint8_t* data, std::size_t size, leat::Random* cuts) {
  TraceReader reader;
  Notes notes;
  std::size_t begin = 0;
  std::size_t end = cuts == nullptr ? size : 0;
  for (;;) {
    // In memory of its own, so that a sanitizer sees a read behind it.
    std::vector<std::byte> shown(end - begin);
    if (!shown.empty()) std::memcpy(shown.data(), data + begin, shown.size());
    const TraceReader::Event event = reader.next(shown, end == size);
    notes.take(reader, event, shown);
    begin += reader.consumed();
    require(reader.offset() == begin);
    if (event == TraceReader::Event::kPacket) continue;
    if (event != TraceReader::Event::kNeedMore) return notes.text();
    require(end < size && end - begin < TraceReader::kMostRecordBytes);
    end = std::min(size, end + 1 + cuts->uniform(0, 63));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  leat::Random cuts(data[0]);
  require(read(data + 1, size - 1, nullptr) == read(data + 1, size - 1, &cuts));
  return 0;
}
