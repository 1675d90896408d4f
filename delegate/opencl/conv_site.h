// A convolution of the plan, as every way to compute it sees it.
#ifndef PCONV_TF_DELEGATE_OPENCL_CONV_SITE_H_
#define PCONV_TF_DELEGATE_OPENCL_CONV_SITE_H_

#include <vector>

#include "delegate/lowering/sparse_filters.h"
#include "delegate/opencl/convolution_source.h"
#include "delegate/opencl/plan_builder.h"
#include "delegate/opencl/tiles.h"

namespace pconv::opencl {

// A convolution's weights before packing.
struct ConvWeights {
  FilterSource filters;
  std::vector<std::vector<int>> patterns;  // kept taps, ascending
  int block = 1;                           // filters that share their kernels
  double kept = 1.0;                       // share of kernels
};

struct ConvSite {
  const Task& task;
  const ConvWeights& weights;
  PlanBuilder& builder;
  ConvShape shape;
  Walk walk = Walk::kTaps;
  Layout layout;    // of the output, before a pool
  int stored = -1;  // value: the output or its pool
  PlanBuilder::WindowInput staged;
  Argument addend;
  Activations output;
  bool in_place = false;  // 1x1: every output vector reads vectors of the planes as they are
  int batch = 1, out_channels = 0;

  size_t InputElements() const {
    return static_cast<size_t>(batch) * shape.in_channels * staged.tile_h * staged.tile_w;
  }
};

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_CONV_SITE_H_
