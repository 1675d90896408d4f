// Pruned layers for random graphs, which share weights and arrays.
#ifndef PCONV_TF_DELEGATE_FUZZING_RANDOM_LAYERS_H_
#define PCONV_TF_DELEGATE_FUZZING_RANDOM_LAYERS_H_

#include <deque>
#include <vector>

#include "delegate/fuzzing/dice.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv::fuzzing {

class RandomLayers {
 public:
  explicit RandomLayers(Dice* dice) : dice_(*dice) {}
  RandomLayers(const RandomLayers&) = delete;
  RandomLayers& operator=(const RandomLayers&) = delete;

  // A layer for so many input channels: a new one, an earlier one with another window, or one whose
  // arrays belong to several layers. False if these do not make a layer.
  bool Make(int in_channels, FkwView* view);

 private:
  struct Layer {
    testing::OwnedLayer owner;
    FkwArrays arrays;  // views into the owner
  };

  // `fitting`: indices of layers that have so many input channels.
  bool MakeOfEarlier(const std::vector<int>& fitting, Window window, FkwView* view);

  Dice& dice_;
  std::deque<Layer> layers_;
};

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_DELEGATE_FUZZING_RANDOM_LAYERS_H_
