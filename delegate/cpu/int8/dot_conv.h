// A convolution over int8 activations, NHWC in and out.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_DOT_CONV_H_
#define PCONV_TF_DELEGATE_CPU_INT8_DOT_CONV_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/int8/dot_weights.h"
#include "delegate/cpu/plan/aligned_array.h"
#include "delegate/cpu/plan/thread_pool.h"
#include "tflite_ops/core/reference.h"

namespace pconv::cpu::int8 {

// Rows that the first-level cache holds beside weights and sums, and filters whose sums take little
// memory.
struct DotTiling {
  int rows_per_slice, filters_per_chunk;
};
// `vectors`: of a block, at most; more of them leave room for fewer rows.
DotTiling TilingFor(const DotKernels& kernels, int vectors);
DotPacking PackingFor(const FkwView& layer, const DotKernels& kernels, int vectors);

// How output pixels are cut into blocks, which threads share: all of one size, of which the thread
// with the most of them runs the fewest instructions.
struct DotBlocks {
  int vectors;  // of each block
  int count;
};
DotBlocks BlocksFor(const DotKernels& kernels, bool are_windows, const NhwcShape& output,
                    int threads);

// What a convolution is beside its weights.
struct DotLayer {
  Window window;
  int in_channels;
  Quantization input, output;
  Activation activation;
};
DotLayer DotLayerOf(const FkwView& layer);

// Output pixels are cut into blocks, which threads share. A block's inputs are gathered from NHWC
// slice by slice, its outputs go back to NHWC at its end: there is no other layout of images.
class DotConv {
 public:
  // All but the layer must outlive it.
  DotConv(const DotLayer& layer, const DotWeights& weights, const DotKernels& kernels,
          ThreadPool* pool);

  // For images of these shapes from now on, which PConv2DOutputShape has found to fit.
  void Resize(const NhwcShape& input, const NhwcShape& output);
  void Run(const int8_t* input, int8_t* output) const;

  int64_t scratch_bytes() const;
  // Kernel, kind of rows and block for profiles.
  std::string description() const;

 private:
  // The input pixel of an output pixel's first tap, maybe outside of the image.
  struct Place {
    int64_t first_row;  // of its image, among the rows of all images
    int64_t y, x;
  };

  // What one thread works in.
  struct Scratch {
    AlignedArray<uint8_t> rows;
    AlignedArray<int32_t> sums;
    AlignedArray<int8_t> outputs;
    // Of a block's windows, 16 per group of four outputs; of quads that output pixels read in
    // order, one by output.
    std::vector<const int8_t*> inputs;
    std::vector<Place> places;    // of a block's other quads, by output
    std::vector<int8_t*> pixels;  // by OutputPlace; null: outside of the image, or no pixel's
    std::vector<int8_t*> to;      // the same, of a chunk's first filter
  };

  void RunBlock(const int8_t* input, int8_t* output, int block, Scratch* scratch) const;
  // Where the block's outputs go, and where their inputs lie.
  void FindPixels(const int8_t* input, int8_t* output, int block, Scratch* scratch) const;
  void FindPlaces(int8_t* output, int block, Scratch* scratch) const;
  void FindInOrder(const int8_t* input, int8_t* output, int block, Scratch* scratch) const;
  void RunChunk(const int8_t* input, const DotChunk& chunk, Scratch* scratch) const;
  // Rows [first, first + count) of the block.
  void Gather(const int8_t* input, int first, int count, Scratch* scratch) const;
  void GatherQuads(const int8_t* input, int first, int count, Scratch* scratch) const;
  void GatherInOrder(int first, int count, Scratch* scratch) const;
  // The same where taps are rows of the kernel.
  void GatherRuns(const int8_t* input, int first, int count, Scratch* scratch) const;
  // What row `y` of the image holds of the place's run; outside of the image, zero points.
  void CopyRun(const int8_t* input, const Place& place, int64_t y, int8_t* copy) const;
  // The 4x4 pixels from there on; outside of the image, zero points.
  void FindWindow(const int8_t* image, int64_t y, int64_t x, const int8_t** pixels) const;

  const DotLayer layer_;
  const DotWeights& weights_;
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const std::vector<int8_t> border_;  // a pixel of zero points
  Int8Range range_;

  NhwcShape input_, output_;
  AxisGeometry rows_, columns_;
  int64_t num_groups_ = 0;
  int tile_rows_ = 0, tile_columns_ = 0;  // where groups are 2x2 tiles
  bool is_in_order_ = false;  // every output pixel reads the one input pixel at its place
  int vectors_ = 1, num_blocks_ = 0;
  std::vector<int> output_places_;        // OutputPlace of a block's pixels
  mutable std::vector<Scratch> scratch_;  // by thread
};

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_DOT_CONV_H_
