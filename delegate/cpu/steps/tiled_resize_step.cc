#include "delegate/cpu/steps/tiled_resize_step.h"

#include <cstdint>
#include <vector>

#include "delegate/lowering/interpolation.h"

namespace pconv::cpu {

TiledResizeStep::TiledResizeStep(const KernelTable& kernels, const ResizeNode& node,
                                 const Plan& plan, int input, int output)
    : kernels_(kernels), input_(plan.buffers[input]), output_(plan.buffers[output]) {
  reads = {input};
  writes = output;
  const std::vector<Interpolation> rows = Interpolate(node.grid, input_.shape.h, node.height);
  const std::vector<Interpolation> columns = Interpolate(node.grid, input_.shape.w, node.width);
  const std::vector<int32_t> pixels = PixelTable(output_.layout, node.height, node.width);
  const int lanes = output_.layout.lanes;
  std::vector<GatherTable::Source> sources;
  table_ = GatherTable::Make(
      output_.layout, [&](size_t i) -> const auto& {
        sources.clear();
        for (int lane = 0; lane < lanes; ++lane) {
          const size_t at = i * lanes + lane;
          if (pixels[at] < 0) continue;
          const Interpolation& row = rows[pixels[at] / node.width];
          const Interpolation& column = columns[pixels[at] % node.width];
          const auto add = [&](int y, int x, float weight) {
            if (weight == 0) return;
            sources.push_back(
                {lane, static_cast<int32_t>(PixelOffset(input_.layout, y, x)), weight});
          };
          add(row.low, column.low, (1 - row.share) * (1 - column.share));
          add(row.low, column.high, (1 - row.share) * column.share);
          add(row.high, column.low, row.share * (1 - column.share));
          add(row.high, column.high, row.share * column.share);
        }
        return sources;
      });
}

void TiledResizeStep::Run(const RunContext& context) const {
  table_.Run(context, kernels_.weighted_gather, input_, context.data[reads[0]], output_,
             context.data[writes]);
}

}  // namespace pconv::cpu
