// How a convolution in the blocked layout is computed.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_BLOCKED_CONV_CHOICE_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_BLOCKED_CONV_CHOICE_H_

#include <string>
#include <vector>

#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

struct BlockedConvChoice {
  // What threads share: tiles or filters, by work whichever is more even.
  enum class Split { kByWork, kTiles, kFilters };

  int chunk_channels = 0;  // input channels per chunk, whole blocks
  int tile_rows = 0;       // of a tile, at most
  Split split = Split::kByWork;

  std::string ToString() const;
};

// The cost model's choice first, then others to be measured. `lanes`: channels in a block.
std::vector<BlockedConvChoice> BlockedConvCandidates(const Window& window, int in_channels,
                                                     int lanes, int num_threads);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_BLOCKED_CONV_CHOICE_H_
