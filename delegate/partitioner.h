// Decides which nodes of a TFLite model the delegate takes.
#ifndef PCONV_TF_DELEGATE_PARTITIONER_H_
#define PCONV_TF_DELEGATE_PARTITIONER_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "delegate/graph.h"
#include "delegate/options.h"
#include "delegate/stored_constant.h"
#include "tflite_ops/core/status.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv {

struct Partition {
  // Claimed nodes by their index in the model, with tensor indices in place of value indices.
  std::map<int, Node> nodes;
  std::set<int> int8_nodes;  // of `nodes`, those that read or write int8 activations
  // Nodes that compute for claimed nodes of their own partition alone what the graph knows without
  // them, which are claimed and left out: the shapes of reshapes, and `constants`.
  std::set<int> implied_nodes;
  // What claimed nodes read as constants though a DEQUANTIZE unpacks it, claimed or not.
  StoredConstants constants;
  int num_pconv = 0;  // PConv2D among `nodes`
  int num_model_nodes = 0;
  int num_taken = 0;  // partitions among the model's nodes that other delegates took before
  std::vector<std::string> report;  // one line per node of the model: what became of it and why
};

// Takes every PConv2D; one that is malformed is an error, because nobody else can run it. With
// Claim::kAll also the float32 builtin nodes that are connected to a PConv2D through nodes that can
// be taken, so that networks without PConv2D stay as they are.
// Nodes are connected through int8 activations, or through float32 ones: what quantises a float32
// network's results does not connect it to a PConv2D.
// With `stock_has_int8_tiles` (matrix_tiles.h) dense int8 layers stay with the runtime.
Status PartitionModel(TfLiteContext* context, Claim claim, bool stock_has_int8_tiles,
                      Partition* partition);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_PARTITIONER_H_
