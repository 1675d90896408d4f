#include "delegate/disk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

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

// Makes the folder and those above it; that they exist is no error.
void MakeFolders(const std::string& path) {
  for (size_t i = 1; i <= path.size(); ++i) {
    if (i == path.size() || path[i] == '/') mkdir(path.substr(0, i).c_str(), 0700);
  }
}

// Far more than any compiled program.
constexpr off_t kMaxBytes = off_t{256} << 20;

// Why the open file or folder is not to be trusted, or null. Whoever writes a compiled program that
// this process loads has this process: only the user, or root, may have written it, or put it where
// it is.
const char* RefusalOf(const struct stat& status) {
  if (status.st_uid != geteuid() && status.st_uid != 0) return "it belongs to another user";
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "other users may write it";
  return nullptr;
}

const char* RefusalOfEntry(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return "it cannot be looked at";
  if (!S_ISREG(status.st_mode)) return "it is no regular file";
  if (status.st_size > kMaxBytes) return "it is too large";
  return RefusalOf(status);
}

bool ReadAll(int descriptor, std::string* text) {
  char part[1 << 16];
  for (;;) {
    const ssize_t bytes = read(descriptor, part, sizeof(part));
    if (bytes == 0) return true;
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 || text->size() + bytes > static_cast<size_t>(kMaxBytes)) return false;
    text->append(part, bytes);
  }
}

bool WriteAll(int descriptor, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t bytes = write(descriptor, text.data() + done, text.size() - done);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return false;
    done += static_cast<size_t>(bytes);
  }
  return true;
}

// Of an open file.
struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  ~Descriptor() {
    if (number >= 0) close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int number;
};

// The folder, open, or a negative number where there is none that can be trusted.
int OpenFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return folder;
  struct stat status;
  const char* refusal = fstat(folder, &status) == 0 ? RefusalOf(status) : "it cannot be looked at";
  if (refusal == nullptr) return folder;
  LogWarning("does not use the cache folder " + path + ": " + refusal);
  close(folder);
  errno = EPERM;
  return -1;
}

// Temporaries end so. Their process holds a lock on them: one without a lock belongs to nobody.
constexpr std::string_view kTemporary = ".pconv-part";

bool IsTemporary(std::string_view name) {
  return name.size() > kTemporary.size() &&
         name.substr(name.size() - kTemporary.size()) == kTemporary;
}

// Removes the temporaries of killed processes.
void RemoveAbandoned(int folder) {
  // A description of its own: reading moves its position, and closedir() closes it.
  DIR* directory = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) {
    if (!IsTemporary(entry->d_name)) continue;
    const Descriptor file(
        openat(folder, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.number < 0 || flock(file.number, LOCK_EX | LOCK_NB) != 0) continue;
    unlinkat(folder, entry->d_name, 0);
  }
  closedir(directory);
}

// A new and locked file, readable and writable by the user alone; sets its path.
int CreateTemporary(const std::string& folder, std::string* path) {
  for (;;) {
    *path = folder + "/XXXXXX" + std::string(kTemporary);
    const int file = mkostemps(path->data(), static_cast<int>(kTemporary.size()), O_CLOEXEC);
    if (file < 0) return file;
    // A file system without locks fails here and in RemoveAbandoned, which then removes nothing.
    flock(file, LOCK_EX);
    struct stat status;
    if (fstat(file, &status) != 0 || status.st_nlink > 0) return file;
    close(file);  // another process took it for abandoned before the lock was there
  }
}

}  // namespace

std::string DiskCache::FileName(const std::string& key) {
  char name[32];
  std::snprintf(name, sizeof(name), "%016llx.bin", static_cast<unsigned long long>(Hash(key)));
  return name;
}

std::string DiskCache::Path(const std::string& key) const { return folder_ + "/" + FileName(key); }

bool DiskCache::Load(const std::string& key, std::string* value) const {
  if (folder_.empty()) return false;
  const Descriptor folder(OpenFolder(folder_));
  if (folder.number < 0) return false;
  const std::string path = Path(key);
  // Opening a FIFO must not wait for its writer.
  const Descriptor file(
      openat(folder.number, FileName(key).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.number < 0) return false;
  if (const char* refusal = RefusalOfEntry(file.number)) {
    LogWarning("ignores the cache file " + path + ": " + refusal);
    return false;
  }
  std::string text;
  Header header;
  const Header expected;
  bool intact = ReadAll(file.number, &text) && text.size() >= sizeof(header);
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
  const Descriptor folder(OpenFolder(folder_));
  if (folder.number >= 0) RemoveAbandoned(folder.number);
  std::string temporary;
  const Descriptor file(folder.number < 0 ? -1 : CreateTemporary(folder_, &temporary));
  if (file.number < 0) {
    LogWarning("cannot write to the cache folder " + folder_ + ": " + std::strerror(errno));
    return;
  }
  const std::string path = Path(key);
  Header header;
  header.key_bytes = key.size();
  header.value_bytes = value.size();
  header.hash = Hash(key + value);
  std::string text(sizeof(header), '\0');
  std::memcpy(text.data(), &header, sizeof(header));
  text += key;
  text += value;
  // The lock is held until the file has its name.
  if (!WriteAll(file.number, text) || std::rename(temporary.c_str(), path.c_str()) != 0) {
    LogWarning("cannot write the cache file " + path + ": " + std::strerror(errno));
    unlink(temporary.c_str());
  }
}

}  // namespace pconv
