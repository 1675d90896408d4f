#include "delegate/opencl/opencl_testing.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace pconv::testing {

namespace fs = std::filesystem;

bool OpenClIsRequired() {
  const char* value = std::getenv("PCONV_REQUIRE_OPENCL");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

std::vector<fs::path> FilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

std::vector<std::string> StoredTileKeys(const fs::path& cache_dir) {
  std::vector<std::string> keys;
  for (const fs::path& file : FilesIn(cache_dir)) {
    std::ifstream stream(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    // Of the key, which follows the header (disk_cache.cc).
    constexpr size_t kLengthAt = 8, begin = 32;
    if (text.size() < begin || text.compare(begin, 5, "tile ") != 0) continue;
    uint64_t key_bytes = 0;
    text.copy(reinterpret_cast<char*>(&key_bytes), sizeof(key_bytes), kLengthAt);
    keys.push_back(text.substr(begin, key_bytes));
  }
  return keys;
}

}  // namespace pconv::testing
