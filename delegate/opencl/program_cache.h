// Compiled programs on disk, one file each.
#ifndef PCONV_TF_DELEGATE_OPENCL_PROGRAM_CACHE_H_
#define PCONV_TF_DELEGATE_OPENCL_PROGRAM_CACHE_H_

#include <string>

namespace pconv::opencl {

// Entries are keyed by a text of any length (device, driver, options, source). The key is stored
// beside the binary and compared, so that neither a hash collision nor another driver's file is
// ever taken for it. A damaged file is ignored with a warning and overwritten. Files appear by
// rename: no reader sees half of one.
class ProgramCache {
 public:
  // An empty `folder` turns the cache off.
  explicit ProgramCache(std::string folder) : folder_(std::move(folder)) {}
  bool Load(const std::string& key, std::string* binary) const;
  void Store(const std::string& key, const std::string& binary) const;

 private:
  std::string Path(const std::string& key) const;
  std::string folder_;
};

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PROGRAM_CACHE_H_
