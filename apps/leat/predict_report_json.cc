#include <nlohmann/json.hpp>

#include "apps/leat/predict_report.h"
#include "apps/leat/threads.h"

namespace leat::app {

namespace {

using Json = nlohmann::ordered_json;

Json cpu_list(const CpuSet& cpus) {
  Json list = Json::array();
  for (const int cpu : cpus) list.push_back(cpu);
  return list;
}

Json card_json(const PredictCard& card, std::uint32_t queues) {
  return {{"table_size", card.table_size},
          {"table", table_text(card, queues)},
          {"key", card.key_name},
          {"fields", fields_text(card)}};
}

Json options_json(const PredictOptions& options) {
  Json json{{"queues", options.queues}};
  json.update(card_json(options.card, options.queues));
  json["rps"] = cpu_list(options.rps);
  json["rfs"] = options.rfs;
  json["arfs"] = options.arfs;
  json["readers"] = cpu_list(options.readers);
  json["cpus"] = options.cpus;
  json["backlog"] = options.backlog;
  json["flow_limit"] = options.flow_limit;
  json["service_ns"] = options.service.count();
  return json;
}

Json odd_json(const PredictOdd& odd) {
  Json json{{"outgoing", odd.outgoing}, {"not_ip", odd.not_ip}, {"illegal", odd.illegal}};
  json["first_illegal"] = Json();
  if (odd.illegal != 0) {
    json["first_illegal"] = {{"packet", odd.first_illegal}, {"why", odd.first_illegal_why}};
  }
  return json;
}

Json queues_json(const PredictResult& result) {
  Json list = Json::array();
  for (const PredictQueue& queue : result.queues) {
    list.push_back({{"packets", queue.packets}, {"bytes", queue.bytes}, {"flows", queue.flows}});
  }
  return list;
}

Json cpus_json(const PredictOptions& options, const PredictResult& result) {
  Json list = Json::array();
  for (const PredictCpu& cpu : result.cpus) {
    list.push_back({{"packets", cpu.packets},
                    {"bytes", cpu.bytes},
                    {"flows", cpu.flows},
                    {"on_reader", cpu.on_reader},
                    {"busy", busy(options, result, cpu)},
                    {"dropped_full", cpu.dropped_full},
                    {"dropped_flow_limit", cpu.dropped_flow_limit}});
  }
  return list;
}

Json flows_json(const PredictResult& result) {
  Json list = Json::array();
  for (const PredictFlow& flow : result.heaviest) {
    const Json cpu = flow.cpu == PredictFlow::kNowhere ? Json() : Json(flow.cpu);
    list.push_back({{"flow", flow_text(flow.key)},
                    {"packets", flow.packets},
                    {"bytes", flow.bytes},
                    {"hash", flow.card_hash},
                    {"queue", flow.queue},
                    {"cpu", cpu},
                    {"reader", flow.reader},
                    {"moves", flow.moves}});
  }
  return list;
}

Json trial_json(const PredictOptions& options, const PredictTrial& trial) {
  Json json = card_json(trial.card, options.queues);
  json["rps"] = cpu_list(trial.rps);
  json["cpu_imbalance"] = trial.cpu_imbalance;
  json["queue_imbalance"] = trial.queue_imbalance;
  return json;
}

Json best_json(const PredictOptions& options, const PredictResult& result) {
  if (!result.best) return {};
  const PredictBest& best = *result.best;
  return {{"tried", best.tried},
          {"flows", best.flows},
          {"share", best.share},
          {"bound", best.bound},
          {"as_asked", trial_json(options, best.as_asked)},
          {"same_key", trial_json(options, best.same_key)},
          {"best", trial_json(options, best.best)}};
}

}  // namespace

std::string predict_report_json(const PredictOptions& options, const PredictResult& result) {
  Json json{{"schema", "leat-predict/1"}, {"version", LEAT_VERSION}};
  json["trace"] = options.trace;
  json["options"] = options_json(options);
  json["error"] = result.error ? Json(*result.error) : Json();
  json["packets"] = result.packets;
  json["bytes"] = result.bytes;
  json["flows"] = result.flows;
  json["length_s"] = to_seconds(result.length);
  json["has_time"] = result.has_time;
  json["odd"] = odd_json(result.odd);
  json["queues"] = queues_json(result);
  json["queue_imbalance"] = imbalance(result.queues);
  json["cpus"] = cpus_json(options, result);
  json["cpu_imbalance"] = imbalance(result.cpus);
  json["flow_packets"] = result.flow_packets;
  json["on_reader"] = total(result.cpus, &PredictCpu::on_reader);
  json["moves"] = result.moves;
  json["filters"] = Json();
  if (options.arfs) {
    json["filters"] = {{"most", result.filters_most}, {"capacity", result.filters_capacity}};
  }
  json["dropped_full"] = total(result.cpus, &PredictCpu::dropped_full);
  json["dropped_flow_limit"] = total(result.cpus, &PredictCpu::dropped_flow_limit);
  json["heaviest"] = flows_json(result);
  json["best"] = best_json(options, result);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace leat::app
