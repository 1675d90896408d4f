// Weights of a convolution as the kernels read them (Conv in kernels/blocked/kernels.h), and the
// plan that fits them to a shape. Independent of the instruction set but for the number of lanes.
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_BLOCKED_CONV_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_BLOCKED_CONV_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/plan/aligned_array.h"
#include "tflite_ops/core/fkw_view.h"
#include "tflite_ops/core/status.h"

namespace pconv::blocked {

// Kept weights of all (slice, group) lists. Output channels stay in their original order: group g
// computes the filters() channels from g * filters() on. Where the filters of a group do not share
// their masks the list holds the union, with zeros for the filters that lack a weight: right for
// every layer, fast when filter_block is a multiple of `lanes`.
struct PackedConv {
  struct Position {
    int32_t channel;
    int16_t tap_y, tap_x;
  };
  int lanes = 0, vectors = 1;  // of BlockedConvArgs
  int in_channels = 0, out_channels = 0;
  int groups = 0, slices = 0;
  std::vector<int64_t> begin;       // [slices * groups * kRecordKinds + 1]
  std::vector<Position> positions;  // [records]
  AlignedFloats weights;            // [records][filters()]
  AlignedFloats bias;               // [groups * filters()]

  int filters() const { return vectors * lanes; }  // of a group
  int64_t bytes() const;
};

// Input channels per slice so that the window of a large tile stays in the L1 data cache together
// with the stream of weights.
int SliceChannels(const Window& window, int in_channels, int lanes);

// The most vectors of `lanes` filters, up to `most`, that groups of a layer can have: they end
// where the blocks of its output do, and add no zeros to those that groups of one vector have.
int FkwVectors(const FkwView& layer, int lanes, int most);
int DenseVectors(int out_channels, int conv_groups, int lanes, int most);

PackedConv PackFkw(const FkwView& layer, int lanes, int vectors, int slice_channels);
// filter: [O, kh, kw, I / groups] dense; bias may be null.
PackedConv PackDense(const float* filter, const float* bias, int out_channels, int in_channels,
                     int conv_groups, const Window& window, int lanes, int vectors,
                     int slice_channels);
// filter: [kh, kw, C]; see Depthwise in kernels/blocked/kernels.h. Rounds C up to whole blocks with
// zeros.
AlignedFloats PackDepthwise(const float* filter, int channels, int taps, int lanes);
// The weights of a depthwise convolution (PackDepthwise, PackBias).
struct DepthwiseWeights {
  AlignedFloats weights, bias;
  int64_t bytes() const {
    return static_cast<int64_t>((weights.size() + bias.size()) * sizeof(float));
  }
};

// Pads to whole blocks with zeros; bias may be null.
AlignedFloats PackBias(const float* bias, int channels, int lanes);

// The rows of the tallest tile.
inline constexpr int kMaxTileRows = 4;
// Cuts height x width output pixels into the tiles of up to `max_rows` rows that cost least; they
// neither overlap nor leave the image. `vectors`: of the groups that compute them.
std::vector<Tile> CutIntoTiles(const Kernels& kernels, int vectors, int height, int width,
                               int max_rows = kMaxTileRows);

// The members of Conv that follow from the weights and the window; `offsets` as resolved for
// `input`.
Conv MakeConv(const PackedConv& packed, const Window& window, const std::vector<Tile>& tiles,
              const std::vector<int32_t>& offsets, const Tensor& input);

// The floats that Conv::partial needs.
size_t PartialFloats(const PackedConv& packed, size_t num_tiles);

// Finds the offsets of all records for one input geometry (floats from the pixel of tap (0, 0)
// without padding). Error when the image is too large for 32-bit offsets.
Status ResolveOffsets(const PackedConv& packed, const Window& window, const Tensor& input,
                      std::vector<int32_t>* offsets);

}  // namespace pconv::blocked

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_BLOCKED_CONV_H_
