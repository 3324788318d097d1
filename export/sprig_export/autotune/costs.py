"""The cost of plans: size and speed of the bundle that each would make, measured before any training.

Speed does not depend on the values of weights, so the parts to remove are drawn at random here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sprig_export.bundles.graphs import build_unchecked
from sprig_export.config.recipe import Recipe, whole_recipe
from sprig_export.config.request import Example, Target
from sprig_export.evaluate.throughput import measure_throughput
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.pruning.cut import CutRequest, cut_checkpoint


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan with its cost and its score.

    Attributes:
        recipe: the plan.
        name: the plan in words, as in "3 of 6 layers, 50 % of the units".
        megabytes: the size of the bundle.
        speed: how many times as fast as the whole model in ONNX Runtime with 32 bits.
        kept: the share of the whole model's score after a short recovery; None if the plan was not tried.
    """

    recipe: Recipe
    name: str
    megabytes: float
    speed: float
    kept: float | None = None

    def meets(self, target: Target) -> bool:
        """Whether the plan's size and speed meet the target."""
        return self.megabytes <= target.room and (target.speed is None or self.speed >= target.speed)


class Cache:
    """Measurements by name, in a JSON file. Each is written atomically as soon as it is made."""

    def __init__(self, path: Path, made_by: str = "") -> None:
        """Read the file at `path`, unless it belongs to something else."""
        self._path = path
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self._found: dict[str, Any] = found if found.get("made by") == made_by else {"made by": made_by}

    def get(self, name: str, measure: Callable[[], Any]) -> Any:
        """The measurement with this name. It is made if it does not exist yet."""
        if name not in self._found:
            self._found[name] = measure()
            temporary = self._path.with_suffix(".part")
            temporary.write_text(json.dumps(self._found, indent=2) + "\n", encoding="utf-8")
            temporary.replace(self._path)
        return self._found[name]


def measure_whole(recipe: Recipe, base: Checkpoint, sample: Sequence[Example], folder: Path) -> float:
    """The speed of the whole model in ONNX Runtime with 32 bits, in functions or tokens a second."""
    return _measure(whole_recipe(recipe), base, sample, folder)[1]


def measure_cost(checkpoint: Checkpoint, request: CutRequest, sample: Sequence[Example]) -> tuple[float, float]:
    """The size of a plan's bundle in megabytes, and its speed in functions or tokens a second.

    Args:
        checkpoint: the model with its vocabulary pruned.
        request: the plan, and a folder for building it, which is left empty.
        sample: functions to measure the speed on.
    """
    folder = request.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    cut = cut_checkpoint(
        checkpoint, replace(request, recipe=replace(request.recipe, recovery_steps=0), choice="random"), {}
    )
    try:
        return _measure(request.recipe, cut, sample, folder / "bundle")
    finally:
        shutil.rmtree(cut.folder)


def _measure(recipe: Recipe, checkpoint: Checkpoint, sample: Sequence[Example], folder: Path) -> tuple[float, float]:
    try:
        build_unchecked(recipe, checkpoint, folder)
        return megabytes(folder), measure_throughput(folder, recipe.task, sample)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def megabytes(folder: Path) -> float:
    """The size of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6
