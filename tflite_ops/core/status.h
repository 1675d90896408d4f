// Result of an operation that can be refused with a reason (no exceptions cross the C ABI).
#ifndef PCONV_TF_TFLITE_OPS_CORE_STATUS_H_
#define PCONV_TF_TFLITE_OPS_CORE_STATUS_H_

#include <string>
#include <utility>

namespace pconv {

class [[nodiscard]] Status {
 public:
  static Status Ok() { return Status(); }
  static Status Error(std::string message) {
    Status status;
    status.ok_ = false;
    status.message_ = std::move(message);
    return status;
  }

  bool ok() const { return ok_; }
  const std::string& message() const { return message_; }

 private:
  bool ok_ = true;
  std::string message_;
};

// Returns from the enclosing function when `expr` is an error.
#define PCONV_RETURN_IF_ERROR(expr)                \
  do {                                             \
    ::pconv::Status pconv_status_ = (expr);        \
    if (!pconv_status_.ok()) return pconv_status_; \
  } while (false)

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_CORE_STATUS_H_
