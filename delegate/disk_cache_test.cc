#include "delegate/disk_cache.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace pconv {
namespace {

std::string Folder(const std::string& name) { return ::testing::TempDir() + "/disk_cache/" + name; }

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

int FilesIn(const std::string& folder) {
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return -1;
  int files = 0;
  while (const dirent* entry = readdir(directory)) files += entry->d_name[0] != '.';
  closedir(directory);
  return files;
}

TEST(DiskCache, KeepsValuesBetweenRuns) {
  const std::string folder = Folder("keeps/below");
  const std::string binary("a\0b\n", 4);
  std::string value = "untouched";
  EXPECT_FALSE(DiskCache(folder).Load("key", &value));
  EXPECT_EQ(value, "untouched");
  DiskCache(folder).Store("key", "old");
  DiskCache(folder).Store("key", binary);
  DiskCache(folder).Store("empty", "");
  EXPECT_TRUE(DiskCache(folder).Load("key", &value));
  EXPECT_EQ(value, binary);
  EXPECT_TRUE(DiskCache(folder).Load("empty", &value));
  EXPECT_EQ(value, "");
  EXPECT_EQ(FilesIn(folder), 2);  // no temporary file is left
}

TEST(DiskCache, IgnoresDamage) {
  const DiskCache cache(Folder("damage"));
  cache.Store("key", "value");
  const std::string path = cache.Path("key"), intact = ReadFile(path);
  for (size_t i = 0; i < intact.size(); ++i) {
    std::string damaged = intact;
    damaged[i] ^= 0x40;
    WriteFile(path, damaged);
    std::string value = "untouched";
    EXPECT_FALSE(cache.Load("key", &value)) << "byte " << i;
    EXPECT_EQ(value, "untouched");
    WriteFile(path, intact.substr(0, i));
    EXPECT_FALSE(cache.Load("key", &value)) << "cut at " << i;
  }
  WriteFile(path, intact + "x");
  std::string value;
  EXPECT_FALSE(cache.Load("key", &value));
  cache.Store("key", "new");
  EXPECT_TRUE(cache.Load("key", &value));
  EXPECT_EQ(value, "new");
}

TEST(DiskCache, IgnoresTheFileOfAnotherKey) {
  const DiskCache cache(Folder("other"));
  cache.Store("key of one CPU", "value");
  ASSERT_EQ(std::rename(cache.Path("key of one CPU").c_str(), cache.Path("key").c_str()), 0);
  std::string value;
  EXPECT_FALSE(cache.Load("key", &value));
  EXPECT_FALSE(cache.Load("key of one CPU", &value));
}

// A reader must neither wait nor read without end.
TEST(DiskCache, IgnoresWhatIsNoRegularFile) {
  const DiskCache cache(Folder("special"));
  cache.Store("key", "value");
  const std::string path = cache.Path("key");
  std::string value = "untouched";
  const auto expect_ignored = [&] {
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(cache.Load("key", &value));
    EXPECT_NE(::testing::internal::GetCapturedStderr().find("it is no regular file"),
              std::string::npos);
    EXPECT_EQ(value, "untouched");
    std::remove(path.c_str());
  };
  std::remove(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_ignored();
  ASSERT_EQ(symlink("/dev/zero", path.c_str()), 0);
  expect_ignored();
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  expect_ignored();
  cache.Store("key", "new");
  EXPECT_TRUE(cache.Load("key", &value));
}

// A compiled program runs with this process's rights.
TEST(DiskCache, IgnoresWhatOthersMayWrite) {
  const DiskCache cache(Folder("writable"));
  cache.Store("key", "value");
  const std::string path = cache.Path("key");
  std::string value = "untouched";
  for (const mode_t mode : {0620, 0602, 0666}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(cache.Load("key", &value));
    EXPECT_NE(::testing::internal::GetCapturedStderr().find("other users may write it"),
              std::string::npos);
  }
  EXPECT_EQ(value, "untouched");
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_TRUE(cache.Load("key", &value));
  // Only root gives files away, and in a sandbox not even it.
  if (chown(path.c_str(), 12345, 12345) != 0) return;
  EXPECT_FALSE(cache.Load("key", &value));
}

TEST(DiskCache, WithoutFolderOrPermissionIsOff) {
  std::string value;
  DiskCache("").Store("key", "value");
  EXPECT_FALSE(DiskCache("").Load("key", &value));
  DiskCache("/proc/none").Store("key", "value");  // warns
  EXPECT_FALSE(DiskCache("/proc/none").Load("key", &value));
}

}  // namespace
}  // namespace pconv
