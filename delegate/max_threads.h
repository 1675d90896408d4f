// The bound on an engine's threads, whoever asks for them.
#ifndef PCONV_TF_DELEGATE_MAX_THREADS_H_
#define PCONV_TF_DELEGATE_MAX_THREADS_H_

namespace pconv {

// Each thread has memory of its own, so an absurd number would take the machine.
inline constexpr int kMaxThreads = 256;

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_MAX_THREADS_H_
