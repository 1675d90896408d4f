// For kernels whose sums fill the registers.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_UNSCHEDULED_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_UNSCHEDULED_H_

// Stands between the includes and the code of a file. On ARM64 GCC's first scheduler moves loads up
// until sums are spilled; the second, which runs when registers are chosen, still hides what loads
// take.
#if defined(__aarch64__) && !defined(__clang__)
#define PCONV_UNSCHEDULED _Pragma("GCC optimize(\"no-schedule-insns\")")
#else
#define PCONV_UNSCHEDULED
#endif

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_UNSCHEDULED_H_
