#include "delegate/profile_summary.h"

#include <cstdio>

namespace pconv {

void ProfileSummary::Add(const std::vector<ProfileRow>& rows) {
  if (lines_.size() != rows.size()) {
    lines_.clear();
    for (const ProfileRow& row : rows) lines_.push_back({row.name, row.kernel});
    num_runs_ = 0;
  }
  for (size_t i = 0; i < rows.size(); ++i) lines_[i].total_us += rows[i].end_us - rows[i].begin_us;
  ++num_runs_;
}

std::string ProfileSummary::Table(int64_t arena_bytes, int64_t weight_bytes) const {
  double total_us = 0;
  for (const Line& line : lines_) total_us += line.total_us;
  char text[96];
  std::string table = "      ms      %  kernel, output\n";
  for (const Line& line : lines_) {
    std::snprintf(text, sizeof(text), "%8.3f  %5.1f  ", line.total_us / 1000 / num_runs_,
                  total_us > 0 ? 100 * line.total_us / total_us : 0.0);
    table += text + line.kernel + ", " + line.name + "\n";
  }
  // No comma: readers of the table take lines with one for a step's.
  std::snprintf(text, sizeof(text), "%8.3f  100.0  total (mean of %d runs)\n",
                total_us / 1000 / num_runs_, num_runs_);
  table += text;
  std::snprintf(text, sizeof(text), "memory: activations %.3f MB, packed weights %.3f MB",
                arena_bytes / 1e6, weight_bytes / 1e6);
  return table + text;
}

}  // namespace pconv
