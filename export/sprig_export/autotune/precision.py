"""How many bits the weights of a bundle get: measured here, since processors differ in what they are good at."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sprig_export.autotune.costs import megabytes
from sprig_export.bundles.graphs import build_unchecked
from sprig_export.config.recipe import BLOCK, Precision, Recipe
from sprig_export.config.request import Example, Target
from sprig_export.evaluate.export_quality import score_bundle
from sprig_export.evaluate.throughput import measure_throughput
from sprig_export.models.checkpoints import Checkpoint
from sprig_server.bundle.store import open_bundle
from sprig_server.errors import InvalidInput

_VARIANTS: tuple[tuple[Precision, Precision], ...] = (
    ("float32", "float32"),
    ("int8", "int8"),
    ("int8", "int4"),
    ("int4", "int4"),
)
_LOSS = 0.01
"""The share of the score that fewer bits may cost beside 32."""
_LEAST_COSINE, _LEAST_AGREEMENT = 0.9, 0.8
"""Of fewer bits with 32: below, something else is wrong."""
_ALIKE = 0.95
"""Variants of at least this share of the best speed count as equally fast: the smallest of them is taken."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A choice of bits for matrix products and look-ups, and what the bundle is like with it."""

    linear_dtype: Precision
    embedding_dtype: Precision
    megabytes: float
    rate: float
    score: float


def fewest_bits(checkpoint: Checkpoint) -> Precision:
    """The fewest bits that make a model smaller: 4, unless its rows are so short that blocks, which are filled up, take
    more room than 8 bits."""
    width = int(checkpoint.config.get("hidden_size") or checkpoint.config.get("d_model") or 1)
    return "int4" if width > BLOCK // 2 else "int8"


def measure_variants(
    recipe: Recipe,
    checkpoint: Checkpoint,
    sample: Sequence[Example],
    speed_sample: Sequence[Example],
    folder: Path,
) -> list[Variant]:
    """Build the bundle of a pruned model in every precision, and measure each in a process of its own."""
    found = []
    for linear, embedding in _VARIANTS:
        if "int4" in (linear, embedding) and fewest_bits(checkpoint) != "int4":
            continue
        place = folder / f"{linear}-{embedding}"
        shutil.rmtree(place, ignore_errors=True)  # of an interrupted export
        build_unchecked(replace(recipe, linear_dtype=linear, embedding_dtype=embedding), checkpoint, place)
        rate = measure_throughput(place, recipe.task, speed_sample)
        score = score_bundle(open_bundle(place), recipe, sample)
        found.append(Variant(linear, embedding, megabytes(place), rate, score))
        shutil.rmtree(place)
    return found


def choose_variant(variants: Sequence[Variant], target: Target, whole: float) -> Variant:
    """The fastest variant that is as good as 32 bits, or nearly, and small and fast enough; of equally fast ones the
    smallest. Where those that are fast enough are all worse, the best of them is taken.

    Args:
        whole: the rate of the whole model in 32 bits, which a speed is asked in multiples of.

    Raises:
        InvalidInput: none is small enough.
    """
    exact = variants[0].score
    small = [v for v in variants if v.megabytes <= target.room]
    if not small:
        least = min(v.megabytes for v in variants)
        raise InvalidInput(f"the plan needs {least:.1f} MB in the fewest bits, {target} was asked for: allow more")
    asked = _ALIKE * (target.speed or 0.0) * whole
    quick = [v for v in small if v.rate >= asked] or [max(small, key=lambda v: v.rate)]
    good = [v for v in quick if v.score >= (1 - _LOSS) * exact] or [max(quick, key=lambda v: v.score)]
    fastest = max(v.rate for v in good)
    return min((v for v in good if v.rate >= _ALIKE * fastest), key=lambda v: v.megabytes)


def with_precision(recipe: Recipe, variant: Variant) -> Recipe:
    """The recipe with a variant's bits, and a recovery as it was. Fewer bits may turn vectors and change tokens more
    than the recipe's gates allow: that the bundle is good all the same, the variant's score has shown."""
    return replace(
        recipe,
        linear_dtype=variant.linear_dtype,
        embedding_dtype=variant.embedding_dtype,
        recovery_linear_dtype=recipe.rounding,
        min_cosine=min(recipe.min_cosine, _LEAST_COSINE),
        min_agreement=min(recipe.min_agreement, _LEAST_AGREEMENT),
    )
