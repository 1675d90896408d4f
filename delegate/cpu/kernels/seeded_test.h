// Tests of single kernels on random arguments, for every table of kernels that this CPU can run. A
// failure prints its seed; PCONV_TEST_SEED repeats it.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_SEEDED_TEST_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_SEEDED_TEST_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace pconv::cpu {

template <typename Table>
class SeededTest : public ::testing::TestWithParam<const Table*> {
 protected:
  void SetUp() override {
    const char* wanted = std::getenv("PCONV_TEST_SEED");
    seed_ = wanted == nullptr ? std::random_device()()
                              : static_cast<uint32_t>(std::strtoul(wanted, nullptr, 10));
    this->RecordProperty("seed", std::to_string(seed_));
    rng_.seed(seed_);
  }
  void TearDown() override {
    if (this->HasFailure()) std::printf("seed %u\n", seed_);
  }

  int Draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng_); }
  bool Coin() { return Draw(0, 1) == 1; }

  std::mt19937 rng_;

 private:
  uint32_t seed_ = 0;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_SEEDED_TEST_H_
