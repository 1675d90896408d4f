#include "delegate/partitioner.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tflite_ops/fake_runtime.h"

namespace pconv {
namespace {

using testing::FakeRuntime;

class PartitionerTest : public ::testing::Test {
 protected:
  int Image(const std::string& name) { return runtime_.AddActivation({1, 4, 4, 8}, name); }

  // Nodes with one input of 8 channels; they return their output.
  int PConv(int input) {
    testing::OwnedLayer layer = testing::RandomLayer({}, &rng_);
    const int output = Image("pconv");
    runtime_.AddCustomNode("PConv2D", runtime_.AddLayerInputs(input, &layer), {output},
                           testing::EncodeOptions(layer.options));
    return output;
  }
  int Builtin(int code, int input) {
    const int output = Image("builtin");
    runtime_.AddBuiltinNode(code, {input}, {output}, 0);
    return output;
  }
  // The same on int8.
  int Int8Image(const std::string& name) {
    return runtime_.AddInt8Activation({1, 4, 4, 8}, name, {0.5f, 3});
  }
  int Int8PConv(int input) {
    testing::RandomLayerSpec spec;
    spec.int8_activations = true;
    testing::OwnedLayer layer = testing::RandomLayer(spec, &rng_);
    const int output = Int8Image("pconv");
    runtime_.AddCustomNode("PConv2D", runtime_.AddLayerInputs(input, &layer), {output},
                           testing::EncodeOptions(layer.options));
    return output;
  }
  int Int8Reshape(int input, int shape) {
    const int output = Int8Image("reshape");
    runtime_.AddBuiltinNode(kTfLiteBuiltinReshape, {input, shape}, {output}, 0);
    return output;
  }
  // A depthwise layer; its filter is a constant, or what a DEQUANTIZE makes of one.
  int Depthwise(int input, int filter) {
    const int output = Image("depthwise");
    runtime_.AddBuiltinNode(
        kTfLiteBuiltinDepthwiseConv2d, {input, filter}, {output},
        TfLiteDepthwiseConvParams{kTfLitePaddingSame, 1, 1, 1, kTfLiteActNone, 1, 1});
    return output;
  }
  int Unpacked(const std::vector<int>& shape) {
    size_t elements = 1;
    for (const int dim : shape) elements *= dim;
    const std::vector<uint16_t> halves(elements, 0x3c00);
    const int stored = runtime_.AddConstant(kTfLiteFloat16, shape, halves.data(),
                                            halves.size() * sizeof(uint16_t));
    const int output = runtime_.AddActivation(shape, "unpacked");
    runtime_.AddBuiltinNode(kTfLiteBuiltinDequantize, {stored}, {output}, 0);
    return output;
  }
  int Foreign(int input) {
    const int output = Image("foreign");
    runtime_.AddCustomNode("Foreign", {input}, {output}, {});
    return output;
  }
  // An integer vector that the runtime computes.
  int Integers(int code, const std::vector<int>& inputs) {
    const int output = runtime_.AddActivation({4}, "integers");
    runtime_.tensor(output).type = kTfLiteInt32;
    runtime_.AddBuiltinNode(code, inputs, {output}, 0);
    return output;
  }
  int Reshape(int input, int shape) {
    const int output = Image("reshape");
    runtime_.AddBuiltinNode(kTfLiteBuiltinReshape, {input, shape}, {output}, 0);
    return output;
  }

  // The report's lines without the nodes' names.
  std::vector<std::string> Fates(Claim claim = Claim::kAll) {
    const Status status = PartitionModel(runtime_.context(), claim, has_tiles_, &partition_);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(partition_.num_model_nodes, runtime_.num_nodes());
    std::vector<std::string> fates;
    for (const std::string& line : partition_.report) {
      fates.push_back(line.substr(line.find(": ") + 2));
    }
    return fates;
  }

  std::mt19937 rng_{1};
  FakeRuntime runtime_;
  Partition partition_;
  bool has_tiles_ = false;  // of the CPU, in int8
};

const std::string kClaimed = "claimed", kShape = "claimed (shape of a reshape)",
                  kConstant = "claimed (constant)",
                  kOthers =
                      "refused, nodes that are not claimed, or not with it, read the constant",
                  kApart = "refused, not connected to a PConv2D",
                  kForeign = "refused, operation is not supported";

using Lines = std::vector<std::string>;

TEST_F(PartitionerTest, AForeignNodeMakesTwoPartitions) {
  int x = Image("in");
  for (const int code : {kTfLiteBuiltinRelu, kTfLiteBuiltinRelu6}) {
    x = Foreign(PConv(Builtin(code, x)));
  }
  Builtin(kTfLiteBuiltinRelu, x);
  EXPECT_EQ(Fates(), (Lines{kClaimed, kClaimed, kForeign, kClaimed, kClaimed, kForeign, kApart}));
  EXPECT_EQ(partition_.num_pconv, 2);
  EXPECT_EQ(partition_.nodes.size(), 4u);
  EXPECT_EQ(partition_.nodes.at(3).model_index, 3);
  EXPECT_EQ(partition_.report[2], "node 2 custom Foreign: refused, operation is not supported");
}

TEST_F(PartitionerTest, ClaimsNoMoreThanItIsTold) {
  Builtin(kTfLiteBuiltinRelu, PConv(Image("in")));
  EXPECT_EQ(Fates(Claim::kPConv), (Lines{kClaimed, "refused, claim is pconv"}));
  EXPECT_EQ(Fates(), (Lines{kClaimed, kClaimed}));
}

TEST_F(PartitionerTest, LeavesOtherTypes) {
  const int x = PConv(Image("in"));
  const int quantized = Builtin(kTfLiteBuiltinRelu, x);
  runtime_.tensor(quantized).type = kTfLiteInt8;
  Builtin(kTfLiteBuiltinTanh, quantized);
  Builtin(kTfLiteBuiltinTanh, x);
  EXPECT_EQ(Fates(), (Lines{kClaimed, "refused, input 0 is float32, expected int8",
                            "refused, input 0 is int8, expected float32", kClaimed}));
}

TEST_F(PartitionerTest, TakesInt8NodesAroundInt8PConv2D) {
  const int shape = runtime_.AddConstant(std::vector<int>{1, 4, 4, 8});
  Int8Reshape(Int8PConv(Int8Reshape(Int8Image("in"), shape)), shape);
  EXPECT_EQ(Fates(), (Lines{kClaimed, kClaimed, kClaimed}));
  EXPECT_EQ(partition_.int8_nodes, (std::set<int>{0, 1, 2}));
}

// Each is connected to a PConv2D of its own type.
TEST_F(PartitionerTest, KeepsTypesApart) {
  const int shape = runtime_.AddConstant(std::vector<int>{1, 4, 4, 8});
  Builtin(kTfLiteBuiltinRelu, PConv(Image("in")));
  Int8Reshape(Int8PConv(Int8Image("in")), shape);
  Int8Reshape(Int8Image("apart"), shape);
  EXPECT_EQ(Fates(), (Lines{kClaimed, kClaimed, kClaimed, kClaimed, kApart}));
  EXPECT_EQ(partition_.int8_nodes, (std::set<int>{2, 3}));
  EXPECT_EQ(partition_.num_pconv, 2);
}

TEST_F(PartitionerTest, LeavesDenseInt8LayersToTiles) {
  const int x = Int8PConv(Int8Image("in")), y = Int8Image("y");
  const int filter = runtime_.AddInt8Filter({8, 1, 1, 8}, std::vector<int8_t>(64, 1), {1.0f}, 0);
  runtime_.AddBuiltinNode(kTfLiteBuiltinConv2d, {x, filter}, {y},
                          TfLiteConvParams{kTfLitePaddingSame, 1, 1, kTfLiteActNone, 1, 1});
  Int8PConv(y);
  EXPECT_EQ(Fates(), (Lines{kClaimed, kClaimed, kClaimed}));
  has_tiles_ = true;
  EXPECT_EQ(Fates(),
            (Lines{kClaimed, "refused, the runtime's int8 kernel is faster on a CPU with AMX",
                   kClaimed}));
}

TEST_F(PartitionerTest, LeavesModelsWithoutPConv2D) {
  EXPECT_EQ(Fates(), Lines{});
  Builtin(kTfLiteBuiltinTanh, Builtin(kTfLiteBuiltinRelu, Image("in")));
  EXPECT_EQ(Fates(), (Lines{kApart, kApart}));
  EXPECT_EQ(partition_.num_pconv, 0);
  EXPECT_TRUE(partition_.nodes.empty());
}

// Siblings that read the same tensor are not connected by it, only by what one of them computes.
TEST_F(PartitionerTest, AnInputConnectsNothing) {
  const int in = Image("in");
  PConv(in);
  Builtin(kTfLiteBuiltinRelu, in);
  EXPECT_EQ(Fates(), (Lines{kClaimed, kApart}));
}

TEST_F(PartitionerTest, TakesNodesThatOnlyComputeTheShapeOfAReshape) {
  const int x = PConv(Image("in"));
  const int shape = Integers(kTfLiteBuiltinShape, {x});
  const int batch = Integers(kTfLiteBuiltinStridedSlice, {shape});
  Reshape(x, Integers(kTfLiteBuiltinPack, {batch}));
  EXPECT_EQ(Fates(), (Lines{kClaimed, kShape, kShape, kShape, kClaimed}));
  EXPECT_EQ(partition_.implied_nodes, (std::set<int>{1, 2, 3}));
  EXPECT_EQ(partition_.nodes.count(2), 0u);
}

TEST_F(PartitionerTest, LeavesShapesThatOthersRead) {
  const int x = PConv(Image("in"));
  const int shape = Integers(kTfLiteBuiltinShape, {x});
  Reshape(x, Integers(kTfLiteBuiltinPack, {shape}));
  Foreign(shape);
  Integers(kTfLiteBuiltinShape, {x});  // an output of the model
  const Lines fates = Fates();
  EXPECT_EQ(fates[1].find("refused"), 0u) << fates[1];
  EXPECT_EQ(fates[2], kShape);
  EXPECT_EQ(fates[5].find("refused"), 0u) << fates[5];
}

// The partition before the foreign node would hand over a shape that nobody computes.
TEST_F(PartitionerTest, LeavesShapesThatALaterPartitionReads) {
  const int in = Image("in");
  const int x = PConv(Foreign(PConv(in)));
  const int first = Integers(kTfLiteBuiltinPack, {Integers(kTfLiteBuiltinShape, {in})});
  Reshape(x, first);
  const int second = Integers(kTfLiteBuiltinPack, {Integers(kTfLiteBuiltinShape, {x})});
  Reshape(x, second);
  const std::string integers = "refused, output is int32, expected float32";
  EXPECT_EQ(Fates(), (Lines{kClaimed, kForeign, kClaimed, integers, integers, kClaimed, kShape,
                            kShape, kClaimed}));
}

// The runtime begins with the foreign node, so that all others are in one partition after it.
TEST_F(PartitionerTest, TakesShapesBesideAForeignNode) {
  const int in = Image("in");
  const int x = PConv(Foreign(in));
  Reshape(x, Integers(kTfLiteBuiltinShape, {in}));
  EXPECT_EQ(Fates(), (Lines{kForeign, kClaimed, kShape, kClaimed}));
}

TEST_F(PartitionerTest, TakesConstantsThatADequantizeUnpacks) {
  const int x = PConv(Image("in"));
  const int filter = Unpacked({1, 3, 3, 8});
  Depthwise(Depthwise(x, filter), filter);
  EXPECT_EQ(Fates(), (Lines{kClaimed, kConstant, kClaimed, kClaimed}));
  EXPECT_EQ(partition_.implied_nodes, std::set<int>{1});
  EXPECT_EQ(partition_.constants.count(filter), 1u);
  EXPECT_EQ(Fates(Claim::kPConv)[1], "refused, claim is pconv");
}

// The runtime unpacks it for the others; the delegate does the same for itself.
TEST_F(PartitionerTest, LeavesConstantsThatOthersRead) {
  const int filter = Unpacked({1, 3, 3, 8});
  Depthwise(PConv(Image("in")), filter);
  Foreign(filter);
  EXPECT_EQ(Fates(), (Lines{kOthers, kClaimed, kClaimed, kForeign}));
  EXPECT_EQ(partition_.constants.count(filter), 1u);
}

TEST_F(PartitionerTest, LeavesConstantsThatALaterPartitionReads) {
  const int filter = Unpacked({1, 3, 3, 8}), later = Unpacked({1, 3, 3, 8});
  PConv(Depthwise(Foreign(Depthwise(PConv(Image("in")), filter)), later));
  EXPECT_EQ(Fates(), (Lines{kConstant, kOthers, kClaimed, kClaimed, kForeign, kClaimed, kClaimed}));
}

TEST_F(PartitionerTest, LeavesConstantsOfNodesApart) {
  PConv(Image("in"));
  Depthwise(Image("apart"), Unpacked({1, 3, 3, 8}));
  EXPECT_EQ(Fates(), (Lines{kClaimed, kOthers, kApart}));
}

// Malformed or not, a PConv2D is claimed, and to it the tensor is an activation.
TEST_F(PartitionerTest, APConv2DReadsNoUnpackedConstants) {
  const int x = Unpacked({1, 4, 4, 8});
  PConv(x);
  EXPECT_EQ(Fates(),
            (Lines{"refused, turns float16 into float32, expected float32 or uint8, and int8",
                   kClaimed}));
  EXPECT_TRUE(partition_.constants.empty());
}

TEST_F(PartitionerTest, AnUnpackedConstantIsNoActivation) {
  const int x = Unpacked({1, 4, 4, 8});
  runtime_.AddBuiltinNode(kTfLiteBuiltinAdd, {PConv(Image("in")), Builtin(kTfLiteBuiltinRelu, x)},
                          {Image("sum")}, TfLiteAddParams{kTfLiteActNone});
  EXPECT_EQ(Fates(), (Lines{kOthers, kClaimed, "refused, input 0 is constant", kClaimed}));
}

TEST_F(PartitionerTest, LeavesShapesOfReshapesThatItLeaves) {
  const int x = PConv(Image("in"));
  const int shape = Integers(kTfLiteBuiltinShape, {x});
  const int reshaped = Reshape(x, shape);
  runtime_.tensor(reshaped).type = kTfLiteInt8;
  const Lines fates = Fates();
  EXPECT_EQ(fates[0], kClaimed);
  EXPECT_EQ(fates[1].find("refused"), 0u) << fates[1];
}

// Whoever ran the node would write to the mapped file.
TEST_F(PartitionerTest, RefusesModelsThatWriteToAConstant) {
  const int in = Image("in");
  const int constant = runtime_.AddConstant({1, 4, 4, 8}, std::vector<float>(128, 1.0f));
  PConv(in);
  runtime_.AddBuiltinNode(kTfLiteBuiltinRelu, {in}, {constant}, 0);
  const Status status = PartitionModel(runtime_.context(), Claim::kAll, has_tiles_, &partition_);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("node 1 (RELU) writes to tensor"), std::string::npos)
      << status.message();
}

TEST_F(PartitionerTest, RefusesAPConv2DThatWritesToAConstant) {
  const int in = Image("in");
  const int constant = runtime_.AddConstant({1, 4, 4, 8}, std::vector<float>(128, 1.0f));
  testing::OwnedLayer layer = testing::RandomLayer({}, &rng_);
  runtime_.AddCustomNode("PConv2D", runtime_.AddLayerInputs(in, &layer), {constant},
                         testing::EncodeOptions(layer.options));
  const Status status = PartitionModel(runtime_.context(), Claim::kPConv, has_tiles_, &partition_);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("output is constant"), std::string::npos) << status.message();
}

TEST_F(PartitionerTest, TellsTheRuntimesFailures) {
  PConv(Image("in"));
  const auto nodes = runtime_.context()->GetNodeAndRegistration;
  runtime_.context()->GetNodeAndRegistration = [](TfLiteContext*, int, TfLiteNode**,
                                                  TfLiteRegistration**) { return kTfLiteError; };
  EXPECT_EQ(PartitionModel(runtime_.context(), Claim::kAll, has_tiles_, &partition_).message(),
            "the runtime gives no node 0");
  runtime_.context()->GetNodeAndRegistration = nodes;
  runtime_.context()->GetExecutionPlan = [](TfLiteContext*, TfLiteIntArray**) {
    return kTfLiteError;
  };
  EXPECT_EQ(PartitionModel(runtime_.context(), Claim::kAll, has_tiles_, &partition_).message(),
            "the runtime gives no execution plan");
}

}  // namespace
}  // namespace pconv
