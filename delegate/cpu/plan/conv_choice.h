// How a convolution by streams is computed.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_CONV_CHOICE_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_CONV_CHOICE_H_

#include <string>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/conv_problem.h"

namespace pconv::cpu {

struct ConvChoice {
  bool pattern_kernel = false;  // the kernel of 3x3 patterns computes it, else the general ones
  // Output vectors that all slices of input channels are added to before the next ones.
  int block_rows = 1, block_columns = 1;
  int slice_channels = 1;   // input channels per slice
  bool split_rows = false;  // threads take rows, else filters
  bool prefetch = false;    // the input of the next register block is fetched ahead
  bool pairs = false;       // filters are computed in pairs (FilterPair)
  bool packed = false;      // the kernel of 3x3 patterns copies what it reads (PackedRecord)

  std::string ToString() const;
};

// Whether the stream has runs of patterns (StreamView), or the pattern in every record.
bool StreamHasRuns(const ConvProblem& problem, const ConvChoice& choice);

// Bytes of a channel of a copied window (PackedRecord).
size_t PackedPlaneBytes(const ConvChoice& choice, int lanes);

// Bytes of ConvArgs::scratch that each thread needs.
size_t ScratchBytes(const KernelTable& kernels, const ConvChoice& choice);

// Whether rows of the output can be computed one by one, from and to bands.
bool WorksOnRows(const KernelTable& kernels, const ConvChoice& choice);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_CONV_CHOICE_H_
