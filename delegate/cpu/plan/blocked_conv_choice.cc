#include "delegate/cpu/plan/blocked_conv_choice.h"

namespace pconv::cpu {

std::string BlockedConvChoice::ToString() const {
  return "tiles of " + std::to_string(tile_rows) + " rows, slices of " +
         std::to_string(slice_channels) +
         (split == Split::kTiles     ? " by tiles"
          : split == Split::kFilters ? " by filters"
                                     : "");
}

}  // namespace pconv::cpu
