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

void ReferencePConv2D(const FkwView& layer, const NhwcShape& input_shape, const float* input,
                      const NhwcShape& output_shape, float* output) {
  const PConv2DOptions& options = layer.options();
  const Window& window = options.window;
  const AxisGeometry rows = ResolveHeight(window, input_shape.h);
  const AxisGeometry columns = ResolveWidth(window, input_shape.w);
  const ActivationRange range = RangeOf(options.activation);

  // Taps of each pattern in storage order.
  struct Tap {
    int row, column;
  };
  std::vector<std::vector<Tap>> taps(layer.num_patterns());
  for (int p = 0; p < layer.num_patterns(); ++p) {
    for (const int bit : TapsOf(options.patterns[p])) {
      taps[p].push_back({bit / window.kernel_w, bit % window.kernel_w});
    }
  }

  // Sum of one filter at one output position; taps in the padding contribute nothing.
  const auto filter_sum = [&](int n, int y, int x, int g, int b, uint32_t filter) {
    double sum = layer.bias()[filter];
    for (int p = 0; p < layer.num_patterns(); ++p) {
      for (size_t k = layer.KernelBegin(g, p); k < layer.KernelBegin(g, p + 1); ++k) {
        const uint32_t channel = layer.InputChannel(k);
        for (int t = 0; t < layer.num_taps(); ++t) {
          const int64_t in_y = int64_t{y} * window.stride_h - rows.before +
                               int64_t{taps[p][t].row} * window.dilation_h;
          const int64_t in_x = int64_t{x} * window.stride_w - columns.before +
                               int64_t{taps[p][t].column} * window.dilation_w;
          if (in_y < 0 || in_y >= input_shape.h || in_x < 0 || in_x >= input_shape.w) continue;
          const size_t i =
              ((size_t(n) * input_shape.h + in_y) * input_shape.w + in_x) * input_shape.c + channel;
          sum += double{layer.Weight(k, t, b, filter)} * input[i];
        }
      }
    }
    return sum;
  };

  for (int n = 0; n < output_shape.n; ++n) {
    for (int y = 0; y < output_shape.h; ++y) {
      for (int x = 0; x < output_shape.w; ++x) {
        float* pixel =
            output + ((size_t(n) * output_shape.h + y) * output_shape.w + x) * output_shape.c;
        for (int g = 0; g < layer.num_groups(); ++g) {
          for (int b = 0; b < layer.GroupFilters(g); ++b) {
            const uint32_t filter = layer.FilterAt(size_t(g) * options.filter_block + b);
            const float sum = static_cast<float>(filter_sum(n, y, x, g, b, filter));
            pixel[filter] = std::min(std::max(sum, range.lo), range.hi);
          }
        }
      }
    }
  }
}

}  // namespace pconv
