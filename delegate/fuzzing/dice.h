// What a fuzzer leaves to chance, from one seed.
#ifndef PCONV_TF_DELEGATE_FUZZING_DICE_H_
#define PCONV_TF_DELEGATE_FUZZING_DICE_H_

#include <cstdint>
#include <random>
#include <vector>

#include "tflite_ops/core/conv_geometry.h"

namespace pconv::fuzzing {

class Dice {
 public:
  explicit Dice(uint32_t seed) : rng_(seed) {}

  std::mt19937& rng() { return rng_; }
  int Below(int n) { return static_cast<int>(rng_() % static_cast<uint32_t>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  int Pick(const std::vector<int>& values) {
    return values[Below(static_cast<int>(values.size()))];
  }
  Activation PickActivation() { return static_cast<Activation>(Below(4)); }
  // Around the sizes of vectors.
  int PickChannels();
  // Seldom with a stride or dilation of the largest that the format knows; without explicit pads.
  Window PickWindow(int kernel_h, int kernel_w);

 private:
  std::mt19937 rng_;
};

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_DELEGATE_FUZZING_DICE_H_
