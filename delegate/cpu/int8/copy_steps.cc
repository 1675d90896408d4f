// Operations that only move bytes.
#include <cstring>
#include <functional>
#include <numeric>

#include "delegate/cpu/int8/int8_step.h"

namespace pconv::cpu::int8 {
namespace {

class CopyStep : public Int8Step {
 public:
  std::string kernel() const override { return "int8_copy"; }
};

class ReshapeStep : public CopyStep {
 public:
  ReshapeStep(const StepContext& context, const Node& node)
      : input_(node.inputs[0]),
        output_(node.output),
        bytes_(Elements(context.OutputOf(node).shape)) {}

  void Run(const Buffers& buffers) const override {
    std::memcpy(buffers[output_], buffers[input_], bytes_);
  }

 private:
  const int input_, output_;
  const int64_t bytes_;
};

class PadStep : public CopyStep {
 public:
  PadStep(const StepContext& context, const Node& node, const PadNode& op)
      : pool_(context.pool),
        input_(node.inputs[0]),
        output_(node.output),
        pads_(op.pads.begin(), op.pads.end()),
        in_(SizesOf(context.InputOf(node).shape)),
        out_(SizesOf(context.OutputOf(node).shape)),
        zero_point_(context.OutputOf(node).quantization.zero_point) {
    JoinDimensions();
  }

  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const int8_t*>(buffers[input_]);
    auto* output = static_cast<int8_t*>(buffers[output_]);
    if (out_.empty()) {
      *output = *input;
      return;
    }
    const int64_t length = out_.back();
    const int64_t rows =
        std::accumulate(out_.begin(), out_.end() - 1, int64_t{1}, std::multiplies());
    Share(pool_, rows, length, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) RunRow(input, output + row * length, row);
    });
  }

 private:
  using Sizes = std::vector<int64_t>;
  using Pads = std::pair<int64_t, int64_t>;  // before, after

  static Sizes SizesOf(const Shape& shape) { return {shape.begin(), shape.end()}; }

  // A last dimension without padding is a part of the one before: rows get longer.
  void JoinDimensions() {
    while (pads_.size() > 1 && pads_.back() == Pads(0, 0)) {
      const int64_t length = in_.back();
      for (Sizes* shape : {&in_, &out_}) {
        shape->pop_back();
        shape->back() *= length;
      }
      pads_.pop_back();
      pads_.back().first *= length;
      pads_.back().second *= length;
    }
  }

  // A row along the last dimension.
  void RunRow(const int8_t* input, int8_t* output, int64_t row) const {
    int64_t from = 0, stride = in_.back();
    bool is_inside = true;
    for (size_t d = out_.size() - 1; d-- > 0;) {
      const int64_t at = row % out_[d] - pads_[d].first;
      row /= out_[d];
      is_inside = is_inside && at >= 0 && at < in_[d];
      if (is_inside) from += at * stride;
      stride *= in_[d];
    }
    const auto [before, after] = pads_.back();
    if (!is_inside) {
      std::memset(output, zero_point_, out_.back());
      return;
    }
    std::memset(output, zero_point_, before);
    std::memcpy(output + before, input + from, in_.back());
    std::memset(output + before + in_.back(), zero_point_, after);
  }

  ThreadPool* const pool_;
  const int input_, output_;
  std::vector<Pads> pads_;
  Sizes in_, out_;
  const int zero_point_;
};

class ConcatStep : public CopyStep {
 public:
  ConcatStep(const StepContext& context, const Node& node, const ConcatNode& op)
      : pool_(context.pool), inputs_(node.inputs), output_(node.output) {
    const Shape& out = context.OutputOf(node).shape;
    for (int d = 0; d < op.axis; ++d) outer_ *= out[d];
    length_ = Elements(out) / outer_;
    for (const int input : node.inputs) {
      inner_.push_back(Elements(context.graph.values[input].shape) / outer_);
    }
  }

  void Run(const Buffers& buffers) const override {
    auto* output = static_cast<int8_t*>(buffers[output_]);
    Share(pool_, outer_, length_, [&](int64_t begin, int64_t end) {
      int8_t* to = output + begin * length_;
      for (int64_t o = begin; o < end; ++o) {
        for (size_t i = 0; i < inputs_.size(); ++i) {
          const auto* input = static_cast<const int8_t*>(buffers[inputs_[i]]);
          std::memcpy(to, input + o * inner_[i], inner_[i]);
          to += inner_[i];
        }
      }
    });
  }

 private:
  ThreadPool* const pool_;
  const std::vector<int> inputs_;
  const int output_;
  int64_t outer_ = 1, length_ = 0;
  std::vector<int64_t> inner_;  // bytes of each input that lie together
};

}  // namespace

StepPtr MakeStep(const StepContext& context, const Node& node, const PadNode& op) {
  return std::make_unique<PadStep>(context, node, op);
}

StepPtr MakeStep(const StepContext& context, const Node& node, const ConcatNode& op) {
  return std::make_unique<ConcatStep>(context, node, op);
}

StepPtr MakeStep(const StepContext& context, const Node& node, const ReshapeNode&) {
  return std::make_unique<ReshapeStep>(context, node);
}

}  // namespace pconv::cpu::int8
