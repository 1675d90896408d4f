#include "delegate/cpu/cpu_engine.h"

#include <chrono>

#include "delegate/cpu/int8/int8_engine.h"
#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/plan/flush_denormals.h"
#include "delegate/cpu/plan/plan_memory.h"
#include "delegate/cpu/plan/thread_pool.h"
#include "delegate/cpu/planner/planner.h"
#include "delegate/log.h"
#include "delegate/max_threads.h"

namespace pconv {
namespace {

class CpuEngine : public Engine {
 public:
  CpuEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
            const cpu::KernelTable* kernels)
      : graph_(graph),
        options_(options),
        cache_(cache),
        kernels_(kernels),
        pool_(options.num_threads) {
    if (pool_.num_running() < options.num_threads) {
      LogWarning("runs on " + std::to_string(pool_.num_running()) + " of " +
                 std::to_string(options.num_threads) +
                 " threads: the system lets this process start no more");
    }
  }

  Status Resize() override {
    is_ready_ = false;  // a plan that an exception left half made must not run
    PCONV_RETURN_IF_ERROR(
        cpu::MakePlan({graph_, kernels_, &options_, cache_, &pool_}, &plan_, &weight_bytes_));
    PCONV_RETURN_IF_ERROR(memory_.Allocate(plan_, &pool_));
    if (options_.verbose) Explain();
    is_ready_ = true;
    return Status::Ok();
  }

  Status Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    if (!is_ready_) return Status::Error("the engine has no plan for the inputs' shapes");
    const cpu::FlushDenormals flush;
    memory_.Bind(plan_, inputs, outputs);
    const cpu::RunContext& context = memory_.context();
    if (!options_.profile) {
      for (const auto& step : plan_.steps) step->Run(context);
      return Status::Ok();
    }
    profile_.clear();
    const auto start = std::chrono::steady_clock::now();
    const auto since_start = [&] {
      return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
          .count();
    };
    for (const auto& step : plan_.steps) {
      const double begin = since_start();
      step->Run(context);
      profile_.push_back({step->name, step->kernel, step->node, begin, since_start()});
    }
    return Status::Ok();
  }

  const std::vector<ProfileRow>& profile() const override { return profile_; }
  int64_t arena_bytes() const override { return memory_.arena_bytes(); }
  int64_t weight_bytes() const override { return weight_bytes_; }

 private:
  void Explain() const {
    LogInfo(std::string("cpu engine, kernels for ") + kernels_->name);
    for (const auto& step : plan_.steps) LogInfo("  " + step->name + ": " + step->kernel);
  }

  Graph* graph_;
  EngineOptions options_;
  PackedCache* cache_;
  const cpu::KernelTable* kernels_;
  cpu::ThreadPool pool_;
  cpu::Plan plan_;
  cpu::PlanMemory memory_;
  bool is_ready_ = false;
  int64_t weight_bytes_ = 0;
  std::vector<ProfileRow> profile_;
};

// Once per delegate, which owns the cache: a resize makes new engines.
void TellOfFloat32(PackedCache* cache) {
  cache->GetOrMake<bool>(PackingKey("told of float32"), [] {
    LogWarning(
        "precision fp16: the cpu engine computes in float32, this CPU has no float16 arithmetic");
    return std::make_shared<const bool>(true);
  });
}

}  // namespace

Status CheckCpuIsa(const EngineOptions& options) {
  const cpu::KernelTable* kernels = nullptr;
  return cpu::SelectKernels(options.isa, options.precision, &kernels);
}

Status CreateCpuEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                       std::unique_ptr<Engine>* engine) {
  const cpu::KernelTable* kernels = nullptr;
  PCONV_RETURN_IF_ERROR(cpu::SelectKernels(options.isa, options.precision, &kernels));
  if (options.precision == Precision::kFp16 && kernels != cpu::Float16Kernels()) {
    TellOfFloat32(cache);
  }
  if (options.num_threads < 1 || options.num_threads > kMaxThreads) {
    return Status::Error("num_threads: found " + std::to_string(options.num_threads) +
                         ", expected 1 to " + std::to_string(kMaxThreads));
  }
  if (!IsFloat32(*graph)) return cpu::CreateInt8Engine(graph, options, cache, engine);
  *engine = std::make_unique<CpuEngine>(graph, options, cache, kernels);
  return Status::Ok();
}

}  // namespace pconv
