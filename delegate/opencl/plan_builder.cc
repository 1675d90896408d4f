#include "delegate/opencl/plan_builder.h"

#include "delegate/lowering/memory_budget.h"
#include "delegate/opencl/kernel_texts.h"

namespace pconv::opencl {

std::string Define(const std::string& name, int value) {
  return "#define " + name + " " + std::to_string(value) + "\n";
}

int LanesFor(const PlanRequest& request) {
  const int native = request.runtime->device().native_floats;
  return request.gpu_kernels ? 1 : native >= 16 ? 16 : native >= 8 ? 8 : 4;
}

PlanBuilder::PlanBuilder(const PlanRequest& request, std::vector<Layout> layouts, int64_t budget,
                         Plan* plan)
    : graph_(*request.graph),
      options_(*request.options),
      runtime_(*request.runtime),
      gpu_(request.gpu_kernels),
      half_(request.options->precision == Precision::kFp16),
      half_arithmetic_(gpu_ && half_ && request.half_arithmetic),
      lanes_(LanesFor(request)),
      budget_(budget),
      plan_(*plan),
      constants_(request, budget, plan),
      forms_(request.graph->values.size()),
      layouts_(std::move(layouts)) {}

Status PlanBuilder::Start() {
  PCONV_RETURN_IF_ERROR(constants_.Start());
  for (const int input : graph_.inputs) plan_.inputs.push_back(NewRows(input).index);
  return Status::Ok();
}

Status PlanBuilder::Finish() {
  node_ = -1;
  name_ = "output";
  operation_ = "layout";
  for (const int output : graph_.outputs) {
    Activations rows;
    PCONV_RETURN_IF_ERROR(Rows(output, &rows));
    plan_.outputs.push_back(rows.index);
  }
  return Status::Ok();
}

void PlanBuilder::SetTask(const Task& task, const Task* pool) {
  pool_ = pool;
  node_ = pool != nullptr ? pool->node : task.node;
  name_ = graph_.nodes[node_].name;
  operation_ = OpName(graph_.nodes[task.main]);
  if (task.addend >= 0) operation_ += "+Add";
  if (pool != nullptr) operation_ += std::string("+") + OpName(graph_.nodes[pool->main]);
}

int PlanBuilder::NewBuffer(size_t bytes) {
  plan_.buffer_bytes.push_back(bytes);
  return static_cast<int>(plan_.buffer_bytes.size()) - 1;
}

Activations PlanBuilder::NewPlanes(int value) {
  const Shape& shape = ShapeOf(value);
  const size_t bytes =
      static_cast<size_t>(shape[0]) * shape[3] * LayoutOf(value).plane() * StorageBytes();
  return {forms_[value].planes = NewBuffer(bytes)};
}

Activations PlanBuilder::NewRows(int value) {
  return {forms_[value].rows = NewBuffer(Elements(ShapeOf(value)) * sizeof(float))};
}

Status PlanBuilder::Rows(int value, Activations* rows) {
  const Value& v = graph_.values[value];
  if (forms_[value].rows < 0) {
    if (v.data != nullptr) return Status::Error("constant '" + v.name + "' is not an activation");
    const Layout& layout = LayoutOf(value);
    std::shared_ptr<const Buffer> table;
    PCONV_RETURN_IF_ERROR(constants_.UploadTable(LayoutToRows(layout), &table));
    const Activations output = NewRows(value);
    const int pixels = v.shape[1] * v.shape[2], channels = v.shape[3];
    PCONV_RETURN_IF_ERROR(EmitFlat(
        "to_rows", {static_cast<size_t>(pixels) * channels, static_cast<size_t>(v.shape[0]), 1},
        {Activations{forms_[value].planes}, output, table, layout.plane(), pixels, channels}));
  }
  *rows = {forms_[value].rows};
  return Status::Ok();
}

Status PlanBuilder::RowsArgument(int value, Argument* argument) {
  if (graph_.values[value].data != nullptr) return constants_.Constant(value, argument);
  Activations rows;
  PCONV_RETURN_IF_ERROR(Rows(value, &rows));
  *argument = rows;
  return Status::Ok();
}

Status PlanBuilder::Planes(int value, Activations* planes) {
  if (forms_[value].planes < 0) {
    const Shape& shape = ShapeOf(value);
    const Layout& layout = LayoutOf(value);
    const Activations output = NewPlanes(value);
    const Activations rows = {forms_[value].rows};
    if (lanes_ > 1 && !layout.is_ragged() && layout.tile_w * shape[3] >= lanes_) {
      PCONV_RETURN_IF_ERROR(
          Emit(Common(lanes_) + kernel_text::tiling, "rows_to_lanes", "",
               {static_cast<size_t>(layout.tile_h), static_cast<size_t>(shape[0]), 1}, {1, 1, 1},
               {rows, output, layout.tile_h, layout.tile_w, layout.grid_w, shape[3]}));
    } else {
      std::shared_ptr<const Buffer> table;
      PCONV_RETURN_IF_ERROR(constants_.UploadTable(RowsToLayout(layout), &table));
      PCONV_RETURN_IF_ERROR(EmitFlat(
          "to_planes",
          {static_cast<size_t>(layout.plane()), static_cast<size_t>(shape[3]),
           static_cast<size_t>(shape[0])},
          {rows, output, table, layout.plane(), shape[1] * shape[2] * shape[3], shape[3]}));
    }
  }
  *planes = {forms_[value].planes};
  return Status::Ok();
}

Status PlanBuilder::StageWindow(const Task& task, float fill, WindowInput* staged) {
  Activations planes;
  PCONV_RETURN_IF_ERROR(Planes(task.inputs[0], &planes));
  const Shape& in = ShapeOf(task.inputs[0]);
  const Window& w = task.window;
  const Layout &from = LayoutOf(task.inputs[0]), &to = LayoutOf(task.output);
  const int before_h = ResolveHeight(w, in[1]).before, before_w = ResolveWidth(w, in[2]).before;
  const int extent_h = (w.kernel_h - 1) * w.dilation_h + 1;
  const int extent_w = (w.kernel_w - 1) * w.dilation_w + 1;
  const int last_y = (to.tile_h - 1) * w.stride_h - before_h + extent_h;
  const int last_x = (to.tile_w - 1) * w.stride_w - before_w + extent_w;
  const bool same_tiles = from.grid_h == to.grid_h && from.grid_w == to.grid_w &&
                          from.tile_h == to.tile_h * w.stride_h &&
                          from.tile_w == to.tile_w * w.stride_w;
  const bool in_reach = before_h <= from.tile_h && before_w <= from.tile_w &&
                        last_y <= 2 * from.tile_h && last_x <= 2 * from.tile_w;
  // Lanes outside the image hold zero.
  const bool is_filled = fill == 0.0f || !from.is_ragged();
  if (gpu_ || (same_tiles && in_reach && is_filled)) {
    *staged = {planes, from.tile_h, from.tile_w, before_h, before_w};
    return Status::Ok();
  }
  std::string key;
  for (const int number :
       {task.inputs[0], to.grid_h, to.grid_w, to.tile_h, to.tile_w, extent_h, extent_w, w.stride_h,
        w.stride_w, before_h, before_w, static_cast<int>(fill == 0.0f)}) {
    key += std::to_string(number) + " ";
  }
  const auto made = copies_.find(key);
  if (made != copies_.end()) {
    *staged = made->second;
    return Status::Ok();
  }
  const size_t channels = static_cast<size_t>(in[0]) * in[3];
  // Before the table of the copy is made.
  const double copied = (last_y + before_h) * 1.0 * (last_x + before_w) * to.lanes * channels;
  if (copied * sizeof(float) > static_cast<double>(budget_)) {
    return OverBudget("the input's copy for windows", copied * sizeof(float), budget_);
  }
  const WindowCopy copy =
      MakeWindowCopy(from, to, extent_h, extent_w, w.stride_h, w.stride_w, before_h, before_w);
  std::shared_ptr<const Buffer> table;
  PCONV_RETURN_IF_ERROR(constants_.UploadTable(copy.table, &table));
  const int plane = static_cast<int>(copy.table.size());
  *staged = {{NewBuffer(channels * plane * StorageBytes())}, copy.tile_h, copy.tile_w, 0, 0};
  copies_[key] = *staged;
  return EmitFlat("window_copy", {copy.table.size(), channels, 1},
                  {planes, staged->planes, table, from.plane(), plane, fill});
}

std::string PlanBuilder::Common(int lanes) const {
  return Define("LANES", lanes) + Define("STORAGE_HALF", half_) +
         Define("WEIGHT_HALF", gpu_ && half_) + Define("ARITHMETIC_HALF", half_arithmetic_) +
         Define("USE_FMA", !gpu_ && device().has_fma) + kernel_text::common;
}

Status PlanBuilder::MakeStep(const std::string& source, const char* kernel,
                             const std::string& detail, const Sizes& global, const Sizes& local,
                             std::vector<Argument> arguments, Step* step) const {
  std::shared_ptr<const Program> program;
  PCONV_RETURN_IF_ERROR(runtime_.GetProgram(source, "-cl-std=CL1.2", &program));
  PCONV_RETURN_IF_ERROR(Kernel::Create(*program, kernel, &step->kernel));
  const size_t work_items = local[0] * local[1] * local[2];
  const size_t most = step->kernel.MostWorkItems(device().id);
  if (work_items > most) {
    return Status::Error(std::string(kernel) + " as compiled runs in work-groups of at most " +
                         std::to_string(most) + " work-items, not " + std::to_string(work_items));
  }
  step->node = node_;
  step->name = name_;
  step->description = operation_ + " " + kernel + (detail.empty() ? "" : " " + detail);
  step->global = global;
  step->local = local;
  step->arguments = std::move(arguments);
  return Status::Ok();
}

Status PlanBuilder::Emit(const std::string& source, const char* kernel, const std::string& detail,
                         const Sizes& global, const Sizes& local, std::vector<Argument> arguments) {
  Step step;
  PCONV_RETURN_IF_ERROR(
      MakeStep(source, kernel, detail, global, local, std::move(arguments), &step));
  plan_.steps.push_back(std::move(step));
  return Status::Ok();
}

Status PlanBuilder::EmitRounded(const std::string& source, const char* kernel,
                                const std::string& detail, size_t local, Sizes global,
                                std::vector<Argument> arguments) {
  arguments.push_back(static_cast<cl_int>(global[0]));
  global[0] = (global[0] + local - 1) / local * local;
  return Emit(source, kernel, detail, global, {local, 1, 1}, std::move(arguments));
}

Status PlanBuilder::EmitFlat(const char* kernel, const Sizes& global,
                             std::vector<Argument> arguments) {
  return EmitRounded(Common(1) + kernel_text::flat, kernel, "", kWorkGroup, global,
                     std::move(arguments));
}

Status PlanBuilder::EmitPlanes(const char* kernel, const Sizes& global,
                               std::vector<Argument> arguments) {
  return EmitRounded(Common(lanes_) + kernel_text::planes, kernel, "", kWorkGroup, global,
                     std::move(arguments));
}

}  // namespace pconv::opencl
