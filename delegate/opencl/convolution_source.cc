#include "delegate/opencl/convolution_source.h"

#include <map>
#include <numeric>
#include <utility>

namespace pconv::opencl {
namespace {

std::string Text(int number) { return std::to_string(number); }

std::string Define(const std::string& name, int value) {
  return "#define " + name + " " + Text(value) + "\n";
}

// Statements of one kernel on one block: each distinct window vector once, in the order of memory,
// and after it every sum that it belongs to. `load(y, x)` is the text that reads a vector.
template <typename Load, typename Use>
std::string WalkWindow(const KernelGeometry& geometry, const std::vector<int>& taps,
                       const Load& load, const Use& use) {
  std::map<std::pair<int, int>, std::string> uses;
  for (int y = 0; y < geometry.block.h; ++y) {
    for (int x = 0; x < geometry.block.w; ++x) {
      for (size_t t = 0; t < taps.size(); ++t) {
        const int row = y * geometry.stride_h + taps[t] / geometry.kernel_w * geometry.dilation_h;
        const int column =
            x * geometry.stride_w + taps[t] % geometry.kernel_w * geometry.dilation_w;
        uses[{row, column}] += use(y * geometry.block.w + x, static_cast<int>(t));
      }
    }
  }
  std::string text;
  for (const auto& [position, statements] : uses) {
    text +=
        "{ const VEC v = " + load(position.first, position.second) + ";" + statements + " }\\\n";
  }
  return text;
}

// The macro of lane_rows.cl that loads a column of a window of `columns`.
std::string LoadOf(int column, int columns, const Overhang& beyond) {
  const bool left = column < beyond.left, right = column >= columns - beyond.right;
  return left && right ? "BOTH_MOST" : left ? "LEFTMOST" : right ? "RIGHTMOST" : "LOAD";
}

std::string LaneShift(const std::string& name, int lanes, int grid_h, int grid_w, int dy, int dx,
                      const std::string& fill) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "VEC " + name + "(VEC v) { return (VEC)(";
  for (int lane = 0; lane < lanes; ++lane) {
    const int y = lane / grid_w + dy, x = lane % grid_w + dx;
    const bool inside = lane < grid_h * grid_w && y >= 0 && y < grid_h && x >= 0 && x < grid_w;
    text += lane == 0 ? "" : ", ";
    text += inside ? std::string("v.s") + kDigits[y * grid_w + x] : fill;
  }
  return text + "); }\n";
}

}  // namespace

std::string BlockDefinitions(const KernelGeometry& geometry, int filters) {
  std::string text = Define("BLOCK_H", geometry.block.h) + Define("BLOCK_W", geometry.block.w) +
                     Define("STRIDE_H", geometry.stride_h) + Define("STRIDE_W", geometry.stride_w) +
                     "#define FOR_SUMS(X)";
  for (int f = 0; f < filters; ++f) {
    for (int i = 0; i < geometry.block.size(); ++i) {
      text += " X(" + Text(f * geometry.block.size() + i) + "," + Text(f) + "," +
              Text(i / geometry.block.w) + "," + Text(i % geometry.block.w) + ")";
    }
  }
  return text + "\n";
}

std::string OutputDefinitions(const KernelGeometry& geometry, int filters, bool is_pooled) {
  if (!is_pooled) return Define("POOL", 1) + "#define FOR_OUTPUTS(X) FOR_SUMS(X)\n";
  std::string outputs = "#define FOR_OUTPUTS(X)", pools = "#define FOR_POOLS(X)";
  const BlockShape& block = geometry.block;
  for (int f = 0; f < filters; ++f) {
    for (int y = 0; y < block.h / 2; ++y) {
      for (int x = 0; x < block.w / 2; ++x) {
        const int sum = f * block.size() + 2 * (y * block.w + x);
        outputs += " X(" + Text(sum) + "," + Text(f) + "," + Text(y) + "," + Text(x) + ")";
        pools += " X(" + Text(sum) + "," + Text(sum + 1) + "," + Text(sum + block.w) + "," +
                 Text(sum + block.w + 1) + ")";
      }
    }
  }
  return Define("POOL", 2) + outputs + "\n" + pools + "\n";
}

std::string PairDefinitions(const KernelGeometry& geometry) {
  std::string text = "#define FOR_PAIRS(X)";
  for (int i = 0; i < geometry.block.size(); ++i) {
    text += " X(" + Text(i) + "," + Text(geometry.block.size() + i) + "," +
            Text(i / geometry.block.w) + "," + Text(i % geometry.block.w) + ")";
  }
  return text + "\n";
}

std::string ConvolutionRuns(const KernelGeometry& geometry, Walk walk, int filters, int window_w,
                            const std::vector<std::vector<int>>& patterns) {
  std::string text = Define("FILTERS", filters);
  if (walk == Walk::kTaps) {
    text += Define("RUN_COUNT", 1) + Define("WEIGHTS_PER_OFFSET", filters) +
            "#define RUNS for (int k = *counts++; k > 0; --k) {\\\n"
            "__local const VEC* p = BASE + *offsets++;\\\n";
    for (int f = 0; f < filters; ++f) {
      text += "const VEC w" + Text(f) + " = (VEC)(LOAD_WEIGHT(weights + " + Text(f) + "));\\\n";
    }
    text += "weights += " + Text(filters) + ";\\\n";
    for (int y = 0; y < geometry.block.h; ++y) {
      for (int x = 0; x < geometry.block.w; ++x) {
        text += "{ const VEC v = p[" +
                Text(y * geometry.stride_h * window_w + x * geometry.stride_w) + "];";
        for (int f = 0; f < filters; ++f) {
          const std::string sum = "a" + Text(f * geometry.block.size() + y * geometry.block.w + x);
          text += " " + sum + " = MULTIPLY_ADD(v, w" + Text(f) + ", " + sum + ");";
        }
        text += " }\\\n";
      }
    }
    return text + "}\n";
  }
  const int taps = static_cast<int>(patterns[0].size());
  text += Define("RUN_COUNT", static_cast<int>(patterns.size())) +
          Define("WEIGHTS_PER_OFFSET", taps) + "#define RUNS ";
  // A multiplication waits for the one before it on the same sum: few sums are kept twice, for taps
  // in turns.
  constexpr int kFewSums = 7;
  const int sums = geometry.block.size();
  const bool twice = sums <= kFewSums && taps > 1;
  std::string join;
  for (int i = 0; twice && i < sums; ++i) {
    text += "VEC b" + Text(i) + " = (VEC)(0.0f); ";
    join += "a" + Text(i) + " += b" + Text(i) + "; ";
  }
  for (const std::vector<int>& pattern : patterns) {
    text +=
        "for (int k = *counts++; k > 0; --k) {\\\n"
        "__local const VEC* p = BASE + *offsets++;\\\n";
    for (int t = 0; t < taps; ++t) {
      text += "const VEC w" + Text(t) + " = (VEC)(LOAD_WEIGHT(weights + " + Text(t) + "));\\\n";
    }
    text += "weights += " + Text(taps) + ";\\\n";
    text += WalkWindow(
        geometry, pattern, [&](int y, int x) { return "p[" + Text(y * window_w + x) + "]"; },
        [&](int sum, int t) {
          const std::string a = (twice && t % 2 == 1 ? "b" : "a") + Text(sum);
          return " " + a + " = MULTIPLY_ADD(v, w" + Text(t) + ", " + a + ");";
        });
    text += "}\\\n";
  }
  return text + join + "\n";
}

std::string PixelWalk(const KernelGeometry& geometry) {
  const int taps = geometry.kernel_h * geometry.kernel_w;
  std::string text = Define("TAPS", taps) + "#define WALK ";
  for (int t = 0; t < taps; ++t) {
    text += "ACCUMULATE(a0, AT(" + Text(t / geometry.kernel_w * geometry.dilation_h) + "," +
            Text(t % geometry.kernel_w * geometry.dilation_w) + "), (VEC)(weights[" + Text(t) +
            "]));\\\n";
  }
  return text + "\n";
}

std::string StageRow(int columns, const Overhang& beyond) {
  std::string text = "#define STAGE_ROW(FROM)";
  for (int x = 0; x < columns; ++x) {
    text += " to[" + Text(x) + "] = FROM(" + LoadOf(x, columns, beyond) + "(at, " + Text(x) + "));";
  }
  return text + "\n";
}

std::string RowWalk(const KernelGeometry& geometry, const Overhang& beyond) {
  const int columns = geometry.ColumnsUnder(geometry.block.w);
  std::map<int, std::string> uses;  // per column of the window the sums that it belongs to
  for (int x = 0; x < geometry.block.w; ++x) {
    for (int j = 0; j < geometry.kernel_w; ++j) {
      const int column = x * geometry.stride_w + j * geometry.dilation_w;
      uses[column] +=
          " ACCUMULATE(a" + Text(x) + ", v" + Text(column) + ", (VEC)(weights[" + Text(j) + "]));";
    }
  }
  std::string edges, sums;
  for (const auto& [column, statements] : uses) {
    const std::string load = LoadOf(column, columns, beyond);
    const std::string vector =
        "const VEC v" + Text(column) + " = FROM(" + load + "(at, " + Text(column) + "));";
    if (load == "LOAD") {
      sums += "{ " + vector + statements + " }\\\n";
    } else {  // branches first, so that what follows is one piece
      edges += vector + "\\\n";
      sums += statements + "\\\n";
    }
  }
  return Define("KERNEL_H", geometry.kernel_h) + Define("KERNEL_W", geometry.kernel_w) +
         Define("DILATION_H", geometry.dilation_h) + "#define ROW(FROM) {\\\n" + edges + sums +
         "}\n";
}

std::string PlaneWalk(const KernelGeometry& geometry, const TilePart& input) {
  std::vector<int> taps(geometry.kernel_h * geometry.kernel_w);
  std::iota(taps.begin(), taps.end(), 0);
  const auto load = [&](int y, int x) {
    y -= input.before_h;
    x -= input.before_w;
    const int row = y < 0 ? y + input.tile_h : y < input.tile_h ? y : y - input.tile_h;
    const int column = x < 0 ? x + input.tile_w : x < input.tile_w ? x : x - input.tile_w;
    std::string text = "LOAD(plane, " + Text(row * input.tile_w + column) + ")";
    if (row != y) text = (y < 0 ? "FROM_ABOVE(" : "FROM_BELOW(") + text + ")";
    if (column != x) text = (x < 0 ? "FROM_LEFT(" : "FROM_RIGHT(") + text + ")";
    return text;
  };
  const auto use = [](int sum, int t) {
    return " ACCUMULATE(a" + Text(sum) + ", v, (VEC)(weights[" + Text(t) + "]));";
  };
  return Define("KERNEL_H", geometry.kernel_h) + Define("KERNEL_W", geometry.kernel_w) +
         Define("IS_WHOLE_PLANE", 1) + "#define PLANE " + WalkWindow(geometry, taps, load, use) +
         "\n";
}

std::string LaneShifts(int lanes, int grid_h, int grid_w, const std::string& fill) {
  return LaneShift("FROM_ABOVE", lanes, grid_h, grid_w, -1, 0, fill) +
         LaneShift("FROM_BELOW", lanes, grid_h, grid_w, 1, 0, fill) +
         LaneShift("FROM_LEFT", lanes, grid_h, grid_w, 0, -1, fill) +
         LaneShift("FROM_RIGHT", lanes, grid_h, grid_w, 0, 1, fill);
}

}  // namespace pconv::opencl
