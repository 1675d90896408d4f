// How a convolution in the blocked layout is computed.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_BLOCKED_CONV_CHOICE_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_BLOCKED_CONV_CHOICE_H_

#include <string>

namespace pconv::cpu {

struct BlockedConvChoice {
  // What is shared out to threads: tiles or filters, or whichever of them gives more even work.
  enum class Split { kByWork, kTiles, kFilters };

  int slice_channels = 0;  // input channels per slice, whole blocks
  int tile_rows = 0;       // the most rows of a tile
  Split split = Split::kByWork;

  std::string ToString() const;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_BLOCKED_CONV_CHOICE_H_
