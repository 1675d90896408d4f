"""Pattern and connectivity pruning for Keras, FKW in TFLite, and a delegate that makes it fast.

Every public name is exported here, and imported only when it is first used: `import pconv_tf` loads
neither TensorFlow nor Keras and changes no global state.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pconv_tf.version import VERSION

__version__ = VERSION

_EXPORTS = {
    "PruningConfig": "pconv_tf.config",
    "PConvCallback": "pconv_tf.training",
    "prune_one_shot": "pconv_tf.training",
    "refit": "pconv_tf.training",
    "sparsity_report": "pconv_tf.training",
    "summary": "pconv_tf.training",
    "convert": "pconv_tf.conversion",
    "convert_dense": "pconv_tf.conversion",
    "delegate_path": "pconv_tf.runtime.delegate",
    "load_delegate": "pconv_tf.runtime.delegate",
    "Interpreter": "pconv_tf.runtime.interpreter",
    "CompiledModel": "pconv_tf.runtime.compiled_model",
    "benchmark": "pconv_tf.measuring.benchmarking",
    "compare": "pconv_tf.comparing.subjects",
}

__all__ = ["__version__", *sorted(_EXPORTS)]  # noqa: PLE0604 (a list of strings, computed)

if TYPE_CHECKING:
    from pconv_tf.comparing.subjects import compare as compare
    from pconv_tf.config import PruningConfig as PruningConfig
    from pconv_tf.conversion import convert as convert
    from pconv_tf.conversion import convert_dense as convert_dense
    from pconv_tf.measuring.benchmarking import benchmark as benchmark
    from pconv_tf.runtime.compiled_model import CompiledModel as CompiledModel
    from pconv_tf.runtime.delegate import delegate_path as delegate_path
    from pconv_tf.runtime.delegate import load_delegate as load_delegate
    from pconv_tf.runtime.interpreter import Interpreter as Interpreter
    from pconv_tf.training import PConvCallback as PConvCallback
    from pconv_tf.training import prune_one_shot as prune_one_shot
    from pconv_tf.training import refit as refit
    from pconv_tf.training import sparsity_report as sparsity_report
    from pconv_tf.training import summary as summary


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'pconv_tf' has no attribute {name!r}")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
