// What a fuzzer's bytes stand for: chunks of a type, two bytes of length (little-endian) and
// contents.
#ifndef PCONV_TF_TFLITE_OPS_FUZZING_CHUNKS_H_
#define PCONV_TF_TFLITE_OPS_FUZZING_CHUNKS_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace pconv::fuzzing {

// Contents lie in an allocation of exactly their size, so that AddressSanitizer sees every access
// beyond.
struct Chunk {
  uint8_t type = 0;
  std::unique_ptr<uint8_t[]> data;
  size_t bytes = 0;
};

// At most `most` chunks; what is cut off at the end is a shorter chunk.
inline std::vector<Chunk> ReadChunks(const uint8_t* data, size_t size, size_t most) {
  std::vector<Chunk> chunks;
  while (size >= 3 && chunks.size() < most) {
    Chunk chunk;
    chunk.type = data[0];
    chunk.bytes = data[1] | data[2] << 8;
    data += 3;
    size -= 3;
    if (chunk.bytes > size) chunk.bytes = size;
    chunk.data.reset(new uint8_t[chunk.bytes]);
    std::memcpy(chunk.data.get(), data, chunk.bytes);
    data += chunk.bytes;
    size -= chunk.bytes;
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_TFLITE_OPS_FUZZING_CHUNKS_H_
