#include "delegate/cpu/plan/blocked_conv_choice.h"

#include <algorithm>

#include "delegate/cpu/weights/blocked_conv.h"

namespace pconv::cpu {

std::string BlockedConvChoice::ToString() const {
  return "tiles of " + std::to_string(tile_rows) + " rows, chunks of " +
         std::to_string(chunk_channels) +
         (split == Split::kTiles     ? " by tiles"
          : split == Split::kFilters ? " by filters"
                                     : "");
}

std::vector<BlockedConvChoice> BlockedConvCandidates(const Window& window, int in_channels,
                                                     int lanes, int num_threads) {
  using Split = BlockedConvChoice::Split;
  const int all = CeilDiv(std::max(1, in_channels), lanes) * lanes;
  const int fits = blocked::ChunkChannels(window, in_channels, lanes);
  std::vector<BlockedConvChoice> candidates;
  const auto add = [&](int rows, int channels, Split split) {
    const int blocks = std::max(1, channels / lanes);
    const BlockedConvChoice choice = {std::min(all, blocks * lanes), rows, split};
    for (const BlockedConvChoice& other : candidates) {
      if (other.ToString() == choice.ToString()) return;
    }
    candidates.push_back(choice);
  };
  constexpr int kRows = blocked::kMaxTileRows;
  add(kRows, fits, Split::kByWork);
  for (const int channels : {fits / 2, 2 * fits, 4 * fits, all}) {
    add(kRows, channels, Split::kByWork);
  }
  for (const int channels : {fits, 2 * fits, all}) add(kRows / 2, channels, Split::kByWork);
  if (num_threads > 1) {
    for (const Split split : {Split::kTiles, Split::kFilters}) add(kRows, fits, split);
  }
  return candidates;
}

}  // namespace pconv::cpu
