#include "delegate/disk_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "delegate/log.h"

namespace pconv {
namespace {

// 64-bit FNV-1a.
uint64_t Hash(const std::string& text) {
  uint64_t hash = 14695981039346656037u;
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  return hash;
}

// A file is the header, the key and the value.
struct Header {
  char magic[8] = {'P', 'C', 'O', 'N', 'V', 'D', 'C', '1'};
  uint64_t key_bytes = 0, value_bytes = 0, hash = 0;  // of key and value together
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

bool ReadAll(std::FILE* file, std::string* text) {
  char part[1 << 16];
  size_t bytes;
  while ((bytes = std::fread(part, 1, sizeof(part), file)) > 0) text->append(part, bytes);
  return std::ferror(file) == 0;
}

}  // namespace

std::string DiskCache::Path(const std::string& key) const {
  char name[32];
  std::snprintf(name, sizeof(name), "/%016llx.bin", static_cast<unsigned long long>(Hash(key)));
  return folder_ + name;
}

bool DiskCache::Load(const std::string& key, std::string* value) const {
  if (folder_.empty()) return false;
  const std::string path = Path(key);
  const File file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return false;
  std::string text;
  Header header;
  const Header expected;
  bool intact = ReadAll(file.get(), &text) && text.size() >= sizeof(header);
  if (intact) {
    std::memcpy(&header, text.data(), sizeof(header));
    text.erase(0, sizeof(header));
    intact = std::memcmp(header.magic, expected.magic, sizeof(header.magic)) == 0 &&
             header.key_bytes <= text.size() &&
             header.value_bytes == text.size() - header.key_bytes && header.hash == Hash(text);
  }
  if (!intact) {
    LogWarning("ignores the damaged cache file " + path);
    return false;
  }
  if (text.compare(0, header.key_bytes, key) != 0) {
    LogWarning("ignores the cache file " + path + ": it was made for something else");
    return false;
  }
  *value = text.substr(header.key_bytes);
  return true;
}

void DiskCache::Store(const std::string& key, const std::string& value) const {
  if (folder_.empty()) return;
  MakeFolders(folder_);
  const std::string path = Path(key);
  std::string temporary = path + ".XXXXXX";
  const int descriptor = mkstemp(temporary.data());
  if (descriptor < 0) {
    LogWarning("cannot write to the cache folder " + folder_ + ": " + std::strerror(errno));
    return;
  }
  File file(fdopen(descriptor, "wb"));
  Header header;
  header.key_bytes = key.size();
  header.value_bytes = value.size();
  header.hash = Hash(key + value);
  const bool written = file != nullptr &&
                       std::fwrite(&header, sizeof(header), 1, file.get()) == 1 &&
                       std::fwrite(key.data(), 1, key.size(), file.get()) == key.size() &&
                       std::fwrite(value.data(), 1, value.size(), file.get()) == value.size() &&
                       std::fflush(file.get()) == 0;
  if (file == nullptr) close(descriptor);
  file.reset();
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    LogWarning("cannot write the cache file " + path + ": " + std::strerror(errno));
    unlink(temporary.c_str());
  }
}

}  // namespace pconv
