// What the engine assumes of the machine: sizes of caches and of their lines.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_MACHINE_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_MACHINE_H_

#include <cstddef>
#include <cstdint>

#include "delegate/lowering/cache_sizes.h"

namespace pconv::cpu {

// What a slice of channels reads stays in the second-level cache, of 1 MiB or more.
inline constexpr int kSecondLevelBytes = 800 << 10;
// Of the second-level cache, what rows that lie between two fused steps take of it: the weights of
// these steps need the rest.
inline constexpr size_t kBandBytes = 384 << 10;
// A smaller image stays in the second-level cache between two steps anyway.
inline constexpr size_t kLargeImageBytes = 1 << 20;
// A larger image does not stay in the second-level cache of any processor.
inline constexpr size_t kHugeImageBytes = 3 << 20;

// Two cache lines in floats: processors fetch neighbouring lines in pairs.
inline constexpr size_t kAlignFloats = 32;

// `floats` rounded up to whole pairs of cache lines.
inline size_t Aligned(size_t floats) {
  return (floats + kAlignFloats - 1) / kAlignFloats * kAlignFloats;
}

// The first of the `count` items that are the thread's share, where `num_threads` share them
// evenly; the share ends where that of `thread` + 1 begins.
inline int ShareBegin(int count, int thread, int num_threads) {
  return static_cast<int>(int64_t{count} * thread / num_threads);
}

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_MACHINE_H_
