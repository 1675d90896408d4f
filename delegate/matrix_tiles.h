// Whether stock LiteRT multiplies int8 matrices by the CPU's tiles (x86-64 AMX).
#ifndef PCONV_TF_DELEGATE_MATRIX_TILES_H_
#define PCONV_TF_DELEGATE_MATRIX_TILES_H_

namespace pconv {

// XNNPACK's kernels then do several times the work of AVX512-VNNI, and dense int8 layers are better
// left to them.
bool HasInt8MatrixTiles();

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_MATRIX_TILES_H_
