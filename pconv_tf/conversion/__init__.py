"""From pruned Keras and TFLite models to TFLite with FKW weights, and back."""

from pconv_tf.conversion.converter import Conversion as Conversion
from pconv_tf.conversion.converter import convert as convert
from pconv_tf.conversion.converter import convert_dense as convert_dense
from pconv_tf.conversion.converter import convert_with_report as convert_with_report
from pconv_tf.conversion.report import LayerReport as LayerReport
