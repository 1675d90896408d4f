#include "tflite_ops/core/flexbuffer_map.h"

#include <cstring>
#include <limits>

namespace pconv {
namespace {

// Types of the FlexBuffer format, in the upper six bits of a packed type.
enum FlexType : uint8_t {
  kInt = 1,
  kUInt = 2,
  kIndirectInt = 6,
  kIndirectUInt = 7,
  kMap = 9,
  kVector = 10,
  kVectorInt = 11,
  kVectorUInt = 12,
  kVectorInt2 = 16,
  kVectorUInt2 = 17,
  kVectorInt3 = 19,
  kVectorUInt3 = 20,
  kVectorInt4 = 22,
  kVectorUInt4 = 23,
};

// Longest vector that any option needs; also bounds the work on hostile input.
constexpr uint64_t kMaxElements = 4096;

Status Malformed(const std::string& what) {
  return Status::Error("custom options are not a valid FlexBuffer map: " + what);
}

// A value as stored: where its inline part lies, how wide that is, and what it means.
struct Slot {
  uint64_t position;
  int parent_width;
  uint8_t packed_type;
  FlexType type() const { return static_cast<FlexType>(packed_type >> 2); }
  int width() const { return 1 << (packed_type & 3); }
};

class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  Status ReadRoot(FlexMap* map) {
    if (data_ == nullptr || size_ < 3) {
      return Malformed("found " + std::to_string(size_) + " bytes, expected at least 3");
    }
    const int width = data_[size_ - 1];
    if (width != 1 && width != 2 && width != 4 && width != 8) {
      return Malformed("root width is " + std::to_string(width) + ", expected 1, 2, 4 or 8");
    }
    if (size_ < 2 + static_cast<size_t>(width)) return Malformed("root lies outside the buffer");
    const Slot root{size_ - 2 - width, width, data_[size_ - 2]};
    if (root.type() != kMap) {
      return Malformed("root has type " + std::to_string(root.type()) + ", expected a map (9)");
    }
    return ReadMap(root, map);
  }

 private:
  bool InBounds(uint64_t position, uint64_t length) const {
    return position <= size_ && length <= size_ - position;
  }

  // Little-endian, any alignment.
  bool ReadUnsigned(uint64_t position, int width, uint64_t* value) const {
    if (!InBounds(position, width)) return false;
    *value = 0;
    for (int i = 0; i < width; ++i) *value |= uint64_t{data_[position + i]} << (8 * i);
    return true;
  }

  bool ReadSigned(uint64_t position, int width, int64_t* value) const {
    uint64_t bits;
    if (!ReadUnsigned(position, width, &bits)) return false;
    const int unused = 64 - 8 * width;
    *value = static_cast<int64_t>(bits << unused) >> unused;
    return true;
  }

  // Follows the offset stored at `position`; offsets point backwards.
  bool Follow(uint64_t position, int width, uint64_t* target) const {
    uint64_t offset;
    if (!ReadUnsigned(position, width, &offset) || offset > position) return false;
    *target = position - offset;
    return true;
  }

  bool ReadLength(uint64_t vector, int width, uint64_t* length) const {
    return vector >= static_cast<uint64_t>(width) && ReadUnsigned(vector - width, width, length) &&
           *length <= kMaxElements;
  }

  Status ReadMap(const Slot& slot, FlexMap* map) {
    const int width = slot.width();
    uint64_t values, num_values, keys, num_keys, key_width;
    if (!Follow(slot.position, slot.parent_width, &values) ||
        !ReadLength(values, width, &num_values)) {
      return Malformed("values of the map lie outside the buffer");
    }
    // Before the values: offset of the key vector, width of its elements, number of values.
    if (values < 3 * static_cast<uint64_t>(width) || !Follow(values - 3 * width, width, &keys) ||
        !ReadUnsigned(values - 2 * width, width, &key_width) ||
        (key_width != 1 && key_width != 2 && key_width != 4 && key_width != 8) ||
        !ReadLength(keys, static_cast<int>(key_width), &num_keys)) {
      return Malformed("keys of the map lie outside the buffer");
    }
    if (num_keys != num_values) {
      return Malformed("found " + std::to_string(num_keys) + " keys and " +
                       std::to_string(num_values) + " values");
    }
    const uint64_t types = values + num_values * width;
    if (!InBounds(types, num_values)) return Malformed("values of the map lie outside the buffer");
    for (uint64_t i = 0; i < num_values; ++i) {
      uint64_t key_begin;
      if (!Follow(keys + i * key_width, static_cast<int>(key_width), &key_begin)) {
        return Malformed("key " + std::to_string(i) + " lies outside the buffer");
      }
      const void* key_end = std::memchr(data_ + key_begin, 0, size_ - key_begin);
      if (key_end == nullptr) return Malformed("key " + std::to_string(i) + " does not end");
      const std::string key(reinterpret_cast<const char*>(data_ + key_begin),
                            reinterpret_cast<const char*>(key_end));
      FlexValue value;
      PCONV_RETURN_IF_ERROR(ReadValue(key, {values + i * width, width, data_[types + i]}, &value));
      if (!map->emplace(key, std::move(value)).second) {
        return Malformed("key '" + key + "' occurs twice");
      }
    }
    return Status::Ok();
  }

  Status ReadValue(const std::string& key, const Slot& slot, FlexValue* value) {
    switch (slot.type()) {
      case kInt:
      case kUInt:
      case kIndirectInt:
      case kIndirectUInt:
        return ReadInteger(key, slot, value);
      case kVector:
        return ReadUntypedVector(key, slot, value);
      case kVectorInt:
      case kVectorUInt: {
        uint64_t begin, length;
        if (!Follow(slot.position, slot.parent_width, &begin) ||
            !ReadLength(begin, slot.width(), &length)) {
          return Malformed("vector '" + key + "' lies outside the buffer");
        }
        return ReadElements(key, begin, length, slot.width(),
                            slot.type() == kVectorInt ? kInt : kUInt, value);
      }
      case kVectorInt2:
      case kVectorUInt2:
      case kVectorInt3:
      case kVectorUInt3:
      case kVectorInt4:
      case kVectorUInt4: {
        uint64_t begin;
        if (!Follow(slot.position, slot.parent_width, &begin)) {
          return Malformed("vector '" + key + "' lies outside the buffer");
        }
        const int kind = slot.type() - kVectorInt2;  // three types for each length from 2
        return ReadElements(key, begin, kind / 3 + 2, slot.width(), kind % 3 == 0 ? kInt : kUInt,
                            value);
      }
      default:
        return Malformed("value of '" + key + "' has type " + std::to_string(slot.type()) +
                         ", expected an integer or a vector of integers");
    }
  }

  // Appends one integer, inline or indirect.
  Status ReadInteger(const std::string& key, const Slot& slot, FlexValue* value) {
    uint64_t position = slot.position;
    int width = slot.parent_width;
    const bool indirect = slot.type() == kIndirectInt || slot.type() == kIndirectUInt;
    if (indirect) {
      if (!Follow(slot.position, slot.parent_width, &position)) {
        return Malformed("value of '" + key + "' lies outside the buffer");
      }
      width = slot.width();
    }
    const bool is_signed = slot.type() == kInt || slot.type() == kIndirectInt;
    return ReadElements(key, position, 1, width, is_signed ? kInt : kUInt, value, false);
  }

  Status ReadUntypedVector(const std::string& key, const Slot& slot, FlexValue* value) {
    uint64_t begin, length;
    const int width = slot.width();
    if (!Follow(slot.position, slot.parent_width, &begin) || !ReadLength(begin, width, &length) ||
        !InBounds(begin + length * width, length)) {
      return Malformed("vector '" + key + "' lies outside the buffer");
    }
    const uint64_t types = begin + length * width;
    for (uint64_t i = 0; i < length; ++i) {
      const Slot element{begin + i * width, width, data_[types + i]};
      switch (element.type()) {
        case kInt:
        case kUInt:
        case kIndirectInt:
        case kIndirectUInt:
          PCONV_RETURN_IF_ERROR(ReadInteger(key, element, value));
          break;
        default:
          return Malformed("element " + std::to_string(i) + " of vector '" + key + "' has type " +
                           std::to_string(element.type()) + ", expected an integer");
      }
    }
    value->is_vector = true;
    return Status::Ok();
  }

  Status ReadElements(const std::string& key, uint64_t begin, uint64_t length, int width,
                      FlexType type, FlexValue* value, bool is_vector = true) {
    value->is_vector = is_vector;
    for (uint64_t i = 0; i < length; ++i) {
      int64_t element;
      uint64_t bits;
      const uint64_t position = begin + i * width;
      if (!ReadUnsigned(position, width, &bits) || !ReadSigned(position, width, &element)) {
        return Malformed("value of '" + key + "' lies outside the buffer");
      }
      if (type == kUInt) {
        if (bits > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
          return Malformed("value of '" + key + "' is " + std::to_string(bits) + ", too large");
        }
        element = static_cast<int64_t>(bits);
      }
      value->elements.push_back(element);
    }
    return Status::Ok();
  }

  const uint8_t* data_;
  size_t size_;
};

}  // namespace

Status ReadFlexBufferMap(const uint8_t* data, size_t size, FlexMap* map) {
  map->clear();
  return Reader(data, size).ReadRoot(map);
}

}  // namespace pconv
