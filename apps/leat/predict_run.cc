#include "apps/leat/predict_run.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "leat/wire/dissect.h"
#include "leat/wire/trace_packet.h"

#include "apps/leat/predict_best.h"
#include "apps/leat/predict_input.h"
#include "apps/leat/predict_model.h"

namespace leat::app {

namespace {

constexpr std::size_t kHeaviest = 10;
/// Times beyond this (the year 2116) are of no real trace, and sums with them would overflow.
constexpr Duration kLatest{std::int64_t{1} << 62};

/// Gives the packets of a trace to the model, and counts what goes by no flow.
class Run {
 public:
  explicit Run(PredictModel& model, PredictResult& result) : model_(model), result_(result) {}

  void take(const wire::TracePacket& packet) {
    ++number_;
    const wire::DissectFault fault =
        wire::dissect(packet.bytes, packet.wire_length, packet.link, found_);
    if (found_.outgoing) {
      ++result_.odd.outgoing;
      return;
    }
    keep_time(packet);
    ++result_.packets;
    result_.bytes += packet.wire_length;
    if (fault == wire::DissectFault::kNone) {
      model_.receive(time_, found_.key, packet.wire_length);
      return;
    }
    note(fault);
    model_.receive_other(time_, packet.wire_length);
  }

 private:
  void keep_time(const wire::TracePacket& packet) {
    if (!packet.has_time) {
      result_.has_time = false;
      return;
    }
    // The model's time goes forward only, as that of the machine did.
    time_ = std::max(time_, std::clamp<Duration>(packet.time, Duration(0), kLatest));
    if (!started_) first_ = time_;
    started_ = true;
    result_.length = time_ - first_;
  }

  void note(wire::DissectFault fault) {
    PredictOdd& odd = result_.odd;
    if (fault == wire::DissectFault::kNotIp) {
      ++odd.not_ip;
      return;
    }
    if (odd.illegal++ != 0) return;
    odd.first_illegal = number_;
    odd.first_illegal_why = to_string(fault);
  }

  PredictModel& model_;
  PredictResult& result_;
  wire::Dissection found_;
  std::uint64_t number_ = 0;
  Duration time_{0};
  Duration first_{0};
  bool started_ = false;
};

std::vector<PredictFlow> heaviest(const std::vector<PredictFlow>& flows, std::size_t count) {
  std::vector<PredictFlow> list(std::min(count, flows.size()));
  std::partial_sort_copy(flows.begin(), flows.end(), list.begin(), list.end(),
                         [](const PredictFlow& a, const PredictFlow& b) {
                           return a.packets != b.packets ? a.packets > b.packets
                                                         : a.bytes > b.bytes;
                         });
  return list;
}

}  // namespace

Result<PredictResult> predict(const PredictOptions& options) {
  Result<PredictInput> input = PredictInput::open(options.trace);
  if (!input) return std::move(input).error();
  Result<std::unique_ptr<PredictModel>> model = PredictModel::create(options);
  if (!model) return std::move(model).error();
  PredictResult result;
  Run run(**model, result);
  while (const wire::TracePacket* packet = input->next()) run.take(*packet);
  result.error = input->error();
  (*model)->finish(result);
  result.heaviest = heaviest((*model)->flows().all(), kHeaviest);
  if (result.flows != 0) {
    Result<PredictBest> best = find_best(options, (*model)->flows().all());
    if (!best) return std::move(best).error();
    result.best = *std::move(best);
  }
  return result;
}

}  // namespace leat::app
