#include "flatbuffers/flexbuffers.h"
#include "gtest/gtest.h"
TEST(Smoke, Flex) { flexbuffers::Builder b; b.Int(3); b.Finish(); EXPECT_EQ(flexbuffers::GetRoot(b.GetBuffer()).AsInt32(), 3); }
