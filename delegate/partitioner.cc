#include "delegate/partitioner.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "delegate/node_reader.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {
namespace {

// Disjoint sets of the elements 0 .. n-1.
class DisjointSets {
 public:
  explicit DisjointSets(size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), 0); }
  size_t Find(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void Join(size_t a, size_t b) { parent_[Find(a)] = Find(b); }

 private:
  std::vector<size_t> parent_;
};

struct ModelNode {
  int index;
  const TfLiteNode* node;
  const TfLiteRegistration* registration;
};

Status ReadPlan(TfLiteContext* context, std::vector<ModelNode>* plan) {
  TfLiteIntArray* execution_plan = nullptr;
  if (context->GetExecutionPlan(context, &execution_plan) != kTfLiteOk) {
    return Status::Error("the runtime gives no execution plan");
  }
  // Later calls of the runtime may invalidate the array.
  const std::vector<int> indices(execution_plan->data, execution_plan->data + execution_plan->size);
  for (const int index : indices) {
    TfLiteNode* node = nullptr;
    TfLiteRegistration* registration = nullptr;
    if (context->GetNodeAndRegistration(context, index, &node, &registration) != kTfLiteOk) {
      return Status::Error("the runtime gives no node " + std::to_string(index));
    }
    plan->push_back({index, node, registration});
  }
  return Status::Ok();
}

// Whoever runs such a node writes to the mapped file, or crashes.
Status CheckOutputs(const TfLiteContext* context, const ModelNode& node) {
  for (int i = 0; i < node.node->outputs->size; ++i) {
    const TfLiteTensor* output = GetTensor(context, node.node->outputs->data[i]);
    if (output == nullptr || !IsConstant(*output)) continue;
    return Status::Error("node " + std::to_string(node.index) + " (" +
                         TfLiteOpName(*node.registration) + ") writes to tensor '" +
                         (output->name != nullptr ? output->name : "") +
                         "', which is a constant of the file");
  }
  return Status::Ok();
}

bool IsInt8(const TfLiteContext* context, const Node& node) {
  const auto is_int8 = [&](int tensor) { return GetTensor(context, tensor)->type == kTfLiteInt8; };
  return is_int8(node.output) || std::any_of(node.inputs.begin(), node.inputs.end(), is_int8);
}

bool HasWeights(const Node& node) {
  return std::holds_alternative<Conv2DNode>(node.op) ||
         std::holds_alternative<DepthwiseConv2DNode>(node.op) ||
         std::holds_alternative<FullyConnectedNode>(node.op);
}

// Removes from `readable` the nodes that no chain of readable nodes connects to a PConv2D.
void KeepConnected(const std::vector<ModelNode>& plan, const std::set<int>& int8_nodes,
                   std::map<int, Node>* readable) {
  std::map<int, size_t> producer;  // readable node's position in the plan, by output tensor
  for (size_t i = 0; i < plan.size(); ++i) {
    const auto found = readable->find(plan[i].index);
    if (found != readable->end()) producer[found->second.output] = i;
  }
  DisjointSets sets(plan.size());
  for (size_t i = 0; i < plan.size(); ++i) {
    const auto found = readable->find(plan[i].index);
    if (found == readable->end()) continue;
    for (const int input : found->second.inputs) {
      const auto from = producer.find(input);
      if (from == producer.end()) continue;
      const int maker = plan[from->second].index;
      if (int8_nodes.count(maker) == int8_nodes.count(plan[i].index)) sets.Join(i, from->second);
    }
  }
  std::set<size_t> around_pconv;
  for (size_t i = 0; i < plan.size(); ++i) {
    if (IsPConv2D(*plan[i].registration)) around_pconv.insert(sets.Find(i));
  }
  for (size_t i = 0; i < plan.size(); ++i) {
    if (around_pconv.count(sets.Find(i)) == 0) readable->erase(plan[i].index);
  }
}

using Consumers = std::map<int, std::vector<const ModelNode*>>;  // by tensor

bool ComputesShapes(const ModelNode& node) {
  const int code = node.registration->builtin_code;
  return code == kTfLiteBuiltinShape || code == kTfLiteBuiltinStridedSlice ||
         code == kTfLiteBuiltinPack;
}

bool UnpacksConstant(const ModelNode& node, const StoredConstants& constants) {
  return node.registration->builtin_code == kTfLiteBuiltinDequantize &&
         node.node->outputs->size == 1 && constants.count(node.node->outputs->data[0]) != 0;
}

// Nodes, but those `left` to the runtime, whose results only serve claimed ones, directly or not:
// SHAPE, STRIDED_SLICE and PACK their reshapes, DEQUANTIZE any, as constants.
std::set<int> ServeOnlyClaimed(const std::vector<ModelNode>& plan, const Consumers& consumers,
                               const Partition& partition, const std::set<int>& left) {
  const std::map<int, Node>& claimed = partition.nodes;
  std::set<int> found;
  for (auto it = plan.rbegin(); it != plan.rend(); ++it) {
    const bool unpacks = UnpacksConstant(*it, partition.constants);
    if (!unpacks && !ComputesShapes(*it)) continue;
    bool serves_only_claimed = left.count(it->index) == 0;
    int num_consumers = 0;
    for (int i = 0; i < it->node->outputs->size; ++i) {
      const int output = it->node->outputs->data[i];
      const auto readers = consumers.find(output);
      if (readers == consumers.end()) continue;
      for (const ModelNode* consumer : readers->second) {
        ++num_consumers;
        const bool is_claimed = claimed.count(consumer->index) != 0;
        const bool is_shape_of_reshape =
            consumer->registration->builtin_code == kTfLiteBuiltinReshape &&
            consumer->node->inputs->data[0] != output;
        serves_only_claimed &=
            unpacks ? is_claimed
                    : (is_claimed && is_shape_of_reshape) || found.count(consumer->index) != 0;
      }
    }
    if (serves_only_claimed && num_consumers > 0) found.insert(it->index);
  }
  return found;
}

// Each node's partition: the runtime and the delegate take turns, and every turn takes all nodes of
// its kind that can run by then.
std::map<int, int> FindTurns(const std::vector<ModelNode>& plan, const std::map<int, Node>& claimed,
                             const std::set<int>& implied_nodes) {
  const auto is_claimed = [&](const ModelNode& node) {
    return claimed.count(node.index) != 0 || implied_nodes.count(node.index) != 0;
  };
  std::map<int, int> turns, turn_of_tensor;
  for (const ModelNode& node : plan) {
    int turn = 0;
    for (int i = 0; i < node.node->inputs->size; ++i) {
      const auto input = turn_of_tensor.find(node.node->inputs->data[i]);
      if (input != turn_of_tensor.end()) turn = std::max(turn, input->second);
    }
    const bool is_even = is_claimed(node) == is_claimed(plan[0]);
    if (is_even != (turn % 2 == 0)) ++turn;
    turns[node.index] = turn;
    for (int i = 0; i < node.node->outputs->size; ++i) {
      turn_of_tensor[node.node->outputs->data[i]] = turn;
    }
  }
  return turns;
}

// Those in the partition of all that they serve: nobody computes what leaves a partition.
std::set<int> FindImpliedNodes(const std::vector<ModelNode>& plan, const Partition& partition) {
  Consumers consumers;
  for (const ModelNode& node : plan) {
    for (int i = 0; i < node.node->inputs->size; ++i) {
      consumers[node.node->inputs->data[i]].push_back(&node);
    }
  }
  std::set<int> left;
  for (;;) {
    const std::set<int> found = ServeOnlyClaimed(plan, consumers, partition, left);
    const std::map<int, int> turns = FindTurns(plan, partition.nodes, found);
    const size_t left_before = left.size();
    for (const ModelNode& node : plan) {
      if (found.count(node.index) == 0) continue;
      for (int i = 0; i < node.node->outputs->size; ++i) {
        for (const ModelNode* consumer : consumers[node.node->outputs->data[i]]) {
          if (turns.at(consumer->index) != turns.at(node.index)) left.insert(node.index);
        }
      }
    }
    if (left.size() == left_before) return found;
  }
}

// What DEQUANTIZE nodes unpack, but for what a PConv2D reads: to that it is an activation.
StoredConstants FindConstants(const TfLiteContext* context, const std::vector<ModelNode>& plan) {
  StoredConstants constants;
  for (const ModelNode& node : plan) {
    if (node.registration->builtin_code != kTfLiteBuiltinDequantize) continue;
    StoredConstant constant;
    if (!ReadStoredConstant(context, *node.node, &constant).ok()) continue;
    constants.emplace(node.node->outputs->data[0], std::move(constant));
  }
  for (const ModelNode& node : plan) {
    if (!IsPConv2D(*node.registration)) continue;
    for (int i = 0; i < node.node->inputs->size; ++i) constants.erase(node.node->inputs->data[i]);
  }
  return constants;
}

}  // namespace

Status PartitionModel(TfLiteContext* context, Claim claim, bool stock_has_int8_tiles,
                      Partition* partition) {
  *partition = Partition();
  std::vector<ModelNode> plan;
  PCONV_RETURN_IF_ERROR(ReadPlan(context, &plan));
  partition->num_model_nodes = static_cast<int>(plan.size());

  if (claim == Claim::kAll) partition->constants = FindConstants(context, plan);
  std::map<int, std::string> refusal;
  for (const ModelNode& model_node : plan) {
    if (model_node.registration->builtin_code == kTfLiteBuiltinDelegate) {
      ++partition->num_taken;
      refusal[model_node.index] = "belongs to another delegate";
      continue;
    }
    const bool is_pconv = IsPConv2D(*model_node.registration);
    if (!is_pconv && claim == Claim::kPConv) {
      refusal[model_node.index] = "claim is pconv";
      continue;
    }
    Node node;
    node.model_index = model_node.index;
    if (UnpacksConstant(model_node, partition->constants)) {
      refusal[model_node.index] = "nodes that are not claimed, or not with it, read the constant";
      continue;
    }
    const Status status =
        ReadNode(context, *model_node.node, *model_node.registration, partition->constants, &node);
    if (status.ok() && stock_has_int8_tiles && HasWeights(node) && IsInt8(context, node)) {
      refusal[model_node.index] = "the runtime's int8 kernel is faster on a CPU with AMX";
    } else if (status.ok()) {
      if (IsInt8(context, node)) partition->int8_nodes.insert(model_node.index);
      partition->nodes.emplace(model_node.index, std::move(node));
      partition->num_pconv += is_pconv;
    } else if (is_pconv) {
      return Status::Error("PConv2D '" + node.name + "' (node " + std::to_string(model_node.index) +
                           "): " + status.message());
    } else {
      refusal[model_node.index] = status.message();
    }
  }
  if (partition->num_pconv > 0) {
    for (const ModelNode& node : plan) PCONV_RETURN_IF_ERROR(CheckOutputs(context, node));
  }
  KeepConnected(plan, partition->int8_nodes, &partition->nodes);
  for (const ModelNode& node : plan) {
    if (partition->nodes.count(node.index) == 0) partition->int8_nodes.erase(node.index);
  }
  // In a model of both types, what float32 nodes take first decides how int8 ones are split: what
  // computes shapes or constants is then left to the runtime.
  const bool has_both =
      !partition->int8_nodes.empty() && partition->int8_nodes.size() < partition->nodes.size();
  if (!has_both) partition->implied_nodes = FindImpliedNodes(plan, *partition);

  for (const ModelNode& node : plan) {
    std::string line =
        "node " + std::to_string(node.index) + " " + TfLiteOpName(*node.registration) + ": ";
    if (partition->nodes.count(node.index) != 0) {
      line += "claimed";
    } else if (partition->implied_nodes.count(node.index) != 0) {
      line += ComputesShapes(node) ? "claimed (shape of a reshape)" : "claimed (constant)";
    } else if (refusal.count(node.index) != 0) {
      line += "refused, " + refusal[node.index];
    } else {
      line += "refused, not connected to a PConv2D";
    }
    partition->report.push_back(std::move(line));
  }
  return Status::Ok();
}

}  // namespace pconv
