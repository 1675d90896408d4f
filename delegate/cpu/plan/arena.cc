#include "delegate/cpu/plan/arena.h"

#include <algorithm>
#include <numeric>

#include "delegate/cpu/plan/machine.h"

namespace pconv::cpu {
namespace {

struct Lifetime {
  int first = -1, last = -1;  // steps
};

}  // namespace

// Largest first, each at the lowest offset that is free while it lives.
void PlanArena(Plan* plan) {
  std::vector<Lifetime> lifetimes(plan->buffers.size());
  for (int s = 0; s < static_cast<int>(plan->steps.size()); ++s) {
    const auto use = [&](int buffer) {
      Lifetime& life = lifetimes[buffer];
      if (life.first < 0) life.first = s;
      life.last = s;
    };
    for (const int buffer : plan->steps[s]->reads) use(buffer);
    use(plan->steps[s]->writes);
  }
  std::vector<int> order(plan->buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return plan->buffers[a].floats() > plan->buffers[b].floats();
  });
  std::vector<int> placed;
  plan->arena_floats = 0;
  for (const int i : order) {
    Buffer& buffer = plan->buffers[i];
    if (buffer.place != Buffer::Place::kArena || lifetimes[i].first < 0) continue;
    std::vector<std::pair<size_t, size_t>> taken;  // offset, end
    for (const int j : placed) {
      if (lifetimes[j].last < lifetimes[i].first || lifetimes[j].first > lifetimes[i].last)
        continue;
      taken.emplace_back(plan->buffers[j].offset,
                         plan->buffers[j].offset + plan->buffers[j].floats());
    }
    std::sort(taken.begin(), taken.end());
    size_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + buffer.floats() <= begin) break;
      offset = std::max(offset, Aligned(end));
    }
    buffer.offset = offset;
    plan->arena_floats = std::max(plan->arena_floats, offset + buffer.floats());
    placed.push_back(i);
  }
}

}  // namespace pconv::cpu
