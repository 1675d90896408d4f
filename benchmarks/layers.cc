// Speed of the CPU engine on single layers of real networks, in GFLOP/s of kept multiply-additions
// (two operations each).
//
//   layers SHAPES [num_threads] [runs] [isa]
//
// `isa` as the delegate's option of that name.
//
// Times are of the layer's own step; changes of layout at the graph's ends are left out.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/options.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

struct LayerShape {
  std::string network, layer;
  int size = 0, in_channels = 0, out_channels = 0, kernel = 0, stride = 0, taps = 0;
  double density = 0;
  int filter_block = 1;
};

bool ParseLine(const std::string& line, LayerShape* shape) {
  std::istringstream in(line);
  in >> shape->network >> shape->layer >> shape->size >> shape->in_channels >>
      shape->out_channels >> shape->kernel >> shape->stride >> shape->taps >> shape->density >>
      shape->filter_block;
  return !in.fail();
}

bool Measure(const LayerShape& shape, const EngineOptions& options, int runs) {
  testing::GraphBuilder builder(1);
  testing::RandomLayerSpec spec;
  spec.window.kernel_h = spec.window.kernel_w = shape.kernel;
  spec.window.stride_h = spec.window.stride_w = shape.stride;
  spec.window.padding = Padding::kSame;
  spec.activation = Activation::kRelu;
  spec.out_channels = shape.out_channels;
  spec.num_taps = shape.taps;
  spec.density = shape.density;
  spec.filter_block = shape.filter_block;
  spec.consecutive_groups = true;
  const int input = builder.Input({1, shape.size, shape.size, shape.in_channels});
  const int output = builder.PConv2D(input, spec);
  builder.Output(output);
  Graph& graph = builder.graph();

  PackedCache cache;
  std::unique_ptr<Engine> engine;
  Status status = CreateCpuEngine(&graph, options, &cache, &engine);
  if (status.ok()) status = engine->Resize();
  if (!status.ok()) {
    std::fprintf(stderr, "layers: %s: %s\n", shape.layer.c_str(), status.message().c_str());
    return false;
  }
  const testing::Tensors inputs = testing::RandomInputs(graph, &builder.rng());
  const Shape& out = builder.ShapeOf(output);
  std::vector<float> result(static_cast<size_t>(out[1]) * out[2] * out[3]);
  std::vector<double> times;
  std::string kernel;
  for (int run = 0; run < runs + 2; ++run) {
    status = engine->Run({inputs[0].data()}, {result.data()});
    if (!status.ok()) return false;
    for (const ProfileRow& row : engine->profile()) {
      if (row.node != 0) continue;
      kernel = row.kernel;
      if (run >= 2) times.push_back(row.end_us - row.begin_us);  // two runs warm up
    }
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  const auto& layer = std::get<PConv2DNode>(graph.nodes[0].op).layer;
  const double operations = 2.0 * static_cast<double>(layer.num_kernels()) * layer.num_taps() *
                            shape.filter_block * out[1] * out[2];
  std::printf("%-13s %-20s %9.1f us  (min %8.1f) %7.1f GFLOP/s  %s\n", shape.network.c_str(),
              shape.layer.c_str(), median, times.front(), operations / median / 1e3,
              kernel.c_str());
  std::fflush(stdout);
  return true;
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: layers SHAPES [num_threads] [runs] [isa]\n");
    return 2;
  }
  std::ifstream file(argv[1]);
  if (!file) {
    std::fprintf(stderr, "layers: cannot read %s\n", argv[1]);
    return 2;
  }
  EngineOptions options;
  options.num_threads = argc > 2 ? std::atoi(argv[2]) : 1;
  options.profile = true;
  DelegateOptions delegate_options;
  if (argc > 4) {
    const Status status = ParseDelegateOptions({{"isa", argv[4]}}, &delegate_options);
    if (!status.ok()) {
      std::fprintf(stderr, "layers: %s\n", status.message().c_str());
      return 2;
    }
  }
  options.isa = delegate_options.isa;
  const int runs = argc > 3 ? std::max(1, std::atoi(argv[3])) : 20;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    LayerShape shape;
    if (!ParseLine(line, &shape)) {
      std::fprintf(stderr, "layers: %s:%d: expected 10 fields, found '%s'\n", argv[1], number,
                   line.c_str());
      return 2;
    }
    if (!Measure(shape, options, runs)) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace pconv

int main(int argc, char** argv) { return pconv::Main(argc, argv); }
