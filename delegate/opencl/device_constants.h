// Weights and tables on the device.
#ifndef PCONV_TF_DELEGATE_OPENCL_DEVICE_CONSTANTS_H_
#define PCONV_TF_DELEGATE_OPENCL_DEVICE_CONSTANTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "delegate/opencl/layout.h"
#include "delegate/opencl/plan.h"

namespace pconv::opencl {

// A constant on the device that outlives the plan.
struct KeptBuffer {
  std::shared_ptr<const Buffer> buffer;
};

class DeviceConstants {
 public:
  // `budget`: bytes for the tables of a plan, and for one layer's weights.
  DeviceConstants(const PlanRequest& request, int64_t budget, Plan* plan);
  Status Start();  // before anything else

  Status Upload(const void* data, size_t bytes, std::shared_ptr<const Buffer>* buffer) const;
  template <typename T>
  Status Upload(const std::vector<T>& data, std::shared_ptr<const Buffer>* buffer) const {
    return Upload(data.data(), data.size() * sizeof(T), buffer);
  }
  // ValidLanes of a ragged layout; unused() for others, whose lanes are all valid.
  Status UploadValidLanes(const Layout& layout, std::shared_ptr<const Buffer>* buffer) const {
    *buffer = unused_;
    return layout.is_ragged() ? UploadTable(ValidLanes(layout), buffer) : Status::Ok();
  }
  // What a plan keeps besides weights and activations: counts against the budget.
  template <typename T>
  Status UploadTable(const std::vector<T>& data, std::shared_ptr<const Buffer>* buffer) const {
    PCONV_RETURN_IF_ERROR(TakeTable(data.size() * sizeof(T)));
    return Upload(data, buffer);
  }
  // Refuses weights that would take so many bytes when they are packed, before they are.
  Status CheckWeights(double bytes) const;
  // Weights that outlive the plan: `fill` uploads a T, once. `key` names all that it is made from.
  template <typename T>
  Status Keep(PackingKey key, const std::function<Status(T*)>& fill,
              std::shared_ptr<const T>* kept) const {
    key.Add("opencl");
    key.Add(reinterpret_cast<uintptr_t>(&runtime_));
    Status status;
    *kept = cache_.GetOrMake<T>(key, [&]() -> std::shared_ptr<const T> {
      auto made = std::make_shared<T>();
      status = fill(made.get());
      return status.ok() ? made : nullptr;
    });
    if (status.ok() && *kept == nullptr) {
      return Status::Error("the device refused weights before");
    }
    return status;
  }
  // A float32 constant as it lies in the model.
  Status Constant(int value, Argument* argument) const;
  // A bias of `size` values, zeros where `value` is -1.
  Status Bias(int value, int size, Argument* argument) const;
  // For arguments that a kernel does not read.
  const std::shared_ptr<const Buffer>& unused() const { return unused_; }

 private:
  Status TakeTable(size_t bytes) const;

  const Graph& graph_;
  Runtime& runtime_;
  PackedCache& cache_;
  const int64_t budget_;
  mutable int64_t table_bytes_ = 0;
  Plan& plan_;
  std::shared_ptr<const Buffer> unused_;
};

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_DEVICE_CONSTANTS_H_
