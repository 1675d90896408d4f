#include "delegate/fuzzing/graph_text.h"

#include <sstream>

namespace pconv::fuzzing {
namespace {

std::string ToString(const Shape& shape) {
  std::string text;
  for (const int dim : shape) text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

std::string ToString(const Window& w) {
  std::ostringstream text;
  text << w.kernel_h << "x" << w.kernel_w << " stride " << w.stride_h << "," << w.stride_w
       << " dilation " << w.dilation_h << "," << w.dilation_w;
  if (w.padding == Padding::kSame) {
    text << " same";
  } else {
    text << " pads " << w.pads.top << "," << w.pads.bottom << "," << w.pads.left << ","
         << w.pads.right;
  }
  return text.str();
}

}  // namespace

std::string Describe(const Graph& graph) {
  std::ostringstream text;
  for (const Node& node : graph.nodes) {
    text << "  " << node.output << " = " << OpName(node) << "(";
    for (const int input : node.inputs) {
      const Value& value = graph.values[input];
      text << (value.data == nullptr ? " " : " const ") << input << ":" << ToString(value.shape);
    }
    text << " ) -> " << ToString(graph.values[node.output].shape);
    const auto constant = [&](const char* name, int value) {
      if (value < 0) return;
      text << ", " << name << " " << value << ":" << ToString(graph.values[value].shape) << " @"
           << graph.values[value].data;
    };
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      const PConv2DOptions& options = op->layer.options();
      text << ", " << ToString(options.window) << ", activation "
           << static_cast<int>(options.activation) << ", block " << options.filter_block << ", "
           << op->layer.num_kernels() << " kernels of " << op->layer.num_taps() << " taps, "
           << options.patterns.size() << " patterns, weights of type "
           << static_cast<int>(op->layer.arrays().weight_type) << " @" << op->layer.arrays().weight;
    } else if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
      text << ", " << ToString(op->window) << ", activation " << static_cast<int>(op->activation);
      constant("filter", op->filter);
      constant("bias", op->bias);
    } else if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) {
      text << ", " << ToString(op->window) << ", activation " << static_cast<int>(op->activation);
      constant("filter", op->filter);
      constant("bias", op->bias);
    } else if (const auto* op = std::get_if<FullyConnectedNode>(&node.op)) {
      constant("filter", op->filter);
      constant("bias", op->bias);
    } else if (const auto* op = std::get_if<Pool2DNode>(&node.op)) {
      text << ", " << ToString(op->window) << ", activation " << static_cast<int>(op->activation);
    } else if (const auto* op = std::get_if<BinaryNode>(&node.op)) {
      text << ", activation " << static_cast<int>(op->activation);
    } else if (const auto* op = std::get_if<ConcatNode>(&node.op)) {
      text << ", axis " << op->axis << ", activation " << static_cast<int>(op->activation);
    }
    text << "\n";
  }
  text << "  outputs";
  for (const int output : graph.outputs) text << " " << output;
  text << "\n";
  return text.str();
}

}  // namespace pconv::fuzzing
