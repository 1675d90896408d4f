// Convolution over lists of kept weights (BlockedConvArgs): picks the kernel of each tile.
#include "delegate/cpu/kernels/blocked/conv_tile.inl"
#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

using ConvTileFn = void (*)(const TileJob&);

template <int kVectors, int kHeight, int kWidth>
ConvTileFn PickStep(ptrdiff_t step) {
  if constexpr (kVectors * kHeight * kWidth > kMaxAccumulators) {
    return nullptr;
  } else {
    switch (step) {
      case kLanes:
        return ConvTile<kVectors, kHeight, kWidth, kLanes>;
      case 2 * kLanes:
        return ConvTile<kVectors, kHeight, kWidth, 2 * kLanes>;
      case 1:
        return ConvTile<kVectors, kHeight, kWidth, 1>;
      case 2:
        return ConvTile<kVectors, kHeight, kWidth, 2>;
      default:
        return ConvTile<kVectors, kHeight, kWidth, 0>;
    }
  }
}

template <int kVectors, int kHeight>
ConvTileFn PickWidth(int width, ptrdiff_t step) {
  switch (width) {
    case 1:
      return PickStep<kVectors, kHeight, 1>(step);
    case 2:
      return PickStep<kVectors, kHeight, 2>(step);
    case 4:
      return PickStep<kVectors, kHeight, 4>(step);
    default:
      break;
  }
  if constexpr (kVectors == 1) {
    return width == 7   ? PickStep<1, kHeight, 7>(step)
           : width == 8 ? PickStep<1, kHeight, 8>(step)
                        : nullptr;
  } else {
    return width == 3   ? PickStep<kVectors, kHeight, 3>(step)
           : width == 5 ? PickStep<kVectors, kHeight, 5>(step)
           : width == 6 ? PickStep<kVectors, kHeight, 6>(step)
                        : nullptr;
  }
}

template <int kVectors>
ConvTileFn PickHeight(int height, int width, ptrdiff_t step) {
  switch (height) {
    case 1:
      return PickWidth<kVectors, 1>(width, step);
    case 2:
      return PickWidth<kVectors, 2>(width, step);
    case 3:
      return PickWidth<kVectors, 3>(width, step);
    case 4:
      return PickWidth<kVectors, 4>(width, step);
    default:
      return nullptr;
  }
}

ConvTileFn PickTile(int vectors, int height, int width, ptrdiff_t step) {
  if constexpr (PCONV_ISA::kBlockedVectors >= 4) {
    if (vectors == 4) return PickHeight<4>(height, width, step);
  }
  if constexpr (PCONV_ISA::kBlockedVectors >= 2) {
    if (vectors == 2) return PickHeight<2>(height, width, step);
  }
  return PickHeight<1>(height, width, step);
}

}  // namespace

namespace PCONV_ISA {

bool HasBlockedTile(int vectors, int height, int width) {
  return PickTile(vectors, height, width, kLanes) != nullptr;
}

// Per record: the load ports (two loads a cycle: the weights and a broadcast per pixel) or the
// units that multiply (as many), and a share for the sums' way in and out of the registers.
double BlockedTileCost(int vectors, int height, int width) {
  const int pixels = height * width, sums = vectors * pixels;
  return 0.5 * (pixels + vectors > sums ? pixels + vectors : sums) + 0.02 * sums + 0.5;
}

void BlockedConv(const BlockedConvArgs& conv, IndexRange tiles, IndexRange groups) {
  const BlockedTensor& in = conv.input;
  const BlockedTensor& out = conv.output;
  TileJob job;
  job.input_row = in.row() * conv.stride_h;
  job.input_step = ptrdiff_t{in.lanes} * conv.stride_w;
  job.offsets = conv.offsets;
  job.weights = conv.weights;
  job.groups = groups;
  job.bias = conv.bias;
  job.output_row = out.row();
  job.output_plane = out.plane();
  job.addend_row = conv.addend.row();
  job.addend_plane = conv.addend.plane();
  job.range = conv.range;
  for (int slice = 0; slice < conv.slices; ++slice) {
    job.begin = conv.begin + ptrdiff_t{slice} * conv.groups * kRecordKinds;
    job.first = slice == 0;
    job.last = slice == conv.slices - 1;
    for (int t = tiles.begin; t < tiles.end; ++t) {
      const OutputTile& tile = conv.tiles[t];
      job.input = in.At(0, 0, 0) + tile.y * job.input_row + tile.x * job.input_step;
      job.output = out.At(0, tile.y, tile.x);
      job.addend = conv.addend.data != nullptr ? conv.addend.At(0, tile.y, tile.x) : nullptr;
      job.partial = conv.partial + ptrdiff_t{t} * conv.groups * kMaxTile * kLanes;
      PickTile(conv.vectors, tile.height, tile.width, job.input_step)(job);
    }
  }
}

}  // namespace PCONV_ISA
}  // namespace pconv::cpu
