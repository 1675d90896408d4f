#include "tflite_ops/core/reference.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace pconv {

Status AsNhwc(const PConv2DOptions& options, const int* dims, size_t rank, NhwcShape* shape) {
  if (rank == 4) {
    *shape = {dims[0], dims[1], dims[2], dims[3]};
    return Status::Ok();
  }
  const Window& w = options.window;
  const bool is_matrix_product = w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 &&
                                 w.stride_w == 1 &&
                                 w.pads.top + w.pads.bottom + w.pads.left + w.pads.right == 0;
  if (rank == 2 && is_matrix_product) {
    *shape = {dims[0], 1, 1, dims[1]};
    return Status::Ok();
  }
  return Status::Error("activation has rank " + std::to_string(rank) + ", expected 4 (NHWC)" +
                       (is_matrix_product ? " or 2" : ""));
}

Status PConv2DOutputShape(const PConv2DOptions& options, const NhwcShape& input,
                          NhwcShape* output) {
  if (input.c != options.in_channels) {
    return Status::Error("activation has " + std::to_string(input.c) + " channels, expected " +
                         std::to_string(options.in_channels));
  }
  const int out_h = ResolveHeight(options.window, input.h).out;
  const int out_w = ResolveWidth(options.window, input.w).out;
  if (out_h <= 0 || out_w <= 0) {
    return Status::Error("activation of " + std::to_string(input.h) + "x" +
                         std::to_string(input.w) + " is smaller than the kernel window");
  }
  *output = {input.n, out_h, out_w, options.out_channels};
  return Status::Ok();
}

namespace {

// The taps of a layer's filters over an image.
class FilterTaps {
 public:
  FilterTaps(const FkwView& layer, const NhwcShape& input)
      : layer_(layer),
        window_(layer.options().window),
        input_(input),
        rows_(ResolveHeight(window_, input.h)),
        columns_(ResolveWidth(window_, input.w)) {
    for (const uint64_t mask : layer.options().patterns) taps_.push_back(TapsOf(mask));
  }

  // Calls visit(kernel, tap, input element) for every tap that group `g` keeps and that lies in the
  // image at an output position; taps in the padding contribute nothing.
  template <typename Visit>
  void At(int n, int y, int x, int g, const Visit& visit) const {
    for (int p = 0; p < layer_.num_patterns(); ++p) {
      for (size_t k = layer_.KernelBegin(g, p); k < layer_.KernelBegin(g, p + 1); ++k) {
        const uint32_t channel = layer_.InputChannel(k);
        for (int t = 0; t < layer_.num_taps(); ++t) {
          const int row = taps_[p][t] / window_.kernel_w, column = taps_[p][t] % window_.kernel_w;
          const int64_t in_y =
              int64_t{y} * window_.stride_h - rows_.before + int64_t{row} * window_.dilation_h;
          const int64_t in_x = int64_t{x} * window_.stride_w - columns_.before +
                               int64_t{column} * window_.dilation_w;
          if (in_y < 0 || in_y >= input_.h || in_x < 0 || in_x >= input_.w) continue;
          visit(k, t, ((size_t(n) * input_.h + in_y) * input_.w + in_x) * input_.c + channel);
        }
      }
    }
  }

 private:
  const FkwView& layer_;
  const Window& window_;
  const NhwcShape input_;
  const AxisGeometry rows_, columns_;
  std::vector<std::vector<int>> taps_;  // of each pattern in storage order
};

// Calls compute(n, y, x, group, member, filter) for every output and stores what it returns.
template <typename T, typename Compute>
void ForEachOutput(const FkwView& layer, const NhwcShape& shape, T* output,
                   const Compute& compute) {
  for (int n = 0; n < shape.n; ++n) {
    for (int y = 0; y < shape.h; ++y) {
      for (int x = 0; x < shape.w; ++x) {
        T* pixel = output + ((size_t(n) * shape.h + y) * shape.w + x) * shape.c;
        for (int g = 0; g < layer.num_groups(); ++g) {
          for (int b = 0; b < layer.GroupFilters(g); ++b) {
            const uint32_t filter = layer.FilterAt(size_t(g) * layer.options().filter_block + b);
            pixel[filter] = compute(n, y, x, g, b, filter);
          }
        }
      }
    }
  }
}

}  // namespace

void ReferencePConv2D(const FkwView& layer, const NhwcShape& input_shape, const float* input,
                      const NhwcShape& output_shape, float* output) {
  const FilterTaps taps(layer, input_shape);
  const ActivationRange range = RangeOf(layer.options().activation);
  ForEachOutput(layer, output_shape, output, [&](int n, int y, int x, int g, int b, uint32_t o) {
    double sum = layer.bias()[o];
    taps.At(n, y, x, g, [&](size_t kernel, int tap, size_t i) {
      sum += double{layer.Weight(kernel, tap, b, o)} * input[i];
    });
    return std::min(std::max(static_cast<float>(sum), range.lo), range.hi);
  });
}

void ReferencePConv2D(const FkwView& layer, const NhwcShape& input_shape, const int8_t* input,
                      const NhwcShape& output_shape, int8_t* output) {
  const FilterTaps taps(layer, input_shape);
  const Quantization& in = layer.quantization().input;
  const Quantization& out = layer.quantization().output;
  const Int8Range range = RangeOf(layer.options().activation, out);
  ForEachOutput(layer, output_shape, output, [&](int n, int y, int x, int g, int b, uint32_t o) {
    auto sum = static_cast<uint32_t>(layer.int32_bias()[o]);  // unsigned, as it may wrap
    taps.At(n, y, x, g, [&](size_t kernel, int tap, size_t i) {
      sum += static_cast<uint32_t>((input[i] - in.zero_point) * layer.Int8Weight(kernel, tap, b));
    });
    const float scale = RequantizationScale(in.scale, layer.arrays().scale[o], out.scale);
    return Requantize(static_cast<int32_t>(sum), scale, out.zero_point, range);
  });
}

}  // namespace pconv
