// Reads the golden files of docs/fkw.md, which the Python implementation writes.

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"
#include "tflite_ops/core/reference.h"

namespace pconv {
namespace {

std::vector<std::string> golden_files;  // the test's arguments

struct Array {
  std::string type;
  std::vector<int> shape;
  std::vector<double> values;

  std::vector<uint32_t> Unsigned() const { return {values.begin(), values.end()}; }
  std::vector<float> Floats() const { return {values.begin(), values.end()}; }
};

// One array a line: name, type, rank, sizes, values.
std::map<std::string, Array> ReadGoldenFile(const std::string& path) {
  std::map<std::string, Array> arrays;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, value;
    Array array;
    int rank = 0;
    words >> name >> array.type >> rank;
    array.shape.resize(rank);
    for (int& size : array.shape) words >> size;
    while (words >> value) array.values.push_back(std::strtod(value.c_str(), nullptr));
    arrays[name] = std::move(array);
  }
  return arrays;
}

UIntArray::Type TypeOf(const Array& array) {
  return array.type == "uint8"    ? UIntArray::Type::kUInt8
         : array.type == "uint16" ? UIntArray::Type::kUInt16
                                  : UIntArray::Type::kUInt32;
}

NhwcShape AsNhwc(const std::vector<int>& shape) {
  if (shape.size() == 2) return {shape[0], 1, 1, shape[1]};
  return {shape[0], shape[1], shape[2], shape[3]};
}

Quantization QuantizationOf(std::map<std::string, Array>& arrays, const std::string& tensor) {
  return {arrays[tensor + "_scale"].Floats().at(0),
          static_cast<int32_t>(arrays[tensor + "_zero_point"].values.at(0))};
}

template <typename T>
void ExpectResult(const FkwView& layer, const NhwcShape& in, const NhwcShape& out,
                  std::map<std::string, Array>* arrays) {
  const auto values = [&](const char* name) {
    const std::vector<double>& stored = (*arrays)[name].values;
    return std::vector<T>(stored.begin(), stored.end());
  };
  std::vector<T> output(out.size());
  ReferencePConv2D(layer, in, values("activation").data(), out, output.data());
  EXPECT_EQ(output, values("result"));
}

TEST(Golden, EveryFileGivesItsResult) {
  ASSERT_GE(golden_files.size(), 18u);
  for (const std::string& path : golden_files) {
    SCOPED_TRACE(path);
    auto arrays = ReadGoldenFile(path);
    const std::vector<uint32_t> codes = arrays["options"].Unsigned();
    const std::vector<uint8_t> options(codes.begin(), codes.end());

    testing::OwnedLayer layer;
    const Status parsed = ParsePConv2DOptions(options.data(), options.size(), &layer.options);
    ASSERT_TRUE(parsed.ok()) << parsed.message();
    layer.offset = arrays["offset"].Unsigned();
    layer.reorder = arrays["reorder"].Unsigned();
    layer.index = arrays["index"].Unsigned();
    layer.stride = arrays["stride"].Unsigned();
    layer.offset_type = TypeOf(arrays["offset"]);
    layer.reorder_type = TypeOf(arrays["reorder"]);
    layer.index_type = TypeOf(arrays["index"]);
    layer.stride_type = TypeOf(arrays["stride"]);
    const Array& weight = arrays["weight"];
    if (weight.type == "float32") {
      layer.weight_f32 = weight.Floats();
    } else if (weight.type == "float16") {
      layer.weight_type = WeightType::kFloat16;
      for (const float w : weight.Floats()) layer.weight_f16.push_back(testing::FloatToHalf(w));
    } else {
      layer.weight_type = WeightType::kInt8;
      layer.weight_i8.assign(weight.values.begin(), weight.values.end());
      layer.scale = arrays["scale"].Floats();
    }
    layer.has_int8_activations = arrays["bias"].type == "int32";
    if (layer.has_int8_activations) {
      const std::vector<double>& bias = arrays["bias"].values;
      layer.int32_bias.assign(bias.begin(), bias.end());
      layer.quantization = {QuantizationOf(arrays, "activation"), QuantizationOf(arrays, "result")};
    } else {
      layer.bias = arrays["bias"].Floats();
    }
    FkwView view;
    const Status created = layer.CreateView(&view);
    ASSERT_TRUE(created.ok()) << created.message();

    const NhwcShape in = AsNhwc(arrays["activation"].shape);
    NhwcShape out;
    const Status shaped = PConv2DOutputShape(view.options(), in, &out);
    ASSERT_TRUE(shaped.ok()) << shaped.message();
    ASSERT_EQ(out.size(), arrays["result"].values.size());
    if (layer.has_int8_activations) {
      ExpectResult<int8_t>(view, in, out, &arrays);
    } else {
      ExpectResult<float>(view, in, out, &arrays);
    }
  }
}

}  // namespace
}  // namespace pconv

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  pconv::golden_files.assign(argv + 1, argv + argc);
  return RUN_ALL_TESTS();
}
