#include "support/dns_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

namespace leat::testing {

namespace {

std::string be16(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::size_t read16(std::string_view bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])) << 8 |
         static_cast<unsigned char>(bytes[at + 1]);
}

std::string encode(std::string_view name) {
  std::string bytes;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    bytes += static_cast<char>(label.size());
    bytes += label;
    name.remove_prefix(std::min(label.size() + 1, name.size()));
  }
  return bytes + '\0';
}

std::string record(const std::string& owner, std::size_t type, const std::string& data) {
  return encode(owner) + be16(type) + be16(1) + be16(0) + be16(60) + be16(data.size()) + data;
}

std::string address_data(int family, const std::string& text) {
  char bytes[16];
  EXPECT_EQ(::inet_pton(family, text.c_str(), bytes), 1) << text;
  return {bytes, family == AF_INET ? 4u : 16u};
}

}  // namespace

DnsServer::DnsServer(EventLoop& loop) : loop_(loop), tcp_(loop, {.loops = 0}) {
  tcp_.on_message([this](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
    read_tcp(connection, input);
  });
  // The two kinds of ports are given out apart: until one is free for both.
  for (int tries = 0; tries < 100 && address_.port() == 0; ++tries) {
    udp_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const InetAddress any_port = InetAddress::loopback(0);
    EXPECT_EQ(::bind(udp_.get(), any_port.get(), any_port.size()), 0);
    const InetAddress bound = InetAddress::local_of(udp_.get()).value();
    if (tcp_.listen(bound)) address_ = bound;
  }
  tcp_.start().value();
  channel_ = std::make_unique<Channel>(loop_, udp_.get());
  channel_->on_read([this](Timestamp) { read_udp(); });
  channel_->enable_reading().value();
}

DnsServer::~DnsServer() {
  for (const TimerId timer : timers_) loop_.cancel(timer);
}

void DnsServer::on(const std::string& name, const std::string& type, DnsReply reply) {
  replies_[{name, type}].push_back(std::move(reply));
}

std::size_t DnsServer::times_asked(const std::string& question) const {
  return static_cast<std::size_t>(std::count(asked_.begin(), asked_.end(), question));
}

bool DnsServer::parse(std::string_view packet, Query& query) {
  if (packet.size() < 12) return false;
  query.id = static_cast<std::uint16_t>(read16(packet, 0));
  std::size_t at = 12;
  query.name.clear();
  while (at < packet.size() && packet[at] != 0) {
    const auto length = static_cast<std::size_t>(packet[at]);
    if (!query.name.empty()) query.name += '.';
    query.name += packet.substr(at + 1, length);
    at += length + 1;
  }
  if (at + 5 > packet.size()) return false;
  query.type = read16(packet, at + 1) == 1 ? "A" : "AAAA";
  query.question = packet.substr(12, at + 5 - 12);
  return true;
}

DnsReply DnsServer::reply_to(const Query& query) {
  const auto found = replies_.find({query.name, query.type});
  if (found == replies_.end()) {
    const std::string other = query.type == "A" ? "AAAA" : "A";
    return {.rcode = replies_.contains({query.name, other}) ? 0 : 3};
  }
  std::vector<DnsReply>& replies = found->second;
  const DnsReply reply = replies.front();
  if (replies.size() > 1 && --replies.front().times == 0) replies.erase(replies.begin());
  return reply;
}

std::string DnsServer::packet_for(const Query& query, const DnsReply& reply, bool over_udp) {
  if (!reply.raw.empty()) return reply.raw;
  const bool truncated = reply.truncated && over_udp;
  std::string owner = query.name;
  std::string answers;
  std::size_t count = 0;
  for (const std::string& text : truncated ? std::vector<std::string>{} : reply.records) {
    const std::string type = text.substr(0, text.find(' '));
    const std::string data = text.substr(type.size() + 1);
    if (type == "A") answers += record(owner, 1, address_data(AF_INET, data));
    if (type == "AAAA") answers += record(owner, 28, address_data(AF_INET6, data));
    if (type == "CNAME") {
      answers += record(owner, 5, encode(data));
      owner = data;
    }
    ++count;
  }
  for (std::size_t i = 0; i < (truncated ? 0 : reply.fill); ++i, ++count) {
    const std::string data{10, static_cast<char>(i >> 16), static_cast<char>(i >> 8 & 0xff),
                           static_cast<char>(i & 0xff)};
    // The owner as a pointer to the question, to have room for thousands.
    answers += "\xc0\x0c" + be16(1) + be16(1) + be16(0) + be16(60) + be16(4) + data;
  }
  const std::size_t flags =
      0x8180 | static_cast<std::size_t>(reply.rcode) | (truncated ? 0x0200u : 0u);
  const std::size_t id = reply.wrong_id ? query.id ^ 1u : query.id;
  return be16(id) + be16(flags) + be16(1) + be16(count) + be16(0) + be16(0) + query.question +
         answers;
}

void DnsServer::send_later(const DnsReply& reply, LoopTask send) {
  if (reply.held) {
    held_.push_back(std::move(send));
  } else if (reply.delay == Duration::zero()) {
    send();
  } else {
    timers_.push_back(loop_.run_after(reply.delay, std::move(send)));
  }
}

void DnsServer::release() {
  for (const LoopTask& send : std::exchange(held_, {})) send();
}

void DnsServer::read_udp() {
  char bytes[2048];
  sockaddr_in from{};
  socklen_t size = sizeof from;
  const ssize_t count =
      ::recvfrom(udp_.get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &size);
  Query query;
  if (count < 0 || !parse({bytes, static_cast<std::size_t>(count)}, query)) return;
  asked_.push_back(query.type + " " + query.name);
  const DnsReply reply = reply_to(query);
  if (reply.silent) return;
  send_later(reply, [this, from, packet = packet_for(query, reply, true)] {
    ::sendto(udp_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&from),
             sizeof from);
  });
}

void DnsServer::read_tcp(const TcpConnectionPtr& connection, ReceiveBuffer& input) {
  while (input.size() >= 2 && input.size() >= 2 + read16(input.view(), 0)) {
    const std::size_t length = read16(input.view(), 0);
    Query query;
    const bool parsed = parse(input.view().substr(2, length), query);
    input.consume(2 + length);
    if (!parsed) continue;
    asked_.push_back(query.type + " " + query.name + " tcp");
    const DnsReply reply = reply_to(query);
    if (reply.silent || reply.silent_over_tcp) continue;
    const std::string packet = packet_for(query, reply, false);
    EXPECT_LT(packet.size(), 65536u);
    send_later(reply,
               [connection, bytes = be16(packet.size()) + packet] { connection->send(bytes); });
  }
}

}  // namespace leat::testing
