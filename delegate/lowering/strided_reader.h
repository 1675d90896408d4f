// Images whose only reader is a strided window: whether they are made in that reader's tiles.
#ifndef PCONV_TF_DELEGATE_LOWERING_STRIDED_READER_H_
#define PCONV_TF_DELEGATE_LOWERING_STRIDED_READER_H_

#include <cstdint>
#include <vector>

#include "delegate/graph.h"
#include "delegate/lowering/task.h"

namespace pconv {

// The task that alone reads `value`, as one of its inputs and once; null: there is none, or another
// task adds the value. Outputs of the graph are no readers here.
const Task* OnlyReader(const std::vector<Task>& tasks, int value);

// Whether a convolution may write into its reader's tiles: it then reads a copy of its own input in
// these tiles, which pays where that has fewer channels than the output, and so does not the copy
// of a value to add.
bool MakesReadersTiles(const Graph& graph, const Task& conv);

// Whether tiles of `wanted` vectors may replace those of `made` vectors, which change no layout:
// waste that costs less than the change.
bool IsWorthItsWaste(int64_t wanted, int64_t made);

// Whether the task takes the maximum of disjoint 2x2 windows, the first of which begin where the
// image does: a convolution can do that with blocks of its output.
bool IsMaximumOf2x2(const Graph& graph, const Task& task);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_STRIDED_READER_H_
