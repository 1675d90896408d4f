// Sums up an engine's profile over many runs.
#ifndef PCONV_TF_DELEGATE_PROFILE_SUMMARY_H_
#define PCONV_TF_DELEGATE_PROFILE_SUMMARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "delegate/engine.h"

namespace pconv {

class ProfileSummary {
 public:
  void Add(const std::vector<ProfileRow>& rows);
  void Clear() { *this = ProfileSummary(); }
  int num_runs() const { return num_runs_; }
  // A line per step: mean milliseconds, share of the total, kernel, name. Below them the total, and
  // the memory that the engine holds.
  std::string Table(int64_t arena_bytes, int64_t weight_bytes) const;

 private:
  struct Line {
    std::string name, kernel;
    double total_us = 0;
  };
  std::vector<Line> lines_;
  int num_runs_ = 0;
};

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_PROFILE_SUMMARY_H_
