// Tiles measured on the device and kept on disk.
#ifndef PCONV_TF_DELEGATE_OPENCL_TILE_TUNER_H_
#define PCONV_TF_DELEGATE_OPENCL_TILE_TUNER_H_

#include <functional>
#include <string>
#include <vector>

#include "delegate/opencl/plan_builder.h"
#include "delegate/opencl/tiles.h"

namespace pconv::opencl {

// The tile for a layer that `key` describes fully: with Tuning::kOff the first candidate, or else
// the one that an earlier run measured, or else with Tuning::kFull the one that is measured now,
// with the launch that `make_step` makes of it. A stored tile that is no candidate (any more) is
// ignored with a warning.
Status ChooseTile(const PlanBuilder& builder, const std::string& key,
                  const std::vector<Tile>& candidates,
                  const std::function<Status(const Tile&, Step*)>& make_step, Tile* tile);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_TILE_TUNER_H_
