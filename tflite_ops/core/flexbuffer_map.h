// Reader of the FlexBuffer maps that carry custom options: integer and integer-vector values only.
//
// Every read is bounds-checked and independent of alignment, so that any bytes whatever can be
// parsed; the library's own verifier does not promise that (it does not require that keys end, nor
// that key vectors are aligned).
#ifndef PCONV_TF_TFLITE_OPS_CORE_FLEXBUFFER_MAP_H_
#define PCONV_TF_TFLITE_OPS_CORE_FLEXBUFFER_MAP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tflite_ops/core/status.h"

namespace pconv {

// An integer (one element, is_vector false) or a vector of integers. Unsigned values above the
// range of int64_t are refused by the reader.
struct FlexValue {
  bool is_vector = false;
  std::vector<int64_t> elements;
};

using FlexMap = std::map<std::string, FlexValue>;

// Reads a map whose values are integers or vectors of integers, typed or untyped.
Status ReadFlexBufferMap(const uint8_t* data, size_t size, FlexMap* map);

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_CORE_FLEXBUFFER_MAP_H_
