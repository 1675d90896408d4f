#include "delegate/fuzzing/random_layers.h"

#include <vector>

namespace pconv::fuzzing {

bool RandomLayers::Make(int in_channels, FkwView* view) {
  std::vector<int> fitting;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].owner.options.in_channels == in_channels) fitting.push_back(static_cast<int>(i));
  }
  testing::RandomLayerSpec spec;
  const bool reuses = !fitting.empty() && !dice_.OneIn(3);
  if (dice_.OneIn(3)) {
    spec.window.kernel_h = spec.window.kernel_w = 1;
  } else if (dice_.OneIn(3)) {
    spec.window.kernel_h = 1 + dice_.Below(7);
    spec.window.kernel_w = 1 + dice_.Below(7);
  }
  Window window = dice_.PickWindow(spec.window.kernel_h, spec.window.kernel_w);
  if (window.padding == Padding::kValid && dice_.OneIn(2)) {
    for (int* pad :
         {&window.pads.top, &window.pads.bottom, &window.pads.left, &window.pads.right}) {
      *pad = dice_.OneIn(40) ? dice_.Below(100) : dice_.Below(4);
    }
  }
  if (reuses) return MakeOfEarlier(fitting, window, view);
  spec.window = window;
  spec.in_channels = in_channels;
  spec.out_channels = dice_.PickChannels();
  spec.activation = dice_.PickActivation();
  spec.filter_block = dice_.Pick({1, 1, 4, 8, 16, 16});
  spec.num_taps = dice_.OneIn(3) ? 1 + dice_.Below(window.kernel_h * window.kernel_w) : 4;
  if (dice_.OneIn(2) && window.kernel_h == 3 && window.kernel_w == 3) {
    spec.num_taps = 4;
    spec.patterns = {0b000011011, 0b000110110, 0b011011000, 0b010111000};
  }
  constexpr double kDensities[] = {0.0, 0.05, 0.3, 0.6, 1.0};
  spec.density = kDensities[dice_.Below(5)];
  spec.weight_type = static_cast<WeightType>(dice_.OneIn(2) ? 0 : dice_.Below(3));
  spec.consecutive_groups = dice_.OneIn(2);
  layers_.emplace_back();
  Layer& layer = layers_.back();
  layer.owner = testing::RandomLayer(spec, &dice_.rng());
  layer.arrays = layer.owner.Arrays();
  return FkwView::Create(layer.owner.options, layer.arrays, view).ok();
}

bool RandomLayers::MakeOfEarlier(const std::vector<int>& fitting, Window window, FkwView* view) {
  const Layer& layer = layers_[dice_.Pick(fitting)];
  PConv2DOptions options = layer.owner.options;
  if (dice_.OneIn(4)) {
    // Another meaning of the same arrays: other masks with as many taps, another kernel.
    const int taps = static_cast<int>(TapsOf(options.patterns[0]).size());
    window.kernel_h = 1 + dice_.Below(7);
    window.kernel_w = 1 + dice_.Below(7);
    options.patterns =
        testing::RandomPatterns(window.kernel_h, window.kernel_w, taps,
                                static_cast<int>(options.patterns.size()), &dice_.rng());
  } else {
    window.kernel_h = options.window.kernel_h;
    window.kernel_w = options.window.kernel_w;
  }
  options.window = window;
  options.activation = dice_.PickActivation();
  FkwArrays arrays = layer.arrays;
  if (dice_.OneIn(4)) {
    // Arrays of several layers, where the sizes allow it.
    const FkwArrays& others = layers_[dice_.Pick(fitting)].arrays;
    if (dice_.OneIn(2)) arrays.index = others.index;
    if (dice_.OneIn(2)) arrays.reorder = others.reorder;
    if (dice_.OneIn(2)) {
      arrays.weight = others.weight;
      arrays.weight_size = others.weight_size;
      arrays.weight_type = others.weight_type;
      arrays.scale = others.scale;
      arrays.scale_size = others.scale_size;
    }
    if (dice_.OneIn(2)) {
      arrays.bias = others.bias;
      arrays.bias_size = others.bias_size;
    }
  }
  return FkwView::Create(options, arrays, view).ok();
}

}  // namespace pconv::fuzzing
