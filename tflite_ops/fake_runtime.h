// A TFLite runtime small enough for unit tests: it holds nodes, applies a delegate to runs of
// neighbouring ones, prepares and invokes. Real runtimes are tested from Python.
#ifndef PCONV_TF_TFLITE_OPS_FAKE_RUNTIME_H_
#define PCONV_TF_TFLITE_OPS_FAKE_RUNTIME_H_

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tflite_ops/fake_tensors.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv::testing {

class FakeRuntime : public FakeTensors {
 public:
  FakeRuntime();
  ~FakeRuntime();
  FakeRuntime(const FakeRuntime&) = delete;
  FakeRuntime& operator=(const FakeRuntime&) = delete;

  int AddCustomNode(const std::string& name, const std::vector<int>& inputs,
                    const std::vector<int>& outputs, const std::vector<uint8_t>& options);
  template <typename Params>
  int AddBuiltinNode(int code, const std::vector<int>& inputs, const std::vector<int>& outputs,
                     const Params& params) {
    return AddNode(code, "", inputs, outputs, &params, sizeof(params), {});
  }

  // Besides what no node reads, an output of the model.
  void MakeOutput(int tensor) { outputs_.insert(tensor); }
  // Gives every custom node of that name these functions.
  void Register(const std::string& name, const TfLiteRegistration& registration);
  TfLiteStatus Apply(TfLiteDelegate* delegate);
  // Prepares all nodes, then allocates the activations.
  TfLiteStatus Allocate();
  TfLiteStatus Invoke();

  TfLiteNode& node(int i) { return nodes_[i].node; }
  int builtin_code(int i) const { return nodes_[i].registration.builtin_code; }
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
  int AddNode(int code, const std::string& name, const std::vector<int>& inputs,
              const std::vector<int>& outputs, const void* params, size_t params_size,
              const std::vector<uint8_t>& options);
  TfLiteStatus Replace(const TfLiteRegistration& registration, const TfLiteIntArray& nodes,
                       TfLiteDelegate* delegate);

  std::deque<NodeEntry> nodes_;
  std::vector<int> plan_;
  std::set<int> outputs_;
  TfLiteIntArray* plan_array_ = nullptr;
  std::string errors_;
  int num_kernels_ = 0;
};

}  // namespace pconv::testing

#endif  // PCONV_TF_TFLITE_OPS_FAKE_RUNTIME_H_
