// Packed constants that outlive one engine: a resize makes the runtime build new delegate kernels,
// and packing all weights again would be slow.
#ifndef PCONV_TF_DELEGATE_PACKED_CACHE_H_
#define PCONV_TF_DELEGATE_PACKED_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tflite_ops/core/fkw_view.h"

namespace pconv {

// Thread-safe. Owned by the delegate; entries are shared with the engines that use them.
class PackedCache {
 public:
  // Bytes in the model file that a packing is made from.
  struct Source {
    const void* data = nullptr;
    size_t bytes = 0;
  };

  // The packing called `packing` of `sources`: what an earlier call made, or else what `make`
  // returns now. `packing` names layout, kernel and every parameter that the result depends on
  // besides the sources. A source's contents are compared by hash, because a model that was
  // unloaded may have left its addresses to another.
  template <typename T>
  std::shared_ptr<const T> GetOrMake(const std::string& packing, const std::vector<Source>& sources,
                                     const std::function<std::shared_ptr<const T>()>& make) {
    return std::static_pointer_cast<const T>(GetOrMakeUntyped(
        packing, sources, [&]() -> std::shared_ptr<const void> { return make(); }));
  }

  // Called whenever the runtime applies the delegate. Drops entries that no engine holds and none
  // asked for since the call before: between two calls a resize frees all engines and makes them
  // anew.
  void NextGeneration();

  size_t size() const;

 private:
  using Key = std::pair<std::string, std::vector<std::pair<const void*, size_t>>>;
  struct Entry {
    uint64_t hash = 0;
    std::shared_ptr<const void> packed;
    int generation = 0;  // in which it was last asked for
  };

  std::shared_ptr<const void> GetOrMakeUntyped(
      const std::string& packing, const std::vector<Source>& sources,
      const std::function<std::shared_ptr<const void>()>& make);

  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  int generation_ = 0;
};

// All arrays of a layer: what its packed weights are made from.
std::vector<PackedCache::Source> SourcesOf(const FkwView& layer);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_PACKED_CACHE_H_
