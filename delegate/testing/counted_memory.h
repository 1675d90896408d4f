// Counts what a test program takes from operator new: packed weights, tables, plans. Linking it
// replaces the operators.
#ifndef PCONV_TF_DELEGATE_TESTING_COUNTED_MEMORY_H_
#define PCONV_TF_DELEGATE_TESTING_COUNTED_MEMORY_H_

#include <cstddef>

namespace pconv::testing {

// The most bytes held at once since this object was made, beyond those held then. One at a time.
class PeakMemory {
 public:
  PeakMemory();
  size_t bytes() const;

 private:
  const size_t before_;
};

}  // namespace pconv::testing

#endif  // PCONV_TF_DELEGATE_TESTING_COUNTED_MEMORY_H_
