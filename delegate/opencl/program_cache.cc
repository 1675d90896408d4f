#include "delegate/opencl/program_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>

#include "delegate/log.h"

namespace pconv::opencl {
namespace {

// 64-bit FNV-1a.
uint64_t Hash(const std::string& text) {
  uint64_t hash = 14695981039346656037u;
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  return hash;
}

struct Header {
  char magic[8] = {'P', 'C', 'O', 'N', 'V', 'C', 'L', '1'};
  uint64_t key_bytes = 0, binary_bytes = 0, binary_hash = 0;
};

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

// Makes the folder and those above it; that they exist is no error.
void MakeFolders(const std::string& path) {
  for (size_t i = 1; i <= path.size(); ++i) {
    if (i == path.size() || path[i] == '/') mkdir(path.substr(0, i).c_str(), 0777);
  }
}

bool ReadAll(std::FILE* file, std::string* text, uint64_t bytes) {
  constexpr uint64_t kLargest = uint64_t{1} << 30;
  if (bytes > kLargest) return false;
  text->resize(bytes);
  return std::fread(text->data(), 1, bytes, file) == bytes;
}

}  // namespace

std::string ProgramCache::Path(const std::string& key) const {
  char name[32];
  std::snprintf(name, sizeof(name), "/%016llx.clbin", static_cast<unsigned long long>(Hash(key)));
  return folder_ + name;
}

bool ProgramCache::Load(const std::string& key, std::string* binary) const {
  if (folder_.empty()) return false;
  const std::string path = Path(key);
  const File file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return false;
  Header header;
  const Header expected;
  std::string found_key;
  const bool intact = std::fread(&header, sizeof(header), 1, file.get()) == 1 &&
                      std::memcmp(header.magic, expected.magic, sizeof(header.magic)) == 0 &&
                      ReadAll(file.get(), &found_key, header.key_bytes) &&
                      ReadAll(file.get(), binary, header.binary_bytes) &&
                      Hash(*binary) == header.binary_hash;
  if (!intact) {
    LogWarning("ignores the damaged file " + path + " of the OpenCL program cache");
    return false;
  }
  return found_key == key;
}

void ProgramCache::Store(const std::string& key, const std::string& binary) const {
  if (folder_.empty()) return;
  MakeFolders(folder_);
  const std::string path = Path(key);
  std::string temporary = path + ".XXXXXX";
  const int descriptor = mkstemp(temporary.data());
  if (descriptor < 0) {
    LogWarning("cannot write to the OpenCL program cache " + folder_ + ": " + std::strerror(errno));
    return;
  }
  File file(fdopen(descriptor, "wb"));
  Header header;
  header.key_bytes = key.size();
  header.binary_bytes = binary.size();
  header.binary_hash = Hash(binary);
  const bool written = std::fwrite(&header, sizeof(header), 1, file.get()) == 1 &&
                       std::fwrite(key.data(), 1, key.size(), file.get()) == key.size() &&
                       std::fwrite(binary.data(), 1, binary.size(), file.get()) == binary.size() &&
                       std::fflush(file.get()) == 0;
  file.reset();
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    LogWarning("cannot write " + path + ": " + std::strerror(errno));
    unlink(temporary.c_str());
  }
}

}  // namespace pconv::opencl
