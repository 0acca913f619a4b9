#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "apps/leat/load_report.h"

namespace leat::app {

namespace {

using Json = nlohmann::ordered_json;

double microseconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e3;
}

/// `value / span`, and 0 where that is nothing.
double per(double value, double span) {
  return span > 0 ? value / span : 0;
}

Json summary(const Histogram& histogram) {
  return {{"min", microseconds(histogram.min())},
          {"mean", histogram.mean() / 1e3},
          {"stddev", histogram.stddev() / 1e3},
          {"p50", microseconds(histogram.percentile(50))},
          {"p90", microseconds(histogram.percentile(90))},
          {"p99", microseconds(histogram.percentile(99))},
          {"p99_9", microseconds(histogram.percentile(99.9))},
          {"max", microseconds(histogram.max())}};
}

Json buckets(const Histogram& histogram) {
  Json list = Json::array();
  histogram.for_each_bucket([&list](std::uint64_t low, std::uint64_t high, std::uint64_t count) {
    list.push_back({microseconds(low), microseconds(high), count});
  });
  return list;
}

Json errors(const LoadStats& stats) {
  Json json{{"total", stats.errors_total()}};
  for (std::size_t i = 0; i < stats.errors.size(); ++i) {
    json[std::string(kLoadErrorNames[i])] = stats.errors[i];
  }
  json["first"] = stats.first_error.empty() ? Json() : Json(stats.first_error);
  return json;
}

Json statuses(const LoadStats& stats) {
  Json json = Json::object();
  for (const auto& [code, count] : stats.status) json[std::to_string(code)] = count;
  return json;
}

Json cpu(const LoadResult& result) {
  double busiest = 0;
  for (const LoadStats& thread : result.threads) {
    busiest = std::max(busiest, per(thread.user_s + thread.system_s, result.duration_s));
  }
  const LoadStats& all = result.all;
  const double seconds = all.user_s + all.system_s;
  return {{"user_s", all.user_s},
          {"system_s", all.system_s},
          {"per_request_us", per(seconds * 1e6, static_cast<double>(all.requests))},
          {"busiest_thread", busiest}};
}

Json per_thread(const LoadResult& result) {
  Json list = Json::array();
  for (const LoadStats& thread : result.threads) {
    list.push_back({{"connections", thread.connections},
                    {"requests", thread.requests},
                    {"cpu_s", thread.user_s + thread.system_s}});
  }
  return list;
}

void add_options(Json& json, const LoadOptions& options) {
  const bool http = options.target.protocol == LoadTarget::Protocol::kHttp;
  json["target"] = options.target.text;
  json["address"] = options.target.address.to_string();
  json["protocol"] = http ? "http" : "echo";
  json["mode"] = options.idle ? "idle" : options.rate ? "open" : "closed";
  json["connections"] = options.connections;
  json["threads"] = options.threads.count;
  json["pipeline"] = options.pipeline;
  json["size"] = http ? Json() : Json(options.size);
  json["new_connections"] = options.new_connections;
  json["warmup_s"] = to_seconds(options.warmup);
  json["timeout_s"] = to_seconds(options.timeout);
  json["rate_target"] = options.rate ? Json(*options.rate) : Json();
}

void add_schedule(Json& json, const LoadOptions& options, const LoadStats& all) {
  const bool open_loop = options.rate.has_value();
  json["backlog_max"] = open_loop ? Json(all.backlog_max) : Json();
  json["unsent"] = open_loop ? Json(all.unsent) : Json();
  json["kept_up"] = open_loop ? Json(all.kept_up()) : Json();
  json["lag_us"] = open_loop ? summary(all.lag) : Json();
}

}  // namespace

std::string load_report_json(const LoadOptions& options, const LoadResult& result) {
  const LoadStats& all = result.all;
  Json json{{"schema", "leat-load/1"}, {"version", LEAT_VERSION}};
  add_options(json, options);
  json["duration_s"] = result.duration_s;
  json["connect_s"] = result.connect_s;
  json["requests"] = all.requests;
  json["requests_per_s"] = per(static_cast<double>(all.requests), result.duration_s);
  json["bytes_sent"] = all.bytes_sent;
  json["bytes_received"] = all.bytes_received;
  json["latency_us"] = summary(all.latency);
  json["connects"] = all.connects;
  json["connects_per_s"] = per(static_cast<double>(all.connects_measured), result.duration_s);
  json["connect_us"] = summary(all.connect);
  json["errors"] = errors(all);
  json["status"] = statuses(all);
  add_schedule(json, options, all);
  json["open_at_end"] = all.open_at_end;
  json["cpu"] = cpu(result);
  json["per_connection"] = Json();
  if (!options.new_connections) {
    json["per_connection"] = {
        {"min", all.least_on_connection},
        {"mean", per(static_cast<double>(all.requests), static_cast<double>(all.connections))},
        {"max", all.most_on_connection}};
  }
  json["per_thread"] = per_thread(result);
  if (options.histogram) json["histogram_us"] = buckets(all.latency);
  return json.dump();
}

}  // namespace leat::app
