"""What trimming keeps, method by method: the tables of docs/trimming.md, measured and written there.

    python benchmarks/trimming.py --corpora DIR --output DIR [--document docs/trimming.md] [--only search-base-java ...]

CORPORA holds python.parquet and so on, as `sprig corpus build` writes them. Measured are the bases, whole and in 32
bits, and the built-in bundles that have importances, on held-out functions of each language. Each measurement leaves a
file in OUTPUT and is not repeated where it is there already.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from tables import markdown, replace_table

from sprig_export.analysis.attention import collect_importance
from sprig_export.calibration import read_calibration
from sprig_export.checkpoints import open_checkpoint
from sprig_export.comparison.experiment import LANGUAGES
from sprig_export.evaluate.export_quality import questions_of
from sprig_export.evaluate.trimming import Asked, Trimmed, measure_search, measure_summaries
from sprig_export.graphs import build_unchecked
from sprig_export.recipe import Recipe, whole_recipe
from sprig_export.samples import Example
from sprig_server.bundle.importance import FILE_NAME, render_importance
from sprig_server.bundle.manifest import describe_file
from sprig_server.bundle.store import BUILT_IN, Bundle, open_bundle
from sprig_server.code.statements import CLASSES
from sprig_server.types import Task

BASES: dict[Task, str] = {"search": "models/search", "summarize": "models/summary"}
NAMES: dict[Task, str] = {"search": "search", "summarize": "summary"}
MEASURED: dict[Task, int] = {"search": 300, "summarize": 60}  # functions of each language
SEED = 0


def main() -> None:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--document", type=Path, default=Path("docs/trimming.md"), metavar="FILE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="such as search-base or summary-bundle-java")
    arguments = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    arguments.output.mkdir(parents=True, exist_ok=True)
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
            console.print("  has no importances: left out")
    text = arguments.document.read_text(encoding="utf-8")
    for name, table in tables(arguments.output):
        text = replace_table(text, name, table)
    arguments.document.write_text(text, encoding="utf-8")
    console.print(f"wrote {arguments.document}")


def measurements(corpora: Path, work: Path) -> Iterator[tuple[str, Callable[[], dict[str, Any] | None]]]:
    """Everything to measure, by the name of its file."""
    for task in BASES:
        for language in LANGUAGES:
            corpus = corpora / f"{language}.parquet"
            yield f"{NAMES[task]}-base-{language}", partial(measure_base, task, language, corpus, work)
            yield f"{NAMES[task]}-bundle-{language}", partial(measure_bundle, task, language, corpus)


def measure_base(task: Task, language: str, corpus: Path, work: Path) -> dict[str, Any]:
    """A base in 32 bits, with the importances that it has for a language."""
    recipe = whole_recipe(Recipe(task, BASES[task], language))
    checkpoint, folder = open_checkpoint(recipe.model), work / "base"
    calibration = read_calibration(corpus, task, language, MEASURED[task], SEED)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        bundle = open_bundle(build_unchecked(recipe, checkpoint, folder))
        found = collect_importance(checkpoint, task, calibration.functions, bundle.manifest.max_tokens)
        (folder / FILE_NAME).write_bytes(render_importance(found))
        files = bundle.manifest.files | {FILE_NAME: describe_file(folder / FILE_NAME)}
        cells = measure(replace(bundle, manifest=replace(bundle.manifest, files=files)), task, calibration.examples)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    means = zip(CLASSES, found.class_means().tolist(), strict=True)
    return {"cells": cells, "classes": {name: mean for name, mean in means if mean == mean}}  # NaN: never seen


def measure_bundle(task: Task, language: str, corpus: Path) -> dict[str, Any] | None:
    """A built-in bundle; None where it has no importances."""
    bundle = open_bundle(BUILT_IN / f"{NAMES[task]}-{language}")
    if FILE_NAME not in bundle.manifest.files:
        return None
    calibration = read_calibration(corpus, task, language, MEASURED[task], SEED)
    return {"cells": measure(bundle, task, calibration.examples)}


def measure(bundle: Bundle, task: Task, sample: Sequence[Example]) -> list[dict[str, Any]]:
    """Every method at every share; functions are asked for by documentation and by search words alike."""
    if task == "summarize":
        return [asdict(cell) for cell in measure_summaries(bundle, sample, seed=SEED)]
    asked = questions_of(sample).values()
    queries = [query for texts in asked for query in texts]
    relevant = [*range(len(sample))] * len(asked)
    code = [example.code for example in sample]
    return [
        asdict(cell) for cell in measure_search(bundle, Asked(queries, relevant, code, sample[0].language), seed=SEED)
    ]


def tables(output: Path) -> Iterator[tuple[str, str]]:
    """The tables of what was measured, with the names that the document knows them by."""
    for task in BASES:
        for kind in ("base", "bundle"):
            found = {
                language: json.loads(path.read_text(encoding="utf-8"))
                for language in LANGUAGES
                if (path := output / f"{NAMES[task]}-{kind}-{language}.json").is_file()
            }
            if found:
                yield (
                    f"{NAMES[task]}-{kind}",
                    "\n\n".join(kept_table(name, one["cells"]) for name, one in found.items()),
                )
            if found and kind == "base":
                yield f"{NAMES[task]}-classes", class_table({name: one["classes"] for name, one in found.items()})


def kept_table(language: str, cells: Sequence[dict[str, Any]]) -> str:
    """What each method keeps of the score at each share, with intervals, and the time of a function."""
    whole, *rest = (Trimmed(**cell) for cell in cells)
    ratios = sorted({cell.ratio for cell in rest})
    rows = []
    for method in dict.fromkeys(cell.method for cell in rest):
        own = {cell.ratio: cell for cell in rest if cell.method == method}
        kept = [f"{own[r].kept:.1%} ({own[r].low:.1%} to {own[r].high:.1%})" for r in ratios]
        rows.append([method, *kept, f"{own[ratios[-1]].tokens:.0%}", f"{own[ratios[-1]].milliseconds:.1f}"])
    last = f"{ratios[-1]:.0%}"
    head = [language, *(f"without {ratio:.0%}" for ratio in ratios), f"tokens read at {last}", f"ms at {last}"]
    said = f"Untrimmed: {whole.score:.3f}, {whole.milliseconds:.1f} ms a function."
    return f"{said}\n\n{markdown(head, rows)}"


def class_table(classes: dict[str, dict[str, float]]) -> str:
    """The mean attention of each class of statement, that of the signature being 1."""
    shares = {
        language: {name: mean / means["method"] for name, mean in means.items()} for language, means in classes.items()
    }
    names = sorted(CLASSES, key=lambda name: -sum(found.get(name, 0.0) for found in shares.values()))
    rows = [[name, *(f"{found[name]:.2f}" if name in found else "" for found in shares.values())] for name in names]
    return markdown(["class", *shares], rows)


if __name__ == "__main__":
    main()
