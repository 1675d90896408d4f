// Rules that every list of tiles keeps, whatever the shape.
#include "delegate/opencl/tiles.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pconv::opencl {
namespace {

ConvShape MakeShape(int kernel, int stride, int filters, int size_h, int size_w, int channels) {
  ConvShape shape;
  shape.geometry.kernel_h = shape.geometry.kernel_w = kernel;
  shape.geometry.stride_h = shape.geometry.stride_w = stride;
  shape.filters = filters;
  shape.filter_groups = 16;
  shape.out_h = size_h;
  shape.out_w = size_w;
  shape.in_channels = channels;
  return shape;
}

std::vector<ConvShape> Shapes() {
  std::vector<ConvShape> shapes;
  for (const int kernel : {1, 3, 7}) {
    for (const int stride : {1, 2}) {
      for (const int filters : {1, 2, 4}) {
        for (const int h : {1, 2, 5, 7, 13, 112}) {
          for (const int w : {1, 3, 7, 29}) {
            for (const int channels : {1, 3, 64, 513}) {
              shapes.push_back(MakeShape(kernel, stride, filters, h, w, channels));
            }
          }
        }
      }
    }
  }
  return shapes;
}

std::string Describe(const ConvShape& shape, const Tile& tile) {
  const KernelGeometry& g = shape.geometry;
  return std::to_string(g.kernel_h) + "x" + std::to_string(g.kernel_w) + " stride " +
         std::to_string(g.stride_h) + ", " + std::to_string(shape.filters) + " filters, " +
         std::to_string(shape.out_h) + "x" + std::to_string(shape.out_w) + "x" +
         std::to_string(shape.in_channels) + ": tile " + tile.ToString();
}

void ExpectDistinct(const std::vector<Tile>& tiles) {
  std::set<std::string> texts;
  for (const Tile& tile : tiles) {
    EXPECT_TRUE(texts.insert(tile.ToString()).second) << tile.ToString();
  }
}

// Sums, weights and a loaded vector in the registers of AVX2, or of AVX-512 and NEON.
TEST(Tiles, MostVectorsLeaveRegistersForWeights) {
  for (const int lanes : {4, 8, 16}) {
    const int registers = lanes == 8 ? 16 : 32;
    for (const int filters : {1, 2, 4}) {
      const int most = MostVectors(filters, lanes);
      EXPECT_GE(most, 1);
      EXPECT_LT(most * filters + filters + (most > 1), registers) << lanes << " " << filters;
    }
  }
}

TEST(Tiles, BlocksStayInsideTheImageAndTheRegisters) {
  for (int rows = 1; rows <= 30; ++rows) {
    for (int columns = 1; columns <= 30; ++columns) {
      for (const int most : {1, 5, 8, 24}) {
        for (const BlockShape& block :
             {ChooseBlock(rows, columns, most), ChoosePointBlock(rows, columns, most)}) {
          EXPECT_TRUE(block.h >= 1 && block.h <= rows && block.w >= 1 && block.w <= columns &&
                      block.size() <= most)
              << block.h << "x" << block.w << " of " << rows << "x" << columns << ", " << most;
        }
      }
    }
  }
}

TEST(Tiles, BlocksThatFitExactlyWin) {
  EXPECT_EQ(ChooseBlock(1, 1, 24), (BlockShape{1, 1}));
  EXPECT_EQ(ChooseBlock(2, 4, 24), (BlockShape{2, 4}));
  // Seven rows of five: one block, where the registers hold it; else what divides them.
  EXPECT_EQ(ChoosePointBlock(7, 5, 40), (BlockShape{7, 5}));
  EXPECT_EQ(ChoosePointBlock(7, 5, 5), (BlockShape{1, 5}));
}

TEST(Tiles, ShortRowsOfBlocksLeaveNothingOver) {
  for (int rows = 1; rows <= 60; ++rows) {
    for (int h = 1; h <= std::min(rows, 8); ++h) {
      const int blocks = (rows + h - 1) / h, less = ShortRows(rows, h);
      EXPECT_TRUE(less == 0 || (h > 1 && less <= blocks && blocks * h - less == rows))
          << rows << " in blocks of " << h;
    }
  }
  EXPECT_EQ(ShortRows(7, 4), 1);
  EXPECT_EQ(ShortRows(14, 4), 2);
  EXPECT_EQ(ShortRows(56, 4), 0);
  EXPECT_EQ(ShortRows(5, 4), 0);  // a row of four and one of one
}

TEST(Tiles, BlocksOfPooledConvolutionsAreEven) {
  for (const int lanes : {4, 8, 16}) {
    for (const int size : {4, 8, 28, 56}) {
      ConvShape shape = MakeShape(3, 1, 1, size, 2 * size, 64);
      shape.is_pooled = true;
      const std::vector<Tile> tiles = CpuTiles(shape, lanes);
      ASSERT_FALSE(tiles.empty());
      ExpectDistinct(tiles);
      for (const Tile& tile : tiles) {
        SCOPED_TRACE(Describe(shape, tile));
        EXPECT_TRUE(tile.block.h % 2 == 0 && tile.block.w % 2 == 0);
        EXPECT_LE(tile.block.size(), MostVectors(1, lanes));
      }
    }
  }
}

TEST(Tiles, CpuTilesSliceTheChannelsEvenly) {
  for (const ConvShape& shape : Shapes()) {
    for (const int lanes : {4, 8, 16}) {
      const std::vector<Tile> tiles = CpuTiles(shape, lanes);
      ASSERT_FALSE(tiles.empty());
      ExpectDistinct(tiles);
      for (const Tile& tile : tiles) {
        SCOPED_TRACE(Describe(shape, tile));
        EXPECT_TRUE(tile.block.h <= shape.out_h && tile.block.w <= shape.out_w);
        ASSERT_TRUE(tile.slice_channels >= 1 && tile.slice_channels <= shape.in_channels);
        // No slice could be spared, and the last one is not nearly empty.
        const int slices = (shape.in_channels + tile.slice_channels - 1) / tile.slice_channels;
        EXPECT_LT(slices * tile.slice_channels - shape.in_channels, slices);
      }
    }
  }
}

TEST(Tiles, PointTilesOfAnyDensity) {
  for (const ConvShape& shape : Shapes()) {
    for (const double kept : {0.0, 1e-9, 0.1, 1.0}) {
      for (const bool may_slice : {false, true}) {
        const std::vector<Tile> tiles = PointTiles(shape, 16, kept, may_slice);
        ASSERT_FALSE(tiles.empty());
        ExpectDistinct(tiles);
        for (const Tile& tile : tiles) {
          SCOPED_TRACE(Describe(shape, tile));
          EXPECT_TRUE(tile.block.h <= shape.out_h && tile.block.w <= shape.out_w);
          EXPECT_LE(tile.block.size(), MostVectors(shape.filters, 16));
          EXPECT_TRUE(tile.slice_channels >= 1 && tile.slice_channels <= shape.in_channels);
          EXPECT_TRUE(may_slice || tile.slice_channels == shape.in_channels);
        }
      }
    }
  }
}

TEST(Tiles, GpuTilesFitTheDevice) {
  for (const ConvShape& shape : Shapes()) {
    for (const int64_t local_bytes : {4 * 1024, 16 * 1024, 64 * 1024}) {
      for (const int64_t most_items : {16, 64, 256, 1024}) {
        const std::vector<Tile> tiles = GpuTiles(shape, local_bytes, most_items);
        ExpectDistinct(tiles);
        for (const Tile& tile : tiles) {
          SCOPED_TRACE(Describe(shape, tile));
          EXPECT_LE(tile.group_w * tile.group_h * tile.group_filters, most_items);
          const int64_t bytes = int64_t{shape.geometry.RowsUnder(tile.block.h * tile.group_h)} *
                                shape.geometry.ColumnsUnder(tile.block.w * tile.group_w) * 4;
          EXPECT_LE(bytes * tile.slice_channels, local_bytes);
          EXPECT_TRUE(tile.slice_channels >= 1 && tile.slice_channels <= shape.in_channels);
        }
        // The last resort asks for little.
        EXPECT_EQ(tiles.back().group_w * tiles.back().group_h * tiles.back().group_filters, 16);
      }
    }
  }
}

// benchmarks/gpu_model.py computes with these tiles.
TEST(Tiles, GpuTilesOfVgg16AreThoseOfTheModelOnPaper) {
  for (const int size : {224, 112, 56, 28, 14}) {
    for (const int64_t most_items : {1024, 384}) {
      const Tile tile = GpuTiles(MakeShape(3, 1, 1, size, size, 64), 32 * 1024, most_items)[0];
      EXPECT_EQ(tile.block, (size >= 28 ? BlockShape{4, 4} : BlockShape{4, 2})) << size;
      EXPECT_EQ(tile.group_w, 8);
      EXPECT_EQ(tile.group_h, 4);
      EXPECT_EQ(tile.group_filters, most_items == 1024 ? 8 : 4);
    }
  }
}

TEST(Tiles, GpuTilesReadImagesWhereTheDeviceHasThem) {
  for (const ConvShape& shape : Shapes()) {
    const std::vector<Tile> without = GpuTiles(shape, 32 * 1024, 256);
    for (const Images images : {Images::kPossible, Images::kPreferred}) {
      const std::vector<Tile> tiles = GpuTiles(shape, 32 * 1024, 256, images);
      ExpectDistinct(tiles);
      ASSERT_EQ(tiles.size(), without.size() + 1);
      EXPECT_EQ(tiles[0].reads_image, images == Images::kPreferred);
      EXPECT_NE(tiles[1].reads_image, tiles[0].reads_image);
      EXPECT_EQ(tiles[1].block, tiles[0].block);
      EXPECT_FALSE(tiles.back().reads_image);  // the last resort asks for little
    }
  }
}

}  // namespace
}  // namespace pconv::opencl
