/* Makes the delegate with options, as native code does before it builds an interpreter:
 *   delegate_options KEY=VALUE... */
#include <pconv_tf/delegate.h>
#include <stdio.h>
#include <string.h>

static void Report(const char* message) { fprintf(stderr, "%s\n", message); }

int main(int argc, char** argv) {
  const char* keys[32] = {PCONV_OPTION_NUM_THREADS, PCONV_OPTION_QUIET};
  const char* values[32] = {"2", "true"};
  size_t num_options = 2;
  for (int i = 1; i < argc && num_options < 32; ++i) {
    char* equals = strchr(argv[i], '=');
    if (equals == NULL) {
      fprintf(stderr, "%s: expected KEY=VALUE\n", argv[i]);
      return 2;
    }
    *equals = '\0';
    keys[num_options] = argv[i];
    values[num_options++] = equals + 1;
  }
  struct TfLiteDelegate* delegate =
      tflite_plugin_create_delegate(keys, values, num_options, Report);
  if (delegate == NULL) return 1;
  /* Here: TfLiteInterpreterOptionsAddDelegate(options, delegate), the interpreter, its runs. */
  tflite_plugin_destroy_delegate(delegate);
  printf("made with %zu options\n", num_options);
  return 0;
}
