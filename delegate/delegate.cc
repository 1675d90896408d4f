#include "delegate/delegate.h"

#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "delegate/delegate_kernel.h"
#include "delegate/log.h"
#include "delegate/matrix_tiles.h"
#include "delegate/packed_cache.h"
#include "delegate/partitioner.h"
#include "tflite_ops/core/status.h"

namespace pconv {
namespace {

constexpr char kName[] = "PConvDelegate";

// What stands behind a TfLiteDelegate.
struct DelegateState {
  TfLiteDelegate delegate = {};
  DelegateOptions options;
  PackedCache cache;
  // The partition being applied: the runtime makes kernels inside the call that replaces nodes, and
  // at no other time.
  std::mutex mutex;
  const Partition* partition = nullptr;
};

// What the runtime keeps as a kernel node's user_data. Init cannot fail, so its error waits here.
struct KernelState {
  std::unique_ptr<DelegateKernel> kernel;
  Status init_status;
};

// Runs `body` and hands its error, or exception, to the runtime: none may cross the C ABI.
template <typename Body>
TfLiteStatus Guarded(TfLiteContext* context, const Body& body) {
  const auto report = [&](const char* message) {
    context->ReportError(context, "PConv delegate: %s", message);
    return kTfLiteError;
  };
  // What catches an exception must not need memory.
  try {
    const Status status = body();
    return status.ok() ? kTfLiteOk : report(status.message().c_str());
  } catch (const std::bad_alloc&) {
    return report("out of memory");
  } catch (const std::exception& error) {
    return report(error.what());
  }
}

void* InitKernel(TfLiteContext* context, const char* buffer, size_t /*length*/) {
  const auto* params = reinterpret_cast<const TfLiteDelegateParams*>(buffer);
  auto* delegate = static_cast<DelegateState*>(params->delegate->data_);
  auto* state = new (std::nothrow) KernelState;
  if (state == nullptr) return nullptr;
  Guarded(context, [&] {
    state->init_status = Status::Error("could not be initialised");
    state->kernel = std::make_unique<DelegateKernel>(delegate->options, &delegate->cache);
    state->init_status = state->kernel->Init(context, *params, *delegate->partition);
    return state->init_status;
  });
  return state;
}

void FreeKernel(TfLiteContext* /*context*/, void* buffer) {
  delete static_cast<KernelState*>(buffer);
}

TfLiteStatus PrepareKernel(TfLiteContext* context, TfLiteNode* node) {
  return Guarded(context, [&] {
    auto* state = static_cast<KernelState*>(node->user_data);
    if (state == nullptr) return Status::Error("out of memory");
    PCONV_RETURN_IF_ERROR(state->init_status);
    if (state->kernel == nullptr) return Status::Error("out of memory");
    return state->kernel->Prepare(context);
  });
}

TfLiteStatus InvokeKernel(TfLiteContext* context, TfLiteNode* node) {
  return Guarded(context, [&] {
    const auto* state = static_cast<const KernelState*>(node->user_data);
    if (state == nullptr || state->kernel == nullptr) return Status::Error("is not prepared");
    return state->kernel->Invoke(context);
  });
}

// `nodes` becomes a TfLiteIntArray, which begins with the number of its elements.
Status ReplaceNodes(TfLiteContext* context, std::vector<int> nodes, TfLiteDelegate* delegate) {
  if (nodes.empty()) return Status::Ok();
  nodes.insert(nodes.begin(), static_cast<int>(nodes.size()));

  TfLiteRegistration registration = {};
  registration.init = InitKernel;
  registration.free = FreeKernel;
  registration.prepare = PrepareKernel;
  registration.invoke = InvokeKernel;
  registration.custom_name = kName;
  registration.version = 1;
  const TfLiteStatus status = context->ReplaceNodeSubsetsWithDelegateKernels(
      context, registration, reinterpret_cast<const TfLiteIntArray*>(nodes.data()), delegate);
  return status == kTfLiteOk ? Status::Ok() : Status::Error("the runtime cannot replace the nodes");
}

// Nodes on float32 and on int8 activations never share an engine.
Status ReplaceNodes(TfLiteContext* context, const Partition& partition, TfLiteDelegate* delegate) {
  std::vector<int> float32, int8;
  for (const auto& [index, node] : partition.nodes) {
    (partition.int8_nodes.count(index) != 0 ? int8 : float32).push_back(index);
  }
  auto& only = int8.empty() ? float32 : int8;  // a model of both has no implied nodes
  only.insert(only.end(), partition.implied_nodes.begin(), partition.implied_nodes.end());
  PCONV_RETURN_IF_ERROR(ReplaceNodes(context, std::move(float32), delegate));
  return ReplaceNodes(context, std::move(int8), delegate);
}

TfLiteStatus PrepareDelegate(TfLiteContext* context, TfLiteDelegate* delegate) {
  auto* state = static_cast<DelegateState*>(delegate->data_);
  return Guarded(context, [&] {
    const std::lock_guard<std::mutex> lock(state->mutex);
    state->cache.NextGeneration();
    Partition partition;
    PCONV_RETURN_IF_ERROR(
        PartitionModel(context, state->options.claim, HasInt8MatrixTiles(), &partition));
    if (state->options.verbose) {
      for (const std::string& line : partition.report) LogInfo(line);
    }
    if (partition.num_pconv > 0 && partition.num_taken > 0) {
      LogWarning("another delegate took part of the model before this one (" +
                 std::to_string(partition.num_taken) +
                 " of its nodes are another delegate's partitions), which makes it slower: apply "
                 "this delegate first; with benchmark_model, give --use_xnnpack=false");
    }
    if (partition.num_pconv == 0) {
      if (!state->options.quiet) {
        LogInfo("the model has no PConv2D; all " + std::to_string(partition.num_model_nodes) +
                " nodes are left to the runtime");
      }
      return Status::Ok();
    }
    const size_t claimed = partition.nodes.size() + partition.implied_nodes.size();
    if (!state->options.quiet) {
      LogInfo("claims " + std::to_string(claimed) + " of " +
              std::to_string(partition.num_model_nodes) + " nodes, " +
              std::to_string(partition.num_pconv) + " of them PConv2D");
    }
    state->partition = &partition;  // for InitKernel, which ReplaceNodes calls
    return ReplaceNodes(context, partition, delegate);
  });
}

}  // namespace

TfLiteDelegate* CreateDelegate(const DelegateOptions& options) {
  auto state = std::make_unique<DelegateState>();
  state->options = options;
  state->delegate.data_ = state.get();
  state->delegate.Prepare = PrepareDelegate;
  // Without the first flag the runtime first prepares the model as it is and stops at PConv2D. With
  // the second its profile has a row for every operation, not one for the whole partition.
  state->delegate.flags =
      kTfLiteDelegateFlagsAllowDynamicTensors | kTfLiteDelegateFlagsPerOperatorProfiling;
  return &state.release()->delegate;
}

void DestroyDelegate(TfLiteDelegate* delegate) {
  if (delegate != nullptr) delete static_cast<DelegateState*>(delegate->data_);
}

}  // namespace pconv
