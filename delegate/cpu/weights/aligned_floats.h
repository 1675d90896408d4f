// Floats on a cache-line boundary.
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_ALIGNED_FLOATS_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_ALIGNED_FLOATS_H_

#include <cstddef>
#include <memory>

namespace pconv {

class AlignedFloats {
 public:
  AlignedFloats() = default;
  // Zeroed. Throws std::bad_alloc as operator new does.
  explicit AlignedFloats(size_t size);
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float[], Free> data_;
  size_t size_ = 0;
};

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_ALIGNED_FLOATS_H_
