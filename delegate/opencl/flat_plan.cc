// Operations that look at elements or rows: arithmetic, padding, joining, means, softmax.
#include "delegate/lowering/interpolation.h"
#include "delegate/opencl/operations.h"

namespace pconv::opencl {
namespace {

// Per element of `out` the index into a tensor of `shape` that broadcasts to it.
std::vector<int> BroadcastIndex(const Shape& shape, const Shape& out) {
  std::vector<int> index(Elements(out));
  for (size_t i = 0; i < index.size(); ++i) {
    size_t rest = i, stride = 1;
    for (size_t d = 0; d < shape.size(); ++d) {
      const int out_size = out[out.size() - 1 - d], size = shape[shape.size() - 1 - d];
      index[i] += static_cast<int>((size == 1 ? 0 : rest % out_size) * stride);
      rest /= out_size;
      stride *= size;
    }
  }
  return index;
}

// Every element of the output is the input's of that index, or 0 for -1.
Status Gather(const Task& task, const std::vector<int>& table, PlanBuilder* builder) {
  Activations input;
  PCONV_RETURN_IF_ERROR(builder->Rows(task.inputs[0], &input));
  std::shared_ptr<const Buffer> buffer;
  PCONV_RETURN_IF_ERROR(builder->constants().UploadTable(table, &buffer));
  const Activations output = builder->NewRows(task.output);
  return builder->EmitFlat("gather", {table.size(), 1, 1}, {input, output, buffer});
}

// Rows or columns of a resized image: for each the lower and the higher one of the input, `stride`
// floats apart, and the higher one's share.
Status UploadInterpolations(const std::vector<Interpolation>& all, int stride, PlanBuilder* builder,
                            std::shared_ptr<const Buffer>* begins,
                            std::shared_ptr<const Buffer>* shares) {
  std::vector<int> from;
  std::vector<float> share;
  for (const Interpolation& at : all) {
    from.insert(from.end(), {at.low * stride, at.high * stride});
    share.push_back(at.share);
  }
  PCONV_RETURN_IF_ERROR(builder->constants().UploadTable(from, begins));
  return builder->constants().UploadTable(share, shares);
}

}  // namespace

Status PlanOperation(const Task& task, const BinaryNode& op, PlanBuilder* builder) {
  const int a = task.inputs[0], b = task.inputs[1];
  const Shape& out = builder->ShapeOf(task.output);
  const ActivationRange range = RangeOf(task.activation);
  const bool same = builder->ShapeOf(a) == out && builder->ShapeOf(b) == out;
  if (same && out.size() == 4 && (builder->HasPlanes(a) || builder->HasPlanes(b)) &&
      builder->graph().values[a].data == nullptr && builder->graph().values[b].data == nullptr) {
    Activations first, second;
    PCONV_RETURN_IF_ERROR(builder->Planes(a, &first));
    PCONV_RETURN_IF_ERROR(builder->Planes(b, &second));
    const Activations output = builder->NewPlanes(task.output);
    return builder->EmitPlanes(
        "binary_planes", {builder->VectorsOf(task.output), 1, 1},
        {first, second, output, static_cast<int>(op.kind), range.lo, range.hi});
  }
  Argument first, second;
  PCONV_RETURN_IF_ERROR(builder->RowsArgument(a, &first));
  PCONV_RETURN_IF_ERROR(builder->RowsArgument(b, &second));
  std::shared_ptr<const Buffer> index_a, index_b;
  PCONV_RETURN_IF_ERROR(
      builder->constants().UploadTable(BroadcastIndex(builder->ShapeOf(a), out), &index_a));
  PCONV_RETURN_IF_ERROR(
      builder->constants().UploadTable(BroadcastIndex(builder->ShapeOf(b), out), &index_b));
  const Activations output = builder->NewRows(task.output);
  return builder->EmitFlat(
      "binary_rows", {Elements(out), 1, 1},
      {first, second, output, index_a, index_b, static_cast<int>(op.kind), range.lo, range.hi});
}

Status PlanOperation(const Task& task, const UnaryNode& op, PlanBuilder* builder) {
  const int a = task.inputs[0];
  const Shape& out = builder->ShapeOf(task.output);
  const int kind = static_cast<int>(op.kind);
  if (builder->HasPlanes(a) && op.kind != UnaryKind::kLogistic) {
    Activations input;
    PCONV_RETURN_IF_ERROR(builder->Planes(a, &input));
    const Activations output = builder->NewPlanes(task.output);
    return builder->EmitPlanes("unary_planes", {builder->VectorsOf(task.output), 1, 1},
                               {input, output, kind, op.alpha});
  }
  Activations input;
  PCONV_RETURN_IF_ERROR(builder->Rows(a, &input));
  const Activations output = builder->NewRows(task.output);
  return builder->EmitFlat("unary_rows", {Elements(out), 1, 1}, {input, output, kind, op.alpha});
}

Status PlanOperation(const Task& task, const PadNode& op, PlanBuilder* builder) {
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  const Shape& out = builder->ShapeOf(task.output);
  std::vector<int> table(Elements(out));
  for (size_t i = 0; i < table.size(); ++i) {
    size_t rest = i;
    int64_t index = 0, stride = 1;
    bool inside = true;
    for (size_t d = out.size(); d-- > 0;) {
      const int at = static_cast<int>(rest % out[d]) - op.pads[d].first;
      rest /= out[d];
      inside = inside && at >= 0 && at < in[d];
      index += at * stride;
      stride *= in[d];
    }
    table[i] = inside ? static_cast<int>(index) : -1;
  }
  return Gather(task, table, builder);
}

Status PlanOperation(const Task& task, const DepthToSpaceNode& op, PlanBuilder* builder) {
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  const Shape& out = builder->ShapeOf(task.output);
  std::vector<int> table(Elements(out));
  for (size_t i = 0; i < table.size(); ++i) {
    const size_t c = i % out[3], x = i / out[3] % out[2], y = i / out[3] / out[2];  // of all images
    const size_t part = y % op.block * op.block + x % op.block;
    const size_t pixel = y / op.block * in[2] + x / op.block;
    table[i] = static_cast<int>(pixel * in[3] + part * out[3] + c);
  }
  return Gather(task, table, builder);
}

Status PlanOperation(const Task& task, const ResizeNode& op, PlanBuilder* builder) {
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  Activations input;
  PCONV_RETURN_IF_ERROR(builder->Rows(task.inputs[0], &input));
  std::shared_ptr<const Buffer> rows, row_shares, columns, column_shares;
  PCONV_RETURN_IF_ERROR(UploadInterpolations(Interpolate(op.grid, in[1], op.height), in[2] * in[3],
                                             builder, &rows, &row_shares));
  PCONV_RETURN_IF_ERROR(UploadInterpolations(Interpolate(op.grid, in[2], op.width), in[3], builder,
                                             &columns, &column_shares));
  const Activations output = builder->NewRows(task.output);
  return builder->EmitFlat(
      "resize",
      {static_cast<size_t>(op.width) * in[3], static_cast<size_t>(op.height),
       static_cast<size_t>(in[0])},
      {input, output, rows, row_shares, columns, column_shares, in[1] * in[2] * in[3], in[3]});
}

Status PlanOperation(const Task& task, const GlobalMeanNode&, PlanBuilder* builder) {
  Activations input;
  PCONV_RETURN_IF_ERROR(builder->Planes(task.inputs[0], &input));
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  const Activations output = builder->NewRows(task.output);
  return builder->EmitPlanes("mean_planes", {static_cast<size_t>(in[0]) * in[3], 1, 1},
                             {input, output, builder->LayoutOf(task.inputs[0]).vectors(),
                              static_cast<float>(in[1]) * static_cast<float>(in[2])});
}

Status PlanOperation(const Task& task, const ConcatNode& op, PlanBuilder* builder) {
  const Shape& out = builder->ShapeOf(task.output);
  const ActivationRange range = RangeOf(task.activation);
  bool planes = out.size() == 4 && op.axis == 3;
  for (const int value : task.inputs) planes = planes && builder->HasPlanes(value);
  const Activations output =
      planes ? builder->NewPlanes(task.output) : builder->NewRows(task.output);
  int offset = 0;
  for (const int value : task.inputs) {
    const Shape& in = builder->ShapeOf(value);
    if (planes) {
      const int row = static_cast<int>(builder->VectorsOf(value) / in[0]);
      Activations input;
      PCONV_RETURN_IF_ERROR(builder->Planes(value, &input));
      PCONV_RETURN_IF_ERROR(builder->EmitPlanes(
          "copy_planes", {static_cast<size_t>(row), static_cast<size_t>(in[0]), 1},
          {input, output, row, static_cast<int>(builder->VectorsOf(task.output) / out[0]), offset,
           range.lo, range.hi}));
      offset += row;
      continue;
    }
    size_t outer = 1;
    for (int d = 0; d < op.axis; ++d) outer *= in[d];
    const int row = static_cast<int>(Elements(in) / outer);
    Argument input;
    PCONV_RETURN_IF_ERROR(builder->RowsArgument(value, &input));
    PCONV_RETURN_IF_ERROR(builder->EmitFlat(
        "copy_rows", {static_cast<size_t>(row), outer, 1},
        {input, output, row, static_cast<int>(Elements(out) / outer), offset, range.lo, range.hi}));
    offset += row;
  }
  return Status::Ok();
}

Status PlanOperation(const Task& task, const ReshapeNode&, PlanBuilder* builder) {
  Activations rows;
  PCONV_RETURN_IF_ERROR(builder->Rows(task.inputs[0], &rows));
  builder->AliasRows(task.output, rows);
  return Status::Ok();
}

Status PlanOperation(const Task& task, const SoftmaxNode& op, PlanBuilder* builder) {
  const Shape& shape = builder->ShapeOf(task.inputs[0]);
  Activations input;
  PCONV_RETURN_IF_ERROR(builder->Rows(task.inputs[0], &input));
  const Activations output = builder->NewRows(task.output);
  return builder->EmitFlat("softmax", {Elements(shape) / shape.back(), 1, 1},
                           {input, output, shape.back(), op.beta});
}

}  // namespace pconv::opencl
