// Where the input is cut makes no difference to what RequestParser finds.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

#include "support/parser_trace.h"

namespace leat::http {
namespace {

using testing::ParserTrace;
using testing::trace;

std::vector<std::string> samples() {
  const std::string big(300, 'x');
  return {
      "GET /x?y=1 HTTP/1.1\r\nHost: a:80\r\nX-Empty:\r\nB: \t v w \t \r\n\r\nGET / "
      "HTTP/1.0\r\n\r\n",
      "\r\n\r\nPOST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\nA\r\n"
      "0123456789\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n "
      "x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcx\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\nY: c\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\r\n\r\n",
      "GETX / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GE\x01 / HTTP/1.1\r\nHost: a\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
      "DESCRIBE / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.3\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx",
      "GET /" + big + " HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /" + big + "\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: " + big + "\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: " + big + "\x01\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nB: 1\r\nC: 2\r\nD: 3\r\nE: 4\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;" + big +
          "\r\nabc\r\n0\r\n\r\n",
  };
}

const HttpOptions kSmall{.max_request_line = 128,
                         .max_header_bytes = 256,
                         .max_header_count = 4,
                         .max_chunk_header_bytes = 64,
                         .max_trailer_bytes = 64};

TEST(RequestParserCuts, InTwoAtEveryByte) {
  for (const std::string& sample : samples()) {
    const std::string whole = trace(sample, kSmall);
    for (std::size_t cut = 0; cut <= sample.size(); ++cut) {
      ParserTrace run(kSmall);
      run.receive(sample.substr(0, cut));
      run.receive(sample.substr(cut));
      ASSERT_EQ(run.text(), whole) << "cut at " << cut << " of\n" << sample;
    }
  }
}

TEST(RequestParserCuts, ByteByByte) {
  for (const std::string& sample : samples()) {
    ParserTrace run(kSmall);
    for (const char c : sample) run.receive({&c, 1});
    EXPECT_EQ(run.text(), trace(sample, kSmall)) << sample;
  }
}

TEST(RequestParserCuts, DamagedAtRandomAndCutAtRandom) {
  Random random(20261122);
  const std::vector<std::string> all = samples();
  for (int round = 0; round < 20000; ++round) {
    std::string sample = all[random.uniform(0, all.size() - 1)];
    for (std::uint64_t changes = random.uniform(0, 4 - 1); changes > 0; --changes) {
      static constexpr std::string_view kBytes = "\r\n :;,\t0a/*\x01\x80";
      sample[random.uniform(0, sample.size() - 1)] = kBytes[random.uniform(0, kBytes.size() - 1)];
    }
    const std::string whole = trace(sample, kSmall);
    ParserTrace run(kSmall);
    std::size_t at = 0;
    while (at < sample.size()) {
      const std::size_t size = 1 + random.uniform(0, sample.size() - at - 1);
      run.receive(std::string_view(sample).substr(at, size));
      at += size;
    }
    ASSERT_EQ(run.text(), whole) << sample;
  }
}

}  // namespace
}  // namespace leat::http
