// What an engine may be told. The delegate fills it from its options (options.def).
#ifndef PCONV_TF_DELEGATE_ENGINE_OPTIONS_H_
#define PCONV_TF_DELEGATE_ENGINE_OPTIONS_H_

#include <string>

namespace pconv {

enum class Precision { kFp32, kFp16 };
// kOff: cost model only. kCached: measured choices that an earlier run stored. kFull: measure what
// is not stored yet.
enum class Tuning { kOff, kCached, kFull };
// Highest instruction set that may be used; kBaseline is SSE2 on x86-64 and NEON on ARM64.
enum class Isa { kAuto, kAvx512, kAvx2, kBaseline };

struct EngineOptions {
  int num_threads = 1;  // at least 1
  Precision precision = Precision::kFp32;
  Tuning tuning = Tuning::kCached;
  Isa isa = Isa::kAuto;
  std::string cache_dir;  // empty: no cache on disk
  bool profile = false;   // fill Engine::profile() in every Run()
  bool verbose = false;   // explain choices on stderr
};

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_ENGINE_OPTIONS_H_
