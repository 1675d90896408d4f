// Several interpreters at once: engines that share one cache of packed weights.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/packed_cache.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

using testing::GraphBuilder;
using testing::RandomLayerSpec;
using testing::Seed;
using testing::Tensors;

// Layers of every kind that has packed weights.
void BuildNetwork(int filter_block, GraphBuilder* builder) {
  RandomLayerSpec spec;
  spec.window = testing::MakeWindow(3, 3);
  spec.out_channels = 32;
  spec.filter_block = filter_block;
  int x = builder->Conv2D(builder->Input({1, 28, 28, 3}), 24, testing::MakeWindow(3, 3, 2),
                          Activation::kRelu);
  x = builder->PConv2D(x, spec);
  x = builder->DepthwiseConv2D(x, testing::MakeWindow(3, 3), Activation::kRelu6);
  spec.window = testing::MakeWindow(1, 1);
  spec.num_taps = 1;
  x = builder->PConv2D(x, spec);
  x = builder->Add({.op = GlobalMeanNode{}}, {x});
  spec.out_channels = 10;
  builder->Output(builder->PConv2D(x, spec));
}

// What stops the thread, or nothing.
std::string CreateAndRun(const Graph& model, const Tensors& inputs, const Tensors& expected,
                         int num_threads, PackedCache* cache) {
  constexpr int kRuns = 20;
  Graph graph = model;  // of one interpreter; the constants are shared
  EngineOptions options;
  options.num_threads = num_threads;
  options.tuning = Tuning::kOff;
  cache->NextGeneration();
  std::unique_ptr<Engine> engine;
  Status status = CreateCpuEngine(&graph, options, cache, &engine);
  if (status.ok()) status = engine->Resize();
  std::vector<float> output(expected[0].size());
  for (int run = 0; run < kRuns && status.ok(); ++run) {
    output.assign(output.size(), -12345.0f);
    status = engine->Run({inputs[0].data()}, {output.data()});
    const double error = testing::RelativeError(expected[0], output);
    if (!(error < 1e-5)) {
      return "run " + std::to_string(run) + ": relative error " + std::to_string(error);
    }
  }
  return status.message();
}

TEST(Concurrency, TwoEnginesShareOnePackedCache) {
  for (const int filter_block : {1, 4, 8, 16}) {
    GraphBuilder builder(Seed() + filter_block);
    BuildNetwork(filter_block, &builder);
    const Graph& graph = builder.graph();
    const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
    const Tensors expected = testing::ReferenceOutputs(graph, inputs);
    PackedCache cache;
    for (int round = 0; round < 3; ++round) {  // the first packs, the others find what is packed
      std::atomic<int> waiting{2};
      std::string errors[2];
      const auto interpreter = [&](int i) {
        for (--waiting; waiting > 0;) std::this_thread::yield();
        errors[i] = CreateAndRun(graph, inputs, expected, 2, &cache);
      };
      std::thread first(interpreter, 0), second(interpreter, 1);
      first.join();
      second.join();
      for (const std::string& error : errors) {
        EXPECT_EQ(error, "") << "filter_block " << filter_block << ", round " << round << ", seed "
                             << Seed();
      }
    }
  }
}

}  // namespace
}  // namespace pconv
