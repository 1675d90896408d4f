// Makes a process believe that its CPU lacks instruction sets, so that stock LiteRT, XNNPACK, ours
// and other runtimes choose the kernels that they would on such a CPU:
//
//   gcc -O2 -shared -fPIC -o cpu_without.so benchmarks/cpu_without.c
//   LD_PRELOAD=$PWD/cpu_without.so CPU_WITHOUT=amx pconv-tf compare ...
//
// CPU_WITHOUT is `amx`, `avx512` (AMX and AVX-512) or `vnni` (those and AVX-VNNI, which leaves
// AVX2). Linux on x86-64 with CPUID faulting (`cpuid_fault` in /proc/cpuinfo): the instruction
// traps, and a handler answers in its place. Code that does not ask, as the C library that is
// loaded before, is what it was. Child processes are told the same.
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { kSetCpuid = 0x1012 };  // ARCH_SET_CPUID of arch_prctl
enum { kAmx = 1, kAvx512 = 2, kVnni = 3 };

static int hidden;

static long AllowCpuid(int allowed) { return syscall(SYS_arch_prctl, kSetCpuid, allowed); }

#define BIT(n) (1u << (n))

// Registers a, b, c, d of a leaf, less what is hidden.
static void Hide(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {
  if (leaf != 7) return;
  if (subleaf == 0) {
    r[3] &= ~(BIT(22) | BIT(24) | BIT(25));  // AMX: bf16, tile, int8
    if (hidden < kAvx512) return;
    // AVX-512: F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; 4VNNIW,
    // 4FMAPS, VP2INTERSECT, FP16. GFNI comes with it in kernels.
    r[1] &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
    r[2] &= ~(BIT(1) | BIT(6) | BIT(8) | BIT(11) | BIT(12) | BIT(14));
    r[3] &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(23));
  } else if (subleaf == 1) {
    r[0] &= ~(BIT(21));  // AMX fp16
    if (hidden >= kAvx512) {
      r[0] &= ~BIT(5);   // AVX-512 bf16
      r[3] &= ~BIT(19);  // AVX10
    }
    if (hidden >= kVnni) {
      r[0] &= ~(BIT(4) | BIT(23));           // AVX-VNNI, AVX-IFMA
      r[3] &= ~(BIT(4) | BIT(5) | BIT(10));  // AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16
    }
  }
}

static void Answer(int number, siginfo_t* info, void* context) {
  (void)info;
  greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  const unsigned char* at = (const unsigned char*)registers[REG_RIP];
  if (at[0] != 0x0f || at[1] != 0xa2) {  // a fault of its own: once more, without this handler
    signal(number, SIG_DFL);
    return;
  }
  const uint32_t leaf = (uint32_t)registers[REG_RAX], subleaf = (uint32_t)registers[REG_RCX];
  uint32_t r[4];
  AllowCpuid(1);
  __cpuid_count(leaf, subleaf, r[0], r[1], r[2], r[3]);
  AllowCpuid(0);
  Hide(leaf, subleaf, r);
  registers[REG_RAX] = r[0];
  registers[REG_RBX] = r[1];
  registers[REG_RCX] = r[2];
  registers[REG_RDX] = r[3];
  registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void Start(void) {
  const char* name = getenv("CPU_WITHOUT");
  if (name == NULL || *name == '\0') return;
  if (strcmp(name, "amx") == 0) hidden = kAmx;
  if (strcmp(name, "avx512") == 0) hidden = kAvx512;
  if (strcmp(name, "vnni") == 0) hidden = kVnni;
  struct sigaction action = {0};
  action.sa_sigaction = Answer;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (hidden == 0) {
    fprintf(stderr, "CPU_WITHOUT: expected amx, avx512 or vnni, found '%s'\n", name);
    exit(2);
  }
  if (sigaction(SIGSEGV, &action, NULL) != 0 || AllowCpuid(0) != 0) {
    fprintf(stderr, "CPU_WITHOUT: this CPU or kernel does not trap CPUID\n");
    exit(2);
  }
}
