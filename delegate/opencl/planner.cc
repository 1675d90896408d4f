#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "delegate/cpu/stream.h"
#include "delegate/cpu/task.h"
#include "delegate/opencl/convolution_source.h"
#include "delegate/opencl/kernel_texts.h"
#include "delegate/opencl/layout.h"
#include "delegate/opencl/packed_conv.h"
#include "delegate/opencl/plan.h"

namespace pconv::opencl {
namespace {

constexpr int kWalkedPatterns = 16;  // more would make programs long to compile

int CeilDiv(int a, int b) { return (a + b - 1) / b; }

size_t Elements(const Shape& shape) {
  size_t elements = 1;
  for (const int dim : shape) elements *= dim;
  return elements;
}

std::string Define(const std::string& name, int value) {
  return "#define " + name + " " + std::to_string(value) + "\n";
}

// What a convolution's weights look like on the device.
struct DeviceConv {
  int slices = 0, groups = 0;
  std::shared_ptr<const Buffer> offsets, weights, counts, begins, bias, filters;
  int64_t bytes = 0;
};

struct DeviceMatrix {
  int block = 1, blocks = 0;
  std::shared_ptr<const Buffer> begins, index, weights, bias, filters;
  int64_t bytes = 0;
};

struct WeightBuffer {
  std::shared_ptr<const Buffer> buffer;
};

// Sources of a packing: what it is made from.
std::vector<PackedCache::Source> SourcesOf(const FkwView& layer) {
  const FkwArrays& arrays = layer.arrays();
  const auto bytes_of = [](const UIntArray& array) {
    const size_t widths[] = {1, 2, 4};
    return array.size() * widths[static_cast<int>(array.type())];
  };
  const size_t weight_widths[] = {4, 2, 1};
  std::vector<PackedCache::Source> sources;
  for (const UIntArray* array : {&arrays.offset, &arrays.reorder, &arrays.index, &arrays.stride}) {
    sources.push_back({array->data(), bytes_of(*array)});
  }
  sources.push_back(
      {arrays.weight, arrays.weight_size * weight_widths[static_cast<int>(arrays.weight_type)]});
  sources.push_back({arrays.bias, arrays.bias_size * sizeof(float)});
  if (arrays.scale != nullptr) sources.push_back({arrays.scale, arrays.scale_size * sizeof(float)});
  return sources;
}

class Planner {
 public:
  Planner(const PlanRequest& request, Plan* plan)
      : graph_(*request.graph),
        options_(*request.options),
        runtime_(*request.runtime),
        cache_(*request.cache),
        gpu_(request.gpu_kernels),
        half_(request.options->precision == Precision::kFp16),
        plan_(*plan) {
    lanes_ = gpu_                                    ? 1
             : runtime_.device().native_floats >= 16 ? 16
             : runtime_.device().native_floats >= 8  ? 8
                                                     : 4;
    forms_.resize(graph_.values.size());
  }

  Status Run() {
    const float nothing[64] = {};
    PCONV_RETURN_IF_ERROR(Upload(nothing, sizeof(nothing), &unused_));
    for (const int input : graph_.inputs) {
      forms_[input].rows = NewBuffer(Elements(graph_.values[input].shape) * sizeof(float));
      plan_.inputs.push_back(forms_[input].rows);
    }
    for (const cpu::Task& task : cpu::FuseNodes(graph_)) {
      const Status status = PlanTask(task);
      if (!status.ok()) {
        const Node& node = graph_.nodes[task.node];
        return Status::Error(std::string(OpName(node)) + " '" + node.name +
                             "': " + status.message());
      }
    }
    node_ = -1;
    for (const int output : graph_.outputs) {
      int buffer = -1;
      PCONV_RETURN_IF_ERROR(Rows(output, &buffer));
      plan_.outputs.push_back(buffer);
    }
    return AllocateAndBind();
  }

 private:
  // A value as rows (the model's order, float32) and as planes (layout.h), whichever exist.
  struct Form {
    int rows = -1, planes = -1;  // buffers
  };

  // ---- buffers and steps

  int NewBuffer(size_t bytes) {
    plan_.buffer_bytes.push_back(bytes);
    return static_cast<int>(plan_.buffer_bytes.size()) - 1;
  }

  size_t StorageBytes() const { return half_ ? 2 : 4; }

  Status Upload(const void* data, size_t bytes, std::shared_ptr<const Buffer>* buffer) const {
    auto made = std::make_shared<Buffer>();
    PCONV_RETURN_IF_ERROR(Buffer::Create(runtime_.context(), bytes, data, made.get()));
    *buffer = std::move(made);
    return Status::Ok();
  }
  template <typename T>
  Status Upload(const std::vector<T>& data, std::shared_ptr<const Buffer>* buffer) const {
    return Upload(data.data(), data.size() * sizeof(T), buffer);
  }

  // The packed cache keeps what it is given: nothing where the device refused it.
  template <typename T>
  static std::shared_ptr<const T> KeepIf(const Status& status, const std::shared_ptr<T>& made) {
    return status.ok() ? made : nullptr;
  }
  template <typename T>
  static Status CheckKept(const Status& status, const std::shared_ptr<const T>& made) {
    if (status.ok() && made == nullptr) return Status::Error("the device refused weights before");
    return status;
  }

  std::string Common(int lanes) const {
    const bool half_arithmetic = gpu_ && half_ && runtime_.device().has_fp16;
    return Define("LANES", lanes) + Define("STORAGE_HALF", half_) +
           Define("WEIGHT_HALF", gpu_ && half_) + Define("ARITHMETIC_HALF", half_arithmetic) +
           kernel_text::common;
  }

  Status Emit(const std::string& source, const char* kernel, const std::string& detail,
              const Sizes& global, const Sizes& local, std::vector<Argument> arguments) {
    std::shared_ptr<const Program> program;
    PCONV_RETURN_IF_ERROR(runtime_.GetProgram(source, "-cl-std=CL1.2", &program));
    Step step;
    PCONV_RETURN_IF_ERROR(Kernel::Create(*program, kernel, &step.kernel));
    step.node = node_;
    step.name = name_;
    step.description = operation_ + " " + kernel + (detail.empty() ? "" : " " + detail);
    step.global = global;
    step.local = local;
    step.arguments = std::move(arguments);
    plan_.steps.push_back(std::move(step));
    return Status::Ok();
  }

  Status EmitFlat(const char* kernel, const Sizes& global, std::vector<Argument> arguments) {
    return Emit(Common(1) + kernel_text::flat, kernel, "", global, {0, 0, 0}, std::move(arguments));
  }

  Layout LayoutOf(const Shape& shape) const { return MakeLayout(shape[1], shape[2], lanes_); }

  size_t PlanesBytes(const Shape& shape) const {
    return static_cast<size_t>(shape[0]) * shape[3] * LayoutOf(shape).plane() * StorageBytes();
  }

  int NewPlanes(int value) {
    return forms_[value].planes = NewBuffer(PlanesBytes(graph_.values[value].shape));
  }
  int NewRows(int value) {
    return forms_[value].rows = NewBuffer(Elements(graph_.values[value].shape) * sizeof(float));
  }

  // The value as rows; made from planes if need be.
  Status Rows(int value, int* buffer) {
    Form& form = forms_[value];
    const Value& v = graph_.values[value];
    if (form.rows < 0 && v.data != nullptr) {
      return Status::Error("constant '" + v.name + "' is not an activation");
    }
    if (form.rows < 0) {
      const Layout layout = LayoutOf(v.shape);
      std::shared_ptr<const Buffer> table;
      PCONV_RETURN_IF_ERROR(Upload(LayoutToRows(layout), &table));
      form.rows = NewBuffer(Elements(v.shape) * sizeof(float));
      const int pixels = v.shape[1] * v.shape[2];
      PCONV_RETURN_IF_ERROR(EmitFlat("to_rows",
                                     {static_cast<size_t>(v.shape[3]), static_cast<size_t>(pixels),
                                      static_cast<size_t>(v.shape[0])},
                                     {Activations{form.planes}, Activations{form.rows}, table,
                                      layout.plane(), pixels, v.shape[3]}));
    }
    *buffer = form.rows;
    return Status::Ok();
  }

  // An argument for the value as rows, be it an activation or a constant.
  Status RowsArgument(int value, Argument* argument) {
    const Value& v = graph_.values[value];
    if (v.data == nullptr) {
      Activations rows;
      PCONV_RETURN_IF_ERROR(Rows(value, &rows.index));
      *argument = rows;
      return Status::Ok();
    }
    return Constant(value, argument);
  }

  Status Planes(int value, int* buffer) {
    Form& form = forms_[value];
    if (form.planes < 0) {
      const Shape& shape = graph_.values[value].shape;
      const Layout layout = LayoutOf(shape);
      std::shared_ptr<const Buffer> table;
      PCONV_RETURN_IF_ERROR(Upload(RowsToLayout(layout), &table));
      form.planes = NewBuffer(PlanesBytes(shape));
      PCONV_RETURN_IF_ERROR(EmitFlat("to_planes",
                                     {static_cast<size_t>(layout.plane()),
                                      static_cast<size_t>(shape[3]), static_cast<size_t>(shape[0])},
                                     {Activations{form.rows}, Activations{form.planes}, table,
                                      layout.plane(), shape[1] * shape[2] * shape[3], shape[3]}));
    }
    *buffer = form.planes;
    return Status::Ok();
  }

  bool HasPlanes(int value) const { return forms_[value].planes >= 0; }

  // A float32 constant as it lies in the model, kept over resizes.
  Status Constant(int value, Argument* argument) {
    const Value& v = graph_.values[value];
    const size_t bytes = Elements(v.shape) * sizeof(float);
    Status status;
    const auto made = cache_.GetOrMake<WeightBuffer>(
        CacheKey("constant"), {{v.data, bytes}}, [&]() -> std::shared_ptr<const WeightBuffer> {
          auto weights = std::make_shared<WeightBuffer>();
          status = Upload(v.data, bytes, &weights->buffer);
          return KeepIf(status, weights);
        });
    PCONV_RETURN_IF_ERROR(CheckKept(status, made));
    plan_.weight_bytes += static_cast<int64_t>(bytes);
    *argument = made->buffer;
    return Status::Ok();
  }

  // A bias of `size` values, zeros where there is none.
  Status Bias(int value, int size, Argument* argument) {
    if (value >= 0) return Constant(value, argument);
    std::shared_ptr<const Buffer> zeros;
    PCONV_RETURN_IF_ERROR(Upload(std::vector<float>(size, 0.0f), &zeros));
    *argument = zeros;
    return Status::Ok();
  }

  // Buffers belong to one context.
  std::string CacheKey(const std::string& what) const {
    return "opencl " + std::to_string(reinterpret_cast<uintptr_t>(&runtime_)) + " " + what;
  }

  // ---- operations

  Status PlanTask(const cpu::Task& task) {
    const Node& node = graph_.nodes[task.main];
    node_ = task.node;
    name_ = graph_.nodes[task.node].name;
    operation_ = OpName(node);
    if (task.addend >= 0) operation_ += "+Add";
    return std::visit([&](const auto& op) { return PlanOp(task, op); }, node.op);
  }

  Status PlanOp(const cpu::Task& task, const PConv2DNode& op) {
    const Shape& in = graph_.values[task.inputs[0]].shape;
    const Window& w = task.window;
    const bool is_point = w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1;
    if (in.size() == 2 || (is_point && in[1] == 1 && in[2] == 1 && task.addend < 0)) {
      return PlanSparseMatrix(task, op.layer);
    }
    return PlanConv(task, SourcesOf(op.layer), op.layer.options().filter_block,
                    static_cast<int>(op.layer.options().patterns.size()), op.layer.num_taps(),
                    [&] { return cpu::FromFkw(op.layer); });
  }

  Status PlanOp(const cpu::Task& task, const Conv2DNode& op) {
    const Value& filter = graph_.values[op.filter];
    const int in_channels = graph_.values[task.inputs[0]].shape[3];
    const float* bias = op.bias < 0 ? nullptr : graph_.values[op.bias].data;
    std::vector<PackedCache::Source> sources = {
        {filter.data, Elements(filter.shape) * sizeof(float)}};
    if (bias != nullptr) sources.push_back({bias, filter.shape[0] * sizeof(float)});
    const int conv_groups = in_channels / filter.shape[3];
    const int group_outputs = filter.shape[0] / conv_groups;
    const int block = conv_groups == 1 || group_outputs % 4 == 0 ? 4
                      : group_outputs % 2 == 0                   ? 2
                                                                 : 1;
    return PlanConv(task, sources, block, 1, filter.shape[1] * filter.shape[2],
                    [&] { return cpu::FromDense(filter, bias, in_channels); });
  }

  // Block shape and work-group of a convolution.
  struct Tile {
    BlockShape block;
    int slice_channels = 1;
    int parts = 1;                                    // CPU: ranges of filter groups
    int group_w = 1, group_h = 1, group_filters = 1;  // GPU: work-group
  };

  // The block that covers rows x columns with least work: every block costs its vectors and a fixed
  // amount (weights, loop); vectors outside are computed in vain.
  BlockShape ChooseBlock(int rows, int columns, int most) const {
    constexpr double kFixed = 2.0;
    BlockShape best;
    double least = std::numeric_limits<double>::infinity();
    for (int h = 1; h <= std::min(rows, most); ++h) {
      for (int w = 1; w <= std::min(columns, most / h); ++w) {
        const double blocks = double(CeilDiv(rows, h)) * CeilDiv(columns, w);
        // Sums wait for each other where there are few of them.
        const double cost = blocks * (std::max(h * w, 8) + kFixed + 0.2 * (h + w));
        if (cost < least) {
          least = cost;
          best = {h, w};
        }
      }
    }
    return best;
  }

  Status PlanConv(const cpu::Task& task, const std::vector<PackedCache::Source>& sources, int block,
                  int patterns, int taps, const std::function<cpu::SparseFilters()>& make_filters) {
    const Shape& in = graph_.values[task.inputs[0]].shape;
    const Shape& out = graph_.values[task.output].shape;
    const Window& window = task.window;
    int input = -1;
    PCONV_RETURN_IF_ERROR(Planes(task.inputs[0], &input));
    int addend = -1;
    if (task.addend >= 0) PCONV_RETURN_IF_ERROR(Planes(task.addend, &addend));

    KernelGeometry geometry{{},
                            window.kernel_h,
                            window.kernel_w,
                            window.stride_h,
                            window.stride_w,
                            window.dilation_h,
                            window.dilation_w};
    const int filters = block >= 4 ? 4 : block;
    const Walk walk = filters == 1 && taps > 1 && taps <= 9 && patterns <= kWalkedPatterns
                          ? Walk::kPatterns
                          : Walk::kTaps;
    WindowInput staged;
    PCONV_RETURN_IF_ERROR(StageWindow(task, input, 0.0f, &staged));
    Layout out_layout = LayoutOf(out);
    int out_h = out_layout.tile_h, out_w = out_layout.tile_w;
    const bool is_point = window.kernel_h == 1 && window.kernel_w == 1 && window.stride_h == 1 &&
                          window.stride_w == 1 && staged.before_h == 0 && staged.before_w == 0;
    if (is_point) {  // the order of pixels does not matter
      staged.tile_w *= staged.tile_h;
      staged.tile_h = 1;
      out_w *= out_h;
      out_h = 1;
    }
    return gpu_ ? PlanGpuConv(task, sources, geometry, walk, filters, staged, addend, make_filters)
                : PlanCpuConv(task, sources, geometry, walk, filters, staged, out_h, out_w, addend,
                              out_layout, in[3], make_filters);
  }

  // Input of a window operation as its kernel reads it.
  struct WindowInput {
    int buffer = -1;
    int tile_h = 0, tile_w = 0;      // of the plane, in vectors
    int before_h = 0, before_w = 0;  // padding before the first vector
  };

  // Takes the value's planes as they are where the kernel can complete windows at the borders of
  // tiles itself, or else makes a private copy. `fill` is the value of padding.
  Status StageWindow(const cpu::Task& task, int planes, float fill, WindowInput* staged) {
    const Shape& in = graph_.values[task.inputs[0]].shape;
    const Shape& out = graph_.values[task.output].shape;
    const Window& w = task.window;
    const Layout from = LayoutOf(in), to = LayoutOf(out);
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
    const bool has_padding = before_h > 0 || before_w > 0 || from.is_ragged() ||
                             (out[1] - 1) * w.stride_h - before_h + extent_h > in[1] ||
                             (out[2] - 1) * w.stride_w - before_w + extent_w > in[2];
    if (gpu_ || (same_tiles && in_reach && (fill == 0.0f || !has_padding))) {
      *staged = {planes, from.tile_h, from.tile_w, before_h, before_w};
      return Status::Ok();
    }
    const WindowCopy copy =
        MakeWindowCopy(from, to, extent_h, extent_w, w.stride_h, w.stride_w, before_h, before_w);
    std::shared_ptr<const Buffer> table;
    PCONV_RETURN_IF_ERROR(Upload(copy.table, &table));
    const int plane = static_cast<int>(copy.table.size());
    const size_t channels = static_cast<size_t>(in[0]) * in[3];
    *staged = {NewBuffer(channels * plane * StorageBytes()), copy.tile_h, copy.tile_w, 0, 0};
    return EmitFlat(
        "window_copy", {copy.table.size(), channels, 1},
        {Activations{planes}, Activations{staged->buffer}, table, from.plane(), plane, fill});
  }

  Status DeviceWeights(const std::string& key, const std::vector<PackedCache::Source>& sources,
                       const std::function<PackedConv()>& pack,
                       std::shared_ptr<const DeviceConv>* weights) {
    Status status;
    *weights = cache_.GetOrMake<DeviceConv>(
        CacheKey(key), sources, [&]() -> std::shared_ptr<const DeviceConv> {
          const PackedConv packed = pack();
          auto made = std::make_shared<DeviceConv>();
          made->slices = packed.slices;
          made->groups = packed.groups;
          made->bytes = packed.bytes();
          status = [&] {
            PCONV_RETURN_IF_ERROR(Upload(packed.offsets, &made->offsets));
            PCONV_RETURN_IF_ERROR(UploadWeights(packed.weights, &made->weights));
            PCONV_RETURN_IF_ERROR(Upload(packed.counts, &made->counts));
            PCONV_RETURN_IF_ERROR(Upload(packed.begins, &made->begins));
            PCONV_RETURN_IF_ERROR(Upload(packed.bias, &made->bias));
            return Upload(packed.filters, &made->filters);
          }();
          return KeepIf(status, made);
        });
    PCONV_RETURN_IF_ERROR(CheckKept(status, *weights));
    plan_.weight_bytes += (*weights)->bytes;
    return Status::Ok();
  }

  Status UploadWeights(const std::vector<float>& weights,
                       std::shared_ptr<const Buffer>* buffer) const {
    if (!(gpu_ && half_)) return Upload(weights, buffer);
    std::vector<uint16_t> halves;
    halves.reserve(weights.size());
    for (const float w : weights) halves.push_back(FloatToHalf(w));
    return Upload(halves, buffer);
  }

  Status PlanCpuConv(const cpu::Task& task, const std::vector<PackedCache::Source>& sources,
                     KernelGeometry geometry, Walk walk, int filters, const WindowInput& staged,
                     int out_h, int out_w, int addend, const Layout& layout, int in_channels,
                     const std::function<cpu::SparseFilters()>& make_filters) {
    const Shape& out = graph_.values[task.output].shape;
    const int registers = lanes_ == 16 ? 32 : lanes_ == 8 ? 16 : 32;
    const int most = filters == 1 ? (registers - 8) : (registers - filters - 2) / filters;
    geometry.block = ChooseBlock(out_h, out_w, std::max(1, most));
    const int window_h = geometry.RowsUnder(geometry.block.h);
    const int window_w = geometry.ColumnsUnder(geometry.block.w);
    const int window_size = window_h * window_w;
    const int vector_bytes = lanes_ * static_cast<int>(sizeof(float));

    constexpr int kWindowBytes = 192 * 1024, kPartialBytes = 192 * 1024;
    int slice_channels = std::max(1, kWindowBytes / (window_size * vector_bytes));
    slice_channels = CeilDiv(in_channels, CeilDiv(in_channels, slice_channels));
    const std::string key = "conv " + std::to_string(static_cast<int>(walk)) + " " +
                            std::to_string(filters) + " " + std::to_string(slice_channels) + " " +
                            std::to_string(window_w) + "x" + std::to_string(window_size) + " " +
                            std::to_string(geometry.dilation_h) + " " +
                            std::to_string(geometry.dilation_w) + " " + std::to_string(half_);
    std::shared_ptr<const DeviceConv> weights;
    std::vector<std::vector<int>> patterns;
    PCONV_RETURN_IF_ERROR(DeviceWeights(
        key, sources,
        [&] {
          return PackConv(make_filters(), geometry, walk, filters, slice_channels, window_w,
                          window_size);
        },
        &weights));
    if (walk == Walk::kPatterns) patterns = PatternsOf(graph_.nodes[task.main]);

    const int blocks_w = CeilDiv(out_w, geometry.block.w);
    const int blocks = CeilDiv(out_h, geometry.block.h) * blocks_w;
    const int sums_bytes = filters * geometry.block.size() * vector_bytes;
    int parts = 1;
    if (weights->slices > 1) {
      parts = CeilDiv(weights->groups, std::max(1, kPartialBytes / sums_bytes));
    }
    const int wanted = 4 * runtime_.device().compute_units;
    if (runtime_.device().compute_units > 1 && blocks * out[0] * parts < wanted) {
      parts = CeilDiv(wanted, blocks * out[0]);
    }
    const int groups_per_part = CeilDiv(weights->groups, std::min(parts, weights->groups));
    parts = CeilDiv(weights->groups, groups_per_part);
    const size_t partial_bytes =
        weights->slices > 1 ? static_cast<size_t>(groups_per_part) * sums_bytes : vector_bytes;

    const std::string source = Common(lanes_) + LaneShifts(lanes_, layout.grid_h, layout.grid_w) +
                               kernel_text::window + BlockDefinitions(geometry, filters) +
                               Define("WINDOW_H", window_h) + Define("WINDOW_W", window_w) +
                               ConvolutionRuns(geometry, walk, filters, window_w, patterns) +
                               kernel_text::conv_lanes;
    std::shared_ptr<const Buffer> valid = unused_;
    if (layout.is_ragged()) PCONV_RETURN_IF_ERROR(Upload(ValidLanes(layout), &valid));
    const ActivationRange range = RangeOf(task.activation);
    const int output = NewPlanes(task.output);
    const Argument addend_argument = addend >= 0 ? Argument(Activations{addend}) : unused_;
    return Emit(
        source, "conv_lanes",
        std::to_string(geometry.block.h) + "x" + std::to_string(geometry.block.w) +
            (filters > 1 ? "x" + std::to_string(filters) : ""),
        {static_cast<size_t>(blocks), static_cast<size_t>(parts), static_cast<size_t>(out[0])},
        {1, 1, 1},
        {Activations{staged.buffer},
         Activations{output},
         weights->offsets,
         weights->weights,
         weights->counts,
         weights->begins,
         weights->bias,
         weights->filters,
         valid,
         addend_argument,
         Scratch{static_cast<size_t>(slice_channels) * window_size * vector_bytes},
         Scratch{partial_bytes},
         staged.tile_h,
         staged.tile_w,
         staged.before_h,
         staged.before_w,
         out_h,
         out_w,
         in_channels,
         out[3],
         slice_channels,
         weights->slices,
         weights->groups,
         groups_per_part,
         blocks_w,
         static_cast<int>(layout.is_ragged()),
         static_cast<int>(addend >= 0),
         range.lo,
         range.hi});
  }

  static std::vector<std::vector<int>> PatternsOf(const Node& node) {
    std::vector<std::vector<int>> patterns;
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      for (const uint64_t mask : op->layer.options().patterns) {
        patterns.emplace_back();
        for (int bit = 0; bit < 64; ++bit) {
          if (mask >> bit & 1) patterns.back().push_back(bit);
        }
      }
      return patterns;
    }
    const auto& window = *cpu::WindowOf(node);
    patterns.emplace_back();
    for (int t = 0; t < window.kernel_h * window.kernel_w; ++t) patterns.back().push_back(t);
    return patterns;
  }

  Status PlanGpuConv(const cpu::Task& task, const std::vector<PackedCache::Source>& sources,
                     KernelGeometry geometry, Walk walk, int filters, const WindowInput& staged,
                     int addend, const std::function<cpu::SparseFilters()>& make_filters) {
    const Shape& in = graph_.values[task.inputs[0]].shape;
    const Shape& out = graph_.values[task.output].shape;
    // 8x8 work-items of 2x4 pixels, or fewer where the image is small.
    const bool is_large = out[1] * out[2] >= 28 * 28;
    geometry.block = filters == 1 ? (is_large ? BlockShape{2, 4} : BlockShape{2, 2})
                                  : BlockShape{1, is_large ? 4 : 2};
    constexpr int kGroupW = 8, kGroupH = 4, kGroupFilters = 4;
    const int window_h = geometry.RowsUnder(geometry.block.h * kGroupH);
    const int window_w = geometry.ColumnsUnder(geometry.block.w * kGroupW);
    const int window_size = window_h * window_w;
    const int64_t budget = std::min<int64_t>(16 * 1024, runtime_.device().local_bytes);
    const int slice_channels = std::max<int>(
        1, std::min<int64_t>(in[3], budget / (window_size * static_cast<int>(sizeof(float)))));
    const std::string key = "gpu conv " + std::to_string(static_cast<int>(walk)) + " " +
                            std::to_string(filters) + " " + std::to_string(slice_channels) + " " +
                            std::to_string(window_w) + "x" + std::to_string(window_size) + " " +
                            std::to_string(geometry.dilation_h) + " " +
                            std::to_string(geometry.dilation_w) + " " + std::to_string(half_);
    std::shared_ptr<const DeviceConv> weights;
    PCONV_RETURN_IF_ERROR(DeviceWeights(
        key, sources,
        [&] {
          return PackConv(make_filters(), geometry, walk, filters, slice_channels, window_w,
                          window_size);
        },
        &weights));
    std::vector<std::vector<int>> patterns;
    if (walk == Walk::kPatterns) patterns = PatternsOf(graph_.nodes[task.main]);
    const std::string source =
        Common(1) + kernel_text::window + BlockDefinitions(geometry, filters) +
        Define("WINDOW_H", window_h) + Define("WINDOW_W", window_w) + Define("GROUP_W", kGroupW) +
        Define("GROUP_H", kGroupH) + Define("GROUP_FILTERS", kGroupFilters) +
        Define("SLICE_CHANNELS", slice_channels) +
        ConvolutionRuns(geometry, walk, filters, window_w, patterns) + kernel_text::conv_groups;
    const int group_parts = CeilDiv(weights->groups, kGroupFilters);
    const ActivationRange range = RangeOf(task.activation);
    const int output = NewPlanes(task.output);
    const Argument addend_argument = addend >= 0 ? Argument(Activations{addend}) : unused_;
    const size_t groups_w = CeilDiv(out[2], geometry.block.w * kGroupW);
    const size_t groups_h = CeilDiv(out[1], geometry.block.h * kGroupH);
    const int plane_h = in[1], plane_w = in[2];
    return Emit(source, "conv_groups",
                std::to_string(geometry.block.h) + "x" + std::to_string(geometry.block.w) +
                    (filters > 1 ? "x" + std::to_string(filters) : ""),
                {groups_w * kGroupW, groups_h * kGroupH,
                 static_cast<size_t>(group_parts) * kGroupFilters * out[0]},
                {kGroupW, kGroupH, kGroupFilters},
                {Activations{staged.buffer},
                 Activations{output},
                 weights->offsets,
                 weights->weights,
                 weights->counts,
                 weights->begins,
                 weights->bias,
                 weights->filters,
                 addend_argument,
                 plane_h,
                 plane_w,
                 staged.before_h,
                 staged.before_w,
                 out[1],
                 out[2],
                 in[3],
                 out[3],
                 weights->slices,
                 weights->groups,
                 group_parts,
                 static_cast<int>(addend >= 0),
                 range.lo,
                 range.hi});
  }

  Status PlanSparseMatrix(const cpu::Task& task, const FkwView& layer) {
    Activations input;
    PCONV_RETURN_IF_ERROR(Rows(task.inputs[0], &input.index));
    Status status;
    const auto matrix = cache_.GetOrMake<DeviceMatrix>(
        CacheKey("matrix"), SourcesOf(layer), [&]() -> std::shared_ptr<const DeviceMatrix> {
          const cpu::SparseMatrix sparse = cpu::MakeSparseMatrix(layer);
          auto made = std::make_shared<DeviceMatrix>();
          made->block = sparse.block;
          made->blocks = sparse.blocks();
          made->bytes = static_cast<int64_t>(sparse.bytes());
          status = [&] {
            PCONV_RETURN_IF_ERROR(Upload(sparse.entry_begin, &made->begins));
            PCONV_RETURN_IF_ERROR(Upload(sparse.index, &made->index));
            PCONV_RETURN_IF_ERROR(Upload(sparse.weights, &made->weights));
            PCONV_RETURN_IF_ERROR(Upload(sparse.bias, &made->bias));
            return Upload(sparse.outputs, &made->filters);
          }();
          return KeepIf(status, made);
        });
    PCONV_RETURN_IF_ERROR(CheckKept(status, matrix));
    plan_.weight_bytes += matrix->bytes;
    const int inputs = layer.options().in_channels, outputs = layer.options().out_channels;
    const size_t rows = Elements(graph_.values[task.inputs[0]].shape) / inputs;
    const ActivationRange range = RangeOf(task.activation);
    const Activations output{NewRows(task.output)};
    return EmitFlat("sparse_fully_connected", {static_cast<size_t>(matrix->blocks), rows, 1},
                    {input, output, matrix->begins, matrix->index, matrix->weights, matrix->bias,
                     matrix->filters, matrix->block, inputs, outputs, range.lo, range.hi});
  }

  // Depthwise convolutions and pools.
  Status PlanChannelwise(const cpu::Task& task, const std::string& definitions, float fill,
                         int multiplier, const Argument& weights, const Argument& bias,
                         const Argument& scales) {
    const Shape& out = graph_.values[task.output].shape;
    const Window& window = task.window;
    int input = -1;
    PCONV_RETURN_IF_ERROR(Planes(task.inputs[0], &input));
    WindowInput staged;
    PCONV_RETURN_IF_ERROR(StageWindow(task, input, fill, &staged));
    const Layout layout = LayoutOf(out);
    KernelGeometry geometry{{},
                            window.kernel_h,
                            window.kernel_w,
                            window.stride_h,
                            window.stride_w,
                            window.dilation_h,
                            window.dilation_w};
    const int taps = window.kernel_h * window.kernel_w;
    // Long code for large windows gains nothing.
    geometry.block =
        gpu_ || taps > 49 ? BlockShape{1, 1} : ChooseBlock(layout.tile_h, layout.tile_w, 14);
    const std::string source = Common(lanes_) + definitions +
                               LaneShifts(lanes_, layout.grid_h, layout.grid_w) +
                               kernel_text::window + BlockDefinitions(geometry, 1) +
                               ChannelwiseWalk(geometry) + kernel_text::channelwise;
    std::shared_ptr<const Buffer> valid;
    PCONV_RETURN_IF_ERROR(Upload(ValidLanes(layout), &valid));
    const int blocks_w = CeilDiv(layout.tile_w, geometry.block.w);
    const int blocks = CeilDiv(layout.tile_h, geometry.block.h) * blocks_w;
    const ActivationRange range = RangeOf(task.activation);
    const Activations output{NewPlanes(task.output)};
    const Sizes local = gpu_ ? Sizes{0, 0, 0} : Sizes{1, 1, 1};
    return Emit(
        source, "channelwise",
        std::to_string(geometry.block.h) + "x" + std::to_string(geometry.block.w),
        {static_cast<size_t>(blocks), static_cast<size_t>(out[3]), static_cast<size_t>(out[0])},
        local,
        {Activations{staged.buffer}, output, weights, bias, scales, valid, staged.tile_h,
         staged.tile_w, staged.before_h, staged.before_w, layout.tile_h, layout.tile_w, blocks_w,
         multiplier, out[3], range.lo, range.hi});
  }

  Status PlanOp(const cpu::Task& task, const DepthwiseConv2DNode& op) {
    // [tap][channel] in the model, [channel][tap] here.
    const Value& filter = graph_.values[op.filter];
    const int taps = filter.shape[1] * filter.shape[2], channels = filter.shape[3];
    Status status;
    const auto weights = cache_.GetOrMake<WeightBuffer>(
        CacheKey("depthwise"), {{filter.data, Elements(filter.shape) * sizeof(float)}},
        [&]() -> std::shared_ptr<const WeightBuffer> {
          std::vector<float> transposed(static_cast<size_t>(taps) * channels);
          for (int t = 0; t < taps; ++t) {
            for (int c = 0; c < channels; ++c) {
              transposed[static_cast<size_t>(c) * taps + t] =
                  filter.data[static_cast<size_t>(t) * channels + c];
            }
          }
          auto made = std::make_shared<WeightBuffer>();
          status = Upload(transposed, &made->buffer);
          return KeepIf(status, made);
        });
    PCONV_RETURN_IF_ERROR(CheckKept(status, weights));
    plan_.weight_bytes += static_cast<int64_t>(4) * taps * channels;
    Argument bias;
    PCONV_RETURN_IF_ERROR(Bias(op.bias, channels, &bias));
    return PlanChannelwise(task, "", 0.0f, op.depth_multiplier, weights->buffer, bias, unused_);
  }

  Status PlanOp(const cpu::Task& task, const Pool2DNode& op) {
    if (op.kind == PoolKind::kMax) {
      return PlanChannelwise(task, Define("POOL_MAX", 1) + "#define FILL (-INFINITY)\n",
                             -std::numeric_limits<float>::infinity(), 1, unused_, unused_, unused_);
    }
    // One over the number of pixels under the window.
    const Shape& in = graph_.values[task.inputs[0]].shape;
    const Layout layout = LayoutOf(graph_.values[task.output].shape);
    const auto covered = [](const AxisGeometry& axis, int at, int stride, int dilation, int kernel,
                            int size) {
      int count = 0;
      for (int k = 0; k < kernel; ++k) {
        const int position = at * stride - axis.before + k * dilation;
        count += position >= 0 && position < size;
      }
      return count;
    };
    const Window& w = task.window;
    std::vector<float> scales(layout.plane(), 0.0f);
    for (int y = 0; y < layout.height; ++y) {
      for (int x = 0; x < layout.width; ++x) {
        const int count =
            covered(ResolveHeight(w, in[1]), y, w.stride_h, w.dilation_h, w.kernel_h, in[1]) *
            covered(ResolveWidth(w, in[2]), x, w.stride_w, w.dilation_w, w.kernel_w, in[2]);
        scales[layout.IndexOf(y, x)] = 1.0f / count;
      }
    }
    std::shared_ptr<const Buffer> buffer;
    PCONV_RETURN_IF_ERROR(Upload(scales, &buffer));
    return PlanChannelwise(task, Define("POOL_AVERAGE", 1), 0.0f, 1, unused_, unused_, buffer);
  }

  Status PlanOp(const cpu::Task& task, const FullyConnectedNode& op) {
    Activations input;
    PCONV_RETURN_IF_ERROR(Rows(task.inputs[0], &input.index));
    const Shape& filter = graph_.values[op.filter].shape;
    Argument weights, bias;
    PCONV_RETURN_IF_ERROR(Constant(op.filter, &weights));
    PCONV_RETURN_IF_ERROR(Bias(op.bias, filter[0], &bias));
    const size_t rows = Elements(graph_.values[task.inputs[0]].shape) / filter[1];
    const ActivationRange range = RangeOf(task.activation);
    const Activations output{NewRows(task.output)};
    return EmitFlat("fully_connected", {static_cast<size_t>(filter[0]), rows, 1},
                    {input, output, weights, bias, filter[1], filter[0], range.lo, range.hi});
  }

  Status PlanOp(const cpu::Task& task, const BinaryNode& op) {
    const int a = task.inputs[0], b = task.inputs[1];
    const Shape& out = graph_.values[task.output].shape;
    const ActivationRange range = RangeOf(task.activation);
    const bool same = graph_.values[a].shape == out && graph_.values[b].shape == out;
    if (same && out.size() == 4 && (HasPlanes(a) || HasPlanes(b)) &&
        graph_.values[a].data == nullptr && graph_.values[b].data == nullptr) {
      Activations first, second;
      PCONV_RETURN_IF_ERROR(Planes(a, &first.index));
      PCONV_RETURN_IF_ERROR(Planes(b, &second.index));
      const Activations output{NewPlanes(task.output)};
      return EmitPlanes("binary_planes", {Vectors(out), 1, 1},
                        {first, second, output, static_cast<int>(op.kind), range.lo, range.hi});
    }
    Argument first, second;
    PCONV_RETURN_IF_ERROR(RowsArgument(a, &first));
    PCONV_RETURN_IF_ERROR(RowsArgument(b, &second));
    std::shared_ptr<const Buffer> index_a, index_b;
    PCONV_RETURN_IF_ERROR(Upload(BroadcastIndex(graph_.values[a].shape, out), &index_a));
    PCONV_RETURN_IF_ERROR(Upload(BroadcastIndex(graph_.values[b].shape, out), &index_b));
    const Activations output{NewRows(task.output)};
    return EmitFlat(
        "binary_rows", {Elements(out), 1, 1},
        {first, second, output, index_a, index_b, static_cast<int>(op.kind), range.lo, range.hi});
  }

  // Per element of `out` the index into a tensor of `shape` that broadcasts to it.
  static std::vector<int> BroadcastIndex(const Shape& shape, const Shape& out) {
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

  size_t Vectors(const Shape& shape) const {
    return static_cast<size_t>(shape[0]) * shape[3] * LayoutOf(shape).vectors();
  }

  Status EmitPlanes(const char* kernel, const Sizes& global, std::vector<Argument> arguments) {
    return Emit(Common(lanes_) + kernel_text::planes, kernel, "", global, {0, 0, 0},
                std::move(arguments));
  }

  Status PlanOp(const cpu::Task& task, const UnaryNode& op) {
    const int a = task.inputs[0];
    const Shape& out = graph_.values[task.output].shape;
    const int kind = static_cast<int>(op.kind);
    if (HasPlanes(a) && op.kind != UnaryKind::kLogistic) {
      Activations input;
      PCONV_RETURN_IF_ERROR(Planes(a, &input.index));
      const Activations output{NewPlanes(task.output)};
      return EmitPlanes("unary_planes", {Vectors(out), 1, 1}, {input, output, kind, op.alpha});
    }
    Activations input;
    PCONV_RETURN_IF_ERROR(Rows(a, &input.index));
    const Activations output{NewRows(task.output)};
    return EmitFlat("unary_rows", {Elements(out), 1, 1}, {input, output, kind, op.alpha});
  }

  Status PlanOp(const cpu::Task& task, const PadNode& op) {
    const Shape& in = graph_.values[task.inputs[0]].shape;
    const Shape& out = graph_.values[task.output].shape;
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
    Activations input;
    PCONV_RETURN_IF_ERROR(Rows(task.inputs[0], &input.index));
    std::shared_ptr<const Buffer> buffer;
    PCONV_RETURN_IF_ERROR(Upload(table, &buffer));
    const Activations output{NewRows(task.output)};
    return EmitFlat("gather", {table.size(), 1, 1}, {input, output, buffer});
  }

  Status PlanOp(const cpu::Task& task, const GlobalMeanNode&) {
    Activations input;
    PCONV_RETURN_IF_ERROR(Planes(task.inputs[0], &input.index));
    const Shape& in = graph_.values[task.inputs[0]].shape;
    const Activations output{NewRows(task.output)};
    return EmitPlanes("mean_planes", {static_cast<size_t>(in[0]) * in[3], 1, 1},
                      {input, output, LayoutOf(in).vectors(),
                       static_cast<float>(in[1]) * static_cast<float>(in[2])});
  }

  Status PlanOp(const cpu::Task& task, const ConcatNode& op) {
    const Shape& out = graph_.values[task.output].shape;
    const ActivationRange range = RangeOf(task.activation);
    bool planes = out.size() == 4 && op.axis == 3;
    for (const int value : task.inputs) planes = planes && HasPlanes(value);
    const Activations output{planes ? NewPlanes(task.output) : NewRows(task.output)};
    int offset = 0;
    for (const int value : task.inputs) {
      const Shape& in = graph_.values[value].shape;
      if (planes) {
        const int row = static_cast<int>(Vectors(in) / in[0]);
        PCONV_RETURN_IF_ERROR(
            EmitPlanes("copy_planes", {static_cast<size_t>(row), static_cast<size_t>(in[0]), 1},
                       {Activations{forms_[value].planes}, output, row,
                        static_cast<int>(Vectors(out) / out[0]), offset, range.lo, range.hi}));
        offset += row;
        continue;
      }
      size_t outer = 1;
      for (int d = 0; d < op.axis; ++d) outer *= in[d];
      const int row = static_cast<int>(Elements(in) / outer);
      Argument input;
      PCONV_RETURN_IF_ERROR(RowsArgument(value, &input));
      PCONV_RETURN_IF_ERROR(EmitFlat("copy_rows", {static_cast<size_t>(row), outer, 1},
                                     {input, output, row, static_cast<int>(Elements(out) / outer),
                                      offset, range.lo, range.hi}));
      offset += row;
    }
    return Status::Ok();
  }

  Status PlanOp(const cpu::Task& task, const ReshapeNode&) {
    return Rows(task.inputs[0], &forms_[task.output].rows);  // the same elements in the same order
  }

  Status PlanOp(const cpu::Task& task, const SoftmaxNode& op) {
    const Shape& shape = graph_.values[task.inputs[0]].shape;
    Activations input;
    PCONV_RETURN_IF_ERROR(Rows(task.inputs[0], &input.index));
    const Activations output{NewRows(task.output)};
    return EmitFlat("softmax", {Elements(shape) / shape.back(), 1, 1},
                    {input, output, shape.back(), op.beta});
  }

  // ---- memory

  // Gives every buffer memory that no other uses while it lives, and binds all arguments.
  Status AllocateAndBind() {
    const int buffers = static_cast<int>(plan_.buffer_bytes.size());
    const int steps = static_cast<int>(plan_.steps.size());
    std::vector<int> last(buffers, -1);
    for (int s = 0; s < steps; ++s) {
      for (const Argument& argument : plan_.steps[s].arguments) {
        if (const auto* used = std::get_if<Activations>(&argument)) last[used->index] = s;
      }
    }
    for (const int output : plan_.outputs) last[output] = steps;
    plan_.memory_of.assign(buffers, -1);
    std::vector<int> idle;  // memory that may be used again
    std::vector<size_t> sizes;
    const auto place = [&](int buffer) {
      const size_t bytes = plan_.buffer_bytes[buffer];
      auto best = idle.end();
      for (auto it = idle.begin(); it != idle.end(); ++it) {
        if (sizes[*it] >= bytes && (best == idle.end() || sizes[*it] < sizes[*best])) best = it;
      }
      if (best == idle.end()) {
        sizes.push_back(bytes);
        plan_.memory_of[buffer] = static_cast<int>(sizes.size()) - 1;
      } else {
        plan_.memory_of[buffer] = *best;
        idle.erase(best);
      }
    };
    for (const int input : plan_.inputs) place(input);
    for (int s = 0; s < steps; ++s) {
      for (const Argument& argument : plan_.steps[s].arguments) {
        const auto* used = std::get_if<Activations>(&argument);
        if (used != nullptr && plan_.memory_of[used->index] < 0) place(used->index);
      }
      for (int b = 0; b < buffers; ++b) {
        if (last[b] == s) idle.push_back(plan_.memory_of[b]);
      }
    }
    for (const size_t bytes : sizes) {
      auto made = std::make_shared<Buffer>();
      PCONV_RETURN_IF_ERROR(Buffer::Create(runtime_.context(), bytes, nullptr, made.get()));
      plan_.memory.push_back(std::move(made));
      plan_.memory_bytes += static_cast<int64_t>(bytes);
    }
    for (const Step& step : plan_.steps) {
      for (size_t i = 0; i < step.arguments.size(); ++i) {
        const Status status = Bind(step, static_cast<cl_uint>(i));
        if (!status.ok()) {
          return Status::Error(step.description + " of '" + step.name + "': " + status.message());
        }
      }
    }
    return Status::Ok();
  }

  Status Bind(const Step& step, cl_uint i) const {
    const Argument& argument = step.arguments[i];
    if (const auto* used = std::get_if<Activations>(&argument)) {
      const cl_mem memory = plan_.memory[plan_.memory_of[used->index]]->get();
      return step.kernel.SetArgument(i, sizeof(memory), &memory);
    }
    if (const auto* constant = std::get_if<std::shared_ptr<const Buffer>>(&argument)) {
      const cl_mem memory = (*constant)->get();
      return step.kernel.SetArgument(i, sizeof(memory), &memory);
    }
    if (const auto* scratch = std::get_if<Scratch>(&argument)) {
      return step.kernel.SetArgument(i, scratch->bytes, nullptr);
    }
    if (const auto* number = std::get_if<cl_int>(&argument)) {
      return step.kernel.SetArgument(i, sizeof(*number), number);
    }
    const cl_float number = std::get<cl_float>(argument);
    return step.kernel.SetArgument(i, sizeof(number), &number);
  }

  const Graph& graph_;
  const EngineOptions& options_;
  Runtime& runtime_;
  PackedCache& cache_;
  const bool gpu_, half_;
  int lanes_ = 1;
  Plan& plan_;
  std::vector<Form> forms_;
  std::shared_ptr<const Buffer> unused_;  // for arguments that a kernel does not read
  int node_ = -1;
  std::string name_ = "output", operation_ = "layout";
};

}  // namespace

Status MakePlan(const PlanRequest& request, Plan* plan) {
  *plan = Plan();
  return Planner(request, plan).Run();
}

}  // namespace pconv::opencl
