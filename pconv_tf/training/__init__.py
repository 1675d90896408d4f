"""Pruning of Keras models. Knows nothing of TFLite, conversion or the runtime."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_EXPORTS = {
    "Calibration": "calibration",
    "FakeQuantization": "fake_quantization",
    "KeepZeros": "keep_zeros",
    "PConvCallback": "callback",
    "PatternSet": "patterns",
    "phase_schedule": "learning_rates",
    "prune_one_shot": "one_shot",
    "recalibrate": "batch_norm",
    "refit": "refitting",
    "sparsity_report": "report",
    "summary": "report",
}

__all__ = [
    "Calibration",
    "FakeQuantization",
    "KeepZeros",
    "PConvCallback",
    "PatternSet",
    "phase_schedule",
    "prune_one_shot",
    "recalibrate",
    "refit",
    "sparsity_report",
    "summary",
]

if TYPE_CHECKING:
    from pconv_tf.training.batch_norm import recalibrate as recalibrate
    from pconv_tf.training.calibration import Calibration as Calibration
    from pconv_tf.training.callback import PConvCallback as PConvCallback
    from pconv_tf.training.fake_quantization import FakeQuantization as FakeQuantization
    from pconv_tf.training.keep_zeros import KeepZeros as KeepZeros
    from pconv_tf.training.learning_rates import phase_schedule as phase_schedule
    from pconv_tf.training.one_shot import prune_one_shot as prune_one_shot
    from pconv_tf.training.patterns import PatternSet as PatternSet
    from pconv_tf.training.refitting import refit as refit
    from pconv_tf.training.report import sparsity_report as sparsity_report
    from pconv_tf.training.report import summary as summary


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'pconv_tf.training' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"pconv_tf.training.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
