// Records with one tap.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_ONE_TAP_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_ONE_TAP_H_

#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// {channel, weight} of a record with one tap.
struct OneTap {
  uint32_t channel;
  Vec weight;
};
PCONV_INLINE OneTap FetchOneTap(const char* record) {
#if defined(__x86_64__)
  uint64_t both;  // one load instead of two
  memcpy(&both, record, sizeof(both));
  asm("" : "+r"(both));
  const int32_t bits = static_cast<int32_t>(both >> 32);
  return {static_cast<uint32_t>(both), (Vec)(bits - IntVec{})};
#else
  const Record* rec = reinterpret_cast<const Record*>(record);
  return {rec->channel, Broadcast(rec->weights[0])};
#endif
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_ONE_TAP_H_
