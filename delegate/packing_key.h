// What a packing of constants is made from: the key of the cache of packed constants.
//
// A key that somebody writes down beside the code that packs leaves something out sooner or later,
// and then two layers of a model share weights that were packed for one of them. So it is derived:
// a packing is a function of one plain struct and nothing else (PackedCache::GetOrMake takes a
// function pointer, which captures nothing), and the key is what all members of that struct say. A
// struct lists its members by `Fields`, with structured bindings, which do not compile where one is
// left out:
//
//   struct FewPixelsPacking {
//     FilterSource filters;
//     int num_threads;
//     template <typename Visitor>
//     void Fields(const Visitor& visit) const {
//       const auto& [a, b] = *this;
//       visit(a, b);
//     }
//   };
#ifndef PCONV_TF_DELEGATE_PACKING_KEY_H_
#define PCONV_TF_DELEGATE_PACKING_KEY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "tflite_ops/core/fkw_view.h"

namespace pconv {

// A constant of the model file; null where an optional one is absent.
struct ConstantFloats {
  const float* data = nullptr;
  size_t size = 0;
};

// A constant of the model file of another type.
struct ConstantBytes {
  const void* data = nullptr;
  size_t bytes = 0;
};

class PackingKey {
  struct Visitor {
    PackingKey* key;
    template <typename... Ts>
    void operator()(const Ts&... fields) const {
      (key->Add(fields), ...);
    }
  };

 public:
  // Bytes in the model file.
  struct Source {
    const void* data = nullptr;
    size_t bytes = 0;
  };

  PackingKey() = default;
  explicit PackingKey(const std::string& name) { Add(name); }
  template <typename... Values>
  explicit PackingKey(const std::string& name, const Values&... values) {
    Add(name);
    (Add(values), ...);
  }

  void Add(const std::string& text);
  void Add(const char* text) { Add(std::string(text)); }
  template <typename T>
  std::enable_if_t<std::is_integral_v<T> || std::is_enum_v<T>> Add(T value) {
    AddNumber(static_cast<int64_t>(value));
  }
  template <typename T>
  void Add(const std::vector<T>& values) {
    AddNumber(static_cast<int64_t>(values.size()));
    for (const T& value : values) Add(value);
  }
  template <typename... Ts>
  void Add(const std::variant<Ts...>& value) {
    AddNumber(static_cast<int64_t>(value.index()));
    std::visit([&](const auto& held) { Add(held); }, value);
  }
  void Add(const Window& window);
  void Add(const ConstantFloats& floats);
  void Add(const ConstantBytes& constant);
  void Add(float value);
  void Add(const Quantization& quantization);
  void Add(const FkwView& layer);
  // A struct with Fields().
  template <typename T>
  auto Add(const T& value) -> decltype(value.Fields(Visitor{nullptr})) {
    value.Fields(Visitor{this});
  }

  const std::string& text() const { return text_; }
  const std::vector<Source>& sources() const { return sources_; }

 private:
  void AddNumber(int64_t value);
  void AddBytes(const void* data, size_t bytes);
  void Add(const UIntArray& array);

  std::string text_;  // all but the contents of the sources
  std::vector<Source> sources_;
};

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_PACKING_KEY_H_
