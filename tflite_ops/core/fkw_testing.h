// Layers for tests: the golden example of docs/fkw.md, random layers, and their dense meaning.
#ifndef PCONV_TF_TFLITE_OPS_CORE_FKW_TESTING_H_
#define PCONV_TF_TFLITE_OPS_CORE_FKW_TESTING_H_

#include <cstdint>
#include <random>
#include <vector>

#include "tflite_ops/core/fkw_view.h"

namespace pconv::testing {

// A layer that owns its arrays. Fields may be spoilt before View() or Arrays() is called.
struct OwnedLayer {
  PConv2DOptions options;
  std::vector<uint32_t> offset, reorder, index, stride;
  // Types that the four are stored in.
  UIntArray::Type offset_type = UIntArray::Type::kUInt32, reorder_type = UIntArray::Type::kUInt32,
                  index_type = UIntArray::Type::kUInt32, stride_type = UIntArray::Type::kUInt32;
  WeightType weight_type = WeightType::kFloat32;
  std::vector<float> weight_f32;
  std::vector<uint16_t> weight_f16;
  std::vector<int8_t> weight_i8;
  std::vector<float> bias, scale;
  // With int8 activations.
  bool has_int8_activations = false;
  std::vector<int32_t> int32_bias;
  ActivationQuantization quantization;

  // Views into this object, which must outlive them.
  FkwArrays Arrays();
  Status CreateView(FkwView* view) { return FkwView::Create(options, Arrays(), view); }
  FkwView View();  // aborts with the message if the layer is invalid

 private:
  std::vector<uint8_t> packed_[4];
};

// 4 filters of 4 input channels, patterns 1 and 2 of PatDNN's figure, weights 1, 2, 3, ...
OwnedLayer GoldenLayer();

struct RandomLayerSpec {
  Window window{3, 3};
  Activation activation = Activation::kNone;
  int in_channels = 8, out_channels = 8, filter_block = 1;
  std::vector<uint64_t> patterns;  // empty: eight random ones of `num_taps` taps (or all there are)
  int num_taps = 4;
  double density = 0.3;       // share of kernels kept
  float weight_bound = 1.0f;  // weights are uniform in [-weight_bound, weight_bound]
  WeightType weight_type = WeightType::kFloat32;
  bool random_index_types = true;
  // int8 activations, and then int8 weights, whatever weight_type says: all values from -127 to 127
  // but 0, so that a tap in five is at one of the two ends.
  bool int8_activations = false;
  // Filters of a group follow one another, as where training shares masks; else they are any.
  bool consecutive_groups = false;
};
// Filters in FKR order (by length; a ragged last group stays last).
OwnedLayer RandomLayer(const RandomLayerSpec& spec, std::mt19937* rng);

// Stores the index of a valid layer as steps, which version 3 of the format brought.
void StoreSteps(OwnedLayer* layer);

// `count` distinct random masks of `taps` taps (fewer if there are not so many).
std::vector<uint64_t> RandomPatterns(int kernel_h, int kernel_w, int taps, int count,
                                     std::mt19937* rng);

// The layer's weights as a dense filter [O, kh, kw, I].
std::vector<float> DenseFilter(const FkwView& layer);

// The custom options map as a converter writes it.
std::vector<uint8_t> EncodeOptions(const PConv2DOptions& options);
std::vector<uint8_t> EncodeOptions(const PConv2DOptions& options, int64_t version);

uint16_t FloatToHalf(float value);  // rounds towards zero; normal range only

}  // namespace pconv::testing

#endif  // PCONV_TF_TFLITE_OPS_CORE_FKW_TESTING_H_
