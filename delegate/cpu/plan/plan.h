// A plan is a list of steps that work on buffers.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_PLAN_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_PLAN_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "delegate/cpu/layout/layout.h"
#include "delegate/cpu/plan/thread_pool.h"

namespace pconv::cpu {

// Tensors that are not images are [1, 1, 1, elements] or, for matrices, [rows, 1, 1, columns].
struct ImageShape {
  int n = 1, h = 1, w = 1, c = 1;
};

// One tensor in one layout.
struct Buffer {
  enum class Place { kArena, kInput, kOutput, kConstant };
  ImageShape shape;
  Layout layout;
  Place place = Place::kArena;
  int index = 0;                    // among the graph's inputs or outputs
  const float* constant = nullptr;  // kConstant
  size_t offset = 0;                // kArena, in floats
  size_t scratch_floats = 0;        // more than 0: no tensor, but memory that a step works in

  size_t floats() const {
    return scratch_floats > 0 ? scratch_floats : layout.Floats(shape.n, shape.h, shape.w, shape.c);
  }
  // Floats to cell (0, 0) of the first plane of image n in a lane-tiled buffer.
  size_t ImageOffset(int n) const {
    return static_cast<size_t>(n) * shape.c * layout.plane_floats() + layout.CellOffset(0, 0);
  }
};

// Some rows of the tiles of a lane-tiled image, of all its channels, that lie outside the plan's
// buffers: row `first` of a tile is the layout's row 0.
struct Band {
  const Layout* layout;
  float* data;
  int first;

  // Where row 0 of the tile would lie in channel 0.
  float* origin() const {
    return data - static_cast<ptrdiff_t>(first) * static_cast<ptrdiff_t>(layout->row_floats());
  }
};

struct RunContext {
  std::vector<float*> data;  // per buffer; inputs and constants are never written
  ThreadPool* pool = nullptr;
};

class Step {
 public:
  virtual ~Step() = default;
  virtual void Run(const RunContext& context) const = 0;

  int node = -1;           // index into Graph::nodes, -1 for layout changes
  std::string name;        // the node's
  std::string kernel;      // operation, kernel and tile, for the profile
  std::vector<int> reads;  // indices of buffers
  int writes = -1;         // index of a buffer
};

struct Plan {
  std::vector<Buffer> buffers;
  std::vector<std::unique_ptr<Step>> steps;
  size_t arena_floats = 0;

  // The buffer for what a step works in. The step must name it among what it reads, so that the
  // arena keeps it while the step runs.
  int AddScratch(size_t floats) {
    buffers.emplace_back();
    buffers.back().scratch_floats = floats;
    return static_cast<int>(buffers.size()) - 1;
  }
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_PLAN_H_
