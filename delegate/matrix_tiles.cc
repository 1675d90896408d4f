#include "delegate/matrix_tiles.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pconv {

bool HasInt8MatrixTiles() {
#if defined(__x86_64__)
  constexpr unsigned kTiles = 1u << 24, kInt8 = 1u << 25;  // of leaf 7
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTiles) != 0 && (d & kInt8) != 0;
#else
  return false;
#endif
}

}  // namespace pconv
