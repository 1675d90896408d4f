#include "delegate/cpu/plan/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace pconv::cpu {
namespace {

class NoStep : public Step {
 public:
  NoStep(std::vector<int> inputs, int output) {
    reads = std::move(inputs);
    writes = output;
  }
  void Run(const RunContext&) const override {}
};

int AddBuffer(int floats, Plan* plan) {
  Buffer buffer;
  buffer.shape.c = floats;
  plan->buffers.push_back(buffer);
  return static_cast<int>(plan->buffers.size()) - 1;
}

void AddStep(std::vector<int> inputs, int output, Plan* plan) {
  plan->steps.push_back(std::make_unique<NoStep>(std::move(inputs), output));
}

bool IsUsedBy(const Step& step, int buffer) {
  return step.writes == buffer ||
         std::find(step.reads.begin(), step.reads.end(), buffer) != step.reads.end();
}

// First and last step that uses each buffer, found without looking at the planner's.
bool LiveTogether(const Plan& plan, int a, int b) {
  const auto lifetime = [&](int buffer) {
    int first = -1, last = -1;
    for (int s = 0; s < static_cast<int>(plan.steps.size()); ++s) {
      if (!IsUsedBy(*plan.steps[s], buffer)) continue;
      if (first < 0) first = s;
      last = s;
    }
    return std::make_pair(first, last);
  };
  const auto [a_first, a_last] = lifetime(a);
  const auto [b_first, b_last] = lifetime(b);
  return a_first >= 0 && b_first >= 0 && a_first <= b_last && b_first <= a_last;
}

void ExpectNoOverlap(const Plan& plan, const std::string& what) {
  for (int a = 0; a < static_cast<int>(plan.buffers.size()); ++a) {
    const Buffer& x = plan.buffers[a];
    EXPECT_LE(x.offset + x.floats(), plan.arena_floats) << what;
    EXPECT_EQ(x.offset * sizeof(float) % 64, 0u) << what;  // a cache line, a vector
    for (int b = 0; b < a; ++b) {
      const Buffer& y = plan.buffers[b];
      if (!LiveTogether(plan, a, b)) continue;
      EXPECT_TRUE(x.offset + x.floats() <= y.offset || y.offset + y.floats() <= x.offset)
          << what << ": buffers " << a << " and " << b;
    }
  }
}

size_t SumOfFloats(const Plan& plan) {
  size_t sum = 0;
  for (const Buffer& buffer : plan.buffers) sum += buffer.floats();
  return sum;
}

TEST(Arena, AChainNeedsTwoBuffersAtATime) {
  constexpr int kLayers = 10, kFloats = 1024;
  Plan plan;
  int value = AddBuffer(kFloats, &plan);
  for (int i = 0; i < kLayers; ++i) {
    const int next = AddBuffer(kFloats, &plan);
    AddStep({value}, next, &plan);
    value = next;
  }
  PlanArena(&plan);
  ExpectNoOverlap(plan, "chain");
  EXPECT_EQ(plan.arena_floats, 2u * kFloats);
}

TEST(Arena, ABranchIsKeptUntilItIsAdded) {
  Plan plan;
  const int input = AddBuffer(100, &plan);
  int value = input;
  for (int i = 0; i < 4; ++i) {
    const int next = AddBuffer(5000, &plan);
    AddStep({value}, next, &plan);
    value = next;
  }
  AddStep({value, input}, AddBuffer(100, &plan), &plan);
  PlanArena(&plan);
  ExpectNoOverlap(plan, "branch");
  EXPECT_LT(plan.arena_floats, SumOfFloats(plan));
}

TEST(Arena, BuffersOutsideItTakeNoRoom) {
  Plan plan;
  const int input = AddBuffer(1000, &plan), middle = AddBuffer(10, &plan),
            output = AddBuffer(1000, &plan), unused = AddBuffer(1000, &plan);
  plan.buffers[input].place = Buffer::Place::kInput;
  plan.buffers[output].place = Buffer::Place::kOutput;
  AddStep({input}, middle, &plan);
  AddStep({middle}, output, &plan);
  PlanArena(&plan);
  EXPECT_EQ(plan.arena_floats, 10u);
  EXPECT_EQ(plan.buffers[unused].offset, 0u);
}

TEST(Arena, RandomGraphs) {
  const char* text = std::getenv("PCONV_TEST_SEED");
  const uint32_t seed = text != nullptr ? std::strtoul(text, nullptr, 10) : 20200213;
  std::mt19937 rng(seed);
  for (int graph = 0; graph < 200; ++graph) {
    Plan plan;
    std::vector<int> values = {AddBuffer(1 + rng() % 300, &plan)};
    for (int i = 0; i < 20; ++i) {
      std::vector<int> inputs;
      for (uint32_t n = 1 + rng() % 3; n > 0; --n) inputs.push_back(values[rng() % values.size()]);
      values.push_back(AddBuffer(1 + rng() % 300, &plan));
      AddStep(inputs, values.back(), &plan);
    }
    PlanArena(&plan);
    ExpectNoOverlap(plan, "graph " + std::to_string(graph) + ", seed " + std::to_string(seed));
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace pconv::cpu
