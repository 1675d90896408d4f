// What both engines assume of a processor's caches when they cut an image into tiles.
#ifndef PCONV_TF_DELEGATE_LOWERING_CACHE_SIZES_H_
#define PCONV_TF_DELEGATE_LOWERING_CACHE_SIZES_H_

namespace pconv {

// What a block of outputs reads stays in the first-level cache, of 32 to 48 KiB.
inline constexpr int kFirstLevelBytes = 28 << 10;

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_CACHE_SIZES_H_
