// Counts what an ARM64 program executes under qemu-aarch64, as a plugin of qemu's TCG:
//
//   qemu-aarch64 -plugin ./arm64_counter.so,out=FILE ... PROGRAM
//
// The program marks what to count: the first call of getpriority() starts, the second stops and
// writes a line `name=count ...` to FILE, and so on. For one thread: others would share the
// counters. benchmarks/count_arm64.py compiles and loads it.
//
// Caches are modelled with lines of 64 bytes, least recently used ones replaced, stores allocating,
// without any prefetching: 64 KB in 4 ways, and 512 KB in 8 ways behind it (Cortex-A76).
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

// The part of qemu's plugin interface, version 1, that is used here. Debian's package brings no
// header; https://www.qemu.org/docs/master/devel/tcg-plugins.html describes it.
extern "C" {
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { kInlineAdd = 0, kNoRegisters = 0, kReadsAndWrites = 3, kApiVersion = 1 };
typedef void (*TranslateCallback)(uint64_t id, struct qemu_plugin_tb* tb);
typedef void (*MemoryCallback)(unsigned cpu, uint32_t info, uint64_t address, void* data);
typedef void (*SyscallCallback)(uint64_t id, unsigned cpu, int64_t number, uint64_t, uint64_t,
                                uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, TranslateCallback callback);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, SyscallCallback callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb* tb, int operation, void* to,
                                              uint64_t value);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn* insn, MemoryCallback callback,
                                      int flags, int accesses, void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* tb);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* tb, size_t index);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn* insn);
unsigned qemu_plugin_mem_size_shift(uint32_t info);

int qemu_plugin_version = kApiVersion;
}

namespace {

constexpr int64_t kGetPriority = 141;  // the system call's number on ARM64

// What is counted. Loads are of vector registers, a pair counting twice.
enum Count {
  kInstructions,
  kFmla,
  kHalfFmla,
  kOtherSimd,
  kLoads,
  kStack,
  kL1Misses,
  kL2Misses,
  kCounts
};
constexpr const char* kNames[kCounts] = {"instructions", "fmla",  "half_fmla", "other_simd",
                                         "loads",        "stack", "l1_misses", "l2_misses"};

uint64_t counts[kCounts], at_start[kCounts];
bool counting;
std::string out_path;

// Encodings: Arm Architecture Reference Manual, C4.1.
bool IsFloat32Fmla(uint32_t code) {
  return (code & 0xbfa0fc00) == 0x0e20cc00 || (code & 0xbf80f400) == 0x0f801000;
}
bool IsFloat16Fmla(uint32_t code) {
  return (code & 0xbfe0fc00) == 0x0e400c00 || (code & 0xbfc0f400) == 0x0f001000;
}
bool IsSimd(uint32_t code) { return (code & 0x0e000000) == 0x0e000000; }
bool IsMemoryAccess(uint32_t code) { return (code & 0x0a000000) == 0x08000000; }
bool IsPair(uint32_t code) { return (code & 0x3a000000) == 0x28000000; }
// A literal is loaded relative to the program counter; of the others bit 22 says what they do.
bool IsVectorLoad(uint32_t code) {
  const bool literal = (code & 0x3b000000) == 0x18000000;
  return IsMemoryAccess(code) && (code >> 26 & 1) != 0 && (literal || (code >> 22 & 1) != 0);
}
bool IsStackAccess(uint32_t code) {
  return IsMemoryAccess(code) && (code & 0x3b000000) != 0x18000000 && (code >> 5 & 31) == 31;
}

constexpr int kLineShift = 6;
template <size_t kSets, int kWays>
class Cache {
 public:
  // Whether it holds the line, which is the last used then.
  bool Touch(uint64_t line) {
    uint64_t* const set = lines_[line % kSets];
    int way = 0;
    while (way < kWays - 1 && set[way] != line + 1) ++way;
    const bool hit = set[way] == line + 1;
    memmove(set + 1, set, way * sizeof(*set));
    set[0] = line + 1;
    return hit;
  }

 private:
  uint64_t lines_[kSets][kWays] = {};  // numbers of lines plus one, the last used first
};
Cache<256, 4> first_level;
Cache<1024, 8> second_level;

void OnMemory(unsigned, uint32_t info, uint64_t address, void*) {
  const uint64_t last = (address + (1u << qemu_plugin_mem_size_shift(info)) - 1) >> kLineShift;
  for (uint64_t line = address >> kLineShift; line <= last; ++line) {
    if (first_level.Touch(line)) continue;
    ++counts[kL1Misses];
    if (!second_level.Touch(line)) ++counts[kL2Misses];
  }
}

void OnTranslate(uint64_t, qemu_plugin_tb* tb) {
  uint64_t in_block[kCounts] = {};
  const size_t instructions = qemu_plugin_tb_n_insns(tb);
  for (size_t i = 0; i < instructions; ++i) {
    qemu_plugin_insn* const insn = qemu_plugin_tb_get_insn(tb, i);
    uint32_t code;
    memcpy(&code, qemu_plugin_insn_data(insn), sizeof(code));
    ++in_block[kInstructions];
    if (IsFloat32Fmla(code)) {
      ++in_block[kFmla];
    } else if (IsFloat16Fmla(code)) {
      ++in_block[kHalfFmla];
    } else if (IsSimd(code)) {
      ++in_block[kOtherSimd];
    } else if (IsMemoryAccess(code)) {
      if (IsVectorLoad(code)) in_block[kLoads] += IsPair(code) ? 2 : 1;
      if (IsStackAccess(code)) ++in_block[kStack];
      qemu_plugin_register_vcpu_mem_cb(insn, OnMemory, kNoRegisters, kReadsAndWrites, nullptr);
    }
  }
  for (int i = 0; i < kCounts; ++i) {
    if (in_block[i] == 0) continue;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, kInlineAdd, &counts[i], in_block[i]);
  }
}

void OnSyscall(uint64_t, unsigned, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
               uint64_t, uint64_t, uint64_t) {
  if (number != kGetPriority) return;
  counting = !counting;
  if (counting) {
    memcpy(at_start, counts, sizeof(counts));
    return;
  }
  FILE* const out = fopen(out_path.c_str(), "a");
  if (out == nullptr) {
    perror(out_path.c_str());
    exit(1);
  }
  for (int i = 0; i < kCounts; ++i) {
    fprintf(out, "%s=%llu%c", kNames[i], static_cast<unsigned long long>(counts[i] - at_start[i]),
            i + 1 < kCounts ? ' ' : '\n');
  }
  fclose(out);
}

}  // namespace

extern "C" int qemu_plugin_install(uint64_t id, const void*, int argc, char** argv) {
  for (int i = 0; i < argc; ++i) {
    if (strncmp(argv[i], "out=", 4) == 0) out_path = argv[i] + 4;
  }
  if (out_path.empty()) {
    fprintf(stderr, "arm64_counter: the argument out=FILE is missing\n");
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, OnTranslate);
  qemu_plugin_register_vcpu_syscall_cb(id, OnSyscall);
  return 0;
}
