// What the tests of single kernels share: every test runs with every table that this CPU can run,
// on random arguments, against plain loops in double.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_KERNEL_TESTING_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_KERNEL_TESTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/seeded_test.h"

namespace pconv::cpu {

// Kernels load whole vectors: memory that is aligned for the widest of them.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlign{64};
  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}  // NOLINT: as allocators convert
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlign)); }
  void deallocate(T* p, size_t) { ::operator delete(p, kAlign); }
  bool operator==(const CacheLineAllocator&) const { return true; }
  bool operator!=(const CacheLineAllocator&) const { return false; }
};
using Floats = std::vector<float, CacheLineAllocator<float>>;

// Planes of rows of columns of vectors, with lines left over between rows and planes.
struct Planes {
  Planes(int planes, int rows, int columns, int lanes)
      : lanes(lanes),
        row(static_cast<size_t>(columns + 1) * lanes),
        plane(row * rows + 2 * lanes),
        floats(plane * planes, std::numeric_limits<float>::quiet_NaN()) {}
  size_t At(int p, int y, int x) const {
    return p * plane + y * row + x * static_cast<size_t>(lanes);
  }
  float* Cell(int p, int y, int x) { return floats.data() + At(p, y, x); }
  int lanes;
  size_t row, plane;  // distances in floats
  Floats floats;
};

class KernelTest : public SeededTest<KernelTable> {
 protected:
  float Value() { return std::uniform_real_distribution<float>(-1, 1)(rng_); }
  Floats Values(size_t n) {
    Floats values(n);
    for (float& v : values) v = Value();
    return values;
  }
  Planes RandomPlanes(int planes, int rows, int columns) {
    Planes image(planes, rows, columns, lanes());
    for (float& v : image.floats) v = Value();
    return image;
  }
  // A permutation of lanes, and which of them are kept: 0 or -1.
  std::vector<int32_t> RandomLanes(int vectors) {
    std::vector<int32_t> table(static_cast<size_t>(vectors) * lanes());
    for (int32_t& lane : table) lane = Draw(0, lanes() - 1);
    return table;
  }
  std::vector<int32_t> RandomMasks(int vectors) {
    std::vector<int32_t> table(static_cast<size_t>(vectors) * lanes());
    for (int32_t& mask : table) mask = Coin() ? -1 : 0;
    return table;
  }
  // The clamp: none, ReLU, ReLU6 or a narrow one.
  void DrawRange(float* lo, float* hi) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kRanges[4][2] = {
        {-kInfinity, kInfinity}, {0, kInfinity}, {0, 6}, {-0.25f, 0.25f}};
    const int i = Draw(0, 3);
    *lo = kRanges[i][0];
    *hi = kRanges[i][1];
  }
  template <typename Args>
  static double Clamped(double value, const Args& args) {
    return std::clamp<double>(value, args.lo, args.hi);
  }
  // `terms`: how many products the sum has.
  void ExpectNear(double expected, float found, int terms) {
    ASSERT_NEAR(expected, found, tolerance_ * (1 + terms)) << kernels().name;
  }

  const KernelTable& kernels() const { return *GetParam(); }
  int lanes() const { return kernels().lanes; }

  double tolerance_ = 1e-6;  // per term of a sum
};

inline std::string KernelName(const ::testing::TestParamInfo<const KernelTable*>& info) {
  return info.param->name;
}

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_KERNEL_TESTING_H_
