// Custom options of an operator: whatever the bytes are, they are read or refused with a message.
#include <cstdlib>

#include "tflite_ops/core/flexbuffer_map.h"
#include "tflite_ops/core/pconv2d_options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pconv::FlexMap map;
  const pconv::Status status = pconv::ReadFlexBufferMap(data, size, &map);
  pconv::PConv2DOptions options;
  const pconv::Status parsed = pconv::ParsePConv2DOptions(data, size, &options);
  if (!status.ok() && status.message().empty()) std::abort();
  if (!parsed.ok() && parsed.message().empty()) std::abort();
  if (parsed.ok() && !status.ok()) std::abort();
  return 0;
}
