// Tiles measured on the device and kept on disk.
#ifndef PCONV_TF_DELEGATE_OPENCL_TILE_TUNER_H_
#define PCONV_TF_DELEGATE_OPENCL_TILE_TUNER_H_

#include <functional>
#include <string>
#include <vector>

#include "delegate/opencl/plan_builder.h"
#include "delegate/opencl/tiles.h"

namespace pconv::opencl {

// The launch, made by `make_step`, with the best tile for a layer that `key` describes fully: with
// Tuning::kOff the first candidate, or else the one that an earlier run measured, or else with
// Tuning::kFull the one that is measured now. A stored tile that is no candidate (any more) is
// ignored with a warning. Candidates that the device refuses are passed over for the next one; the
// error, if it refuses all, is the first one's.
Status ChooseTile(const PlanBuilder& builder, const std::string& key,
                  const std::vector<Tile>& candidates,
                  const std::function<Status(const Tile&, Step*)>& make_step, Step* step);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_TILE_TUNER_H_
