#include <arpa/inet.h>

#include <array>

#include <fmt/format.h>

#include "apps/leat/predict_report.h"

namespace leat::app {

namespace {

std::string address_text(const wire::FlowKey& key, const std::array<std::uint8_t, 16>& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = key.version == wire::IpVersion::kV4 ? AF_INET : AF_INET6;
  ::inet_ntop(family, address.data(), text.data(), text.size());
  return text.data();
}

std::string endpoint(const wire::FlowKey& key, const std::array<std::uint8_t, 16>& address,
                     std::uint16_t port) {
  std::string text = address_text(key, address);
  if (!key.has_ports) return text;
  return key.version == wire::IpVersion::kV4 ? fmt::format("{}:{}", text, port)
                                             : fmt::format("[{}]:{}", text, port);
}

std::string protocol_text(std::uint8_t protocol) {
  if (protocol == 6) return "tcp";
  if (protocol == 17) return "udp";
  if (protocol == 1 || protocol == 58) return "icmp";
  return fmt::format("protocol {}", protocol);
}

}  // namespace

std::string flow_text(const wire::FlowKey& key) {
  return fmt::format("{} {} > {}", protocol_text(key.protocol),
                     endpoint(key, key.source, key.source_port),
                     endpoint(key, key.destination, key.destination_port));
}

std::string rps_text(const CpuSet& mask) {
  return mask.empty() ? std::string("rps off") : "rps on CPUs " + mask.to_list();
}

double busy(const PredictOptions& options, const PredictResult& result, const PredictCpu& cpu) {
  if (result.length.count() == 0) return 0;
  return static_cast<double>(cpu.packets) * static_cast<double>(options.service.count()) /
         static_cast<double>(result.length.count());
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace leat::app
