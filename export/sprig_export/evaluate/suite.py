"""The standard suite: all quality figures of the models in one run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from sprig_export.evaluate.datasets import LANGUAGES, Standard, load_standard
from sprig_export.evaluate.models import Contestants, open_contestants
from sprig_export.evaluate.results import BASE, BASELINE, BUNDLE, Comparison, Model, Report, SearchFigure, SummaryFigure
from sprig_export.evaluate.search_rows import measure_search
from sprig_export.evaluate.summary_rows import (
    Neighbours,
    Summarizers,
    Written,
    draw_samples,
    measure_confidence,
    measure_summaries,
)
from sprig_export.report.progress import Announce, stage
from sprig_server.errors import InvalidInput
from sprig_server.types import Task


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate: the folders of data, base checkpoints and held-out packages, the baseline, and the seed.

    `limit` is the most examples of each set and each pool, None for all. `task` is the only task to measure, None for
    both. `bundles` replace the installed ones for the same task and language.
    """

    data: Path
    models: Path = Path("models")
    baseline: str | None = None
    held_out: Path | None = None
    limit: int | None = None
    seed: int = 0
    task: Task | None = None
    bundles: tuple[Path, ...] = ()


def run_standard(plan: Evaluation, announce: Announce = lambda stage, done, total: None) -> Report:
    """Measure everything for which the folders have data and models.

    Raises:
        InvalidInput: data or a model cannot be used.
        InvalidBundle: a bundle is damaged.
    """
    if plan.limit is not None and plan.limit < 1:
        raise InvalidInput(f"a limit of {plan.limit} examples measures nothing: give at least 1")
    tick = stage(announce, "read data, load models", 1)
    data = load_standard(plan.data, plan.held_out, plan.limit, plan.seed)
    models = open_contestants(plan.models, plan.baseline, LANGUAGES, plan.bundles)
    tick(1)
    search: list[SearchFigure] = []
    summaries: list[SummaryFigure] = []
    comparisons: list[Comparison] = []
    written: list[Written] = []
    for search_set in data.search if plan.task != "summarize" else ():
        bundle = models.search_bundles.get(search_set.language)
        columns = {BASELINE: models.baseline, BASE: models.search_base, BUNDLE: bundle}
        searched, compared = measure_search(search_set, columns, plan.seed, announce)
        search += searched
        comparisons += compared
    neighbours: dict[str, Neighbours] = {}
    for summary_set in data.summaries if plan.task != "search" else ():
        encoder = models.search_bundles.get(summary_set.language) or models.search_base or models.baseline
        if encoder is not None and summary_set.language not in neighbours:
            neighbours[summary_set.language] = Neighbours(encoder, data.pools, announce)
        served = models.summary_bundles.get(summary_set.language)
        writers = Summarizers(neighbours.get(summary_set.language), models.summary_base, served)
        summarized, compared, texts = measure_summaries(summary_set, writers, plan.seed, announce)
        summaries += summarized
        comparisons += compared
        written += [texts] if texts is not None else []
    return Report(
        suite="standard",
        date=datetime.now(timezone.utc).date().isoformat(),
        commit=_commit(),
        seed=plan.seed,
        limit=plan.limit,
        models=tuple(_took_part(models)),
        left_out=(*data.left_out, *models.left_out, *_without_task(plan, data, neighbours)),
        search=tuple(search),
        summaries=tuple(summaries),
        comparisons=tuple(comparisons),
        confidence=tuple(measure_confidence(texts, plan.seed) for texts in written),
        samples=tuple(draw_samples(written, plan.seed)),
    )


def _took_part(models: Contestants) -> Iterator[Model]:
    for task, column, bases in (
        ("search", BASELINE, models.baseline),
        ("search", BASE, models.search_base),
        ("summarize", BASE, models.summary_base),
    ):
        if bases is not None:
            yield Model(task, column, "all", bases.name, bases.sha256)
    for task, bundles in (("search", models.search_bundles), ("summarize", models.summary_bundles)):
        for language, bundle in bundles.items():
            yield Model(task, BUNDLE, language, bundle.name, bundle.sha256)


def _without_task(plan: Evaluation, data: Standard, neighbours: Mapping[str, Neighbours]) -> Iterator[str]:
    if plan.task is not None:
        yield f"everything but {plan.task}: --task {plan.task}"
    if plan.task != "search":
        yield from _without_neighbours(data, neighbours)


def _without_neighbours(data: Standard, neighbours: Mapping[str, Neighbours]) -> Iterator[str]:
    if not neighbours:
        yield "nearest neighbours: they need a search bundle, a search base or a baseline"
        return
    for summaries in data.summaries:
        if summaries.pool not in data.pools:
            yield f"nearest neighbours of {summaries.name}: there are no {summaries.pool}"


def _commit() -> str | None:
    """The commit of the running code, followed by "-dirty" if files differ; None if it is not in a repository."""
    here = Path(__file__).resolve()
    try:
        # Code that is installed inside another repository is not one of its files.
        subprocess.run(
            ["git", "ls-files", "--error-unmatch", here.name],
            cwd=here.parent, check=True, capture_output=True, timeout=20, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here.parent, check=True, capture_output=True, timeout=20, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
