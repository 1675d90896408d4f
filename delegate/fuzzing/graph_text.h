// Graphs as text, for reports of a fuzzer.
#ifndef PCONV_TF_DELEGATE_FUZZING_GRAPH_TEXT_H_
#define PCONV_TF_DELEGATE_FUZZING_GRAPH_TEXT_H_

#include <string>

#include "delegate/graph.h"

namespace pconv::fuzzing {

// One line for each node: operation, shapes, window, constants.
std::string Describe(const Graph& graph);

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_DELEGATE_FUZZING_GRAPH_TEXT_H_
