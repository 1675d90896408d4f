// A validated, non-owning view of one layer in FKW (docs/fkw.md). Knows nothing of TFLite.
#ifndef PCONV_TF_TFLITE_OPS_CORE_FKW_VIEW_H_
#define PCONV_TF_TFLITE_OPS_CORE_FKW_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tflite_ops/core/pconv2d_options.h"
#include "tflite_ops/core/quantization.h"
#include "tflite_ops/core/status.h"

namespace pconv {

// An unsigned integer array stored in the narrowest type that fits. Does not own.
class UIntArray {
 public:
  enum class Type { kUInt8, kUInt16, kUInt32 };
  UIntArray() = default;
  UIntArray(const void* data, Type type, size_t size) : data_(data), type_(type), size_(size) {}
  size_t size() const { return size_; }
  Type type() const { return type_; }
  size_t bytes() const;
  const void* data() const { return data_; }
  uint32_t operator[](size_t i) const;

 private:
  const void* data_ = nullptr;
  Type type_ = Type::kUInt8;
  size_t size_ = 0;
};

enum class WeightType { kFloat32, kFloat16, kInt8 };

// The arrays as they lie in the file. Sizes in elements.
struct FkwArrays {
  UIntArray offset, reorder, index, stride;
  const void* weight = nullptr;
  size_t weight_size = 0;
  WeightType weight_type = WeightType::kFloat32;
  const float* bias = nullptr;
  size_t bias_size = 0;
  const float* scale = nullptr;  // only with kInt8
  size_t scale_size = 0;
  // Layers with int8 activations: `int32_bias` in the place of `bias`.
  bool has_int8_activations = false;
  const int32_t* int32_bias = nullptr;
  ActivationQuantization quantization;

  size_t weight_bytes() const;
};

// A layer whose every count, index, order and size has been checked once by Create(); accessors do
// not check again.
class FkwView {
 public:
  FkwView() = default;
  // The error names the array and element, what was found and what is expected.
  static Status Create(const PConv2DOptions& options, const FkwArrays& arrays, FkwView* view);

  const PConv2DOptions& options() const { return options_; }
  int num_groups() const { return num_groups_; }  // ceil(out_channels / filter_block)
  int num_patterns() const { return static_cast<int>(options_.patterns.size()); }
  int num_taps() const { return num_taps_; }  // taps kept per kernel
  // Stored kernels; with filter_block B > 1 each stands for B filters.
  size_t num_kernels() const { return num_kernels_; }

  // Filters of group g sit at positions [g * B, g * B + GroupFilters(g)).
  int GroupFilters(int g) const;
  uint32_t FilterAt(size_t position) const { return arrays_.reorder[position]; }
  // Kernels of pattern p in group g are [KernelBegin(g, p), KernelBegin(g, p + 1)).
  size_t KernelBegin(int g, int p) const {
    return arrays_.offset[g] +
           arrays_.stride[static_cast<size_t>(g) * (options_.patterns.size() + 1) + p];
  }
  uint32_t InputChannel(size_t kernel) const { return index_[kernel]; }
  // Weight in float32 of tap t (ascending bit of the pattern) of the b-th filter of the kernel's
  // group; `filter` is that filter's original channel (int8 scales are per channel).
  float Weight(size_t kernel, int tap, int b, uint32_t filter) const;
  // Null in a layer with int8 activations.
  const float* bias() const { return arrays_.bias; }

  // Layers with int8 activations. The next three are theirs alone.
  bool has_int8_activations() const { return arrays_.has_int8_activations; }
  int8_t Int8Weight(size_t kernel, int tap, int b) const {
    return static_cast<const int8_t*>(
        arrays_.weight)[(kernel * num_taps_ + tap) * options_.filter_block + b];
  }
  const int32_t* int32_bias() const { return arrays_.int32_bias; }
  const ActivationQuantization& quantization() const { return arrays_.quantization; }

  const FkwArrays& arrays() const { return arrays_; }

 private:
  Status ReadSteps();
  template <typename Channel>
  Status ReadStepsTo(Channel* channels) const;
  Status CheckIndex() const;
  Status CheckWeight() const;
  Status CheckScale() const;

  PConv2DOptions options_;
  FkwArrays arrays_;
  UIntArray index_;                                      // [K] channels: the file's, or
  std::shared_ptr<const std::vector<uint8_t>> decoded_;  // what its steps come to
  int num_groups_ = 0;
  int num_taps_ = 0;
  size_t num_kernels_ = 0;
};

float HalfToFloat(uint16_t half);

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_CORE_FKW_VIEW_H_
