#include "delegate/cpu/weights/aligned_floats.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace pconv {

AlignedFloats::AlignedFloats(size_t size) : size_(size) {
  if (size > std::numeric_limits<size_t>::max() / (2 * sizeof(float))) throw std::bad_alloc();
  const size_t bytes = std::max<size_t>(64, (size * sizeof(float) + 63) / 64 * 64);
  data_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_.get(), 0, bytes);
}

void AlignedFloats::Free::operator()(float* p) const { std::free(p); }

}  // namespace pconv
