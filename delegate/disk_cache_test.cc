#include "delegate/disk_cache.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

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
  while (const dirent* entry = readdir(directory)) files += entry->d_type == DT_REG;
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

// Nor may others put entries of this user's, which they cannot write, in other places.
TEST(DiskCache, DoesNotUseAFolderThatOthersMayWrite) {
  const std::string folder = Folder("shared");
  const DiskCache cache(folder);
  cache.Store("key", "value");
  std::string value = "untouched";
  for (const mode_t mode : {0770, 0707, 01777}) {
    ASSERT_EQ(chmod(folder.c_str(), mode), 0);
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(cache.Load("key", &value));
    cache.Store("other", "value");
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find("does not use the cache folder " + folder + ": other users may write it"),
              std::string::npos)
        << log;
  }
  EXPECT_EQ(value, "untouched");
  EXPECT_EQ(FilesIn(folder), 1);
  ASSERT_EQ(chmod(folder.c_str(), 0755), 0);
  EXPECT_TRUE(cache.Load("key", &value));
}

// Stores values of one key without end, each of one letter.
[[noreturn]] void StoreForEver(const DiskCache& cache) {
  for (int i = 0;; ++i) cache.Store("key", std::string(1 << 20, static_cast<char>('a' + i % 26)));
}

bool IsOfOneLetter(const std::string& value) {
  return value.size() == 1 << 20 && value.find_first_not_of(value[0]) == std::string::npos;
}

TEST(DiskCache, KilledWritersLoseNothingAndTheNextCleansUp) {
  const char* kills = std::getenv("PCONV_KILLS");
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const std::string folder = Folder("killed");
  const DiskCache cache(folder);
  const auto start = std::chrono::steady_clock::now();
  cache.Store("key", std::string(1 << 20, 'a'));
  const std::chrono::duration<double, std::micro> one = std::chrono::steady_clock::now() - start;
  const int fewest = kills == nullptr ? 50 : std::atoi(kills);
  int leaving = 0;
  // On a busy machine children may be killed before they write anything.
  for (int i = 0; i < fewest || (leaving == 0 && i < 20 * fewest); ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) StoreForEver(cache);
    usleep(rng() % (4 * static_cast<useconds_t>(one.count()) + 1));
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    std::string value;
    EXPECT_TRUE(cache.Load("key", &value) && IsOfOneLetter(value));
    leaving += FilesIn(folder) > 1;
    cache.Store("next", "value");
    EXPECT_EQ(FilesIn(folder), 2);  // "key" and "next"
    std::remove(cache.Path("next").c_str());
  }
  // Else the kills come too late or too early, and nothing is tested.
  EXPECT_GT(leaving, 0);
  RecordProperty("leaving", leaving);
}

TEST(DiskCache, LivingWritersKeepTheirTemporaries) {
  const std::string folder = Folder("living");
  const DiskCache cache(folder);
  cache.Store("key", "value");
  const std::string living = folder + "/abcdef.pconv-part", left = folder + "/fedcba.pconv-part";
  WriteFile(living, "half");
  WriteFile(left, "half");
  FILE* writer = std::fopen(living.c_str(), "r");
  ASSERT_EQ(flock(fileno(writer), LOCK_EX), 0);
  cache.Store("key", "new");
  EXPECT_EQ(ReadFile(living), "half");
  EXPECT_NE(access(left.c_str(), F_OK), 0);
  std::fclose(writer);
  cache.Store("key", "new");
  EXPECT_NE(access(living.c_str(), F_OK), 0);
}

// Each takes the others' temporaries for abandoned as soon as there is no lock.
TEST(DiskCache, WritersSideBySideAllSucceed) {
  const std::string folder = Folder("side_by_side");
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(fork());
    ASSERT_GE(children.back(), 0);
    if (children.back() != 0) continue;
    const DiskCache cache(folder);
    bool ok = true;
    for (int n = 0; n < 500; ++n) {
      const std::string key = "key" + std::to_string(i), expected = std::to_string(n);
      std::string value;
      cache.Store(key, expected);
      ok = ok && cache.Load(key, &value) && value == expected;
    }
    _exit(ok ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(FilesIn(folder), 4);
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
