// A small model with pruned and builtin nodes, for tests of the delegate.
#ifndef PCONV_TF_DELEGATE_TESTING_MODEL_TESTING_H_
#define PCONV_TF_DELEGATE_TESTING_MODEL_TESTING_H_

#include <random>

#include "tflite_ops/fake_runtime.h"

namespace pconv::testing {

struct TestModel {
  int input, output;  // tensors: [n, 9, 11, 3] and [n, 10]
};

// Two PConv2D of random kind, weights and sharing with a convolution, a depthwise convolution, an
// addition, a pool, a concatenation, a padding, a reshape, a fully connected layer and a softmax
// around them.
TestModel AddTestModel(std::mt19937* rng, FakeRuntime* runtime);

}  // namespace pconv::testing

#endif  // PCONV_TF_DELEGATE_TESTING_MODEL_TESTING_H_
