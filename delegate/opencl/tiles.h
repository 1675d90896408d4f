// Block shapes, slices and work-groups that a convolution may be computed in, best guess first.
#ifndef PCONV_TF_DELEGATE_OPENCL_TILES_H_
#define PCONV_TF_DELEGATE_OPENCL_TILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "delegate/opencl/convolution_source.h"

namespace pconv::opencl {

struct Tile {
  BlockShape block;                                 // per work-item
  int slice_channels = 1;                           // staged at once
  int group_w = 1, group_h = 1, group_filters = 1;  // work-items in a work-group (GPUs)
  bool reads_image = false;                         // the input as an image (GPUs)

  std::string ToString() const;
};

// Vectors of a block whose sums for so many filters fit the registers beside weights and a loaded
// vector (CPU devices).
int MostVectors(int filters, int lanes);

// What tiles are chosen for.
struct ConvShape {
  KernelGeometry geometry;   // but for the block
  int filters = 1;           // computed together by a work-item
  int filter_groups = 1;     // of so many
  int out_h = 0, out_w = 0;  // vectors
  int in_channels = 0;
  bool is_pooled = false;  // blocks of even size: maxima of 2x2 vectors are stored (CPU devices)
  bool has_slice_sums = false;  // sums of a slice in half beside those of all slices (GPUs)
};

// Of the rows of blocks that cover `rows`, how many have one row of vectors less, so that no vector
// is computed twice; 0 where that takes more than one row of each, or spares little.
int ShortRows(int rows, int block_h);

// The block that covers rows x columns with least work: every block costs its vectors and a fixed
// amount (weights, loop); vectors outside are computed in vain.
BlockShape ChooseBlock(int rows, int columns, int most_vectors);

// The block that covers rows x columns of independent vectors with fewest loads; a plane that
// blocks divide saves asking which vectors are whose.
BlockShape ChoosePointBlock(int rows, int columns, int most_vectors);

// Every tile that may be fastest somewhere, the cost model's choice first.
std::vector<Tile> CpuTiles(const ConvShape& conv, int lanes);
// For 1x1 convolutions in place, of which `kept` of 1 is not zero.
std::vector<Tile> PointTiles(const ConvShape& conv, int lanes, double kept, bool may_slice);
// `images`: whether the input may be read as one, and whether that is the better guess.
enum class Images { kNone, kPossible, kPreferred };
std::vector<Tile> GpuTiles(const ConvShape& conv, int64_t local_bytes, int64_t max_work_group,
                           Images images = Images::kNone);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_TILES_H_
