// A TFLite runtime small enough for unit tests: it holds tensors and nodes, applies a delegate to
// runs of neighbouring nodes, prepares and invokes. Real runtimes are tested from Python.
#ifndef PCONV_TF_TFLITE_OPS_FAKE_RUNTIME_H_
#define PCONV_TF_TFLITE_OPS_FAKE_RUNTIME_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tflite_ops/core/fkw_testing.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv::testing {

class FakeRuntime {
 public:
  FakeRuntime();
  ~FakeRuntime();
  FakeRuntime(const FakeRuntime&) = delete;
  FakeRuntime& operator=(const FakeRuntime&) = delete;

  int AddActivation(const std::vector<int>& shape, const std::string& name);
  int AddInt8Activation(const std::vector<int>& shape, const std::string& name,
                        const Quantization& quantization);
  // The bytes are copied into an allocation of exactly their size.
  int AddConstant(TfLiteType type, const std::vector<int>& shape, const void* data, size_t bytes);
  int AddConstant(const std::vector<int>& shape, const std::vector<float>& values);
  // An int8 filter with scales along dimension `axis`; zero points are 0.
  int AddInt8Filter(const std::vector<int>& shape, const std::vector<int8_t>& values,
                    const std::vector<float>& scales, int axis);
  int AddConstant(const std::vector<int>& values);
  // Constants of a layer, behind `activation`: the inputs of a PConv2D.
  std::vector<int> AddLayerInputs(int activation, OwnedLayer* layer);

  int AddCustomNode(const std::string& name, const std::vector<int>& inputs,
                    const std::vector<int>& outputs, const std::vector<uint8_t>& options);
  template <typename Params>
  int AddBuiltinNode(int code, const std::vector<int>& inputs, const std::vector<int>& outputs,
                     const Params& params) {
    return AddNode(code, "", inputs, outputs, &params, sizeof(params), {});
  }

  // Gives every custom node of that name these functions.
  void Register(const std::string& name, const TfLiteRegistration& registration);
  TfLiteStatus Apply(TfLiteDelegate* delegate);
  // Prepares all nodes, then allocates the activations.
  TfLiteStatus Allocate();
  TfLiteStatus Invoke();

  void Resize(int tensor, const std::vector<int>& shape);
  TfLiteTensor& tensor(int i) { return tensors_[i]; }
  TfLiteNode& node(int i) { return nodes_[i].node; }
  int builtin_code(int i) const { return nodes_[i].registration.builtin_code; }
  std::vector<float> Read(int tensor);
  void Write(int tensor, const std::vector<float>& values);
  std::vector<int8_t> ReadInt8(int tensor);
  void WriteInt8(int tensor, const std::vector<int8_t>& values);
  const std::string& errors() const { return errors_; }
  int num_nodes() const { return static_cast<int>(nodes_.size()); }
  int num_kernels() const { return num_kernels_; }  // that the delegate made
  TfLiteContext* context() { return &context_; }

 private:
  struct NodeEntry {
    TfLiteNode node = {};
    TfLiteRegistration registration = {};
    std::string name;
    std::unique_ptr<char[]> params, options;
    bool is_initialized = false;
  };

  static void ReportError(TfLiteContext* context, const char* format, ...);
  int AddTensor(TfLiteType type, const std::vector<int>& shape, const std::string& name);
  int AddNode(int code, const std::string& name, const std::vector<int>& inputs,
              const std::vector<int>& outputs, const void* params, size_t params_size,
              const std::vector<uint8_t>& options);
  TfLiteStatus Replace(const TfLiteRegistration& registration, const TfLiteIntArray& nodes,
                       TfLiteDelegate* delegate);

  TfLiteContext context_ = {};
  std::vector<TfLiteTensor> tensors_;
  std::deque<std::string> names_;
  std::deque<std::unique_ptr<char[]>> buffers_;
  std::deque<NodeEntry> nodes_;
  std::vector<int> plan_;
  TfLiteIntArray* plan_array_ = nullptr;
  std::string errors_;
  int num_kernels_ = 0;
};

}  // namespace pconv::testing

#endif  // PCONV_TF_TFLITE_OPS_FAKE_RUNTIME_H_
