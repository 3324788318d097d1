"""The exporter's commands: `sprig export`, `sprig corpus`, `sprig train`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler

from sprig_export.recipe import Recipe
from sprig_server.code.languages import NAMES, find_language

# How many functions an export is evaluated on: writing a summary takes a hundred times as long as a vector.
_SAMPLES = {"search": 400, "summarize": 100}


def run(words: Sequence[str]) -> int:
    """Run one command; `words` begin with its name.

    Raises:
        SprigError: the input cannot be used, or the result is not good enough to be written.
    """
    arguments = _parser().parse_args(list(words))
    console = Console(stderr=True, highlight=False)
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    logging.getLogger("sprig_export").setLevel(logging.INFO)
    commands = {"export": _export, "corpus": _corpus, "train": _train}
    commands[arguments.command](arguments, console)
    return 0


def _export(arguments: argparse.Namespace, console: Console) -> None:
    from sprig_export.samples import read_examples

    language = find_language(arguments.language).name
    examples = read_examples(arguments.data, language) if arguments.data else None
    pipeline = import_module("sprig_export.pipeline")
    recipe = Recipe(task=arguments.task, model=arguments.model, language=language, sample=_SAMPLES[arguments.task])
    with console.status("") as status:

        def announce(stage: str) -> None:
            status.update(stage)
            console.print(f"[dim]·[/dim] {stage}")

        manifest = pipeline.export(recipe, arguments.output, examples, announce)
    size = sum(file.size for file in manifest.files.values()) / 1e6
    console.print(f"wrote {arguments.output}: {size:.1f} MB", markup=False)
    for data, figures in manifest.quality.items():
        for name, value in figures.items():
            console.print(f"  {name:20} {value:8.4f}  on {data}", markup=False)


def _corpus(arguments: argparse.Namespace, console: Console) -> None:
    if arguments.action == "fetch":
        import_module("sprig_export.corpus.packages").fetch(arguments.sources, arguments.output)
    else:
        builder = import_module("sprig_export.corpus.build")
        builder.build(arguments.source, arguments.language, arguments.output, arguments.exclude)


def _train(arguments: argparse.Namespace, console: Console) -> None:
    recipes = import_module("sprig_export.train.recipe")
    if arguments.pairs:
        data = import_module("sprig_export.train.data")
        data.prepare(recipes.read_recipe(arguments.recipe), arguments.pairs, arguments.data, arguments.targets)
    import_module("sprig_export.train.summarize").train(arguments.recipe, arguments.data, arguments.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sprig", description="Make bundles from code models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    export = commands.add_parser("export", help="make a bundle from a model")
    export.add_argument("--task", choices=("search", "summarize"), required=True)
    export.add_argument("--model", required=True, metavar="FOLDER_OR_ID", help="a model folder, or a hub id")
    export.add_argument("--language", required=True, help=f"one of {', '.join(NAMES)}")
    export.add_argument("--output", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    export.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help='evaluate on JSON lines with "code" and "query" or "docstring" (default: functions of Python itself)',
    )

    corpus = commands.add_parser("corpus", help="function and documentation pairs from source code")
    actions = corpus.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download the packages that a sources file names")
    fetch.add_argument("--sources", type=Path, required=True, metavar="FILE", help="TOML with pinned package names")
    fetch.add_argument("--output", type=Path, required=True, metavar="DIR")
    build = actions.add_parser("build", help="extract, filter and deduplicate pairs")
    build.add_argument("--source", type=Path, nargs="+", required=True, metavar="DIR")
    build.add_argument("--language", choices=NAMES, required=True)
    build.add_argument("--output", type=Path, required=True, metavar="FILE.parquet")
    build.add_argument("--exclude", type=Path, nargs="*", default=[], metavar="FILE", help="leave out what these hold")

    train = commands.add_parser("train", help="train a base model")
    train.add_argument("task", choices=("summarize",))
    train.add_argument("--recipe", type=Path, required=True, metavar="FILE")
    train.add_argument("--data", type=Path, required=True, metavar="DIR", help="prepared data")
    train.add_argument("--pairs", type=Path, metavar="FILE.parquet", help="prepare the data from these pairs first")
    train.add_argument("--targets", type=Path, metavar="DIR", help="the folder of the recipe's target data")
    train.add_argument("--output", type=Path, required=True, metavar="DIR", help="checkpoints and the model")
    return parser
