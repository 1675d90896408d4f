// Texts on disk, one file each: compiled programs and results of tuning.
#ifndef PCONV_TF_DELEGATE_DISK_CACHE_H_
#define PCONV_TF_DELEGATE_DISK_CACHE_H_

#include <string>
#include <utility>

namespace pconv {

// Entries are keyed by a text of any length that names all that the value depends on (device,
// driver, layer, source). The key is stored beside the value and compared, so that neither a hash
// collision nor a renamed file is ever taken for it. A damaged file is ignored with a warning and
// overwritten by the next Store(). Files appear by rename: no reader sees half of one, and Store()
// removes the temporary files of processes that were killed. Compiled programs run with the rights
// of this process: an entry that is no regular file is ignored with a warning, too, as is an entry
// or a whole folder that belongs to another user than this one or root, or that others may write.
class DiskCache {
 public:
  // An empty `folder` turns the cache off. Folders are made by the first Store().
  explicit DiskCache(std::string folder) : folder_(std::move(folder)) {}

  // False, and `value` untouched, if there is no intact entry.
  bool Load(const std::string& key, std::string* value) const;
  // Failure is a warning: the next run has to make the value again.
  void Store(const std::string& key, const std::string& value) const;

  // Of the entry's file.
  std::string Path(const std::string& key) const;

 private:
  static std::string FileName(const std::string& key);

  std::string folder_;
};

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_DISK_CACHE_H_
