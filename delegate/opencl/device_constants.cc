#include "delegate/opencl/device_constants.h"

#include "delegate/lowering/memory_budget.h"

namespace pconv::opencl {

DeviceConstants::DeviceConstants(const PlanRequest& request, int64_t budget, Plan* plan)
    : graph_(*request.graph),
      runtime_(*request.runtime),
      cache_(*request.cache),
      budget_(budget),
      plan_(*plan) {}

Status DeviceConstants::Start() {
  const float nothing[64] = {};
  return Upload(nothing, sizeof(nothing), &unused_);
}

Status DeviceConstants::Upload(const void* data, size_t bytes,
                               std::shared_ptr<const Buffer>* buffer) const {
  auto made = std::make_shared<Buffer>();
  PCONV_RETURN_IF_ERROR(Buffer::Create(runtime_.context(), bytes, data, made.get()));
  *buffer = std::move(made);
  return Status::Ok();
}

Status DeviceConstants::TakeTable(size_t bytes) const {
  table_bytes_ += static_cast<int64_t>(bytes);
  if (table_bytes_ <= budget_) return Status::Ok();
  return OverBudget("tables", static_cast<double>(table_bytes_), budget_);
}

Status DeviceConstants::CheckWeights(double bytes) const {
  if (bytes <= static_cast<double>(budget_)) return Status::Ok();
  return OverBudget("packed weights", bytes, budget_);
}

Status DeviceConstants::Constant(int value, Argument* argument) const {
  const Value& v = graph_.values[value];
  const size_t size = Elements(v.shape), bytes = size * sizeof(float);
  std::shared_ptr<const KeptBuffer> kept;
  PCONV_RETURN_IF_ERROR(Keep<KeptBuffer>(
      PackingKey("constant", ConstantFloats{v.data, size}),
      [&](KeptBuffer* made) { return Upload(v.data, bytes, &made->buffer); }, &kept));
  plan_.weight_bytes += static_cast<int64_t>(bytes);
  *argument = kept->buffer;
  return Status::Ok();
}

Status DeviceConstants::Bias(int value, int size, Argument* argument) const {
  if (value >= 0) return Constant(value, argument);
  std::shared_ptr<const Buffer> zeros;
  PCONV_RETURN_IF_ERROR(UploadTable(std::vector<float>(size, 0.0f), &zeros));
  *argument = zeros;
  return Status::Ok();
}

}  // namespace pconv::opencl
