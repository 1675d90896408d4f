// 16 bytes, and vectors that are nothing more, for SSE2 and NEON.

#if defined(__SSE2__)

using Bytes16 = __m128i;
inline Bytes16 Load16(const void* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(bytes));
}
inline void Store16(Bytes16 from, void* to) { _mm_storeu_si128(static_cast<__m128i*>(to), from); }

#elif defined(__ARM_NEON)

using Bytes16 = uint8x16_t;
inline Bytes16 Load16(const void* bytes) { return vld1q_u8(static_cast<const uint8_t*>(bytes)); }
inline void Store16(Bytes16 from, void* to) { vst1q_u8(static_cast<uint8_t*>(to), from); }

#endif
