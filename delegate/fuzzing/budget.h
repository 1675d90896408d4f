// How much fuzzing is done, and with which seeds: a fixed budget in tests, more by `make fuzz`.
#ifndef PCONV_TF_DELEGATE_FUZZING_BUDGET_H_
#define PCONV_TF_DELEGATE_FUZZING_BUDGET_H_

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string_view>

namespace pconv::fuzzing {

// The environment's PCONV_FUZZ_CASES, or else `cases`.
inline int NumCases(int cases) {
  const char* text = std::getenv("PCONV_FUZZ_CASES");
  return text == nullptr ? cases : std::atoi(text);
}

// The environment's PCONV_FUZZ_SEED, where "random" is another one every time, or else `seed`.
inline uint32_t FirstSeed(uint32_t seed) {
  const char* text = std::getenv("PCONV_FUZZ_SEED");
  if (text == nullptr) return seed;
  const std::string_view value = text;
  return value == "random" ? std::random_device{}()
                           : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_DELEGATE_FUZZING_BUDGET_H_
