// The TfLiteDelegate: applies the partitioner to a model and hosts the kernels.
#ifndef PCONV_TF_DELEGATE_DELEGATE_H_
#define PCONV_TF_DELEGATE_DELEGATE_H_

#include "delegate/options.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv {

// The runtime calls it through function pointers; must outlive every interpreter that uses it.
TfLiteDelegate* CreateDelegate(const DelegateOptions& options);

// Accepts null.
void DestroyDelegate(TfLiteDelegate* delegate);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_DELEGATE_H_
