#include "delegate/packed_cache.h"

#include <cstring>

namespace pconv {
namespace {

// Fast enough to be bound by memory: independent lanes, one multiplication per eight bytes.
uint64_t Hash(const std::vector<PackingKey::Source>& sources) {
  constexpr uint64_t kPrime = 0x9e3779b97f4a7c15u;
  constexpr size_t kLanes = 4;
  uint64_t lanes[kLanes] = {1, 2, 3, 4};
  for (const auto& source : sources) {
    const auto* bytes = static_cast<const unsigned char*>(source.data);
    size_t i = 0;
    for (; i + 8 * kLanes <= source.bytes; i += 8 * kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        uint64_t word;
        std::memcpy(&word, bytes + i + 8 * lane, sizeof(word));
        lanes[lane] = (lanes[lane] ^ word) * kPrime;
        lanes[lane] ^= lanes[lane] >> 29;
      }
    }
    for (; i < source.bytes; ++i) lanes[0] = (lanes[0] ^ bytes[i]) * kPrime;
    lanes[1] = (lanes[1] ^ source.bytes) * kPrime;
  }
  uint64_t hash = 0;
  for (const uint64_t lane : lanes) hash = (hash ^ lane ^ (lane >> 32)) * kPrime;
  return hash;
}

}  // namespace

std::shared_ptr<const void> PackedCache::GetOrMakeUntyped(
    const char* type, const PackingKey& packing,
    const std::function<std::shared_ptr<const void>()>& make) {
  const uint64_t hash = Hash(packing.sources());
  Key key{type + (" " + packing.text()), {}};
  for (const auto& source : packing.sources()) key.second.emplace_back(source.data, source.bytes);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto it = entries_.find(key);
    if (it != entries_.end() && it->second.hash == hash) {
      it->second.generation = generation_;
      return it->second.packed;
    }
  }
  // Outside the lock: packing is slow, and two interpreters may start at once.
  std::shared_ptr<const void> packed = make();
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_[std::move(key)] = {hash, packed, generation_};
  return packed;
}

void PackedCache::NextGeneration() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool unused = it->second.packed.use_count() <= 1 && it->second.generation < generation_;
    it = unused ? entries_.erase(it) : std::next(it);
  }
  ++generation_;
}

size_t PackedCache::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return entries_.size();
}

}  // namespace pconv
