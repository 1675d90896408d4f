// Float32 constants that a model stores in fewer bytes, as float16 or int8, and unpacks by a
// DEQUANTIZE. The delegate unpacks them itself and once, so that the layers that read them have
// constant weights and need not stay with the runtime.
#ifndef PCONV_TF_DELEGATE_STORED_CONSTANT_H_
#define PCONV_TF_DELEGATE_STORED_CONSTANT_H_

#include <cstddef>
#include <map>
#include <vector>

#include "delegate/packing_key.h"
#include "tflite_ops/core/status.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv {

// Owns nothing of the model's file. `scales` is empty for float16. Of int8 it has one for all, or
// each is that of `elements_per_scale` neighbours, and they take turns. Zero points are 0.
struct StoredConstant {
  ConstantBytes stored;
  std::vector<float> scales;
  size_t elements_per_scale = 1;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c] = *this;
    visit(a, b, c);
  }
};

// By the tensor that the DEQUANTIZE writes.
using StoredConstants = std::map<int, StoredConstant>;

// The constant that a DEQUANTIZE unpacks; the error says why it is none.
Status ReadStoredConstant(const TfLiteContext* context, const TfLiteNode& dequantize,
                          StoredConstant* constant);

std::vector<float> Unpack(const StoredConstant& constant);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_STORED_CONSTANT_H_
