// Blocks of a convolution's output that its only reader reads.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_SOURCE_BLOCKS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_SOURCE_BLOCKS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/steps/tiled_conv.h"

namespace pconv::cpu {

// Blocks in which an output goes through cache: two register blocks of the largest size, an even
// number of rows and columns.
inline constexpr int kBlockRows = 4, kBlockColumns = 2 * kPatternColumns;

// Computes what a block of the reader's output needs right before it is read; the source's output
// as a whole is never stored. What blocks share is computed again, but for the rows that a block
// has in common with the one above it.
class SourceBlocks {
 public:
  // The halo of the source's input beyond that of its window: cells that the reader's window needs
  // around a tile are computed, too.
  static constexpr int kSourceHalo = 1;

  // The tiles of the source's output are those of its reader's.
  SourceBlocks(const KernelTable& kernels, std::unique_ptr<const TiledConv> source);
  // The buffers that the source reads.
  std::vector<int> Reads() const { return source_->Reads(); }
  const Layout& layout() const { return layout_; }
  size_t BlockFloats() const { return channels_ * layout_.plane_floats(); }
  // What `part` of the reader's output needs, into `block`. `first`: of the blocks of a strip from
  // above; `block` holds the one above it else.
  void Compute(const RunContext& context, int image, const Rectangle& part, bool first,
               float* block) const;

 private:
  // Clears what of a rectangle of the source's output lies outside the image.
  void ClearOutside(const Rectangle& part, float* block) const;

  const KernelTable& kernels_;
  std::unique_ptr<const TiledConv> source_;
  Layout tiles_;  // of the source's output
  int channels_;
  Layout layout_;                    // of a block
  std::vector<int32_t> edge_masks_;  // [3 rows][3 columns][lanes], see ClearOutside
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_SOURCE_BLOCKS_H_
