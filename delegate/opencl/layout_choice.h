// In which layout every value lies as planes.
#ifndef PCONV_TF_DELEGATE_OPENCL_LAYOUT_CHOICE_H_
#define PCONV_TF_DELEGATE_OPENCL_LAYOUT_CHOICE_H_

#include <vector>

#include "delegate/lowering/task.h"
#include "delegate/opencl/layout.h"

namespace pconv::opencl {

// One layout per value, that of its size (MakeLayout); but what a convolution makes for a strided
// window operation alone lies in that operation's tiles, where the convolution then reads fewer
// channels in a copy than the operation would.
std::vector<Layout> ChooseLayouts(const Graph& graph, const std::vector<Task>& tasks, int lanes);

// The task that takes maxima of 2x2 pixels of `conv`'s output, if it alone reads that, on the same
// grid of tiles, and if blocks of vectors that divide the tiles are of even size; else null.
const Task* PoolOf(const Task& conv, const Graph& graph, const std::vector<Task>& tasks,
                   const std::vector<Layout>& layouts);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_LAYOUT_CHOICE_H_
