// What the steps for 3x3 kernels on small tiles have in common: they read tiles without halo.
#ifndef PCONV_TF_DELEGATE_CPU_SMALL_TILES_H_
#define PCONV_TF_DELEGATE_CPU_SMALL_TILES_H_

#include "delegate/cpu/conv_problem.h"
#include "delegate/cpu/layout.h"
#include "delegate/cpu/step.h"

namespace pconv::cpu {

// Whether the problem is one of single filters of 3x3 kernels with four taps, and the output lies
// in the tiles of the input, pixel over pixel.
bool FitsSmallTiles(const ConvProblem& problem, const Buffer& input, const Buffer& output);

// The tiles with a halo of one cell: what the window of a tile's outputs reads.
Layout WindowOfTiles(const Layout& tiles);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_SMALL_TILES_H_
