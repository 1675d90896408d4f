"""Which filters should share a block, so that sharing pattern and connectivity costs least."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def similar_filters(
    weights: npt.NDArray[np.float32], block: int, groups: int = 1
) -> npt.NDArray[np.intp]:
    """A permutation of the filters in which similar ones are neighbours.

    Greedy: the strongest filter that is left takes the `block` - 1 others whose weight magnitudes
    are most like its own (largest cosine). Filters of different channel groups of a grouped
    convolution never share a block, since they see different channels.

    Args:
        weights: float32 [kh, kw, I, O].
        block: Filters per block.
        groups: Channel groups; 1 for depthwise layers, too, if their filters may share patterns.

    Returns:
        intp [O]; positions g * block to (g + 1) * block - 1 hold the filters of block g.
    """
    profiles = np.abs(weights.reshape(-1, weights.shape[-1]))
    norms = np.linalg.norm(profiles, axis=0)
    profiles = profiles / np.maximum(norms, np.finfo(np.float32).tiny)
    order: list[int] = []
    per_group = weights.shape[-1] // groups
    for start in range(0, weights.shape[-1], per_group):
        members = np.arange(start, start + per_group)
        likeness = profiles[:, members].T @ profiles[:, members]
        free = np.ones(per_group, dtype=bool)
        while free.any():
            left = np.flatnonzero(free)
            seed = left[np.argmax(norms[members[left]])]
            others = left[left != seed]
            nearest = others[np.argsort(-likeness[seed, others], kind="stable")[: block - 1]]
            chosen = np.sort(np.append(nearest, seed))
            order.extend(members[chosen].tolist())
            free[chosen] = False
    return np.array(order, dtype=np.intp)
