#include "tflite_ops/core/pconv2d_options.h"

#include <algorithm>
#include <string>
#include <unordered_set>

#include "tflite_ops/core/flexbuffer_map.h"

namespace pconv {
namespace {

Status CheckRange(const char* key, int64_t found, int64_t lowest, int64_t highest) {
  if (found >= lowest && found <= highest) return Status::Ok();
  return Status::Error("custom option '" + std::string(key) + "' is " + std::to_string(found) +
                       ", expected " + std::to_string(lowest) + " to " + std::to_string(highest));
}

int CountTaps(uint64_t mask) { return static_cast<int>(TapsOf(mask).size()); }

Status ValidatePatterns(const PConv2DOptions& options) {
  const auto& patterns = options.patterns;
  if (patterns.empty() || patterns.size() > static_cast<size_t>(kMaxPatterns)) {
    return Status::Error("custom option 'patterns' has " + std::to_string(patterns.size()) +
                         " masks, expected 1 to " + std::to_string(kMaxPatterns));
  }
  const int size = options.window.kernel_h * options.window.kernel_w;
  const int taps = CountTaps(patterns[0]);
  std::unordered_set<uint64_t> seen;
  for (size_t p = 0; p < patterns.size(); ++p) {
    const std::string name = "custom option 'patterns': mask " + std::to_string(p) + " (" +
                             std::to_string(patterns[p]) + ") ";
    if (patterns[p] >> size != 0) {
      return Status::Error(name + "has taps outside the kernel of " +
                           std::to_string(options.window.kernel_h) + "x" +
                           std::to_string(options.window.kernel_w));
    }
    if (patterns[p] == 0) return Status::Error(name + "keeps no tap, expected at least one");
    if (CountTaps(patterns[p]) != taps) {
      return Status::Error(name + "has " + std::to_string(CountTaps(patterns[p])) +
                           " taps, expected " + std::to_string(taps) + " as in mask 0");
    }
    if (!seen.insert(patterns[p]).second) return Status::Error(name + "occurs twice");
  }
  return Status::Ok();
}

// Takes keys out of the map one by one, so that what is left over is unknown.
class KeyReader {
 public:
  explicit KeyReader(FlexMap map) : map_(std::move(map)) {}

  Status Integer(const char* key, int64_t* value) {
    const auto it = map_.find(key);
    if (it == map_.end()) return Missing(key);
    if (it->second.is_vector) {
      return Status::Error("custom option '" + std::string(key) +
                           "' is a vector, expected an integer");
    }
    *value = it->second.elements[0];
    map_.erase(it);
    return Status::Ok();
  }

  Status RangedInteger(const char* key, int64_t lowest, int64_t highest, int* value) {
    int64_t wide;
    PCONV_RETURN_IF_ERROR(Integer(key, &wide));
    PCONV_RETURN_IF_ERROR(CheckRange(key, wide, lowest, highest));
    *value = static_cast<int>(wide);
    return Status::Ok();
  }

  bool Has(const char* key) const { return map_.count(key) != 0; }

  Status Vector(const char* key, std::vector<int64_t>* value) {
    const auto it = map_.find(key);
    if (it == map_.end()) return Missing(key);
    if (!it->second.is_vector) {
      return Status::Error("custom option '" + std::string(key) +
                           "' is an integer, expected a vector");
    }
    *value = std::move(it->second.elements);
    map_.erase(it);
    return Status::Ok();
  }

  // For a file of that version.
  Status ExpectNothingLeft(int version) const {
    if (map_.empty()) return Status::Ok();
    return Status::Error("custom option '" + map_.begin()->first + "' is unknown to version " +
                         std::to_string(version) + " of the format");
  }

 private:
  static Status Missing(const char* key) {
    return Status::Error("custom option '" + std::string(key) + "' is missing");
  }

  FlexMap map_;
};

Status ParsePads(KeyReader* keys, Window* window) {
  if (!keys->Has("pads")) return Status::Ok();
  std::vector<int64_t> pads;
  PCONV_RETURN_IF_ERROR(keys->Vector("pads", &pads));
  if (pads.size() != 4) {
    return Status::Error("custom option 'pads' has " + std::to_string(pads.size()) +
                         " elements, expected 4 (top, bottom, left, right)");
  }
  if (window->padding != Padding::kValid) {
    return Status::Error("custom option 'pads' is only accepted with padding 1 (VALID), found " +
                         std::to_string(static_cast<int>(window->padding)));
  }
  for (const int64_t pad : pads) PCONV_RETURN_IF_ERROR(CheckRange("pads", pad, 0, kMaxWindowStep));
  window->pads = {static_cast<int>(pads[0]), static_cast<int>(pads[1]), static_cast<int>(pads[2]),
                  static_cast<int>(pads[3])};
  return Status::Ok();
}

}  // namespace

std::vector<int> TapsOf(uint64_t mask) {
  std::vector<int> taps;
  for (int bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) != 0) taps.push_back(bit);
  }
  return taps;
}

Status ValidatePConv2DOptions(const PConv2DOptions& options) {
  const Window& w = options.window;
  PCONV_RETURN_IF_ERROR(CheckRange("kernel_h", w.kernel_h, 1, kMaxKernelSize));
  PCONV_RETURN_IF_ERROR(CheckRange("kernel_w", w.kernel_w, 1, kMaxKernelSize));
  PCONV_RETURN_IF_ERROR(CheckRange("stride_h", w.stride_h, 1, kMaxWindowStep));
  PCONV_RETURN_IF_ERROR(CheckRange("stride_w", w.stride_w, 1, kMaxWindowStep));
  PCONV_RETURN_IF_ERROR(CheckRange("dilation_h", w.dilation_h, 1, kMaxWindowStep));
  PCONV_RETURN_IF_ERROR(CheckRange("dilation_w", w.dilation_w, 1, kMaxWindowStep));
  PCONV_RETURN_IF_ERROR(CheckRange("padding", static_cast<int>(w.padding), 0, 1));
  for (const int pad : {w.pads.top, w.pads.bottom, w.pads.left, w.pads.right}) {
    PCONV_RETURN_IF_ERROR(
        CheckRange("pads", pad, 0, w.padding == Padding::kValid ? kMaxWindowStep : 0));
  }
  PCONV_RETURN_IF_ERROR(CheckRange("activation", static_cast<int>(options.activation), 0, 3));
  PCONV_RETURN_IF_ERROR(CheckRange("in_channels", options.in_channels, 1, kMaxChannels));
  PCONV_RETURN_IF_ERROR(CheckRange("out_channels", options.out_channels, 1, kMaxChannels));
  const int block = options.filter_block;
  if (block != 1 && block != 4 && block != 8 && block != 16) {
    return Status::Error("custom option 'filter_block' is " + std::to_string(block) +
                         ", expected 1, 4, 8 or 16");
  }
  return ValidatePatterns(options);
}

Status ParsePConv2DOptions(const uint8_t* data, size_t size, PConv2DOptions* options) {
  *options = PConv2DOptions();
  FlexMap map;
  PCONV_RETURN_IF_ERROR(ReadFlexBufferMap(data, size, &map));
  KeyReader keys(std::move(map));

  // First of all, so that a newer file is refused for its version and not for what it added.
  int64_t version;
  PCONV_RETURN_IF_ERROR(keys.Integer("version", &version));
  if (version < 1 || version > kFkwVersion) {
    return Status::Error("FKW format version " + std::to_string(version) +
                         " found, this runtime supports versions 1 to " +
                         std::to_string(kFkwVersion) +
                         (version > kFkwVersion ? "; update the delegate" : ""));
  }
  options->version = static_cast<int>(version);

  Window& window = options->window;
  int padding, activation;
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("kernel_h", 1, kMaxKernelSize, &window.kernel_h));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("kernel_w", 1, kMaxKernelSize, &window.kernel_w));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("stride_h", 1, kMaxWindowStep, &window.stride_h));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("stride_w", 1, kMaxWindowStep, &window.stride_w));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("dilation_h", 1, kMaxWindowStep, &window.dilation_h));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("dilation_w", 1, kMaxWindowStep, &window.dilation_w));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("padding", 0, 1, &padding));
  window.padding = static_cast<Padding>(padding);
  PCONV_RETURN_IF_ERROR(ParsePads(&keys, &window));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("activation", 0, 3, &activation));
  options->activation = static_cast<Activation>(activation);
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("in_channels", 1, kMaxChannels, &options->in_channels));
  PCONV_RETURN_IF_ERROR(
      keys.RangedInteger("out_channels", 1, kMaxChannels, &options->out_channels));
  PCONV_RETURN_IF_ERROR(keys.RangedInteger("filter_block", 1, 16, &options->filter_block));

  std::vector<int64_t> patterns;
  PCONV_RETURN_IF_ERROR(keys.Vector("patterns", &patterns));
  for (const int64_t mask : patterns) {
    PCONV_RETURN_IF_ERROR(CheckRange("patterns", mask, 0, (int64_t{1} << 49) - 1));
  }
  options->patterns.assign(patterns.begin(), patterns.end());
  PCONV_RETURN_IF_ERROR(keys.ExpectNothingLeft(options->version));
  return ValidatePConv2DOptions(*options);
}

}  // namespace pconv
