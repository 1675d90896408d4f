// The table of kernels of one instruction set.
#include "delegate/cpu/kernels/kernel_table.h"

#include "delegate/cpu/kernels/binary.inl"
#include "delegate/cpu/kernels/blocked/depthwise.inl"
#include "delegate/cpu/kernels/blocked/elementwise.inl"
#include "delegate/cpu/kernels/blocked/fully_connected.inl"
#include "delegate/cpu/kernels/border.inl"
#include "delegate/cpu/kernels/conv_group.inl"
#include "delegate/cpu/kernels/depthwise.inl"
#include "delegate/cpu/kernels/few_pixels.inl"
#include "delegate/cpu/kernels/gather.inl"
#include "delegate/cpu/kernels/gemv.inl"
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/interleave.inl"
#include "delegate/cpu/kernels/mean.inl"
#include "delegate/cpu/kernels/pool.inl"
#include "delegate/cpu/kernels/softmax.inl"
#include "delegate/cpu/kernels/sparse_gemv.inl"
#include "delegate/cpu/kernels/to_nhwc.inl"
#include "delegate/cpu/kernels/unary.inl"
#include "delegate/cpu/kernels/vector.h"

// Kernels that not every instruction set has.
#if defined(PCONV_HAS_PATTERN_KERNEL)
#include "delegate/cpu/kernels/conv_pattern.inl"
#endif
#if PCONV_LANES == 16
#include "delegate/cpu/kernels/tap_sums.inl"
#endif

namespace pconv::cpu::PCONV_ISA {
namespace {

constexpr BlockedKernelTable MakeBlockedTable() {
  BlockedKernelTable table = {};
  table.lanes = kLanes;
  table.most_vectors = kBlockedVectors;
  table.has_tile = HasBlockedTile;
  table.tile_cost = BlockedTileCost;
  table.conv = BlockedConv;
  table.depthwise = BlockedDepthwise;
  table.pool = BlockedPool;
  table.resize = BlockedResize;
  table.concat = BlockedConcat;
  table.global_mean = BlockedGlobalMean;
  table.sparse_fc = BlockedSparseFullyConnected;
  table.from_nhwc = BlockedFromNhwc;
  table.to_nhwc = BlockedToNhwc;
  return table;
}

constexpr KernelTable MakeTable() {
  KernelTable table = {};
#if PCONV_LANES == 16
  table.isa = Isa::kAvx512;
  table.name = "avx512";
#elif PCONV_LANES == 8
  table.isa = Isa::kAvx2;
  table.name = "avx2";
#else
  table.isa = Isa::kBaseline;
#if defined(__aarch64__)
  table.name = "neon";
#else
  table.name = "sse2";
#endif
#endif
  table.lanes = kLanes;
  table.conv_group[0] = ConvSingle;
  table.conv_group[1] = ConvGroup<2>;
  table.conv_group[2] = ConvGroup<4>;
#if defined(PCONV_HAS_PATTERN_KERNEL)
  table.conv_pattern_3x3 = ConvPattern3x3;
  table.pattern_rows = kPatternRows;
#endif
#if PCONV_LANES == 8
  table.conv_packed_pattern_3x3 = ConvPackedPattern3x3;
  table.pattern_rows = kPackedPatternRows;
#endif
  table.conv_few_pixels = ConvFewPixels;
#if PCONV_LANES == 16
  table.tap_sums = TapSums;
  table.pattern_tile = PatternTile;
#endif
  table.depthwise = Depthwise;
  table.max_pool = Pool<true>;
  table.sum_pool = Pool<false>;
  table.add = Binary<AddOp>;
  table.sub = Binary<SubOp>;
  table.mul = Binary<MulOp>;
  table.prelu = Binary<PreluOp>;
  table.clamp = Unary<ClampOp>;
  table.leaky_relu = Unary<LeakyReluOp>;
  table.hard_swish = Unary<HardSwishOp>;
  table.logistic = Unary<LogisticOp>;
  table.tanh = Unary<TanhOp>;
  table.gelu = Unary<GeluOp>;
  table.tanh_gelu = Unary<TanhGeluOp>;
  table.softmax = Softmax;
  table.border = Border;
  table.gather = Gather<false>;
  table.weighted_gather = Gather<true>;
  table.interleave = Interleave;
  table.to_nhwc = ToNhwc;
  table.mean = Mean;
  table.gemv = Gemv;
  table.sparse_gemv = SparseGemv;
  table.blocked = MakeBlockedTable();
  table.blocked.name = table.name;
  return table;
}

}  // namespace

constexpr KernelTable kKernels = MakeTable();

}  // namespace pconv::cpu::PCONV_ISA
