// Fully connected layers, sparse and dense.
#include "delegate/lowering/sparse_matrix.h"
#include "delegate/opencl/operations.h"

namespace pconv::opencl {
namespace {

struct DeviceMatrix {
  int block = 1, blocks = 0;
  std::shared_ptr<const Buffer> begins, index, weights, bias, filters;
  int64_t bytes = 0;
};

}  // namespace

Status PlanSparseFullyConnected(const Task& task, const FkwView& layer, PlanBuilder* builder) {
  Activations input;
  PCONV_RETURN_IF_ERROR(builder->Rows(task.inputs[0], &input));
  const auto fill = [&](DeviceMatrix* made) -> Status {
    const SparseMatrix sparse = MakeSparseMatrix(layer);
    made->block = sparse.block;
    made->blocks = sparse.blocks();
    made->bytes = static_cast<int64_t>(sparse.bytes());
    PCONV_RETURN_IF_ERROR(builder->constants().Upload(sparse.entry_begin, &made->begins));
    PCONV_RETURN_IF_ERROR(builder->constants().Upload(sparse.index, &made->index));
    PCONV_RETURN_IF_ERROR(builder->constants().Upload(sparse.weights, &made->weights));
    PCONV_RETURN_IF_ERROR(builder->constants().Upload(sparse.bias, &made->bias));
    return builder->constants().Upload(sparse.outputs, &made->filters);
  };
  std::shared_ptr<const DeviceMatrix> matrix;
  PCONV_RETURN_IF_ERROR(
      builder->constants().Keep<DeviceMatrix>(PackingKey("matrix", layer), fill, &matrix));
  builder->plan().weight_bytes += matrix->bytes;
  const int inputs = layer.options().in_channels, outputs = layer.options().out_channels;
  const size_t rows = Elements(builder->ShapeOf(task.inputs[0])) / inputs;
  const ActivationRange range = RangeOf(task.activation);
  const Activations output = builder->NewRows(task.output);
  return builder->EmitFlat(
      "sparse_fully_connected", {static_cast<size_t>(matrix->blocks), rows, 1},
      {input, output, matrix->begins, matrix->index, matrix->weights, matrix->bias, matrix->filters,
       matrix->block, inputs, outputs, range.lo, range.hi});
}

Status PlanOperation(const Task& task, const FullyConnectedNode& op, PlanBuilder* builder) {
  Activations input;
  PCONV_RETURN_IF_ERROR(builder->Rows(task.inputs[0], &input));
  const Shape& filter = builder->ShapeOf(op.filter);
  Argument weights, bias;
  PCONV_RETURN_IF_ERROR(builder->constants().Constant(op.filter, &weights));
  PCONV_RETURN_IF_ERROR(builder->constants().Bias(op.bias, filter[0], &bias));
  const size_t rows = Elements(builder->ShapeOf(task.inputs[0])) / filter[1];
  const ActivationRange range = RangeOf(task.activation);
  const Activations output = builder->NewRows(task.output);
  return builder->EmitFlat(
      "fully_connected", {static_cast<size_t>(filter[0]), rows, 1},
      {input, output, weights, bias, filter[1], filter[0], range.lo, range.hi});
}

}  // namespace pconv::opencl
