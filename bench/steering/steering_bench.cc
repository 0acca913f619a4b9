// bench_steering ROUNDS TURN_MS FIRST [TEXT]: every contender of every row whose title has TEXT
// gets a turn in each round, beginning with another one each time; a line of JSON for each turn.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "decision_rows.h"
#include "hash_rows.h"
#include "row.h"

namespace {

using leat::bench::Contender;
using leat::bench::Row;

/// What other work on the machine takes does not count.
double cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

double measure(const Contender& contender, std::size_t passes) {
  const double began = cpu_ns();
  contender.run(passes);
  return cpu_ns() - began;
}

void turn(const Row& row, const Contender& contender, double turn_ns) {
  // Warms the caches, and says how many passes fill a turn.
  std::size_t passes = 1;
  double taken = measure(contender, passes);
  while (taken < turn_ns / 20) taken = measure(contender, passes *= 2);
  passes = static_cast<std::size_t>(static_cast<double>(passes) * turn_ns / taken) + 1;
  const double ns = measure(contender, passes) / static_cast<double>(passes * row.operations);
  std::printf(R"({"row": "%s", "name": "%s", "ns": %.4f})"
              "\n",
              row.title.c_str(), contender.name.c_str(), ns);
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) {
    std::fprintf(stderr, "usage: %s ROUNDS TURN_MS FIRST [TEXT]\n", words[0]);
    return 2;
  }
  const std::size_t rounds = std::strtoul(words[1], nullptr, 10);
  const double turn_ns = std::strtod(words[2], nullptr) * 1e6;
  const std::size_t first = std::strtoul(words[3], nullptr, 10);
  const std::string text = count > 4 ? words[4] : "";
  std::vector<Row> rows = leat::bench::hash_rows();
  for (Row& row : leat::bench::decision_rows()) rows.push_back(std::move(row));
  std::erase_if(rows, [&](const Row& row) { return row.title.find(text) == std::string::npos; });
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const Row& row : rows) {
      for (std::size_t i = 0; i < row.contenders.size(); ++i) {
        turn(row, row.contenders[(first + round + i) % row.contenders.size()], turn_ns);
      }
    }
  }
}
