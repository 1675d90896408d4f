// XNNPACK's rounding of sums to int8 (tflite_ops/core/quantization.h), eight at a time. Whoever
// needs it includes it, within the same namespace.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_AVX2_ROUNDING_INL_
#define PCONV_TF_DELEGATE_CPU_INT8_AVX2_ROUNDING_INL_

// Steps of the output, to the nearest, ties to even. What lies beyond int32 would become its lowest
// value: right for what is too low, so that only the upper bound has to come first.
inline __m256i RoundedSteps(__m256i sums, __m256 scales, __m256 highs) {
  const __m256 steps = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scales);
  return _mm256_cvtps_epi32(_mm256_min_ps(steps, highs));
}

// The outputs that these are steps from the zero point to: a lane of 128 bits has four bytes of
// each vector. What is below int8 saturates.
inline __m256i PackedSteps(const __m256i steps[4], __m256i zero_points, __m256i lows) {
  const __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(steps[0], steps[1]), zero_points);
  const __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(steps[2], steps[3]), zero_points);
  return _mm256_max_epi8(_mm256_packs_epi16(low, high), lows);
}

#endif  // PCONV_TF_DELEGATE_CPU_INT8_AVX2_ROUNDING_INL_
