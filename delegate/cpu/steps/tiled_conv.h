// Convolution by streams of parts of lane-tiled images.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_TILED_CONV_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_TILED_CONV_H_

#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/plan/conv_binding.h"
#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/weights/packed_conv.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

// From cell (`y`, `x`) of an image's tiles on, of all channels.
struct Rectangle {
  int y, x, rows, columns;
};

class TiledConv {
 public:
  struct Convolution {
    std::shared_ptr<const PackedConv> weights;  // packed for `choice`
    ConvProblem problem;
    ConvChoice choice;
    ConvBinding binding;
  };
  // `input`: null, or the layout of blocks that it reads instead of the binding's buffer. Such a
  // block is given with every part.
  TiledConv(const KernelTable& kernels, Convolution convolution, const Plan& plan,
            const Layout* input);
  // The buffers that it reads.
  std::vector<int> Reads() const;
  // All of an image. The output is the caller's to set, and so is a block that is read.
  ConvArgs ArgsOf(const RunContext& context, int image) const;
  // All slices of input channels of such a part; the kernels read and write from column 0 on.
  void RunPart(ConvArgs args) const;
  // A rectangle, which may begin and end one cell outside the tile, into a block of `layout`,
  // without halo, at `to`.
  void RunRectangle(const RunContext& context, int image, const Rectangle& part,
                    const Layout& layout, float* to) const;
  // Of ConvArgs::scratch for a thread, in whole cache lines.
  size_t ScratchFloats() const;

  const PackedConv& weights() const { return *weights_; }
  const ConvChoice& choice() const { return choice_; }
  const Buffer& output() const { return output_; }
  int num_threads() const { return num_threads_; }
  const ConvBinding& binding() const { return binding_; }

 private:
  // What follows from the layout of what it reads.
  void ResolveTaps();

  const KernelTable& kernels_;
  std::shared_ptr<const PackedConv> weights_;
  ConvBinding binding_;
  Buffer input_, output_, addend_;
  ConvChoice choice_;
  int num_threads_;
  Window window_;
  bool reads_buffer_;
  size_t origin_ = 0;  // floats from input cell (0, 0), may wrap
  size_t input_row_ = 0, input_column_ = 0;
  std::vector<size_t> tap_offsets_;
  std::vector<uint64_t> packed_offsets_;  // streams without runs only
  std::vector<uint8_t> pattern_numbers_;  // for the kernel of 3x3 patterns only
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_TILED_CONV_H_
