#include "leat/sys/napi.h"

#include <string>
#include <utility>

#include "leat/sys/internal/attribute_schema.h"
#include "leat/sys/internal/kernel_numbers.h"

namespace leat::sys {

namespace numbers = internal::netdev;

namespace {

template <typename T>
std::optional<T> number_as(const Attributes& attributes, std::uint16_t type) {
  const auto number = attributes.number(type);
  return number ? std::optional(static_cast<T>(*number)) : std::nullopt;
}

Result<NetlinkAnswer> dump(Machine& machine, std::uint16_t command, AttributeWriter writer) {
  return machine.netlink({.kind = NetlinkRequest::Kind::kDump,
                          .family = numbers::kFamily,
                          .command = command,
                          .body = writer.take()});
}

AttributeWriter of_device(std::uint16_t attribute, int index) {
  AttributeWriter writer;
  writer.put_u32(attribute, static_cast<std::uint32_t>(index));
  return writer;
}

std::optional<QueueDirection> direction_of(const Attributes& attributes, std::uint16_t type) {
  const auto number = attributes.number(type);
  if (number == numbers::kReceive) return QueueDirection::kReceive;
  if (number == numbers::kTransmit) return QueueDirection::kTransmit;
  return std::nullopt;
}

}  // namespace

Result<std::vector<NetdevQueue>> read_queues(Machine& machine, int index) {
  const auto answer = dump(machine, numbers::kQueueGet, of_device(numbers::kQueueIndex, index));
  if (!answer) return answer.error();
  std::vector<NetdevQueue> queues;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const Attributes attributes((*answer)[i].body);
    const auto id = number_as<std::uint32_t>(attributes, numbers::kQueueId);
    const auto direction = direction_of(attributes, numbers::kQueueType);
    if (!id || !direction) continue;
    queues.push_back({.id = *id,
                      .direction = *direction,
                      .napi_id = number_as<std::uint32_t>(attributes, numbers::kQueueNapi)});
  }
  return queues;
}

Result<std::vector<Napi>> read_napis(Machine& machine, int index) {
  const auto answer = dump(machine, numbers::kNapiGet, of_device(numbers::kNapiIndex, index));
  if (!answer) return answer.error();
  std::vector<Napi> napis;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const Attributes attributes((*answer)[i].body);
    const auto id = number_as<std::uint32_t>(attributes, numbers::kNapiId);
    if (!id) continue;
    napis.push_back(
        {.id = *id,
         .irq = number_as<int>(attributes, numbers::kNapiIrq),
         .pid = number_as<int>(attributes, numbers::kNapiPid),
         .defer_hard_irqs = number_as<std::uint32_t>(attributes, numbers::kNapiDeferHardIrqs),
         .gro_flush_timeout = attributes.number(numbers::kNapiGroFlushTimeout),
         .irq_suspend_timeout = attributes.number(numbers::kNapiIrqSuspendTimeout),
         .threaded = number_as<std::uint32_t>(attributes, numbers::kNapiThreaded)});
  }
  return napis;
}

Result<std::vector<QueueStatistics>> read_queue_statistics(Machine& machine, int index) {
  AttributeWriter writer = of_device(numbers::kQstatsIndex, index);
  writer.put_u64(numbers::kQstatsScope, numbers::kScopeQueue);
  const auto answer = dump(machine, numbers::kQstatsGet, std::move(writer));
  if (!answer) return answer.error();
  std::vector<QueueStatistics> list;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    Attributes attributes((*answer)[i].body);
    const auto id = number_as<std::uint32_t>(attributes, numbers::kQstatsQueue);
    const auto direction = direction_of(attributes, numbers::kQstatsType);
    if (!id || !direction) continue;
    QueueStatistics statistics{.id = *id, .direction = *direction, .numbers = {}};
    while (const auto attribute = attributes.next()) {
      const auto* const known = internal::find_attribute(internal::kQstatsSchema, attribute->type);
      const auto number = attribute->number();
      if (attribute->type <= numbers::kQstatsScope || known == nullptr || !number) continue;
      statistics.numbers.push_back({std::string(known->name), *number});
    }
    list.push_back(std::move(statistics));
  }
  return list;
}

Result<void> set_napi(Machine& machine, std::uint32_t id, const NamedNumbers& values) {
  AttributeWriter writer;
  writer.put_u32(numbers::kNapiId, id);
  for (const NamedNumber& value : values) {
    const auto* const attribute = internal::find_attribute(internal::kNapiSchema, value.name);
    if (attribute == nullptr) {
      return Error::invalid_argument("a NAPI has no setting \"" + value.name + "\"");
    }
    if (attribute->kind == internal::AttributeKind::kU64) {
      writer.put_u64(attribute->number, value.value);
    } else {
      writer.put_u32(attribute->number, static_cast<std::uint32_t>(value.value));
    }
  }
  const auto answer = machine.netlink({.kind = NetlinkRequest::Kind::kSet,
                                       .family = numbers::kFamily,
                                       .command = numbers::kNapiSet,
                                       .body = writer.take()});
  if (!answer) return answer.error();
  return {};
}

}  // namespace leat::sys
