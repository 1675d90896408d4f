#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstring>
#include <type_traits>

#include "delegate/cpu/int8/dot_kernel_tables.h"

namespace pconv::cpu::int8 {
namespace {

struct Simd {
  static constexpr bool kPairs = false;
  static constexpr int kLanes = 4;
  static constexpr int kStoredOffset = 0;
  using Vector = int8x16_t;
  using Sums = int32x4_t;
  using Shuffle = uint8x16_t;

  // sdot adds four products to 32 bits: nothing saturates, narrow or wide.
  template <bool kIsWide>
  class Weights {
   public:
    explicit Weights(const int8_t* weights) {
      int32_t four;
      std::memcpy(&four, weights, sizeof(four));
      weights_ = vreinterpretq_s8_s32(vdupq_n_s32(four));
    }
    void AddDots(Vector inputs, Sums* sums) const { *sums = vdotq_s32(*sums, inputs, weights_); }

   private:
    int8x16_t weights_;
  };

  static Vector Load(const uint8_t* row) { return vld1q_s8(reinterpret_cast<const int8_t*>(row)); }
  static Shuffle LoadShuffle(const uint8_t* shuffle) { return vld1q_u8(shuffle); }
  static Vector Apply(Shuffle shuffle, Vector inputs) { return vqtbl1q_s8(inputs, shuffle); }
  static void AddProducts(Vector inputs, const int8_t* weights, Sums* sums) {
    *sums = vdotq_s32(*sums, inputs, vld1q_s8(weights));
  }
  static Sums Broadcast(int32_t value) { return vdupq_n_s32(value); }
  static Sums Plus(Sums a, Sums b) { return vaddq_s32(a, b); }
  static Sums LoadSums(const int32_t* sums) { return vld1q_s32(sums); }
  static void StoreSums(Sums sums, int32_t* to) { vst1q_s32(to, sums); }
  struct Bounds {
    Bounds(float lo, float hi, int zero_point)
        : lows(vdupq_n_f32(lo)), highs(vdupq_n_f32(hi)), zero_points(vdupq_n_s32(zero_point)) {}
    float32x4_t lows, highs;
    int32x4_t zero_points;
  };
  template <int kVectors>
  static void Requantize(const Sums* sums, float scale, const Bounds& bounds, int8_t* to) {
    for (int v = 0; v < kVectors; ++v) {
      float32x4_t steps = vmulq_n_f32(vcvtq_f32_s32(sums[v]), scale);
      steps = vminq_f32(vmaxq_f32(steps, bounds.lows), bounds.highs);
      // To the nearest, ties to even.
      StoreBytes(vaddq_s32(vcvtnq_s32_f32(steps), bounds.zero_points), to + v * kLanes);
    }
  }
  static Sums LoadBytes(const int8_t* bytes) {
    int32_t four;
    std::memcpy(&four, bytes, sizeof(four));
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)))));
  }
  // Sums that are values of int8.
  static void StoreBytes(Sums values, int8_t* to) {
    const int16x4_t words = vmovn_s32(values);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    const int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    std::memcpy(to, &four, sizeof(four));
  }
};

struct Channels {
  static constexpr int kChannels = 16;
  using Bytes = int8x16_t;
  using Part = int8x16_t;
  using Weights = int8x16_t;
  using Sums = int32x4_t;
  using Floats = float32x4_t;

  static Bytes Load(const int8_t* from) { return vld1q_s8(from); }
  static Bytes Zero() { return vdupq_n_s8(0); }
  static Bytes MixBytesLow(Bytes a, Bytes b) { return vzip1q_s8(a, b); }
  static Bytes MixBytesHigh(Bytes a, Bytes b) { return vzip2q_s8(a, b); }
  static Bytes MixWordsLow(Bytes a, Bytes b) {
    return vreinterpretq_s8_s16(vzip1q_s16(vreinterpretq_s16_s8(a), vreinterpretq_s16_s8(b)));
  }
  static Bytes MixWordsHigh(Bytes a, Bytes b) {
    return vreinterpretq_s8_s16(vzip2q_s16(vreinterpretq_s16_s8(a), vreinterpretq_s16_s8(b)));
  }
  static Part PartOf(Bytes dwords) { return dwords; }
  static Weights LoadWeights(const uint8_t* from) {
    return vld1q_s8(reinterpret_cast<const int8_t*>(from));
  }
  static Sums LoadSums(const int32_t* from) { return vld1q_s32(from); }
  static Floats LoadFloats(const float* from) { return vld1q_f32(from); }
  static void AddDots(Part inputs, Weights weights, Sums* sums) {
    *sums = vdotq_s32(*sums, inputs, weights);
  }
  // To the nearest, ties to even; saturates.
  static Sums Steps(Sums sums, Floats scale, float hi) {
    return vcvtnq_s32_f32(vminq_f32(vmulq_f32(vcvtq_f32_s32(sums), scale), vdupq_n_f32(hi)));
  }
  static void StoreSteps(const Sums* steps, int zero_point, int8_t lo, int8_t* to) {
    const int16x8_t zero = vdupq_n_s16(static_cast<int16_t>(zero_point));
    const int16x8_t low = vcombine_s16(vqmovn_s32(steps[0]), vqmovn_s32(steps[1]));
    const int16x8_t high = vcombine_s16(vqmovn_s32(steps[2]), vqmovn_s32(steps[3]));
    const int8x16_t bytes =
        vcombine_s8(vqmovn_s16(vqaddq_s16(low, zero)), vqmovn_s16(vqaddq_s16(high, zero)));
    vst1q_s8(to, vmaxq_s8(bytes, vdupq_n_s8(lo)));
  }
};

#include "delegate/cpu/int8/bytes16.inl"
#include "delegate/cpu/int8/depthwise3x3.inl"
#include "delegate/cpu/int8/dots.inl"
#include "delegate/cpu/int8/lanes16.inl"
#include "delegate/cpu/int8/plain.inl"
#include "delegate/cpu/int8/rearrange.inl"
#include "delegate/cpu/int8/row_products.inl"

}  // namespace

const DotKernels kSdotDotKernels = {"sdot",
                                    1,
                                    Simd::kLanes,
                                    Simd::kStoredOffset,
                                    false,
                                    Dots,
                                    GatherWindows,
                                    GatherQuads,
                                    Scatter,
                                    DenseRows,
                                    {DepthwiseChannels<Channels>, {16, 0}, false},
                                    kPlainKernels};

}  // namespace pconv::cpu::int8

#endif
