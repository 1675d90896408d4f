// Bands and their rows with steps that only add up rows, against the same sums over whole images.
#include "delegate/cpu/steps/strip_step.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "gtest/gtest.h"

namespace pconv::cpu {
namespace {

using blocked::Range;
using blocked::Tensor;

constexpr int kLanes = 4, kChannels = 5, kWidth = 3, kImages = 2;
constexpr size_t kScratch = 3;

// Rows of the output are sums of the rows of the input under a window.
struct RowWindow {
  int kernel, stride, before;
  int OutputRows(int rows) const { return std::max(0, (rows + 2 * before - kernel) / stride + 1); }
};

// Output rows of all images that were computed, by row.
struct Tally {
  std::mutex mutex;
  std::vector<int> rows;
};

class SumRowsStep : public BlockedRowStep {
 public:
  SumRowsStep(const RowWindow& window, int input, int output, Tally* tally)
      : window_(window), tally_(tally) {
    reads = {input};
    writes = output;
    kernel = "sum";
  }
  void Run(const RunContext&) const override {}
  Range InputRows(Range rows) const override {
    return {rows.begin * window_.stride - window_.before,
            (rows.end - 1) * window_.stride - window_.before + window_.kernel};
  }
  size_t row_scratch_floats() const override { return kScratch; }
  void RunRows(const Tensor& input, const Tensor& output, Range rows,
               float* scratch) const override {
    std::fill_n(scratch, kScratch, std::numeric_limits<float>::quiet_NaN());  // shows if in a band
    for (int block = 0; block < output.blocks(); ++block) {
      for (int y = rows.begin; y < rows.end; ++y) {
        for (int i = 0; i < kWidth * kLanes; ++i) {
          float sum = 0;
          for (int k = 0; k < window_.kernel; ++k) {
            sum += input.At(block, y * window_.stride - window_.before + k, 0)[i];
          }
          output.At(block, y, 0)[i] = sum;
        }
      }
    }
    const std::lock_guard<std::mutex> lock(tally_->mutex);
    for (int y = rows.begin; y < rows.end; ++y) ++tally_->rows[y];
  }

 private:
  RowWindow window_;
  Tally* tally_;
};

int AddImage(int rows, int margin, Plan* plan) {
  Buffer buffer;
  buffer.shape = {kImages, rows, kWidth, kChannels};
  buffer.layout = BlockedLayout(kLanes, margin);
  plan->buffers.push_back(buffer);
  return static_cast<int>(plan->buffers.size()) - 1;
}

// A row's value, by block and image; the same in all columns and lanes.
float InputRow(int n, int block, int y) { return static_cast<float>(100 * n + 10 * block + y + 1); }

void CheckChain(const std::vector<RowWindow>& windows, int height, int strip, int num_threads) {
  SCOPED_TRACE(std::to_string(windows.size()) + " steps, " + std::to_string(height) +
               " rows, strips of " + std::to_string(strip) + ", " + std::to_string(num_threads) +
               " threads");
  Plan plan;
  std::vector<int> heights = {height};
  for (const RowWindow& window : windows) heights.push_back(window.OutputRows(heights.back()));
  ASSERT_GT(heights.back(), 0);
  std::vector<Tally> tallies(windows.size());
  std::vector<StripStep::Stage> stages;
  AddImage(height, 2, &plan);
  for (size_t i = 0; i < windows.size(); ++i) {
    const int output = AddImage(heights[i + 1], 1, &plan);
    tallies[i].rows.assign(heights[i + 1], 0);
    stages.push_back({std::make_unique<SumRowsStep>(windows[i], output - 1, output, &tallies[i]),
                      /*band_rows=*/0});
  }
  Range needed = {0, strip};
  for (size_t i = stages.size(); i-- > 0;) {
    stages[i].band_rows = needed.end - needed.begin;
    needed = stages[i].step->InputRows(needed);
  }
  const int last = static_cast<int>(plan.buffers.size()) - 1;
  const StripStep step(std::move(stages), strip, num_threads, &plan);
  EXPECT_EQ(step.reads, (std::vector<int>{0, last + 1}));
  EXPECT_EQ(step.writes, last);

  ThreadPool pool(num_threads);
  RunContext context;
  context.pool = &pool;
  // What lies in the arena before is anything.
  std::vector<std::vector<float>> memory;
  for (const Buffer& buffer : plan.buffers) {
    memory.emplace_back(buffer.floats(), std::numeric_limits<float>::quiet_NaN());
    context.data.push_back(memory.back().data());
  }
  for (int n = 0; n < kImages; ++n) {
    const Tensor in = ViewOf(plan.buffers[0], context, 0, n);
    std::fill_n(in.data, in.size(), 0.0f);
    for (int block = 0; block < in.blocks(); ++block) {
      for (int y = 0; y < height; ++y) {
        std::fill_n(in.At(block, y, 0), kWidth * kLanes, InputRow(n, block, y));
      }
    }
  }
  step.Run(context);

  for (int n = 0; n < kImages; ++n) {
    const Tensor out = ViewOf(plan.buffers[last], context, last, n);
    for (int block = 0; block < out.blocks(); ++block) {
      std::vector<float> rows;
      for (int y = 0; y < height; ++y) rows.push_back(InputRow(n, block, y));
      for (const RowWindow& window : windows) {
        std::vector<float> sums(window.OutputRows(static_cast<int>(rows.size())), 0.0f);
        for (int y = 0; y < static_cast<int>(sums.size()); ++y) {
          for (int k = 0; k < window.kernel; ++k) {
            const int in_y = y * window.stride - window.before + k;
            if (in_y >= 0 && in_y < static_cast<int>(rows.size())) sums[y] += rows[in_y];
          }
        }
        rows = sums;
      }
      for (int y = -1; y <= out.height; ++y) {
        for (int x = -1; x <= kWidth; ++x) {
          const bool inside = y >= 0 && y < out.height && x >= 0 && x < kWidth;
          for (int lane = 0; lane < kLanes; ++lane) {
            ASSERT_EQ(out.At(block, y, x)[lane], inside ? rows[y] : 0.0f)
                << "image " << n << " block " << block << " row " << y << " column " << x;
          }
        }
      }
    }
  }
  // Bands keep what the next strip needs again: one thread computes no row twice.
  for (size_t i = 0; i < tallies.size() && num_threads == 1; ++i) {
    const std::vector<int>& rows = tallies[i].rows;
    EXPECT_LE(*std::max_element(rows.begin(), rows.end()), kImages) << "step " << i;
  }
}

TEST(StripStep, ComputesTheSameRowsAsWholeImages) {
  const std::vector<std::vector<RowWindow>> chains = {
      {{3, 1, 1}, {3, 1, 1}},             // as large as the input
      {{3, 1, 0}, {2, 2, 0}},             // smaller; a pool
      {{5, 2, 2}, {3, 1, 1}, {1, 1, 0}},  // the last band but one has the rows of the strip
      {{1, 1, 0}, {1, 3, 0}, {3, 1, 1}},  // rows that nobody needs
      {{2, 2, 0}, {3, 2, 1}},
  };
  for (const std::vector<RowWindow>& chain : chains) {
    for (const int height : {6, 7, 13, 32}) {
      for (const int strip : {1, 2, 3, 16}) {  // 16: mostly more than there are
        for (const int num_threads : {1, 2, 5}) CheckChain(chain, height, strip, num_threads);
      }
    }
  }
}

TEST(StripStep, BandsOfOneRow) {
  for (const int height : {1, 2, 5}) {
    for (const int num_threads : {1, 3}) {  // some without a row
      CheckChain({{1, 1, 0}, {1, 1, 0}}, height, 1, num_threads);
    }
  }
}

TEST(StripStep, OneRowUnderALargeWindow) {
  CheckChain({{3, 1, 1}, {3, 1, 1}, {3, 1, 1}}, 1, 1, 2);
  CheckChain({{5, 1, 2}, {5, 1, 2}}, 2, 16, 1);
}

}  // namespace
}  // namespace pconv::cpu
