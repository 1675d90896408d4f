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
#include <typeinfo>
#include <utility>
#include <vector>

#include "delegate/packing_key.h"

namespace pconv {

// Thread-safe. Owned by the delegate; entries are shared with the engines that use them.
class PackedCache {
 public:
  // What `pack` makes of `packing`, now or in an earlier call with an equal one: a struct with
  // Fields() (packing_key.h), whose members are all that the function has to work with. The
  // contents of constants are compared by hash, because a model that was unloaded may have left its
  // addresses to another.
  template <typename T, typename Packing>
  std::shared_ptr<const T> GetOrMake(const Packing& packing, T (*pack)(const Packing&)) {
    const PackingKey key(typeid(Packing).name(), packing);
    return GetOrMake<T>(key, [&] { return std::make_shared<const T>(pack(packing)); });
  }
  // The same for what a function pointer cannot make, for instance because it lies on a device.
  // `key` must name all that the result depends on. A T of the same key is another one.
  template <typename T>
  std::shared_ptr<const T> GetOrMake(const PackingKey& key,
                                     const std::function<std::shared_ptr<const T>()>& make) {
    return std::static_pointer_cast<const T>(GetOrMakeUntyped(
        typeid(T).name(), key, [&]() -> std::shared_ptr<const void> { return make(); }));
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
      const char* type, const PackingKey& key,
      const std::function<std::shared_ptr<const void>()>& make);

  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  int generation_ = 0;
};

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_PACKED_CACHE_H_
