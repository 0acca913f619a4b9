#include "leat/steering/indirection_table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

namespace leat::steering {
namespace {

Result<void> check_size(std::size_t size) {
  if (size >= 1 && size <= IndirectionTable::kMaxSize) return {};
  return Error::invalid_argument(fmt::format("an indirection table of {} entries: it has 1 to {}",
                                             size, IndirectionTable::kMaxSize));
}

Result<void> check_queue(std::uint64_t queue) {
  if (queue <= IndirectionTable::kMaxQueue) return {};
  return Error::invalid_argument(fmt::format("an indirection table that names queue {}: at most {}",
                                             queue, IndirectionTable::kMaxQueue));
}

}  // namespace

Result<IndirectionTable> IndirectionTable::standard(std::size_t size, std::uint32_t queues) {
  if (queues == 0) return Error::invalid_argument("an indirection table over no queue");
  if (auto fits = check_size(size); !fits) return std::move(fits).error();
  return equal(size, static_cast<std::uint32_t>(std::min<std::size_t>(queues, size)));
}

Result<IndirectionTable> IndirectionTable::equal(std::size_t size, std::uint32_t queues,
                                                 std::uint32_t start) {
  if (auto fits = check_size(size); !fits) return std::move(fits).error();
  if (queues == 0) return Error::invalid_argument("equal 0: an indirection table over no queue");
  if (queues > size) {
    return Error::invalid_argument(fmt::format(
        "equal {}: more queues than the {} entries of the indirection table", queues, size));
  }
  if (auto fits = check_queue(std::uint64_t{start} + queues - 1); !fits) {
    return std::move(fits).error();
  }
  std::vector<std::uint16_t> entries(size);
  for (std::size_t i = 0; i < size; ++i) {
    entries[i] = static_cast<std::uint16_t>(start + i % queues);
  }
  return IndirectionTable(std::move(entries));
}

Result<IndirectionTable> IndirectionTable::weighted(std::size_t size,
                                                    std::span<const std::uint32_t> weights,
                                                    std::uint32_t start) {
  if (auto fits = check_size(size); !fits) return std::move(fits).error();
  const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  if (sum == 0) return Error::invalid_argument("weight: at least one weight must be above 0");
  if (sum > size) {
    return Error::invalid_argument(fmt::format(
        "weight: the sum {} is above the {} entries of the indirection table", sum, size));
  }
  if (auto fits = check_queue(std::uint64_t{start} + weights.size() - 1); !fits) {
    return std::move(fits).error();
  }
  std::vector<std::uint16_t> entries;
  entries.reserve(size);
  std::uint64_t partial = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    partial += weights[j];
    entries.resize(size * partial / sum, static_cast<std::uint16_t>(start + j));
  }
  return IndirectionTable(std::move(entries));
}

Result<IndirectionTable> IndirectionTable::from_entries(std::span<const std::uint32_t> queues) {
  if (auto fits = check_size(queues.size()); !fits) return std::move(fits).error();
  if (auto fits = check_queue(std::ranges::max(queues)); !fits) return std::move(fits).error();
  std::vector<std::uint16_t> entries;
  entries.reserve(queues.size());
  for (const std::uint32_t queue : queues) entries.push_back(static_cast<std::uint16_t>(queue));
  return IndirectionTable(std::move(entries));
}

std::uint32_t IndirectionTable::highest_queue() const {
  return std::ranges::max(entries_);
}

std::vector<std::size_t> IndirectionTable::spread() const {
  std::vector<std::size_t> counts(std::size_t{highest_queue()} + 1);
  for (const std::uint16_t queue : entries_) ++counts[queue];
  return counts;
}

}  // namespace leat::steering
