"""Paired comparison of two networks on the same test samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt


def compare(
    found: npt.NDArray[Any], reference: npt.NDArray[Any], *, scale: float = 1.0
) -> dict[str, Any]:
    """The mean difference of two networks' scores and its 95 % interval.

    The same samples were scored by both, so the interval is that of the mean of the differences
    (normal approximation), which is much narrower than the difference of two intervals. It says
    what other test samples might give, not what other seeds of the training would.

    Args:
        found: A score per sample [N], or per seed and sample [S, N]: whether it is classified
            correctly, or its PSNR.
        reference: Of the network to compare with, of the same shape.
        scale: Factor of the result: 100 makes points out of shares.

    Returns:
        `difference`, `lower` and `upper`; for correct or wrong answers of one seed also
        `mcnemar_p`, the two-sided exact p-value of "both are equally good".

    Raises:
        ValueError: The shapes differ.
    """
    found, reference = np.asarray(found), np.asarray(reference)
    if found.shape != reference.shape:
        raise ValueError(f"expected scores of shape {reference.shape}, found {found.shape}")
    if found.ndim == 2 and len(found) == 1:
        found, reference = found[0], reference[0]
    samples = found.shape[-1]
    each = (found.astype(float) - reference.astype(float)).reshape(-1, samples).mean(axis=0)
    mean = float(each.mean())
    margin = 1.96 * float(each.std(ddof=1)) / math.sqrt(samples)
    result = {
        "difference": round(scale * mean, 4),
        "lower": round(scale * (mean - margin), 4),
        "upper": round(scale * (mean + margin), 4),
    }
    if found.ndim == 1 and found.dtype == bool:
        gained = int(np.sum(found & ~reference))
        lost = int(np.sum(~found & reference))
        result["mcnemar_p"] = round(mcnemar(gained, lost), 4)
    return result


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p-value of `gained` and `lost` being draws of a fair coin."""
    total = gained + lost
    tail = sum(math.comb(total, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**total)
