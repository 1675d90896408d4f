"""One module per inference runtime that networks are timed in.

Each module has a class `Session(model, num_threads, options)` with `version`, `set_inputs(arrays)`,
`run()` and `outputs()`; arrays are channels-last whatever the runtime prefers inside. The modules
import nothing but numpy and their runtime, because they are loaded in environments of their own,
where pconv_tf is not installed. `pconv_tf.runtime.session` is the same for TFLite. onnx_writer
writes what some of them read, in an environment of its own.
"""
