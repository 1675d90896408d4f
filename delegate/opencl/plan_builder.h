// What planning an operation needs: values in the forms that kernels read, and launches.
#ifndef PCONV_TF_DELEGATE_OPENCL_PLAN_BUILDER_H_
#define PCONV_TF_DELEGATE_OPENCL_PLAN_BUILDER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delegate/lowering/task.h"
#include "delegate/opencl/convolution_source.h"
#include "delegate/opencl/device_constants.h"
#include "delegate/opencl/layout.h"
#include "delegate/opencl/plan.h"

namespace pconv::opencl {

// "#define NAME value".
std::string Define(const std::string& name, int value);

// Lanes of the layouts that a plan's kernels work on.
int LanesFor(const PlanRequest& request);

// A value lies on the device as rows (the model's order, float32), as planes (layout.h), or both;
// each form is made when the first operation asks for it.
class PlanBuilder {
 public:
  // `layouts` per value; `budget` in bytes, for tables, and for one layer's weights.
  PlanBuilder(const PlanRequest& request, std::vector<Layout> layouts, int64_t budget, Plan* plan);

  const Graph& graph() const { return graph_; }
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  const EngineOptions& options() const { return options_; }
  Runtime& runtime() const { return runtime_; }
  const DeviceInfo& device() const { return runtime_.device(); }
  Plan& plan() const { return plan_; }
  bool gpu() const { return gpu_; }
  bool half() const { return half_; }
  bool half_arithmetic() const { return half_arithmetic_; }
  int lanes() const { return lanes_; }
  const DeviceConstants& constants() const { return constants_; }

  Status Start();   // makes the graph's inputs
  Status Finish();  // makes the graph's outputs
  // What the launches to come belong to; `pool`: the maxima of 2x2 pixels of a convolution, which
  // it stores in place of its output (PoolOf), or null.
  void SetTask(const Task& task, const Task* pool = nullptr);
  const Task* pool() const { return pool_; }

  // ---- activations

  const Layout& LayoutOf(int value) const { return layouts_[value]; }
  size_t VectorsOf(int value) const {
    return static_cast<size_t>(ShapeOf(value)[0]) * ShapeOf(value)[3] * LayoutOf(value).vectors();
  }
  bool HasPlanes(int value) const { return forms_[value].planes >= 0; }
  Status Planes(int value, Activations* planes);
  Status Rows(int value, Activations* rows);
  // The value as rows, be it an activation or a constant.
  Status RowsArgument(int value, Argument* argument);
  Activations NewPlanes(int value);
  Activations NewRows(int value);
  // `value` has the elements of `rows` in the same order.
  void AliasRows(int value, Activations rows) { forms_[value].rows = rows.index; }

  // Input of a window operation as its kernel reads it.
  struct WindowInput {
    Activations planes;
    int tile_h = 0, tile_w = 0;      // of the plane, in vectors
    int before_h = 0, before_w = 0;  // padding before the first vector

    // Of the windows of `outputs` vectors in a row.
    Overhang Beyond(const KernelGeometry& geometry, int outputs) const {
      return {before_w, std::max(0, geometry.ColumnsUnder(outputs) - before_w - tile_w)};
    }
  };
  // Takes the planes as they are where the kernel can complete windows at the borders of tiles
  // itself, or else makes a private copy. `fill` is the value of padding.
  Status StageWindow(const Task& task, float fill, WindowInput* staged);

  // ---- launches

  // What every source starts with.
  std::string Common(int lanes) const;
  Status MakeStep(const std::string& source, const char* kernel, const std::string& detail,
                  const Sizes& global, const Sizes& local, std::vector<Argument> arguments,
                  Step* step) const;
  Status Emit(const std::string& source, const char* kernel, const std::string& detail,
              const Sizes& global, const Sizes& local, std::vector<Argument> arguments);
  // For kernels that take one work-group size, so that drivers which compile for each size compile
  // once: rounds global[0] up to `local` and passes what it was as the last argument.
  Status EmitRounded(const std::string& source, const char* kernel, const std::string& detail,
                     size_t local, Sizes global, std::vector<Argument> arguments);
  // Kernels of flat.cl and planes.cl.
  Status EmitFlat(const char* kernel, const Sizes& global, std::vector<Argument> arguments);
  Status EmitPlanes(const char* kernel, const Sizes& global, std::vector<Argument> arguments);

  static constexpr size_t kWorkGroup = 64;

 private:
  struct Form {
    int rows = -1, planes = -1;  // buffers
  };

  int NewBuffer(size_t bytes);
  size_t StorageBytes() const { return half_ ? 2 : 4; }

  const Graph& graph_;
  const EngineOptions& options_;
  Runtime& runtime_;
  const bool gpu_, half_, half_arithmetic_;
  const int lanes_;
  const int64_t budget_;
  Plan& plan_;
  DeviceConstants constants_;
  std::vector<Form> forms_;
  const std::vector<Layout> layouts_;
  std::map<std::string, WindowInput> copies_;  // for windows, by value and window
  const Task* pool_ = nullptr;
  int node_ = -1;
  std::string name_, operation_;
};

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PLAN_BUILDER_H_
