#include "delegate/litert_accelerator.h"

#include <string>

#include "gtest/gtest.h"

namespace pconv {
namespace {

std::string* Reported() {
  static std::string text;
  return &text;
}

void Report(const char* message) { *Reported() = message; }

void (*destroy_wrapped)(TfLiteDelegate*) = nullptr;

LiteRtStatus Wrap(TfLiteDelegate* delegate, void (*destroy)(TfLiteDelegate*), void** wrapper) {
  *wrapper = delegate;
  destroy_wrapped = destroy;
  return kLiteRtOk;
}

LiteRtStatus RefuseToWrap(TfLiteDelegate*, void (*)(TfLiteDelegate*), void**) {
  return kLiteRtRuntimeFailure;
}

LiteRtRuntimeContext Context() {
  LiteRtRuntimeContext context = {};
  context.header = {sizeof(LiteRtRuntimeContext), 1, 0, 0};
  context.wrap_delegate = Wrap;
  return context;
}

LiteRtStatus Create(const LiteRtRuntimeContext& context, void** wrapper) {
  return LiteRtAcceleratorImpl.create_delegate(&context, nullptr, nullptr, nullptr, wrapper);
}

TEST(LiteRtAccelerator, SaysWhatItIs) {
  EXPECT_EQ(LiteRtAcceleratorImpl.header.struct_size, sizeof(LiteRtAccelerator));
  EXPECT_EQ(LiteRtAcceleratorImpl.header.major_version, 1);
  const char* name = nullptr;
  EXPECT_EQ(LiteRtAcceleratorImpl.get_name(nullptr, &name), kLiteRtOk);
  EXPECT_STREQ(name, "PConvAccelerator");
  LiteRtApiVersion version = {};
  EXPECT_EQ(LiteRtAcceleratorImpl.get_version(nullptr, &version), kLiteRtOk);
  EXPECT_EQ(version.major, 1);
  int hardware = 0;
  EXPECT_EQ(LiteRtAcceleratorImpl.get_hardware_support(nullptr, &hardware), kLiteRtOk);
  EXPECT_EQ(hardware, kLiteRtHardwareGpu);
  bool compiles = false;
  EXPECT_EQ(LiteRtAcceleratorImpl.compiles_itself(nullptr, &compiles), kLiteRtOk);
  EXPECT_TRUE(compiles);
}

TEST(LiteRtAccelerator, MakesADelegateThatTheWrapperDestroys) {
  void* wrapper = nullptr;
  ASSERT_EQ(Create(Context(), &wrapper), kLiteRtOk);
  auto* delegate = static_cast<TfLiteDelegate*>(wrapper);
  ASSERT_NE(delegate, nullptr);
  EXPECT_NE(delegate->Prepare, nullptr);
  destroy_wrapped(delegate);
}

TEST(LiteRtAccelerator, RefusesAnotherLayout) {
  void* wrapper = nullptr;
  LiteRtRuntimeContext newer = Context();
  newer.header.major_version = 2;
  EXPECT_EQ(Create(newer, &wrapper), kLiteRtWrongVersion);
  LiteRtRuntimeContext shorter = Context();
  shorter.header.struct_size = 144;
  EXPECT_EQ(Create(shorter, &wrapper), kLiteRtWrongVersion);
  LiteRtRuntimeContext hollow = Context();
  hollow.wrap_delegate = nullptr;
  EXPECT_EQ(Create(hollow, &wrapper), kLiteRtWrongVersion);
  EXPECT_EQ(wrapper, nullptr);
}

TEST(LiteRtAccelerator, HandsOnThatWrappingFailed) {
  LiteRtRuntimeContext context = Context();
  context.wrap_delegate = RefuseToWrap;
  void* wrapper = nullptr;
  EXPECT_EQ(Create(context, &wrapper), kLiteRtRuntimeFailure);
}

TEST(LiteRtAccelerator, OptionsAreCheckedWhenGiven) {
  const char* key = "backend";
  const char* value = "tpu";
  EXPECT_EQ(pconv_set_accelerator_options(&key, &value, 1, Report), 0);
  EXPECT_NE(Reported()->find("accepted: auto|cpu|opencl|reference"), std::string::npos)
      << *Reported();
  value = "cpu";
  EXPECT_EQ(pconv_set_accelerator_options(&key, &value, 1, Report), 1);
  EXPECT_EQ(pconv_set_accelerator_options(nullptr, nullptr, 0, Report), 2);
  EXPECT_EQ(pconv_set_accelerator_options(nullptr, nullptr, 0, Report), 1);
}

TEST(LiteRtAccelerator, OptionsAreForOneDelegate) {
  const char* key = "verbose";
  const char* value = "true";
  ASSERT_EQ(pconv_set_accelerator_options(&key, &value, 1, Report), 1);
  void* wrapper = nullptr;
  ASSERT_EQ(Create(Context(), &wrapper), kLiteRtOk);
  destroy_wrapped(static_cast<TfLiteDelegate*>(wrapper));
  EXPECT_EQ(pconv_set_accelerator_options(nullptr, nullptr, 0, Report), 1);
}

}  // namespace
}  // namespace pconv
