/* C interface of libpconv_delegate.so. Needs no header of TFLite's or LiteRT's, and stands beside
 * those of any release. docs/cpp.md shows its use. */
#ifndef PCONV_TF_DELEGATE_H_
#define PCONV_TF_DELEGATE_H_

#include <stddef.h>

/* Keys of the delegate's options; docs/delegate.md says what each accepts and does. */
#define PCONV_OPTION_BACKEND "backend"
#define PCONV_OPTION_NUM_THREADS "num_threads"
#define PCONV_OPTION_PRECISION "precision"
#define PCONV_OPTION_TUNING "tuning"
#define PCONV_OPTION_CACHE_DIR "cache_dir"
#define PCONV_OPTION_CLAIM "claim"
#define PCONV_OPTION_ISA "isa"
#define PCONV_OPTION_PROFILE "profile"
#define PCONV_OPTION_QUIET "quiet"
#define PCONV_OPTION_VERBOSE "verbose"

#ifdef __cplusplus
extern "C" {
#endif

struct TfLiteDelegate; /* TFLite's own */

/* Makes a delegate for one interpreter: the function that TFLite looks up in the library of an
 * external delegate. The strings are copied. Null after an error, whose text goes to
 * `report_error`, or to the log where that is null. */
struct TfLiteDelegate* tflite_plugin_create_delegate(const char* const* options_keys,
                                                     const char* const* options_values,
                                                     size_t num_options,
                                                     void (*report_error)(const char*));

/* Accepts null. The interpreter has to be gone. */
void tflite_plugin_destroy_delegate(struct TfLiteDelegate* delegate);

/* The options, as above, of the next delegate that LiteRT makes on this thread for a CompiledModel:
 * its own options cannot carry them. Returns 1, or 0 after an error, which goes to `report_error`.
 * With `keys` null, takes back what was given before, and returns 1, or 2 if no delegate had taken
 * it: then LiteRT did not ask this library for one. */
int pconv_set_accelerator_options(const char* const* keys, const char* const* values,
                                  size_t num_options, void (*report_error)(const char*));

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* PCONV_TF_DELEGATE_H_ */
