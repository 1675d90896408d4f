// Plain loops, for processors that have nothing better.
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include <cstring>
#include <type_traits>

#include "delegate/cpu/int8/dot_kernel_tables.h"
#include "tflite_ops/core/quantization.h"

namespace pconv::cpu::int8 {
namespace {

struct Simd {
  static constexpr bool kPairs = false;
  static constexpr int kLanes = 4;
  static constexpr int kStoredOffset = 0;
  struct Vector {
    int8_t bytes[16];
  };
  struct Sums {
    uint32_t lanes[4];  // unsigned: they wrap
  };
  struct Shuffle {
    uint8_t bytes[16];
  };

  template <bool kIsWide>
  class Weights {
   public:
    explicit Weights(const int8_t* weights) {
      for (int i = 0; i < 4; ++i) weights_[i] = weights[i];
    }
    void AddDots(const Vector& inputs, Sums* sums) const {
      for (int lane = 0; lane < 4; ++lane) {
        int sum = 0;
        for (int i = 0; i < 4; ++i) sum += inputs.bytes[4 * lane + i] * weights_[i];
        sums->lanes[lane] += static_cast<uint32_t>(sum);
      }
    }

   private:
    int weights_[4];
  };

  static Vector Load(const uint8_t* row) {
    Vector vector;
    std::memcpy(vector.bytes, row, sizeof(vector.bytes));
    return vector;
  }
  static Shuffle LoadShuffle(const uint8_t* from) {
    Shuffle shuffle;
    std::memcpy(shuffle.bytes, from, sizeof(shuffle.bytes));
    return shuffle;
  }
  static Vector Apply(const Shuffle& shuffle, const Vector& inputs) {
    Vector taken;
    for (int i = 0; i < 16; ++i) {
      const uint8_t from = shuffle.bytes[i];
      taken.bytes[i] = from < 16 ? inputs.bytes[from] : int8_t{0};
    }
    return taken;
  }
  static void AddProducts(const Vector& inputs, const int8_t* weights, Sums* sums) {
    for (int lane = 0; lane < 4; ++lane) {
      int sum = 0;
      for (int i = 4 * lane; i < 4 * lane + 4; ++i) sum += inputs.bytes[i] * weights[i];
      sums->lanes[lane] += static_cast<uint32_t>(sum);
    }
  }
  static Sums Broadcast(int32_t value) {
    const auto lane = static_cast<uint32_t>(value);
    return {{lane, lane, lane, lane}};
  }
  static Sums Plus(Sums a, const Sums& b) {
    for (int lane = 0; lane < kLanes; ++lane) a.lanes[lane] += b.lanes[lane];
    return a;
  }
  static Sums LoadSums(const int32_t* from) {
    Sums sums;
    std::memcpy(sums.lanes, from, sizeof(sums.lanes));
    return sums;
  }
  static void StoreSums(const Sums& sums, int32_t* to) {
    std::memcpy(to, sums.lanes, sizeof(sums.lanes));
  }
  static Sums LoadBytes(const int8_t* bytes) {
    Sums sums;
    for (int lane = 0; lane < 4; ++lane) sums.lanes[lane] = static_cast<uint32_t>(int{bytes[lane]});
    return sums;
  }
  static void StoreBytes(const Sums& values, int8_t* to) {
    for (int lane = 0; lane < 4; ++lane) to[lane] = static_cast<int8_t>(values.lanes[lane]);
  }
  struct Bounds {
    Bounds(float lo, float hi, int zero_point)
        : zero_point(zero_point),
          range{static_cast<int8_t>(static_cast<int>(lo) + zero_point),
                static_cast<int8_t>(static_cast<int>(hi) + zero_point)} {}
    int zero_point;
    Int8Range range;
  };
  template <int kVectors>
  static void Requantize(const Sums* sums, float scale, const Bounds& bounds, int8_t* to) {
    for (int i = 0; i < kVectors * kLanes; ++i) {
      const auto sum = static_cast<int32_t>(sums[i / kLanes].lanes[i % kLanes]);
      to[i] = pconv::Requantize(sum, scale, bounds.zero_point, bounds.range);
    }
  }
};

#include "delegate/cpu/int8/bytes16.inl"
#include "delegate/cpu/int8/dots.inl"
#include "delegate/cpu/int8/lanes16.inl"
#include "delegate/cpu/int8/plain.inl"
#include "delegate/cpu/int8/rearrange.inl"
#include "delegate/cpu/int8/row_products.inl"

}  // namespace

const DotKernels kBaselineDotKernels = {
    "baseline",  0,       Simd::kLanes, Simd::kStoredOffset,      false,        Dots, GatherWindows,
    GatherQuads, Scatter, DenseRows,    {nullptr, {0, 0}, false}, kPlainKernels};

}  // namespace pconv::cpu::int8
