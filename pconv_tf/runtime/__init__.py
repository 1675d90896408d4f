"""Running converted models, and measuring how fast they run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_EXPORTS = {
    "Benchmark": "benchmarking",
    "Comparison": "comparison",
    "Interpreter": "interpreter",
    "benchmark": "benchmarking",
    "compare": "comparing",
    "delegate_path": "delegate",
    "load_delegate": "delegate",
}

__all__ = sorted(_EXPORTS)  # noqa: PLE0605 (a list of strings, computed)

if TYPE_CHECKING:
    from pconv_tf.runtime.benchmarking import Benchmark as Benchmark
    from pconv_tf.runtime.benchmarking import benchmark as benchmark
    from pconv_tf.runtime.comparing import compare as compare
    from pconv_tf.runtime.comparison import Comparison as Comparison
    from pconv_tf.runtime.delegate import delegate_path as delegate_path
    from pconv_tf.runtime.delegate import load_delegate as load_delegate
    from pconv_tf.runtime.interpreter import Interpreter as Interpreter


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value
