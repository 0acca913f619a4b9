// Requests whose fields say twice, or unclearly, where their body ends: two servers in a row that
// read them differently would let one client's bytes pass for another client's request
// (RFC 9112, 11.2). Each is sent to a real server with such a request behind it.
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/smuggling_probe.h"

namespace leat::http {
namespace {

using namespace std::string_literals;
using testing::expect_refused;
using testing::expect_served;
using testing::Hostile;
using testing::SmugglingProbe;

const std::string kPost = "POST / HTTP/1.1\r\nHost: test\r\n";
const std::string kChunked = "Transfer-Encoding: chunked\r\n";
const std::string kLastChunk = "0\r\n\r\n";

/// A body of no chunks; who does not see the coding takes it for the next request.
Hostile coded(std::string_view name, const std::string& fields, int status = 400) {
  return {name, kPost + fields + "\r\n" + kLastChunk, status};
}

/// "hello", for those who see a length of 5; nothing for the others.
Hostile sized(std::string_view name, const std::string& fields, int status = 400) {
  return {name, kPost + fields + "\r\nhello", status};
}

// RFC 9112, 6.3 (3.) lets a server refuse these or believe Transfer-Encoding; 11.2 advises to
// refuse. 6.1: in HTTP/1.0 Transfer-Encoding is faulty framing.
TEST(RequestSmuggling, LengthBesideACoding) {
  SmugglingProbe probe;
  expect_refused(
      probe,
      {
          coded("CL.TE", "Content-Length: 5\r\n" + kChunked),
          coded("TE.CL", kChunked + "Content-Length: 5\r\n"),
          coded("TE.CL, the length ends in the size", kChunked + "Content-Length: 1\r\n"),
          coded("TE and a length of zero", kChunked + "Content-Length: 0\r\n"),
          coded("a length of zero and TE", "Content-Length: 0\r\n" + kChunked),
          coded("CL.TE.CL", "Content-Length: 5\r\n" + kChunked + "Content-Length: 5\r\n"),
          coded("TE and an empty length", kChunked + "Content-Length:\r\n"),
          coded("TE and a bad length", kChunked + "Content-Length: x\r\n"),
          coded("CL.TE, other cases", "content-length: 5\r\ntRANSFER-eNCODING: chunked\r\n"),
          coded("CL.TE with a coding nobody knows",
                "Content-Length: 5\r\nTransfer-Encoding: x\r\n"),
          coded("CL.TE with identity", "Content-Length: 5\r\nTransfer-Encoding: identity\r\n"),
          coded("CL.TE with an empty coding", "Content-Length: 5\r\nTransfer-Encoding:\r\n"),
          coded("CL.TE with xchunked", "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n"),
          coded("CL.TE with space before the colon",
                "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n"),
          coded("CL.TE, folded away", "Content-Length: 5\r\n Transfer-Encoding: chunked\r\n"),
          {"TE in HTTP/1.0", "POST / HTTP/1.0\r\n" + kChunked + "\r\n" + kLastChunk},
          {"TE in HTTP/1.0 that is kept",
           "POST / HTTP/1.0\r\nConnection: keep-alive\r\n" + kChunked + "\r\n" + kLastChunk},
          {"CL.TE in HTTP/1.0",
           "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n" + kChunked +
               "\r\n" + kLastChunk},
          {"CL.TE of a GET", "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n" + kChunked +
                                 "\r\n" + kLastChunk},
      },
      true);
}

// RFC 9112, 6.1 and 6.3 (4.): 400 if chunked is not the last coding, 501 for codings before it.
// RFC 9110, 5.5 and 5.6.2: no control characters, and a coding is a token.
TEST(RequestSmuggling, ObfuscatedCodings) {
  SmugglingProbe probe;
  std::vector<Hostile> cases;
  const auto add = [&cases](const std::string& value, int status = 400) {
    cases.push_back(coded("obfuscated coding", "Transfer-Encoding:" + value + "\r\n", status));
  };
  for (const std::string& value : {" xchunked"s,
                                   " chunkedx"s,
                                   " chunked, identity"s,
                                   " chunked,identity"s,
                                   " identity"s,
                                   ""s,
                                   " "s,
                                   " ,"s,
                                   " \x0b"s + "chunked",
                                   " \x0c"s + "chunked",
                                   "\x0b"s + "chunked",
                                   " chunked\x0b"s,
                                   " \0chunked"s,
                                   " chunked\0"s,
                                   " chunked\x7f"s,
                                   " \x01"s + "chunked",
                                   " \"chunked\""s,
                                   " 'chunked'"s,
                                   " chunked;q=1"s,
                                   " chunked ; a"s,
                                   " chunk ed"s,
                                   " chunked chunked"s,
                                   " chunked, chunked"s,
                                   " chunked, x"s,
                                   " chunked,"s,
                                   " chunked, "s,
                                   " x"s,
                                   " gzip"s,
                                   " \xa0"s + "chunked",
                                   " chunked\xa0"s,
                                   " chun\xe2\x84\xaa"s + "ed",
                                   " chunked\t"s,
                                   " chunked \t"s,
                                   " chunked\r"s,
                                   " chunked\r\r"s,
                                   " chunked\n"s,
                                   "\n chunked"s,
                                   "\r chunked"s,
                                   " chunked\r\n x"s,
                                   "\r\n chunked"s,
                                   "\r\n\tchunked"s,
                                   " [chunked]"s,
                                   " chunked:"s,
                                   " :chunked"s,
                                   " chunked\\"s,
                                   " chu\r\n nked"s}) {
    add(value);
  }
  for (const std::string& value : {" identity, chunked"s, " gzip, chunked"s, " x,chunked"s,
                                   " ,chunked"s, " gzip,\tchunked"s}) {
    add(value, 501);
  }
  expect_refused(probe, cases, true);
}

// RFC 9112, 5: nothing stands between a field's name and its colon (5.1), no field is continued on
// the next line (5.2), names are tokens.
TEST(RequestSmuggling, ObfuscatedNamesOfTheCoding) {
  SmugglingProbe probe;
  std::vector<Hostile> cases;
  for (const std::string& fields :
       {"Transfer-Encoding : chunked"s,         "Transfer-Encoding\t: chunked"s,
        "Transfer-Encoding\0: chunked"s,        "Transfer-Encoding\x0b: chunked"s,
        "Transfer-Encoding\r: chunked"s,        "Transfer-Encoding\r\n: chunked"s,
        "Transfer-Encoding\n: chunked"s,        " Transfer-Encoding: chunked"s,
        "\tTransfer-Encoding: chunked"s,        "\x0bTransfer-Encoding: chunked"s,
        "\0Transfer-Encoding: chunked"s,        "\rTransfer-Encoding: chunked"s,
        "\nTransfer-Encoding: chunked"s,        ": Transfer-Encoding: chunked"s,
        "Transfer\rEncoding: chunked"s,         "Transfer Encoding: chunked"s,
        "Transfer-Encoding chunked"s,           "Transfer-Encoding"s,
        "X: y\nTransfer-Encoding: chunked"s,    "X: y\rTransfer-Encoding: chunked"s,
        "X: y\n\rTransfer-Encoding: chunked"s,  "X: y\r\rTransfer-Encoding: chunked"s,
        "X: y\r\n Transfer-Encoding: chunked"s, "X: y\r\n\tTransfer-Encoding: chunked"s,
        "X:\rTransfer-Encoding: chunked"s,      "X:\nTransfer-Encoding: chunked"s,
        "Transfer-Encoding: chunked\nX: y"s,    "Transfer-Encoding: chunked\rX: y"s,
        "\"Transfer-Encoding\": chunked"s,      "Transfer-Encod\xc4\xb1ng: chunked"s,
        "\xefTransfer-Encoding: chunked"s}) {
    cases.push_back(coded("obfuscated name", fields + "\r\n"));
  }
  for (const std::string& second : {"chunked"s, "identity"s, "x"s, ""s, "Chunked"s}) {
    cases.push_back(coded("twice", kChunked + "Transfer-Encoding: " + second + "\r\n"));
    cases.push_back(coded("twice", "Transfer-Encoding: " + second + "\r\n" + kChunked));
  }
  expect_refused(probe, cases, true);
}

// RFC 9112, 6.3 (5.): 400 and the end. RFC 9110, 8.6: 1*DIGIT, and no overflow.
TEST(RequestSmuggling, UnclearLengths) {
  SmugglingProbe probe;
  std::vector<Hostile> cases;
  for (const std::string& value :
       {" +5"s,      " -5"s,         " 5,5"s,   " 5, 5"s,  " 5, 6"s,  " 5,"s,
        " ,5"s,      " 0x5"s,        " 5 5"s,   " 5x"s,    " x5"s,    " 5.0"s,
        " 5e0"s,     " 5;"s,         " 5_0"s,   " \"5\""s, ""s,       " "s,
        "\t"s,       " \x0b"s + "5", " 5\x0b"s, " 5\0"s,   " \0005"s, " \xef\xbc\x95"s,
        " five"s,    " 5\t"s,        " 5\n"s,   " 5\r"s,   "\n 5"s,   "\r\n 5"s,
        " 5\r\n 6"s, " 5\r\n "s,     " (5)"s,   " 0 5"s,   " 5 -"s,   " --5"s,
        " 5\xa0"s}) {
    cases.push_back(sized("unclear length", "Content-Length:" + value + "\r\n"));
  }
  for (const std::string& fields : {"Content-Length : 5"s,
                                    "Content-Length\t: 5"s,
                                    "Content-Length\0: 5"s,
                                    "Content-Length\x0b: 5"s,
                                    " Content-Length: 5"s,
                                    "\tContent-Length: 5"s,
                                    "Content\rLength: 5"s,
                                    "Content Length: 5"s,
                                    "X: y\nContent-Length: 5"s,
                                    "X: y\rContent-Length: 5"s,
                                    "X: y\r\n Content-Length: 5"s,
                                    "Content-Length 5"s,
                                    "Content-Length\r\n: 5"s,
                                    "Content-Length: 5\r\nContent-Length: 5"s,
                                    "Content-Length: 5\r\nContent-Length: 6"s,
                                    "Content-Length: 0\r\nContent-Length: 5"s,
                                    "Content-Length: 5\r\nContent-Length: 0"s,
                                    "Content-Length: 0\r\nContent-Length: 0"s,
                                    "Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 5"s,
                                    "Content-Length: 5\r\nContent-Length:"s,
                                    "Content-Length:\r\nContent-Length: 5"s}) {
    cases.push_back(sized("unclear length", fields + "\r\n"));
  }
  for (const std::string& value :
       {"18446744073709551616"s, "18446744073709551621"s, "36893488147419103237"s,
        "1" + std::string(40, '0') + "5", "18446744073709551615"s, "9223372036854775808"s}) {
    cases.push_back(sized("huge length", "Content-Length: " + value + "\r\n", 413));
  }
  expect_refused(probe, cases, true);
}

// What is clear, if odd, is read in one way only.
TEST(RequestSmuggling, OddButClearFraming) {
  SmugglingProbe probe;
  expect_served(probe,
                {
                    coded("more space", "Transfer-Encoding: \t chunked\r\n"),
                    coded("no space", "Transfer-Encoding:chunked\r\n"),
                    coded("space behind", "Transfer-Encoding: chunked  \r\n"),
                    coded("upper case", "TRANSFER-ENCODING: CHUNKED\r\n"),
                    coded("mixed case", "tRaNsFeR-eNcOdInG: ChUnKeD\r\n"),
                    coded("TE is another field", "TE: trailers\r\n" + kChunked),
                    // RFC 9110, 7.6.1: they end with the connection, but are no reason to forget
                    // what they say.
                    coded("named by Connection", "Connection: Transfer-Encoding\r\n" + kChunked),
                    {"a field with an underscore", kPost + "Transfer_Encoding: chunked\r\n\r\n"},
                    {"a field with a prefix", kPost + "X-Transfer-Encoding: chunked\r\n\r\n"},
                    {"a field with a suffix", kPost + "Transfer-Encoding-X: chunked\r\n\r\n"},
                    {"a length with an underscore", kPost + "Content_Length: 5\r\n\r\n"},
                    {"a length with a suffix", kPost + "Content-LengthX: 5\r\n\r\n"},
                    {"a length of zero", kPost + "Content-Length: 0\r\n\r\n"},
                    {"no length", kPost + "\r\n"},
                },
                "POST / host=test body=");
  expect_served(
      probe,
      {
          sized("leading zeros", "Content-Length: 005\r\n"),
          sized("many zeros", "Content-Length: " + std::string(200, '0') + "5\r\n"),
          sized("space", "Content-Length: \t 5  \r\n"),
          sized("no space", "content-length:5\r\n"),
          sized("named by Connection", "Connection: Content-Length\r\nContent-Length: 5\r\n"),
          sized("beside a coding's alias", "Content-Length: 5\r\nTransfer_Encoding: chunked\r\n"),
      },
      "POST / host=test body=hello");
}

}  // namespace
}  // namespace leat::http
