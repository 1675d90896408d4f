"""FKW, the storage of pattern-pruned convolutions, version 3: encode, decode and validate.

Only numpy. docs/fkw.md is the specification; it holds for the C++ reader as well.
"""

from pconv_tf.fkw.decode import decode as decode
from pconv_tf.fkw.decode import infer_groups as infer_groups
from pconv_tf.fkw.encode import encode as encode
from pconv_tf.fkw.layer import FILTER_BLOCKS as FILTER_BLOCKS
from pconv_tf.fkw.layer import MAX_KERNEL as MAX_KERNEL
from pconv_tf.fkw.layer import MAX_PATTERNS as MAX_PATTERNS
from pconv_tf.fkw.layer import MAX_STEP as MAX_STEP
from pconv_tf.fkw.layer import FkwLayer as FkwLayer
from pconv_tf.fkw.options import CUSTOM_CODE as CUSTOM_CODE
from pconv_tf.fkw.options import INT8_VERSION as INT8_VERSION
from pconv_tf.fkw.options import STEPS_VERSION as STEPS_VERSION
from pconv_tf.fkw.options import VERSION as VERSION
from pconv_tf.fkw.options import Activation as Activation
from pconv_tf.fkw.options import ConvOptions as ConvOptions
from pconv_tf.fkw.options import Padding as Padding
from pconv_tf.fkw.precision import cast_weights as cast_weights
from pconv_tf.fkw.precision import dequantize as dequantize
from pconv_tf.fkw.quantization import ActivationQuantization as ActivationQuantization
from pconv_tf.fkw.quantization import Quantization as Quantization
from pconv_tf.fkw.quantization import bias_scale as bias_scale
from pconv_tf.fkw.quantization import requantization_scale as requantization_scale
from pconv_tf.fkw.quantization import validate_int8 as validate_int8
from pconv_tf.fkw.size import EncodedSize as EncodedSize
from pconv_tf.fkw.size import encoded_size as encoded_size
from pconv_tf.fkw.steps import from_steps as from_steps
from pconv_tf.fkw.steps import stored_arrays as stored_arrays
from pconv_tf.fkw.steps import version_for as version_for
from pconv_tf.fkw.validate import validate as validate
