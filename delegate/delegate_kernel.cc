#include "delegate/delegate_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <utility>

#include "delegate/engine_factory.h"
#include "delegate/log.h"
#include "delegate/max_threads.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {
namespace {

// Gives every tensor of the model that the graph uses a value.
class ValueTable {
 public:
  // `unpacked` gives the contents of a constant that the file stores in another type, or null.
  ValueTable(const TfLiteContext* context, std::function<const float*(int tensor)> unpacked,
             Graph* graph)
      : context_(context), unpacked_(std::move(unpacked)), graph_(graph) {}

  int IndexOf(int tensor) {
    const auto [it, is_new] = index_.emplace(tensor, static_cast<int>(graph_->values.size()));
    if (is_new) {
      const TfLiteTensor& t = *GetTensor(context_, tensor);
      graph_->values.push_back(ValueOf(t));
      if (const float* values = unpacked_(tensor)) graph_->values.back().data = values;
    }
    return it->second;
  }

  // An optional constant; -1 stays -1.
  void Replace(int* tensor) {
    if (*tensor >= 0) *tensor = IndexOf(*tensor);
  }

 private:
  static Value ValueOf(const TfLiteTensor& tensor) {
    Value value = {tensor.name != nullptr ? tensor.name : "", ShapeOf(tensor)};
    if (tensor.type == kTfLiteFloat32) {
      value.data = IsConstant(tensor) ? tensor.data.f : nullptr;
      return value;
    }
    value.type = tensor.type == kTfLiteInt8    ? ValueType::kInt8
                 : tensor.type == kTfLiteUInt8 ? ValueType::kUint8
                                               : ValueType::kInt32;
    if (!IsConstant(tensor)) {
      value.quantization = QuantizationOf(tensor);
      return value;
    }
    value.integers = tensor.data.raw;
    const auto* affine = static_cast<const TfLiteAffineQuantization*>(tensor.quantization.params);
    if (value.type == ValueType::kInt8 && affine != nullptr) {  // which the node's reader checked
      value.channel_scales.assign(affine->scale->data, affine->scale->data + affine->scale->size);
    }
    return value;
  }

  const TfLiteContext* context_;
  const std::function<const float*(int tensor)> unpacked_;
  Graph* graph_;
  std::map<int, int> index_;
};

// Tensor indices of the constants become value indices.
template <typename Op>
void ReplaceConstants(ValueTable*, Op*) {}
void ReplaceConstants(ValueTable* values, Conv2DNode* op) {
  values->Replace(&op->filter);
  values->Replace(&op->bias);
}
void ReplaceConstants(ValueTable* values, DepthwiseConv2DNode* op) {
  values->Replace(&op->filter);
  values->Replace(&op->bias);
}
void ReplaceConstants(ValueTable* values, FullyConnectedNode* op) {
  values->Replace(&op->filter);
  values->Replace(&op->bias);
}

int ChooseNumThreads(const DelegateOptions& options, const TfLiteContext* context) {
  if (options.num_threads > 0) return options.num_threads;
  return std::clamp(context->recommended_num_threads, 1, kMaxThreads);
}

// $XDG_CACHE_HOME/pconv_tf, $HOME/.cache/pconv_tf, or nothing.
std::string ChooseCacheDir(const DelegateOptions& options) {
  if (!options.cache_dir.empty()) return options.cache_dir;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return std::string(cache) + "/pconv_tf";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::string(home) + "/.cache/pconv_tf";
  }
  return "";
}

// The operation and its kernel, of a text that goes on with their sizes. Tables and CSV files of
// benchmark_model take neither long names nor commas.
std::string ShortKernelName(const std::string& kernel) {
  const size_t first = kernel.find_first_of(" ,");
  if (first == std::string::npos || kernel[first] == ',') return kernel.substr(0, first);
  return kernel.substr(0, kernel.find_first_of(" ,", first + 1));
}

// Rows for the runtime's own profiler, if one is installed (benchmark_model
// --enable_op_profiling=true).
void ReportToProfiler(const std::vector<ProfileRow>& rows, const TfLiteContext* context) {
  auto* profiler = static_cast<tflite::Profiler*>(context->profiler);
  if (profiler == nullptr) return;
  for (size_t i = 0; i < rows.size(); ++i) {
    const double microseconds = std::max(0.0, rows[i].end_us - rows[i].begin_us);
    profiler->AddEvent(ShortKernelName(rows[i].kernel).c_str(),
                       tflite::Profiler::EventType::DELEGATE_PROFILED_OPERATOR_INVOKE_EVENT,
                       std::llround(microseconds), static_cast<int64_t>(i), 0);
  }
}

}  // namespace

DelegateKernel::~DelegateKernel() {
  if (profile_.num_runs() == 0) return;
  try {
    LogInfo("profile\n" + profile_.Table(engine_->arena_bytes(), weight_bytes()));
  } catch (const std::exception& error) {
    LogWarning(error.what());
  }
}

Status DelegateKernel::Init(const TfLiteContext* context, const TfLiteDelegateParams& params,
                            const Partition& partition) {
  const auto unpacked = [&](int tensor) {
    const std::vector<float>* constant = UnpackedConstant(partition, tensor);
    return constant != nullptr ? constant->data() : nullptr;
  };
  ValueTable values(context, unpacked, &graph_);
  std::map<int, bool> is_computed;  // by value index
  for (int i = 0; i < params.nodes_to_replace->size; ++i) {
    const int index = params.nodes_to_replace->data[i];
    if (partition.implied_nodes.count(index) != 0) continue;
    const auto claimed = partition.nodes.find(index);
    if (claimed == partition.nodes.end()) {
      return Status::Error("node " + std::to_string(index) + " was not claimed");
    }
    Node node = claimed->second;
    for (int& input : node.inputs) {
      const int tensor = input;
      input = values.IndexOf(tensor);
      const bool is_activation = graph_.values[input].data == nullptr;
      if (is_activation && is_computed.emplace(input, false).second) {
        graph_.inputs.push_back(input);
        input_tensors_.push_back(tensor);
      }
    }
    std::visit([&](auto& op) { ReplaceConstants(&values, &op); }, node.op);
    node.output = values.IndexOf(node.output);
    if (!is_computed.emplace(node.output, true).second) {
      return Status::Error("'" + node.name + "' is read before it is computed");
    }
    graph_.nodes.push_back(std::move(node));
  }
  for (int i = 0; i < params.output_tensors->size; ++i) {
    const int tensor = params.output_tensors->data[i];
    if (partition.constants.count(tensor) != 0) {  // which is an output of the model, too
      constant_outputs_.emplace_back(tensor, UnpackedConstant(partition, tensor));
      continue;
    }
    const int value = GetTensor(context, tensor) == nullptr ? -1 : values.IndexOf(tensor);
    const auto computed = is_computed.find(value);
    if (computed == is_computed.end() || !computed->second) {
      return Status::Error("output tensor " + std::to_string(tensor) +
                           " of the partition is not computed by it");
    }
    graph_.outputs.push_back(value);
    output_tensors_.push_back(tensor);
  }
  return Status::Ok();
}

const std::vector<float>* DelegateKernel::UnpackedConstant(const Partition& partition, int tensor) {
  const auto stored = partition.constants.find(tensor);
  if (stored == partition.constants.end()) return nullptr;
  auto& constant = unpacked_[tensor];
  if (constant == nullptr) {
    constant = cache_->GetOrMake<std::vector<float>>(stored->second, Unpack);
  }
  return constant.get();
}

size_t DelegateKernel::weight_bytes() const {
  size_t bytes = engine_->weight_bytes();
  for (const auto& [tensor, constant] : unpacked_) bytes += constant->size() * sizeof(float);
  return bytes;
}

Status DelegateKernel::Prepare(TfLiteContext* context) {
  for (size_t i = 0; i < input_tensors_.size(); ++i) {
    graph_.values[graph_.inputs[i]].shape = ShapeOf(context->tensors[input_tensors_[i]]);
  }
  PCONV_RETURN_IF_ERROR(InferShapes(&graph_));
  for (size_t i = 0; i < output_tensors_.size(); ++i) {
    PCONV_RETURN_IF_ERROR(
        ResizeTensor(context, output_tensors_[i], graph_.values[graph_.outputs[i]].shape));
  }
  profile_.Clear();
  // An engine that cannot take the new shapes makes way for one that can.
  if (engine_ != nullptr && engine_->Resize().ok()) return Status::Ok();

  return MakeEngine(context, options_.profile);
}

Status DelegateKernel::MakeEngine(const TfLiteContext* context, bool profile) {
  EngineOptions engine_options;
  engine_options.num_threads = ChooseNumThreads(options_, context);
  engine_options.precision = options_.precision;
  engine_options.tuning = options_.tuning;
  engine_options.isa = options_.isa;
  engine_options.cache_dir = ChooseCacheDir(options_);
  engine_options.profile = profile;
  engine_options.verbose = options_.verbose;
  std::string name;
  std::unique_ptr<Engine> engine;
  PCONV_RETURN_IF_ERROR(
      CreateEngine(options_.backend, &graph_, engine_options, cache_, &engine, &name));
  engine_ = std::move(engine);
  engine_profiles_ = profile;
  if (options_.verbose) {
    LogInfo("partition of " + std::to_string(graph_.nodes.size()) + " nodes on the " + name +
            " engine, " + std::to_string(engine_options.num_threads) + " threads, " +
            std::to_string(weight_bytes()) + " bytes of weights, " +
            std::to_string(engine_->arena_bytes()) + " bytes of activations");
  }
  return Status::Ok();
}

Status DelegateKernel::Invoke(TfLiteContext* context) {
  // benchmark_model installs its profiler when the engine is already there.
  if (context->profiler != nullptr && !engine_profiles_) {
    PCONV_RETURN_IF_ERROR(MakeEngine(context, true));
  }
  inputs_.clear();
  for (const int tensor : input_tensors_) inputs_.push_back(context->tensors[tensor].data.raw);
  outputs_.clear();
  for (const int tensor : output_tensors_) outputs_.push_back(context->tensors[tensor].data.raw);
  for (const auto& [tensor, constant] : constant_outputs_) {
    std::memcpy(context->tensors[tensor].data.raw, constant->data(),
                std::min(context->tensors[tensor].bytes, constant->size() * sizeof(float)));
  }
  const Status status = engine_->Run(inputs_, outputs_);
  if (status.ok() && options_.profile) profile_.Add(engine_->profile());
  if (status.ok() && engine_profiles_) ReportToProfiler(engine_->profile(), context);
  return status;
}

}  // namespace pconv
