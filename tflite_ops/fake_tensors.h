// The tensors of FakeRuntime.
#ifndef PCONV_TF_TFLITE_OPS_FAKE_TENSORS_H_
#define PCONV_TF_TFLITE_OPS_FAKE_TENSORS_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tflite_ops/core/fkw_testing.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv::testing {

// The caller frees it.
TfLiteIntArray* MakeIntArray(const std::vector<int>& values);

class FakeTensors {
 public:
  FakeTensors() = default;
  ~FakeTensors();
  FakeTensors(const FakeTensors&) = delete;
  FakeTensors& operator=(const FakeTensors&) = delete;

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

  void Resize(int tensor, const std::vector<int>& shape);
  TfLiteTensor& tensor(int i) { return tensors_[i]; }
  std::vector<float> Read(int tensor);
  void Write(int tensor, const std::vector<float>& values);
  std::vector<int8_t> ReadInt8(int tensor);
  void WriteInt8(int tensor, const std::vector<int8_t>& values);

 protected:
  // False, and some are not allocated, if a dimension is negative.
  bool AllocateActivations();

  TfLiteContext context_ = {};

 private:
  int AddTensor(TfLiteType type, const std::vector<int>& shape, const std::string& name);

  std::vector<TfLiteTensor> tensors_;
  std::deque<std::string> names_;
  std::deque<std::unique_ptr<char[]>> buffers_;
};

}  // namespace pconv::testing

#endif  // PCONV_TF_TFLITE_OPS_FAKE_TENSORS_H_
