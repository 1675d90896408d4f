// Where pixels lie, and what completes a plane, against the image itself.
#include "delegate/cpu/layout/layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/layout/window_cells.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {
namespace {

struct Image {
  int height, width;
  // Another value for every pixel, none of them zero.
  float At(int y, int x) const { return static_cast<float>(y * width + x + 1); }
  bool Has(int y, int x) const { return y >= 0 && y < height && x >= 0 && x < width; }
  float AtOrZero(int y, int x) const { return Has(y, x) ? At(y, x) : 0.0f; }
};

const Image kImages[] = {{1, 1}, {2, 2}, {7, 7}, {14, 14}, {15, 28}, {28, 13}, {56, 56}};

// Calls fn(y, x, lane, image y, image x) for all lanes with a tile of all cells, halo included.
template <typename Fn>
void ForCells(const Layout& layout, const Fn& fn) {
  for (int y = -layout.halo_top; y < layout.tile_h + layout.halo_bottom; ++y) {
    for (int x = -layout.halo_left; x < layout.tile_w + layout.halo_right; ++x) {
      for (int lane = 0; lane < layout.grid_h * layout.grid_w; ++lane) {
        fn(y, x, lane, lane / layout.grid_w * layout.tile_h + y,
           lane % layout.grid_w * layout.tile_w + x);
      }
    }
  }
}

// The plane as a step writes it: the image in the cells of the tile, and nothing else.
std::vector<float> WrittenPlane(const Layout& layout, const Image& image) {
  std::vector<float> plane(layout.plane_floats(), std::numeric_limits<float>::quiet_NaN());
  ForCells(layout, [&](int y, int x, int lane, int image_y, int image_x) {
    if (y < 0 || y >= layout.tile_h || x < 0 || x >= layout.tile_w) return;
    plane[layout.CellOffset(y, x) + lane] =
        image.Has(image_y, image_x) ? image.At(image_y, image_x) : -1.0f;  // anything
  });
  return plane;
}

void Complete(const BorderTable& table, int lanes, std::vector<float>* plane) {
  for (const BorderMask& mask : table.masked) {
    for (int l = 0; l < lanes; ++l) {
      if (table.masks[mask.mask + l] == 0) (*plane)[mask.cell + l] = 0.0f;
    }
  }
  for (const BorderPermute& permute : table.permuted) {
    for (int l = 0; l < lanes; ++l) {
      const bool inside = table.permutation_masks[permute.permutation + l] != 0;
      (*plane)[permute.to + l] =
          inside ? (*plane)[permute.from + table.permutations[permute.permutation + l]] : 0.0f;
    }
  }
  for (const BorderGather& gather : table.gathered) {
    for (int l = 0; l < lanes; ++l) {
      const int32_t from = table.indices[gather.index + l];
      (*plane)[gather.to + l] = from < 0 ? 0.0f : (*plane)[from];
    }
  }
}

TEST(Layout, BestTilesCoverTheImageWithTheFewestVectors) {
  for (const Image& image : kImages) {
    for (const int lanes : {4, 8, 16}) {
      const Layout best = BestLaneTiled(image.height, image.width, lanes);
      EXPECT_GE(best.grid_h * best.tile_h, image.height);
      EXPECT_GE(best.grid_w * best.tile_w, image.width);
      EXPECT_LE(best.grid_h * best.grid_w, lanes);
      for (int grid_h = 1; grid_h <= lanes; ++grid_h) {
        const int grid_w = lanes / grid_h;
        EXPECT_LE(best.tile_h * best.tile_w,
                  CeilDiv(image.height, grid_h) * CeilDiv(image.width, grid_w));
      }
    }
  }
}

TEST(Layout, EveryPixelHasOneCell) {
  for (const Image& image : kImages) {
    for (const int lanes : {4, 16}) {
      const Layout layout = WindowOfTiles(BestLaneTiled(image.height, image.width, lanes));
      const std::vector<int32_t> table = PixelTable(layout, image.height, image.width);
      std::vector<int> seen(layout.plane_floats(), 0);
      for (int y = 0; y < image.height; ++y) {
        for (int x = 0; x < image.width; ++x) {
          const size_t at = PixelOffset(layout, y, x);
          ASSERT_LT(at, table.size());
          EXPECT_EQ(table[at], y * image.width + x);
          EXPECT_EQ(seen[at]++, 0);
        }
      }
    }
  }
}

TEST(Layout, PixelTableSamplesAndShifts) {
  const Image image = {28, 30};
  const Layout layout = BestLaneTiled(14, 15, 16);
  Sampling sampling;
  sampling.stride_h = sampling.stride_w = 2;
  sampling.shift_y = 1;
  const std::vector<int32_t> table = PixelTable(layout, image.height, image.width, sampling);
  ForCells(layout, [&](int y, int x, int lane, int tile_y, int tile_x) {
    const int image_y = 2 * tile_y - 1, image_x = 2 * tile_x;
    const int expected = image.Has(image_y, image_x) ? image_y * image.width + image_x : -1;
    EXPECT_EQ(table[layout.CellOffset(y, x) + lane], expected);
  });
}

TEST(Layout, BorderRepeatsTheImage) {
  for (const Image& image : kImages) {
    for (const int lanes : {4, 8, 16}) {
      for (const int halo : {0, 1, 3}) {
        Layout layout = BestLaneTiled(image.height, image.width, lanes);
        layout.halo_top = layout.halo_left = halo;
        layout.halo_bottom = layout.halo_right = halo == 3 ? 2 : halo;
        layout.cleared = true;
        std::vector<float> plane = WrittenPlane(layout, image);
        Complete(MakeBorderTable(layout, image.height, image.width), lanes, &plane);
        ForCells(layout, [&](int y, int x, int lane, int image_y, int image_x) {
          ASSERT_EQ(plane[layout.CellOffset(y, x) + lane], image.AtOrZero(image_y, image_x))
              << image.height << "x" << image.width << ", " << lanes << " lanes, halo " << halo
              << ", cell " << y << ", " << x << ", lane " << lane;
        });
      }
    }
  }
}

TEST(Layout, OnlyTilesThatReachOutsideAreCleared) {
  Layout full = BestLaneTiled(28, 28, 16), uneven = BestLaneTiled(17, 17, 16);
  for (Layout* layout : {&full, &uneven}) layout->cleared = true;
  EXPECT_TRUE(MakeBorderTable(full, 28, 28).empty());
  EXPECT_FALSE(MakeBorderTable(uneven, 17, 17).masked.empty());
  EXPECT_TRUE(MakeBorderTable(WithoutHalo(uneven), 17, 17).empty()) << "nobody needs it";
}

TEST(Layout, ServesWhatHasLessAroundIt) {
  const Layout tiles = BestLaneTiled(28, 28, 16);
  const Layout window = WindowOfTiles(tiles);
  EXPECT_TRUE(window.Serves(tiles));
  EXPECT_FALSE(tiles.Serves(window));
  Layout cleared = window;
  cleared.cleared = true;
  EXPECT_TRUE(cleared.Serves(window));
  EXPECT_FALSE(window.Serves(cleared));
  EXPECT_FALSE(window.Serves(BestLaneTiled(14, 14, 16)));
  EXPECT_FALSE(window.Serves(Layout()));
  EXPECT_TRUE(BlockedLayout(16, 2).Serves(BlockedLayout(16, 1)));
  EXPECT_FALSE(BlockedLayout(16, 0).Serves(BlockedLayout(16, 1)));
  EXPECT_FALSE(BlockedLayout(8, 1).Serves(BlockedLayout(16, 1)));
}

TEST(WindowCells, ComputeAHaloThatIsNotInMemory) {
  for (const Image& image : kImages) {
    for (const int lanes : {4, 16}) {
      const Layout tiles = BestLaneTiled(image.height, image.width, lanes);
      const Layout window = WindowOfTiles(tiles);
      std::vector<float> plane = WrittenPlane(tiles, image);
      WindowCells cells;
      if (!cells.Make(tiles, window, image.height, image.width)) continue;
      size_t i = 0;
      for (int y = -1; y <= tiles.tile_h; ++y) {
        for (int x = -1; x <= tiles.tile_w; ++x, ++i) {
          const PermutedVector& cell = cells.cells[i];
          for (int lane = 0; lane < tiles.grid_h * tiles.grid_w; ++lane) {
            const bool inside = cells.masks[cell.permutation + lane] != 0;
            const float value = inside ? plane[tiles.CellOffset(0, 0) + cell.from +
                                               cells.lanes[cell.permutation + lane]]
                                       : 0.0f;
            ASSERT_EQ(value, image.AtOrZero(lane / tiles.grid_w * tiles.tile_h + y,
                                            lane % tiles.grid_w * tiles.tile_w + x))
                << image.height << "x" << image.width << ", " << lanes << " lanes";
          }
        }
      }
    }
  }
  EXPECT_TRUE(WindowCells().Make(BestLaneTiled(14, 14, 16),
                                 WindowOfTiles(BestLaneTiled(14, 14, 16)), 14, 14));
}

TEST(NeededInput, HoldsEveryTapOfEveryOutput) {
  for (const int kernel : {1, 3, 5, 7}) {
    for (const int stride : {1, 2, 3}) {
      for (const int dilation : {1, 2}) {
        Window window;
        window.kernel_h = window.kernel_w = kernel;
        window.stride_h = window.stride_w = stride;
        window.dilation_h = window.dilation_w = dilation;
        window.padding = Padding::kSame;
        const int size = 29;
        const AxisGeometry axis = ResolveHeight(window, size);
        const Layout output = BestLaneTiled(axis.out, axis.out, 16);
        const Layout needed = NeededInput(window, size, size, output);
        EXPECT_EQ(needed.tile_h, output.tile_h * stride);
        const int first = -axis.before;
        const int last = (output.tile_h - 1) * stride - axis.before + (kernel - 1) * dilation;
        EXPECT_GE(first, -needed.halo_top);
        EXPECT_LT(last, needed.tile_h + needed.halo_bottom);
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu
