// Sparse and dense convolutions.
#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "delegate/lowering/sparse_filters.h"
#include "delegate/opencl/convolution_source.h"
#include "delegate/opencl/kernel_texts.h"
#include "delegate/opencl/operations.h"
#include "delegate/opencl/packed_conv.h"
#include "delegate/opencl/packed_points.h"
#include "delegate/opencl/tile_tuner.h"
#include "delegate/opencl/tiles.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

constexpr int kWalkedPatterns = 16;  // more would make programs long to compile

// Packed weights on the device: PackedConv or PackedPoints.
struct DeviceConv {
  int slices = 0, groups = 0;
  std::shared_ptr<const Buffer> offsets, weights, counts, begins, bias, filters;
  int64_t bytes = 0;
};

// A convolution's weights before packing.
struct ConvWeights {
  FilterSource filters;
  std::vector<std::vector<int>> patterns;  // kept taps, ascending
  int block = 1;                           // filters that share their kernels
  double kept = 1.0;                       // share of kernels
};

class ConvPlanner {
 public:
  ConvPlanner(const Task& task, const ConvWeights& weights, PlanBuilder* builder)
      : task_(task), weights_(weights), builder_(*builder) {}

  Status Plan() {
    const Shape& in = builder_.ShapeOf(task_.inputs[0]);
    const Shape& out = builder_.ShapeOf(task_.output);
    const Window& w = task_.window;
    PCONV_RETURN_IF_ERROR(builder_.StageWindow(task_, 0.0f, &staged_));
    addend_ = builder_.unused();
    if (task_.addend >= 0) {
      Activations addend;
      PCONV_RETURN_IF_ERROR(builder_.Planes(task_.addend, &addend));
      addend_ = addend;
    }
    layout_ = builder_.LayoutOf(task_.output);
    batch_ = in[0];
    out_channels_ = out[3];
    shape_.geometry = {{},         w.kernel_h,   w.kernel_w,  w.stride_h,
                       w.stride_w, w.dilation_h, w.dilation_w};
    shape_.filters = weights_.block >= 4 ? 4 : weights_.block;
    shape_.filter_groups = CeilDiv(out_channels_, shape_.filters);
    shape_.in_channels = in[3];
    shape_.has_slice_sums = builder_.half_arithmetic();
    shape_.out_h = layout_.tile_h;
    shape_.out_w = layout_.tile_w;
    const size_t taps = weights_.patterns.empty() ? 0 : weights_.patterns[0].size();
    walk_ =
        shape_.filters == 1 && taps > 1 && taps <= 9 && weights_.patterns.size() <= kWalkedPatterns
            ? Walk::kPatterns
            : Walk::kTaps;
    in_place_ = !builder_.gpu() && w.kernel_h == 1 && w.kernel_w == 1 && staged_.before_h == 0 &&
                staged_.before_w == 0;
    if (in_place_ && w.stride_h == 1 && w.stride_w == 1) {  // the order of pixels does not matter
      staged_.tile_w *= staged_.tile_h;
      staged_.tile_h = 1;
      shape_.out_w *= shape_.out_h;
      shape_.out_h = 1;
    }
    shape_.is_pooled = builder_.pool() != nullptr;
    stored_ = shape_.is_pooled ? builder_.pool()->output : task_.output;
    output_ = builder_.NewPlanes(stored_);
    const DeviceInfo& device = builder_.device();
    // Partial sums in half would lose what float32 keeps: one slice.
    const std::vector<Tile> candidates =
        builder_.gpu() ? GpuTiles(shape_, device.local_bytes, device.max_work_group, InputImages())
        : in_place_    ? PointTiles(shape_, builder_.lanes(), weights_.kept, !builder_.half())
                       : CpuTiles(shape_, builder_.lanes());
    const auto make_step = [&](const Tile& tile, Step* step) {
      return builder_.gpu() ? MakeGpuStep(tile, step)
             : in_place_    ? MakePointStep(tile, step)
                            : MakeCpuStep(tile, step);
    };
    Step step;
    PCONV_RETURN_IF_ERROR(ChooseTile(builder_, TuningKey(), candidates, make_step, &step));
    builder_.plan().steps.push_back(std::move(step));
    builder_.plan().weight_bytes += weight_bytes_;
    return Status::Ok();
  }

 private:
  // All that a tile's speed depends on, weights by their size.
  std::string TuningKey() const {
    std::string key = "tile 5\n" + builder_.device().Key() + "\n";
    const KernelGeometry& g = shape_.geometry;
    for (const int number : {static_cast<int>(builder_.gpu()),
                             static_cast<int>(builder_.half()),
                             builder_.lanes(),
                             builder_.device().compute_units,
                             static_cast<int>(walk_),
                             static_cast<int>(shape_.is_pooled),
                             shape_.filters,
                             shape_.out_h,
                             shape_.out_w,
                             staged_.tile_h,
                             staged_.tile_w,
                             staged_.before_h,
                             staged_.before_w,
                             shape_.in_channels,
                             out_channels_,
                             batch_,
                             g.kernel_h,
                             g.kernel_w,
                             g.stride_h,
                             g.stride_w,
                             g.dilation_h,
                             g.dilation_w,
                             static_cast<int>(weights_.patterns.size())}) {
      key += std::to_string(number) + " ";
    }
    const PackingKey filters("", weights_.filters);
    for (const PackingKey::Source& source : filters.sources()) {
      key += std::to_string(source.bytes) + " ";
    }
    return key;
  }

  // Weights packed for windows of the staged size.
  Status Pack(const KernelGeometry& geometry, int slice_channels, int window_h, int window_w,
              std::shared_ptr<const DeviceConv>* kept) {
    PCONV_RETURN_IF_ERROR(CheckWindow(window_h, window_w));
    const PackingKey key("conv", weights_.filters, walk_, shape_.filters, slice_channels, window_h,
                         window_w, geometry.kernel_h, geometry.kernel_w, geometry.dilation_h,
                         geometry.dilation_w, builder_.gpu() && builder_.half());
    const auto fill = [&](DeviceConv* made) -> Status {
      const int runs = walk_ == Walk::kPatterns ? static_cast<int>(weights_.patterns.size()) : 1;
      PCONV_RETURN_IF_ERROR(CheckCounts(slice_channels, runs));
      const PackedConv packed =
          PackConv(MakeFilters(weights_.filters), geometry, walk_, shape_.filters, slice_channels,
                   window_w, window_h * window_w);
      return UploadPacked(packed, made);
    };
    PCONV_RETURN_IF_ERROR(builder_.Keep<DeviceConv>(key, fill, kept));
    weight_bytes_ = (*kept)->bytes;
    return Status::Ok();
  }

  // Kernels count pixels of a window in 32 bits; strides and dilations may be far beyond the image.
  static Status CheckWindow(int window_h, int window_w) {
    if (int64_t{window_h} * window_w <= std::numeric_limits<int>::max()) return Status::Ok();
    return Status::Error("a tile reads a window of " + std::to_string(window_h) + "x" +
                         std::to_string(window_w) + " pixels, expected at most 2147483647");
  }

  // Every slice of the input channels has counts of each group, also where it has no kernels.
  Status CheckCounts(int slice_channels, int per_group) const {
    const double slices = CeilDiv(shape_.in_channels, std::max(1, slice_channels));
    return builder_.CheckWeights(slices * shape_.filter_groups * per_group * sizeof(int));
  }

  template <typename Packed>
  Status UploadPacked(const Packed& packed, DeviceConv* made) const {
    made->slices = packed.slices;
    made->groups = packed.groups;
    made->bytes = packed.bytes();
    PCONV_RETURN_IF_ERROR(builder_.Upload(packed.offsets, &made->offsets));
    PCONV_RETURN_IF_ERROR(UploadWeights(packed.weights, &made->weights));
    PCONV_RETURN_IF_ERROR(builder_.Upload(packed.counts, &made->counts));
    PCONV_RETURN_IF_ERROR(builder_.Upload(packed.begins, &made->begins));
    PCONV_RETURN_IF_ERROR(builder_.Upload(packed.bias, &made->bias));
    return builder_.Upload(packed.filters, &made->filters);
  }

  Status UploadWeights(const std::vector<float>& weights,
                       std::shared_ptr<const Buffer>* buffer) const {
    if (!(builder_.gpu() && builder_.half())) return builder_.Upload(weights, buffer);
    std::vector<uint16_t> halves;
    PCONV_RETURN_IF_ERROR(ToHalves(weights, &halves));
    return builder_.Upload(halves, buffer);
  }

  std::string Describe(const Tile& tile) const {
    return std::to_string(tile.block.h) + "x" + std::to_string(tile.block.w) +
           (shape_.filters > 1 ? "x" + std::to_string(shape_.filters) : "") + ", slices of " +
           std::to_string(tile.slice_channels);
  }

  // What the two kinds of kernels' sources share after their own definitions.
  std::string Source(const KernelGeometry& geometry, int window_h, int window_w) const {
    return BlockDefinitions(geometry, shape_.filters) + Define("WINDOW_H", window_h) +
           Define("WINDOW_W", window_w) +
           ConvolutionRuns(geometry, walk_, shape_.filters, window_w, weights_.patterns);
  }

  // A function that computes a block.
  std::string LaneBlock(const char* name, const KernelGeometry& geometry) const {
    return std::string("#define BLOCK_FUNCTION ") + name + "\n" +
           Source(geometry, geometry.RowsUnder(geometry.block.h),
                  geometry.ColumnsUnder(geometry.block.w)) +
           OutputDefinitions(geometry, shape_.filters, shape_.is_pooled) + kernel_text::lane_block;
  }

  Status MakeCpuStep(const Tile& tile, Step* step) {
    KernelGeometry geometry = shape_.geometry;
    geometry.block = tile.block;
    const int window_h = geometry.RowsUnder(tile.block.h);
    const int window_w = geometry.ColumnsUnder(tile.block.w);
    std::shared_ptr<const DeviceConv> weights;
    PCONV_RETURN_IF_ERROR(Pack(geometry, tile.slice_channels, window_h, window_w, &weights));

    const int vector_bytes = builder_.lanes() * static_cast<int>(sizeof(float));
    const int blocks_w = CeilDiv(shape_.out_w, tile.block.w);
    const int rows = CeilDiv(shape_.out_h, tile.block.h), blocks = rows * blocks_w;
    const int short_rows = shape_.is_pooled ? 0 : ShortRows(shape_.out_h, tile.block.h);
    const int sums_bytes = shape_.filters * tile.block.size() * vector_bytes;
    constexpr int kPartialBytes = 256 * 1024;
    int parts = 1;
    if (weights->slices > 1) {
      parts = CeilDiv(weights->groups, std::max(1, kPartialBytes / sums_bytes));
    }
    const int units = builder_.device().compute_units, wanted = 4 * units;
    if (units > 1 && blocks * batch_ * parts < wanted) parts = CeilDiv(wanted, blocks * batch_);
    const int groups_per_part = CeilDiv(weights->groups, std::min(parts, weights->groups));
    parts = CeilDiv(weights->groups, groups_per_part);
    const size_t partial_bytes =
        weights->slices > 1 ? static_cast<size_t>(groups_per_part) * sums_bytes : vector_bytes;
    const size_t window_bytes =
        static_cast<size_t>(tile.slice_channels) * window_h * window_w * vector_bytes;

    const Layout& stored = builder_.LayoutOf(stored_);
    std::shared_ptr<const Buffer> valid;
    PCONV_RETURN_IF_ERROR(builder_.UploadValidLanes(stored, &valid));
    KernelGeometry shorter = geometry;
    --shorter.block.h;
    const std::string source =
        builder_.Common(builder_.lanes()) +
        LaneShifts(builder_.lanes(), layout_.grid_h, layout_.grid_w, "0.0f") +
        kernel_text::lane_rows + StageRow(window_w, staged_.Beyond(geometry, shape_.out_w)) +
        Define("CHANNEL_VECTORS", window_h * window_w) +
        Define("HAS_PREFETCH", builder_.device().has_prefetch) + Define("TALL_H", tile.block.h) +
        Define("HAS_SHORT_BLOCKS", short_rows > 0) + LaneBlock("tall_block", geometry) +
        (short_rows > 0 ? LaneBlock("short_block", shorter) : "") + kernel_text::conv_lanes;
    const ActivationRange range = RangeOf(task_.activation);
    return builder_.MakeStep(
        source, "conv_lanes", Describe(tile),
        {static_cast<size_t>(blocks), static_cast<size_t>(parts), static_cast<size_t>(batch_)},
        {1, 1, 1},
        {staged_.planes,
         output_,
         weights->offsets,
         weights->weights,
         weights->counts,
         weights->begins,
         weights->bias,
         weights->filters,
         valid,
         addend_,
         Scratch{window_bytes},
         Scratch{partial_bytes},
         staged_.tile_h,
         staged_.tile_w,
         staged_.before_h,
         staged_.before_w,
         shape_.out_h,
         shape_.out_w,
         shape_.in_channels,
         out_channels_,
         tile.slice_channels,
         weights->slices,
         weights->groups,
         groups_per_part,
         blocks_w,
         rows - short_rows,
         static_cast<int>(stored.is_ragged()),
         static_cast<int>(task_.addend >= 0),
         range.lo,
         range.hi},
        step);
  }

  // Filters that do not share their kernels are computed in pairs where two have enough input
  // channels in common, where registers hold the sums of both, and where these are enough to hide
  // the latency of a multiplication.
  bool InPairs(const Tile& tile) const {
    constexpr double kLeastKept =
        0.2;  // at 1/8 loops of three kinds cost more than shared loads save
    const int vectors = tile.block.size();
    return shape_.filters == 1 && weights_.kept >= kLeastKept && vectors >= 4 &&
           vectors <= MostVectors(2, builder_.lanes());
  }

  // Weights packed for slices, and for parts of so many groups.
  Status PackInPlace(bool in_pairs, int slice_channels, int groups_per_part,
                     std::shared_ptr<const DeviceConv>* kept) {
    const int plane = staged_.tile_h * staged_.tile_w * builder_.lanes();
    const PackingKey key(in_pairs ? "pairs" : "points", weights_.filters, shape_.filters,
                         slice_channels, groups_per_part, plane, builder_.gpu() && builder_.half());
    const auto fill = [&](DeviceConv* made) -> Status {
      // A list of each group, and its filters, in every slice.
      PCONV_RETURN_IF_ERROR(CheckCounts(slice_channels, 32 + shape_.filters));
      const SparseFilters filters = MakeFilters(weights_.filters);
      return UploadPacked(
          in_pairs ? PackPairs(filters, slice_channels, groups_per_part, plane)
                   : PackPoints(filters, shape_.filters, slice_channels, groups_per_part, plane),
          made);
    };
    PCONV_RETURN_IF_ERROR(builder_.Keep<DeviceConv>(key, fill, kept));
    weight_bytes_ = (*kept)->bytes;
    return Status::Ok();
  }

  Status MakePointStep(const Tile& tile, Step* step) {
    KernelGeometry geometry = shape_.geometry;
    geometry.block = tile.block;
    const int blocks_w = CeilDiv(shape_.out_w, tile.block.w);
    const int blocks = CeilDiv(shape_.out_h, tile.block.h) * blocks_w;
    const bool in_pairs = InPairs(tile);
    const int filters = in_pairs ? 2 : shape_.filters;
    const int groups = CeilDiv(out_channels_, filters);
    const int units = builder_.device().compute_units;
    const int wanted = units > 1 ? CeilDiv(4 * units, blocks * batch_) : 1;
    const int groups_per_part = CeilDiv(groups, std::min(wanted, groups));
    std::shared_ptr<const DeviceConv> weights;
    PCONV_RETURN_IF_ERROR(PackInPlace(in_pairs, tile.slice_channels, groups_per_part, &weights));
    std::shared_ptr<const Buffer> valid;
    PCONV_RETURN_IF_ERROR(builder_.UploadValidLanes(layout_, &valid));
    const bool is_exact = shape_.out_h % tile.block.h == 0 && shape_.out_w % tile.block.w == 0;
    const int sums = tile.block.size() * filters;
    const std::string source = builder_.Common(builder_.lanes()) +
                               BlockDefinitions(geometry, filters) + PairDefinitions(geometry) +
                               Define("PAIRS", in_pairs) + Define("FILTERS", filters) +
                               Define("IN_W", staged_.tile_w) +
                               Define("WAYS", sums > 4   ? 1
                                              : sums > 2 ? 2
                                                         : 4) +
                               Define("IS_EXACT", is_exact) + kernel_text::conv_points;
    const ActivationRange range = RangeOf(task_.activation);
    return builder_.MakeStep(
        source, "conv_points", Describe(tile) + (in_pairs ? ", in pairs" : ""),
        {static_cast<size_t>(blocks), static_cast<size_t>(CeilDiv(groups, groups_per_part)),
         static_cast<size_t>(batch_)},
        {1, 1, 1},
        {staged_.planes,
         output_,
         weights->offsets,
         weights->weights,
         weights->counts,
         weights->begins,
         weights->bias,
         weights->filters,
         valid,
         addend_,
         staged_.tile_h * staged_.tile_w,
         shape_.out_h,
         shape_.out_w,
         shape_.in_channels,
         out_channels_,
         tile.slice_channels,
         weights->slices,
         groups,
         groups_per_part,
         blocks_w,
         static_cast<int>(layout_.is_ragged()),
         static_cast<int>(task_.addend >= 0),
         range.lo,
         range.hi},
        step);
  }

  size_t InputElements() const {
    return static_cast<size_t>(batch_) * shape_.in_channels * staged_.tile_h * staged_.tile_w;
  }

  Images InputImages() const {
    const DeviceInfo& device = builder_.device();
    const bool half = builder_.half();
    // PoCL, which has no arithmetic in half, lists images of halves but reads them wrongly.
    if (static_cast<int64_t>(InputElements()) > device.image_elements ||
        (half && !device.has_fp16) || !Image::IsSupported(builder_.runtime().context(), half)) {
      return Images::kNone;
    }
    return device.prefers_images ? Images::kPreferred : Images::kPossible;
  }

  Status MakeGpuStep(const Tile& tile, Step* step) {
    KernelGeometry geometry = shape_.geometry;
    geometry.block = tile.block;
    const int window_h = geometry.RowsUnder(tile.block.h * tile.group_h);
    const int window_w = geometry.ColumnsUnder(tile.block.w * tile.group_w);
    std::shared_ptr<const DeviceConv> weights;
    PCONV_RETURN_IF_ERROR(Pack(geometry, tile.slice_channels, window_h, window_w, &weights));
    const std::string source =
        builder_.Common(1) + Define("GROUP_W", tile.group_w) + Define("GROUP_H", tile.group_h) +
        Define("GROUP_FILTERS", tile.group_filters) +
        Define("SLICE_CHANNELS", tile.slice_channels) + Define("INPUT_IMAGE", tile.reads_image) +
        kernel_text::window + Source(geometry, window_h, window_w) + kernel_text::conv_groups;
    const int group_parts = CeilDiv(weights->groups, tile.group_filters);
    const Argument input =
        tile.reads_image ? Argument(ImageView{staged_.planes, InputElements(), builder_.half()})
                         : Argument(staged_.planes);
    const ActivationRange range = RangeOf(task_.activation);
    const auto global = [](int outputs, int block, int group) {
      return static_cast<size_t>(CeilDiv(outputs, block * group)) * group;
    };
    return builder_.MakeStep(source, "conv_groups", Describe(tile),
                             {global(shape_.out_w, tile.block.w, tile.group_w),
                              global(shape_.out_h, tile.block.h, tile.group_h),
                              static_cast<size_t>(group_parts) * tile.group_filters * batch_},
                             {static_cast<size_t>(tile.group_w), static_cast<size_t>(tile.group_h),
                              static_cast<size_t>(tile.group_filters)},
                             {input,
                              output_,
                              weights->offsets,
                              weights->weights,
                              weights->counts,
                              weights->begins,
                              weights->bias,
                              weights->filters,
                              addend_,
                              staged_.tile_h,
                              staged_.tile_w,
                              staged_.before_h,
                              staged_.before_w,
                              shape_.out_h,
                              shape_.out_w,
                              shape_.in_channels,
                              out_channels_,
                              weights->slices,
                              weights->groups,
                              group_parts,
                              static_cast<int>(task_.addend >= 0),
                              range.lo,
                              range.hi},
                             step);
  }

  const Task& task_;
  const ConvWeights& weights_;
  PlanBuilder& builder_;
  ConvShape shape_;
  Walk walk_ = Walk::kTaps;
  Layout layout_;    // of the output, before a pool
  int stored_ = -1;  // value: the output or its pool
  PlanBuilder::WindowInput staged_;
  Argument addend_;
  Activations output_;
  bool in_place_ = false;  // 1x1: every output vector reads vectors of the planes as they are
  int batch_ = 1, out_channels_ = 0;
  int64_t weight_bytes_ = 0;
};

}  // namespace

Status PlanOperation(const Task& task, const PConv2DNode& op, PlanBuilder* builder) {
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  const Window& w = task.window;
  const bool is_point = w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1;
  if (in.size() == 2 || (is_point && in[1] == 1 && in[2] == 1 && task.addend < 0)) {
    return PlanSparseFullyConnected(task, op.layer, builder);
  }
  ConvWeights weights;
  weights.filters = op.layer;
  weights.block = op.layer.options().filter_block;
  weights.kept = static_cast<double>(op.layer.num_kernels()) /
                 (static_cast<double>(op.layer.num_groups()) * in.back());
  for (const uint64_t mask : op.layer.options().patterns) {
    weights.patterns.push_back(TapsOf(mask));
  }
  return ConvPlanner(task, weights, builder).Plan();
}

Status PlanOperation(const Task& task, const Conv2DNode& op, PlanBuilder* builder) {
  const Value& filter = builder->graph().values[op.filter];
  const int in_channels = builder->ShapeOf(task.inputs[0])[3];
  const int conv_groups = in_channels / filter.shape[3];
  const int group_outputs = filter.shape[0] / conv_groups;
  ConvWeights weights;
  weights.filters = FiltersOf(builder->graph(), builder->graph().nodes[task.main], in_channels);
  weights.block = conv_groups == 1 || group_outputs % 4 == 0 ? 4 : group_outputs % 2 == 0 ? 2 : 1;
  weights.patterns.emplace_back(filter.shape[1] * filter.shape[2]);
  std::iota(weights.patterns[0].begin(), weights.patterns[0].end(), 0);
  return ConvPlanner(task, weights, builder).Plan();
}

}  // namespace pconv::opencl
