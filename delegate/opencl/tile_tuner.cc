#include "delegate/opencl/tile_tuner.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>

#include "delegate/log.h"
#include "delegate/opencl/plan_memory.h"

namespace pconv::opencl {
namespace {

using MakeStep = std::function<Status(const Tile&, Step*)>;

// The first error of candidates; all are told with `verbose`.
class Refusals {
 public:
  explicit Refusals(const PlanBuilder& builder) : is_verbose_(builder.options().verbose) {}
  void Add(const Tile& tile, const Status& status) {
    if (is_verbose_) LogInfo("  tile " + tile.ToString() + "refused: " + status.message());
    if (first_.ok()) first_ = status;
  }
  const Status& first() const { return first_; }

 private:
  const bool is_verbose_;
  Status first_;
};

// Activations for launches that are only measured.
class TrialBuffers {
 public:
  explicit TrialBuffers(const PlanBuilder& builder) : builder_(builder) {}
  Status Bind(Step* step) {
    for (const Argument& argument : step->arguments) {
      const Activations* used = UsedBy(argument);
      if (used == nullptr || buffers_.count(used->index) > 0) continue;
      const std::vector<char> zeros(builder_.plan().buffer_bytes[used->index]);
      std::shared_ptr<const Buffer> buffer;
      PCONV_RETURN_IF_ERROR(builder_.constants().Upload(zeros, &buffer));
      buffers_[used->index] = std::move(buffer);
    }
    const auto memory_of = [&](Activations used) { return buffers_[used.index]->get(); };
    return BindArguments(builder_.runtime().context(), memory_of, step);
  }

 private:
  const PlanBuilder& builder_;
  std::map<int, std::shared_ptr<const Buffer>> buffers_;
};

// Index of the fastest of the candidates that run.
Status FindFastest(const PlanBuilder& builder, const std::vector<Tile>& candidates,
                   const MakeStep& make_step, size_t* fastest) {
  struct Trial {
    size_t candidate;
    Step step;
    double seconds = std::numeric_limits<double>::infinity();
  };
  Refusals refusals(builder);
  TrialBuffers buffers(builder);
  std::vector<Trial> trials;
  for (size_t i = 0; i < candidates.size(); ++i) {
    Trial trial{i, {}};
    Status status = make_step(candidates[i], &trial.step);
    if (status.ok()) status = buffers.Bind(&trial.step);
    if (status.ok()) {
      trials.push_back(std::move(trial));
    } else {
      refusals.Add(candidates[i], status);
    }
  }
  // In turns: a step that ran just before would find its weights in the caches and its branches
  // learnt, which it never does in a network.
  const Queue& queue = builder.runtime().queue();
  constexpr int kRuns = 5;  // the first one may still compile
  for (int run = 0; run < kRuns; ++run) {
    for (auto trial = trials.begin(); trial != trials.end();) {
      const auto start = std::chrono::steady_clock::now();
      Status status =
          queue.Launch(trial->step.kernel, trial->step.global, trial->step.local, nullptr);
      if (status.ok()) status = queue.Finish();
      if (!status.ok()) {
        refusals.Add(candidates[trial->candidate], status);
        trial = trials.erase(trial);
        continue;
      }
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      trial->seconds = std::min(trial->seconds, elapsed.count());
      ++trial;
    }
  }
  if (trials.empty()) return refusals.first();
  const auto best =
      std::min_element(trials.begin(), trials.end(),
                       [](const Trial& a, const Trial& b) { return a.seconds < b.seconds; });
  *fastest = best->candidate;
  for (const Trial& trial : trials) {
    if (!builder.options().verbose) break;
    LogInfo("  tile " + candidates[trial.candidate].ToString() + "took " +
            std::to_string(trial.seconds * 1e3) + " ms");
  }
  return Status::Ok();
}

}  // namespace

Status ChooseTile(const PlanBuilder& builder, const std::string& key,
                  const std::vector<Tile>& candidates, const MakeStep& make_step, Step* step) {
  std::vector<Tile> order = candidates;
  const auto prefer = [&](size_t i) {
    std::rotate(order.begin(), order.begin() + i, order.begin() + i + 1);
  };
  const Tuning tuning = builder.options().tuning;
  const DiskCache& cache = builder.runtime().cache();
  std::string stored;
  bool is_known = false;
  if (tuning != Tuning::kOff && cache.Load(key, &stored)) {
    for (size_t i = 0; i < candidates.size() && !is_known; ++i) {
      is_known = candidates[i].ToString() == stored;
      if (is_known) prefer(i);
    }
    if (!is_known) {
      LogWarning("ignores a stored OpenCL tile that this version does not know: " + stored);
    }
  }
  if (tuning == Tuning::kFull && !is_known && candidates.size() > 1) {
    size_t fastest = 0;
    PCONV_RETURN_IF_ERROR(FindFastest(builder, candidates, make_step, &fastest));
    prefer(fastest);
    cache.Store(key, order[0].ToString());
  }
  Refusals refusals(builder);
  for (const Tile& tile : order) {
    *step = Step();
    const Status status = make_step(tile, step);
    if (status.ok()) return status;
    refusals.Add(tile, status);
  }
  return refusals.first();
}

}  // namespace pconv::opencl
