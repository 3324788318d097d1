"""What pruning costs and keeps: every table of docs/results/pruning.md, measured and written there.

    python benchmarks/export.py --corpora DIR --output DIR [--document docs/results/pruning.md]

CORPORA holds python.parquet and so on, as `sprig corpus build` writes them. Measured are plans beside magnitude and
random pruning, for both tasks; sub-models calibrated on one language and measured on another; and what the base models
know. Each measurement leaves a report.json and a report.html in OUTPUT, and is not repeated if they exist. The table of
the installed bundles is made from the reports inside them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from tables import markdown, replace_table

from sprig_export.analysis import command as analysis
from sprig_export.analysis.words import Study
from sprig_export.autotune.pareto import draw_front, measure_front, read_front, render_front
from sprig_export.comparison.comparison_page import render_comparison
from sprig_export.comparison.experiment import LANGUAGES, Experiment, compare_languages
from sprig_export.comparison.matrix import Kept
from sprig_export.config.recipe import Recipe
from sprig_export.pruning.masks import Sparsity
from sprig_export.report.stages import StageLog
from sprig_server.bundle.packs import installed_bundles
from sprig_server.types import Task

MODELS: dict[Task, str] = {"search": "models/search", "summarize": "models/summary"}
FRONTS = {
    "search": Recipe(
        "search", MODELS["search"], "python", vocabulary=10240, embedding_dtype="int4", recovery_steps=30, sample=200
    ),
    "summarize": Recipe(
        "summarize",
        MODELS["summarize"],
        "python",
        vocabulary=5120,
        embedding_dtype="int4",
        recovery_steps=30,
        sample=60,
    ),
}
COMPARED = {"search": 150, "summarize": 40}  # functions of each language
WORDS = 400  # of each class, in an analysis


def main() -> None:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--document", type=Path, default=Path("docs/results/pruning.md"), metavar="FILE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="such as plans-search or analyze")
    arguments = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    for name, measure in measurements(arguments.corpora, console).items():
        folder = arguments.output / name
        if (folder / "report.html").is_file() or (arguments.only and not name.startswith(tuple(arguments.only))):
            continue
        console.print(name)
        folder.mkdir(parents=True, exist_ok=True)
        measure(folder)
    text = arguments.document.read_text(encoding="utf-8")
    for name, table in tables(arguments.output):
        text = replace_table(text, name, table)
    arguments.document.write_text(text, encoding="utf-8")
    for task in MODELS:
        if (found := read(arguments.output / f"plans-{task}")) is not None:
            for across, chart in draw_front(read_front(found)).items():
                arguments.document.with_name(f"plans-{task}-{across}.svg").write_text(chart, encoding="utf-8")
    console.print(f"wrote {arguments.document}")


def measurements(corpora: Path, console: Console) -> dict[str, Callable[[Path], None]]:
    """Everything to measure, by the name of its folder."""
    run = StageLog(lambda stage: console.print(f"  {stage}", markup=False))

    def front(task: Task) -> Callable[[Path], None]:
        def measure(folder: Path) -> None:
            found = measure_front(FRONTS[task], corpora / "python.parquet", folder, run)
            (folder / "report.html").write_text(render_front(found), encoding="utf-8")

        return measure

    def comparison(task: Task) -> Callable[[Path], None]:
        def measure(folder: Path) -> None:
            plan = Experiment(task, MODELS[task], corpora, (Sparsity(0.3), Sparsity(0.5)), COMPARED[task])
            found = compare_languages(plan, folder, run.announce)
            (folder / "report.html").write_text(render_comparison(found), encoding="utf-8")

        return measure

    def analyze(task: Task, language: str) -> Callable[[Path], None]:
        plan = Study(MODELS[task], language, corpora / f"{language}.parquet", WORDS, 0)
        return lambda folder: analysis.run(plan, folder, console)

    tasks: tuple[Task, ...] = ("search", "summarize")
    return {
        **{f"plans-{task}": front(task) for task in tasks},
        **{f"compare-{task}": comparison(task) for task in tasks},
        **{f"analyze-{task}-{language}": analyze(task, language) for task in tasks for language in LANGUAGES},
    }


def tables(output: Path) -> Iterator[tuple[str, str]]:
    """The tables of the measurements, with their names in the document."""
    yield "bundles", bundle_table()
    for task in MODELS:
        if (found := read(output / f"plans-{task}")) is not None:
            yield f"plans-{task}", front_table(found)
        if (found := read(output / f"compare-{task}")) is not None:
            yield f"compare-{task}", "\n\n".join(comparison_table(level, found) for level in found["levels"])
    analyses = [found for path in sorted(output.glob("analyze-*")) if (found := read(path)) is not None]
    if analyses:
        yield "analyze", analysis_table(analyses, read(output / "plans-search"))


def bundle_table() -> str:
    """The bundles of the language packs beside their bases, each measured in the run that made it."""
    head = ["bundle", "left", "MB", "quality", "base", "kept", "kept, asked in keywords"]
    head += ["times ONNX Runtime, 32 bits", "times PyTorch"]
    rows = []
    for path in sorted((b.folder / "report.json" for b in installed_bundles()), key=lambda path: path.parent.name):
        report = json.loads(path.read_text(encoding="utf-8"))
        recipe, figures = report["recipe"], next(iter(report["quality"].values()))
        search = recipe["task"] == "search"
        names = ("base_mrr", "mrr") if search else ("base_greedy_bleu", "greedy_bleu")
        before, after = (figures[name] for name in names)
        size = sum(file.stat().st_size for file in path.parent.iterdir()) / 1e6
        compared = report.get("compared", {})  # bundles of older exports have none
        timed = {name.rpartition(" before in ")[2]: found for name, found in compared.items() if " before in " in name}
        speeds = {runtime: found["after"] / found["before"] for runtime, found in timed.items()}
        rows.append(
            [
                path.parent.name,
                what_is_left(recipe),
                f"{size:.1f}",
                f"{'MRR' if search else 'BLEU-4'} {after:.3f}",
                f"{before:.3f}",
                f"{after / before:.1%}",
                f"{figures['keyword_mrr'] / figures['base_keyword_mrr']:.1%}" if "keyword_mrr" in figures else "",
                *(f"{speeds[name]:.1f}" if name in speeds else "" for name in ("ONNX Runtime, 32 bits", "PyTorch")),
            ]
        )
    return markdown(head, rows)


def what_is_left(recipe: dict[str, Any]) -> str:
    """The plan of a recipe in a few words."""
    layers = [f"{recipe[name]}" for name in ("layers", "decoder_layers") if recipe.get(name, -1) >= 0]
    parts = [f"{' + '.join(layers)} layers"] if layers else ["all layers"]
    parts += [f"{recipe[name]:.0%} of {name}" for name in ("units", "heads") if recipe.get(name, 1.0) < 1.0]
    if recipe.get("start"):  # cut before
        parts = [f"as {recipe['start']}"]
    parts += [f"{recipe['vocabulary']:,} entries"] if recipe.get("vocabulary") else []
    parts += [f"{recipe['dimensions']} dimensions"] if recipe.get("dimensions") else []
    return ", ".join([*parts, "4 bits"] if recipe.get("linear_dtype") == "int4" else parts)


def front_table(front: dict[str, Any]) -> str:
    """All plans of one model."""
    head = ["left", "chosen by", "MB", "times as fast", front["metric"], "95 % interval", "kept"]
    rows = [
        [
            point["name"],
            point["choice"],
            f"{point['megabytes']:.1f}",
            f"{point['speed']:.1f}",
            f"{point['score']:.3f}",
            f"{point['low']:.3f} to {point['high']:.3f}",
            f"{point['score'] / front['whole']:.1%}",
        ]
        for point in front["points"]
    ]
    said = f"Whole model {front['whole']:.3f} on {front['data']}; {front['steps']} steps of recovery"
    return f"{said}, seed {front['seed']}.\n\n{markdown(head, rows)}"


def comparison_table(level: dict[str, Any], comparison: dict[str, Any]) -> str:
    """What each calibration keeps of each language, and the distances between masks. The distance of a language to
    itself is that between two draws of its functions.
    """
    advantage, languages = level["advantage"], list(comparison["whole"])
    # To itself: the distance to the masks of other functions of the language, if there were enough to draw.
    distances = {name: {**row, name: level["redrawn"].get(name)} for name, row in level["distances"].items()}
    rows = [
        [name, *(str(Kept(**kept[language])) for language in languages)]
        + [f"{found:.3f}" if (found := distances[name][other]) is not None else "" for other in languages]
        for name, kept in level["kept"].items()
    ]
    head = ["calibrated on", *(f"kept on {name}" for name in languages), *(f"masks from {name}" for name in languages)]
    whole = " / ".join(f"{value:.3f}" for value in comparison["whole"].values())
    said = (
        f"{level['sparsity']:.0%} pruned, {comparison['metric']} on {comparison['functions']} functions a language "
        f"(whole model {whole}), seed {comparison['seed']}: matched against mismatched {advantage['mean']:+.3f} "
        f"({advantage['low']:+.3f} to {advantage['high']:+.3f})."
    )
    return f"{said}\n\n{markdown(head, rows)}"


def analysis_table(analyses: Sequence[dict[str, Any]], front: dict[str, Any] | None) -> str:
    """What the bases know, and what the proposals cost if plans with as many layers were measured."""
    head = ["model", "language", "accuracy", "control", "random weights", "features enough", "layers enough (1 %)"]
    head += ["MRR kept with these", "directions for 95 %", "concepts confirmed"]
    kept = {point["name"]: point["score"] / front["whole"] for point in front["points"]} if front else {}
    rows = []
    for found in analyses:
        proposal, subject, base = found["proposal"], found["subject"], found["baselines"]
        layers = proposal["layers"][0]["layers"]
        measured = (front["model"], front["language"]) if front is not None else None
        of_front = (subject["name"], found["data"]["language"]) == measured
        followed = kept.get(f"{layers} of {subject['layers']} layers") if of_front else None
        confirmed = [ablation["label"] for ablation in found["ablations"] if ablation["confirmed"]]
        features = (subject["layers"] + 1) * subject["width"]
        rows.append(
            [
                subject["name"],
                found["data"]["language"],
                f"{found['full']['test']:.1%}",
                f"{base['control']:.1%}",
                f"{base['untrained']['test']:.1%}",
                f"{len(found['minimal']['neurons'])} of {features}",
                f"{layers} of {subject['layers']}",
                f"{followed:.1%}" if followed is not None else "",
                f"{proposal['principal_dimensions']} of {proposal['of_dimensions']}",
                f"{len(confirmed)} of {len(found['ablations'])}" + (f": {', '.join(confirmed)}" if confirmed else ""),
            ]
        )
    return markdown(head, rows)


def read(folder: Path) -> dict[str, Any] | None:
    """The report in a folder; None if there is none."""
    path = folder / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if (folder / "report.html").is_file() else None


if __name__ == "__main__":
    main()
