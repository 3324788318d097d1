"""Which layers can do with fewer weights: those whose Wanda scores have few outliers.

Yin et al., "Outlier Weighed Layerwise Sparsity" (OWL).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

_OUTLIER = 5.0  # times the mean score
_SPREAD = 0.08


def share_of_outliers(scores: Mapping[str, Tensor]) -> float:
    """The share of a layer's scores, over all of its matrices, beyond five times the mean."""
    total = sum(score.numel() for score in scores.values())
    mean = sum(float(score.double().sum()) for score in scores.values()) / total
    return sum(int((score > _OUTLIER * mean).sum()) for score in scores.values()) / total


def spread_sparsity(outliers: Sequence[float], sparsity: float) -> list[float]:
    """The sparsity of each layer: `sparsity` on average, within .16 of each other, the less the more outliers.

    Args:
        outliers: the share of outliers of each layer.
        sparsity: the mean to reach, 0 to 1; close to either end the layers are closer to each other, so that none is
            beyond it.
    """
    lowest, highest = min(outliers), max(outliers)
    if highest == lowest:
        return [sparsity] * len(outliers)
    above = [(share - lowest) / (highest - lowest) for share in outliers]  # 0 to 1
    centre = sum(above) / len(above)
    spread = min(2 * _SPREAD, sparsity / (1 - centre), (1 - sparsity) / centre)
    return [sparsity - spread * (share - centre) for share in above]
