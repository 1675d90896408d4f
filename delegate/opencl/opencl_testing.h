// For tests that need an OpenCL device.
#ifndef PCONV_TF_DELEGATE_OPENCL_OPENCL_TESTING_H_
#define PCONV_TF_DELEGATE_OPENCL_OPENCL_TESTING_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace pconv::testing {

// Where a device must be, so that a run without one cannot pass for a good one:
// PCONV_REQUIRE_OPENCL=1.
bool OpenClIsRequired();

std::vector<std::filesystem::path> FilesIn(const std::filesystem::path& folder);

// Keys of the tiles that tuning stored in EngineOptions::cache_dir.
std::vector<std::string> StoredTileKeys(const std::filesystem::path& cache_dir);

}  // namespace pconv::testing

// Ends the test unless `reason`, why there is no device, is empty: skipped, or failed where a
// device is required.
#define PCONV_NEED_OPENCL_DEVICE(reason)                           \
  if (const std::string why = (reason); !why.empty()) {            \
    if (::pconv::testing::OpenClIsRequired()) GTEST_FAIL() << why; \
    GTEST_SKIP() << why;                                           \
  }                                                                \
  static_assert(true, "")

#endif  // PCONV_TF_DELEGATE_OPENCL_OPENCL_TESTING_H_
