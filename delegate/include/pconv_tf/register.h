/* PConv2D on the CPU engine as a registered custom operation, for applications that link TFLite
 * statically and apply no delegate:
 *
 *   resolver.AddCustom("PConv2D", Register_PCONV_2D_CPU());
 *
 * Every layer converts its layout for itself; the delegate, which keeps one layout over the whole
 * network, is faster. Needs no header of TFLite's, and stands beside those of any release. */
#ifndef PCONV_TF_REGISTER_H_
#define PCONV_TF_REGISTER_H_

#ifdef __cplusplus
extern "C" {
#endif

struct TfLiteRegistration; /* TFLite's own */

/* Lives as long as the program. */
struct TfLiteRegistration* Register_PCONV_2D_CPU(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* PCONV_TF_REGISTER_H_ */
