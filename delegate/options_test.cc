#include "delegate/options.h"

#include <cstdlib>

#include "gtest/gtest.h"

namespace pconv {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string Refusal(const Pairs& pairs) {
  DelegateOptions options;
  return ParseDelegateOptions(pairs, &options).message();
}

TEST(DelegateOptions, Defaults) {
  DelegateOptions options;
  ASSERT_TRUE(ParseDelegateOptions({}, &options).ok());
  EXPECT_EQ(options.backend, Backend::kAuto);
  EXPECT_EQ(options.num_threads, 0);
  EXPECT_EQ(options.claim, Claim::kAll);
  EXPECT_EQ(options.cache_dir, "");
  EXPECT_FALSE(options.profile);
}

TEST(DelegateOptions, ReadsEveryKind) {
  DelegateOptions options;
  const Status status = ParseDelegateOptions({{"backend", "opencl"},
                                              {"num_threads", "4"},
                                              {"precision", "fp16"},
                                              {"tuning", "full"},
                                              {"cache_dir", "/a/b"},
                                              {"claim", "pconv"},
                                              {"isa", "baseline"},
                                              {"profile", "True"},
                                              {"verbose", "1"}},
                                             &options);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(options.backend, Backend::kOpenCl);
  EXPECT_EQ(options.num_threads, 4);
  EXPECT_EQ(options.precision, Precision::kFp16);
  EXPECT_EQ(options.tuning, Tuning::kFull);
  EXPECT_EQ(options.cache_dir, "/a/b");
  EXPECT_EQ(options.claim, Claim::kPConv);
  EXPECT_EQ(options.isa, Isa::kBaseline);
  EXPECT_TRUE(options.profile);
  EXPECT_TRUE(options.verbose);
}

TEST(DelegateOptions, SaysWhatIsAccepted) {
  EXPECT_EQ(Refusal({{"backend", "gpu"}}),
            "option 'backend' is 'gpu', accepted: auto|cpu|opencl|reference");
  EXPECT_EQ(Refusal({{"num_threads", "many"}}),
            "option 'num_threads' is 'many', accepted: 0 to 256");
  EXPECT_EQ(Refusal({{"num_threads", "-1"}}), "option 'num_threads' is '-1', accepted: 0 to 256");
  EXPECT_EQ(Refusal({{"num_threads", ""}}), "option 'num_threads' is '', accepted: 0 to 256");
  EXPECT_EQ(Refusal({{"num_threads", "99999999999999999999"}}),
            "option 'num_threads' is '99999999999999999999', accepted: 0 to 256");
  EXPECT_EQ(Refusal({{"profile", "Yes"}}), "option 'profile' is 'Yes', accepted: true|false|1|0");
  const std::string unknown = Refusal({{"threads", "2"}});
  EXPECT_EQ(unknown.rfind("unknown option 'threads', accepted are:\n  ", 0), 0u) << unknown;
  for (const char* key : {"backend", "num_threads", "precision", "tuning", "cache_dir", "claim",
                          "isa", "profile", "verbose"}) {
    EXPECT_NE(unknown.find("\n  " + std::string(key) + " ("), std::string::npos) << key;
  }
}

TEST(DelegateOptions, EnvironmentIsAFallback) {
  setenv("PCONV_CACHE_DIR", "C:/with;odd:signs", 1);
  setenv("PCONV_NUM_THREADS", "3", 1);
  DelegateOptions options;
  ASSERT_TRUE(ParseDelegateOptions({{"num_threads", "2"}}, &options).ok());
  EXPECT_EQ(options.cache_dir, "C:/with;odd:signs");
  EXPECT_EQ(options.num_threads, 2);
  setenv("PCONV_NUM_THREADS", "x", 1);
  EXPECT_EQ(ParseDelegateOptions({}, &options).message(),
            "environment variable PCONV_NUM_THREADS: option 'num_threads' is 'x', accepted: 0 to "
            "256");
  unsetenv("PCONV_CACHE_DIR");
  unsetenv("PCONV_NUM_THREADS");
}

}  // namespace
}  // namespace pconv
