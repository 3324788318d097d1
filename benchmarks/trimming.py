"""What trimming keeps and what it costs: every table and chart of docs/results/trimming.md, measured and written there.

    python benchmarks/trimming.py --corpora DIR --output DIR [--only search-base-java ...]

CORPORA holds python.parquet and so on, as `sprig corpus build` writes them. Measured are the bases in 32 bits and the
installed bundles on held-out functions of each language; what trimming costs; and the server with and without trimming.
Each measurement leaves a file in OUTPUT and is not repeated if that exists.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from speed import PACKAGE, measure_server, undocumented
from tables import replace_table
from trimming_tables import charts, tables

from sprig_export.bundles.graphs import build_unchecked
from sprig_export.comparison.experiment import LANGUAGES
from sprig_export.config.recipe import Recipe, whole_recipe
from sprig_export.config.request import Example
from sprig_export.data.calibration import Calibration, InputFormat, read_calibration, read_rows, split_held_out
from sprig_export.evaluate.export_quality import questions_of
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.pruning.cut import CutRequest, cut_checkpoint
from sprig_export.trimming.importance import collect_importance, learn_trimming
from sprig_export.trimming.measure import Asked, Cost, every_method, measure_cost, measure_search, measure_summaries
from sprig_server.bundle.importance import FILE_NAME, render_importance
from sprig_server.bundle.manifest import FILE_NAME as MANIFEST
from sprig_server.bundle.manifest import Trim, describe_file, render_manifest
from sprig_server.bundle.packs import installed_bundles
from sprig_server.bundle.store import Bundle, find_bundle, open_bundle
from sprig_server.code.statements import CLASSES
from sprig_server.code.text import Passage, search_input, search_passage, summary_input
from sprig_server.inference.reader import Reader
from sprig_server.trim.importance import Importance
from sprig_server.types import Task

BASES: dict[Task, str] = {"search": "models/search", "summarize": "models/summary"}
BUNDLES = Path("build/bundles")
"""Where summary bundles of single languages are looked for, which are in no pack. One is written by `sprig export
--recipe export/sprig_export/recipes/summary-java.toml --calibration CORPORA/java.parquet --output FOLDER`."""
NAMES: dict[Task, str] = {"search": "search", "summarize": "summary"}
MEASURED: dict[Task, int] = {"search": 300, "summarize": 60}  # functions of each language, for bases
SERVED_ON: dict[Task, int] = {"search": 300, "summarize": 200}  # and for the bundles, which are faster
LONG: dict[Task, int] = {"search": 150, "summarize": 60}  # functions of each language that are longer than the window
LONG_TRIMS = (
    *(Trim(method, ratio) for method in ("novelty", "tail") for ratio in (0.3, 0.5)),  # type: ignore[arg-type]
    Trim("novelty", 0.0, whole=True),
)
LEARNT = 60  # steps of each recovery, on whole and on trimmed functions
COSTED, ROUNDS = 200, 15  # functions, and how often each is read
SERVED = 5  # servers of each kind, in turn
SEED = 0


def main() -> None:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--document", type=Path, default=Path("docs/results/trimming.md"), metavar="FILE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="such as search-base or summary-bundle-java")
    arguments = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    arguments.output.mkdir(parents=True, exist_ok=True)
    measured = (_bundle(f"{name}-{language}") for name in NAMES.values() for language in LANGUAGES)
    made_by = "\n".join(bundle.manifest.digest for bundle in measured)
    stamp = arguments.output / "bundles.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") != made_by:
        raise SystemExit(f'"{arguments.output}" holds figures of other bundles: give another folder, or delete it')
    stamp.write_text(made_by, encoding="utf-8")
    for name, measure in measurements(arguments.corpora, arguments.output):
        place = arguments.output / f"{name}.json"
        if place.is_file() or (arguments.only and not name.startswith(tuple(arguments.only))):
            continue
        console.print(name)
        if (found := measure()) is not None:
            part = place.with_suffix(".part")
            part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            part.replace(place)
        else:
            console.print("  does not trim: left out")
    text = arguments.document.read_text(encoding="utf-8")
    for name, table in tables(arguments.output):
        text = replace_table(text, name, table)
    arguments.document.write_text(text, encoding="utf-8")
    for name, chart in charts(arguments.output):
        arguments.document.with_name(f"trimming-{name}.svg").write_text(chart, encoding="utf-8")
    console.print(f"wrote {arguments.document}")


def measurements(corpora: Path, work: Path) -> Iterator[tuple[str, Callable[[], dict[str, Any] | None]]]:
    """Everything to measure, by the name of its file."""
    for task in BASES:
        for language in LANGUAGES:
            corpus = corpora / f"{language}.parquet"
            yield f"{NAMES[task]}-bundle-{language}", partial(measure_bundle, task, language, corpus)
            yield f"{NAMES[task]}-long-{language}", partial(measure_long, task, language, corpus)
            yield f"{NAMES[task]}-base-{language}", partial(measure_base, task, language, corpus, work)
    for task in BASES:
        yield f"{NAMES[task]}-learning", partial(measure_learning, task, corpora / "python.parquet", work)
    for language in LANGUAGES:
        yield f"cost-{language}", partial(measure_costs, language, corpora / f"{language}.parquet")
    yield "served", measure_served


def measure_base(task: Task, language: str, corpus: Path, work: Path) -> dict[str, Any]:
    """A base in 32 bits, with its importance table for a language."""
    calibration = read_calibration(corpus, InputFormat(task, language), MEASURED[task], SEED)
    with fresh_folder(work / f"base-{NAMES[task]}-{language}") as folder:
        bundle, found = build_whole(open_checkpoint(BASES[task]), task, calibration, language, folder / "bundle")
        cells = measure(bundle, task, calibration.examples, every_method())
    means = zip(CLASSES, found.class_means().tolist(), strict=True)
    return {"cells": cells, "classes": {name: mean for name, mean in means if mean == mean}}  # NaN: never seen


def measure_learning(task: Task, corpus: Path, work: Path) -> dict[str, Any]:
    """A base with half of its units after a short recovery, on whole functions or with half of them trimmed."""
    base, language = open_checkpoint(BASES[task]), "python"
    calibration = read_calibration(corpus, InputFormat(task, language), MEASURED[task], SEED)
    found: dict[str, Any] = {}
    for taught in ("none", "novelty"):
        recipe = Recipe(task, BASES[task], language, units=0.5, recovery_steps=LEARNT, trim=taught)  # type: ignore[arg-type]
        with fresh_folder(work / f"learning-{NAMES[task]}") as folder:
            trimming = learn_trimming(base, recipe, calibration)
            cut = cut_checkpoint(base, CutRequest(recipe, calibration, folder, trimming=trimming), {})
            bundle, _ = build_whole(cut, task, calibration, language, folder / "bundle")
            trims = every_method(("novelty",), recipe.trim_least)
            found[taught] = measure(bundle, task, calibration.examples, trims)
    return {"cells": found}


def build_whole(
    checkpoint: Checkpoint, task: Task, calibration: Calibration, language: str, folder: Path
) -> tuple[Bundle, Importance]:
    """A model in 32 bits as a bundle, with its importance table for a language."""
    bundle = open_bundle(build_unchecked(whole_recipe(Recipe(task, BASES[task], language)), checkpoint, folder))
    found = collect_importance(checkpoint, task, calibration.functions, bundle.manifest.max_tokens)
    (folder / FILE_NAME).write_bytes(render_importance(found))
    files = bundle.manifest.files | {FILE_NAME: describe_file(folder / FILE_NAME)}
    return replace(bundle, manifest=replace(bundle.manifest, files=files)), found


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A temporary empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def measure_bundle(task: Task, language: str, corpus: Path) -> dict[str, Any] | None:
    """An installed bundle; None if it has no importance table."""
    bundle = _bundle(f"{NAMES[task]}-{language}")
    if FILE_NAME not in bundle.manifest.files:
        return None
    calibration = read_calibration(corpus, InputFormat(task, language), SERVED_ON[task], SEED)
    own = bundle.manifest.trim
    trims = [*every_method(), *([own] if own.ratio else [])]
    return {"cells": measure(bundle, task, calibration.examples, trims), "served": own.ratio}


def measure_long(task: Task, language: str, corpus: Path) -> dict[str, Any] | None:
    """An installed bundle on functions longer than its window; None if it has no importance table."""
    bundle = _bundle(f"{NAMES[task]}-{language}")
    if FILE_NAME not in bundle.manifest.files:
        return None
    rows, _ = split_held_out(read_rows(corpus, language))
    random.Random(SEED).shuffle(rows)
    tokenizer, read = Reader(bundle, Trim()).tokenizer, search_input if task == "search" else summary_input

    def is_long(row: dict[str, str]) -> bool:
        text = read(row["code"]) if task == "search" else read(row["code"], row["language"])
        return len(tokenizer.encode(text).ids) > bundle.manifest.max_tokens

    long = islice(filter(is_long, rows), LONG[task])
    sample = [Example(row["language"], row["code"], row["summary"]) for row in long]
    return {"cells": measure(bundle, task, sample, LONG_TRIMS), "functions": len(sample)}


def measure(bundle: Bundle, task: Task, sample: Sequence[Example], trims: Sequence[Trim]) -> list[dict[str, Any]]:
    """Every method at every share. Queries are documentation and search words."""
    if task == "summarize":
        return [asdict(cell) for cell in measure_summaries(bundle, sample, trims, SEED)]
    asked = questions_of(sample).values()
    queries = [query for texts in asked for query in texts]
    relevant = [*range(len(sample))] * len(asked)
    code = [example.code for example in sample]
    language = sample[0].language
    return [asdict(cell) for cell in measure_search(bundle, Asked(queries, relevant, code, language), trims, SEED)]


def measure_costs(language: str, corpus: Path) -> dict[str, Any] | None:
    """What trimming costs an installed search bundle, on held-out functions and on a text of 1,000 tokens."""
    bundle = _bundle(f"search-{language}")
    if bundle.manifest.trim.method == "none":
        return None
    sample = read_calibration(corpus, InputFormat("search", language), COSTED, SEED).examples
    passages = [search_passage(example.code, 0, language) for example in sample]

    def cost(functions: Sequence[Passage], rounds: int) -> dict[str, Any]:
        found: Cost = measure_cost(bundle, functions, rounds)
        return asdict(found) | {"functions": len(functions)}

    return {"held-out functions": cost(passages, ROUNDS), "1,000 tokens": cost([_thousand(bundle, passages)], 200)}


def _bundle(name: str) -> Bundle:
    """An installed bundle, or one in BUNDLES."""
    return find_bundle(BUNDLES / name if (BUNDLES / name).is_dir() else Path(name), installed_bundles())


def _thousand(bundle: Bundle, passages: Sequence[Passage]) -> Passage:
    """A text of 1,000 tokens, made of functions one after another."""
    tokenizer, text = Reader(bundle, Trim()).tokenizer, "\n".join(passage.code for passage in passages)
    end = tokenizer.encode(text, add_special_tokens=False).offsets[999][1]
    return search_passage(text[:end], 0, passages[0].language)


def measure_served() -> dict[str, Any]:
    """The server on a package, in turn with the installed bundles and with the same bundles without trimming."""
    functions = undocumented(40)
    found: dict[str, list[dict[str, Any]]] = {"as installed": [], "whole functions": []}
    with tempfile.TemporaryDirectory() as temporary:
        originals, copies = [], []
        for name in ("search-python", "summary-python"):
            bundle, copy = _bundle(name), Path(temporary) / name
            originals.append(bundle.folder)
            shutil.copytree(bundle.folder, copy)
            (copy / MANIFEST).write_text(render_manifest(replace(bundle.manifest, trim=Trim())), encoding="utf-8")
            copies.append(copy)
        for _ in range(SERVED):
            found["as installed"].append(measure_server(functions, originals))
            found["whole functions"].append(measure_server(functions, copies))
    shown = ("definitions a second", "hover p50 / p95, uncached", "query p50 / p95")
    medians = {
        kind: {name: statistics.median(_first(figures[name]) for figures in runs) for name in shown}
        for kind, runs in found.items()
    }
    ratios = [
        _first(trimmed[shown[0]]) / _first(whole[shown[0]]) for trimmed, whole in zip(*found.values(), strict=True)
    ]
    return {"package": PACKAGE.name, "medians": medians, "ratios": ratios}


def _first(figure: Any) -> float:
    return float(figure[0] if isinstance(figure, tuple) else figure)


if __name__ == "__main__":
    main()
