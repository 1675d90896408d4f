// Elements on a cache-line boundary: vectors that are loaded from it cross no line.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_ALIGNED_ARRAY_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_ALIGNED_ARRAY_H_

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>

namespace pconv {

template <typename T>
class AlignedArray {
  static_assert(std::is_trivial_v<T>, "elements begin as zeroed bytes");

 public:
  AlignedArray() = default;
  // Zeroed. Throws std::bad_alloc as operator new does.
  explicit AlignedArray(size_t size) : size_(size) {
    if (size > std::numeric_limits<size_t>::max() / (2 * sizeof(T))) throw std::bad_alloc();
    const size_t bytes = std::max(kLine, (size * sizeof(T) + kLine - 1) / kLine * kLine);
    data_.reset(static_cast<T*>(std::aligned_alloc(kLine, bytes)));
    if (data_ == nullptr) throw std::bad_alloc();
    std::memset(data_.get(), 0, bytes);
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kLine = 64;
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t size_ = 0;
};

using AlignedFloats = AlignedArray<float>;

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_ALIGNED_ARRAY_H_
