#include "delegate/cpu/weights/aligned_floats.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace pconv {

AlignedFloats::AlignedFloats(size_t size) : size_(size) {
  const size_t bytes = std::max<size_t>(64, (size * sizeof(float) + 63) / 64 * 64);
  data_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
  std::memset(data_.get(), 0, bytes);
}

void AlignedFloats::Free::operator()(float* p) const { std::free(p); }

}  // namespace pconv
