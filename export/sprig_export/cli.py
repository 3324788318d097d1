"""The exporter's commands: `sprig export`, `analyze`, `compare-languages`, `evaluate`, `corpus`, `train`."""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from sprig_export.config.recipe import Recipe, read_recipe
from sprig_export.config.request import ExportRequest, Target
from sprig_server.code.languages import NAMES, find_language
from sprig_server.errors import InvalidInput

# How many functions an export is evaluated on: writing a summary takes a hundred times as long as a vector.
_SAMPLES = {"search": 400, "summarize": 100}
_SPEED = 64
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def run(words: Sequence[str]) -> int:
    """Run one command; `words` begin with its name.

    Raises:
        SprigError: the input cannot be used, or the result is not good enough to be written.
    """
    arguments = _parser().parse_args(list(words))
    # Its hints ("you should probably train this model") are for people who write code, not for who runs a command.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    console = Console(stderr=True, highlight=False)
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    logging.getLogger("sprig_export").setLevel(logging.INFO)
    commands = {
        "export": _export,
        "evaluate": _evaluate,
        "analyze": _analyze,
        "compare-languages": _compare_languages,
        "corpus": _corpus,
        "train": _train,
    }
    commands[arguments.command](arguments, console)
    return 0


def _export(arguments: argparse.Namespace, console: Console) -> None:
    from sprig_export.data.samples import read_examples

    recipe = _export_recipe(arguments)
    target = Target(arguments.target_size, arguments.target_speed)
    if arguments.recipe and target.named:
        raise InvalidInput("a recipe says what to remove: leave --target-size and --target-speed out, or --recipe")
    if arguments.recipe and arguments.analysis:
        raise InvalidInput("a recipe says what to remove: leave --analysis or --recipe out")
    if arguments.data and not arguments.recipe:
        raise InvalidInput("--data needs --recipe: without one, held-out code of --calibration is used for measuring")
    logging.getLogger("sprig_export.training").setLevel(logging.WARNING)  # its progress is a bar here
    with import_module("sprig_export.config.failures").explained(arguments.output):
        examples = tuple(read_examples(arguments.data, recipe.language)) if arguments.data else None
        given = arguments.calibration, examples, arguments.resume, target, arguments.analysis
        request, log = ExportRequest(recipe, arguments.output, *given), _stage_log(console)
        if arguments.recipe:
            manifest = import_module("sprig_export.pipeline").export(request, log)
        else:
            manifest = import_module("sprig_export.autotune.export").export_to_target(request, log)
    size = sum(file.size for file in manifest.files.values()) / 1e6
    console.print(f"wrote {arguments.output}: {size:.1f} MB; {arguments.output / 'report.html'} shows it", markup=False)
    for data, figures in manifest.quality.items():
        for name, value in figures.items():
            console.print(f"  {name:20} {value:8.4f}  on {data}", markup=False)


def _stage_log(console: Console) -> Any:
    """A line a stage, and no spinner: what takes long inside a stage has a bar of its own."""
    started = time.monotonic()

    def announce(stage: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        console.print(f"[dim]{minutes:3d}:{seconds:02d}[/dim] {escape(stage)}")

    def say(sentence: str) -> None:
        console.print(f"       {sentence}", markup=False, soft_wrap=True)

    return import_module("sprig_export.report.stages").StageLog(announce, say)


def _evaluate(arguments: argparse.Namespace, console: Console) -> None:
    plan = import_module("sprig_export.evaluate.suite").Evaluation(
        arguments.data,
        arguments.models,
        arguments.baseline,
        arguments.held_out,
        arguments.limit,
        task=arguments.task,
        bundles=tuple(arguments.bundle),
    )
    command = import_module("sprig_export.evaluate.command")
    command.evaluate(plan, arguments.output, arguments.samples, console)


def _compare_languages(arguments: argparse.Namespace, console: Console) -> None:
    experiments = import_module("sprig_export.comparison.experiment")
    page = import_module("sprig_export.comparison.comparison_page")
    sparsity = import_module("sprig_export.pruning.masks").Sparsity
    if arguments.pattern:
        levels = [sparsity.of_pattern(pattern, arguments.by_layer) for pattern in arguments.pattern]
    else:
        levels = [sparsity(share, by_layer=arguments.by_layer) for share in arguments.sparsity]
    plan = experiments.Experiment(
        arguments.task, arguments.model, arguments.corpora, tuple(levels), arguments.functions, arguments.method
    )
    with console.status("") as status:
        comparison = experiments.compare_languages(plan, arguments.output, lambda stage: status.update(stage))
    (arguments.output / "report.html").write_text(page.render_comparison(comparison), encoding="utf-8")
    for level in comparison.levels:
        console.print(f"{level.pruned} pruned: {page.say(level, comparison.metric)}", markup=False)
    console.print(f"wrote {arguments.output / 'report.html'}", markup=False)


def _analyze(arguments: argparse.Namespace, console: Console) -> None:
    plan = import_module("sprig_export.analysis.words").Study(
        arguments.model, arguments.language, arguments.corpus, arguments.tokens, arguments.seed
    )
    import_module("sprig_export.analysis.command").run(plan, arguments.output, console)


def _export_recipe(arguments: argparse.Namespace) -> Recipe:
    named = {name: getattr(arguments, name) for name in ("task", "model", "language")}
    allowed: dict[str, Any] = {} if arguments.max_loss is None else {"max_loss": arguments.max_loss}
    allowed |= {name: value for name in ("start", "adapter") if (value := getattr(arguments, name))}
    if arguments.recipe:
        given = {name: value for name, value in named.items() if value}
        recipe = replace(read_recipe(arguments.recipe), **given, **allowed)
        languages = [find_language(name.strip()).name for name in recipe.language.split(",")]
        return replace(recipe, language=", ".join(languages))
    missing = [f"--{name}" for name, value in named.items() if not value]
    if missing:
        raise InvalidInput(f"an export needs {', '.join(missing)}, or a file with all of it: --recipe FILE")
    language = find_language(arguments.language).name
    return Recipe(
        arguments.task, arguments.model, language, sample=_SAMPLES[arguments.task], speed_sample=_SPEED, **allowed
    )


def _corpus(arguments: argparse.Namespace, console: Console) -> None:
    if arguments.action == "fetch":
        import_module("sprig_export.corpus.packages").fetch(arguments.sources, arguments.output)
    elif arguments.action == "questions":
        questions = import_module("sprig_export.corpus.questions")
        questions.collect(arguments.source, arguments.language, arguments.output, arguments.exclude)
    else:
        builder = import_module("sprig_export.corpus.build")
        builder.build(arguments.source, arguments.language, arguments.output, arguments.exclude)


def _train(arguments: argparse.Namespace, console: Console) -> None:
    if arguments.task == "distill":
        if not arguments.pairs:
            raise InvalidInput("distillation needs corpora: give them with --pairs")
        module = import_module("sprig_export.bases.distill")
        recipe = read_recipe(arguments.recipe)
        folder = module.distill(recipe, arguments.pairs, arguments.output, arguments.questions)
        console.print(f"wrote {folder}", markup=False)
        return
    if arguments.data is None:
        raise InvalidInput("training needs prepared data: give its folder with --data")
    recipes = import_module("sprig_export.bases.recipe")
    if arguments.task == "summarize" and recipes.is_adapter_recipe(arguments.recipe):
        _train_adapter(arguments, recipes.read_adapter_recipe(arguments.recipe))
        return
    if arguments.task == "search":
        recipe, data = recipes.read_search_recipe(arguments.recipe), import_module("sprig_export.bases.search_data")
        train = import_module("sprig_export.bases.search").train_search
    else:
        recipe, data = recipes.read_summary_recipe(arguments.recipe), import_module("sprig_export.bases.summary_data")
        train = import_module("sprig_export.bases.summarize").train_summary
    if arguments.questions and arguments.task != "search":
        raise InvalidInput("only search is trained on questions: leave --questions out")
    if arguments.pairs:
        more = {"questions": arguments.questions} if arguments.questions else {}
        data.prepare(recipe, arguments.pairs, arguments.data, arguments.benchmarks, **more)
    train(recipe, arguments.data, arguments.output)


def _train_adapter(arguments: argparse.Namespace, recipe: Any) -> None:
    if arguments.pairs:
        search = import_module("sprig_export.evaluate.round_trip").bundle_search() if recipe.among else None
        import_module("sprig_export.bases.adapter_data").prepare(recipe, arguments.pairs, arguments.data, search)
    import_module("sprig_export.bases.adapter").train_adapter(recipe, arguments.data, arguments.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sprig", description="Make bundles from code models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add_command in (_add_export, _add_evaluate, _add_compare, _add_analyze, _add_corpus, _add_train):
        add_command(commands)
    return parser


def _add_export(commands: _Commands) -> None:
    export = commands.add_parser("export", help="make a bundle from a model")
    export.add_argument("--task", choices=("search", "summarize"))
    export.add_argument("--model", metavar="FOLDER_OR_ID", help="a model folder, a GGUF file, or a hub id")
    export.add_argument(
        "--adapter",
        metavar="FOLDER",
        help="an adapter from sprig train summarize, which is merged into the model first",
    )
    export.add_argument("--language", help=f"one of {', '.join(NAMES)}")
    wanted = export.add_mutually_exclusive_group()
    wanted.add_argument("--target-size", type=float, metavar="MB", help="make the best bundle of at most MB megabytes")
    wanted.add_argument(
        "--target-speed",
        type=float,
        metavar="X",
        help="make the best bundle of at least X times the model's speed in ONNX Runtime (default: the fastest that "
        "loses at most --max-loss)",
    )
    export.add_argument(
        "--start",
        metavar="FOLDER",
        help="a smaller model that was distilled from the model (sprig train distill), to be considered as well",
    )
    export.add_argument(
        "--analysis",
        type=Path,
        metavar="FILE",
        help="the report.json of sprig analyze, whose proposal is tried as well",
    )
    export.add_argument(
        "--max-loss", type=float, metavar="PCT", help="the per cent of quality that may be lost (default: 5)"
    )
    export.add_argument("--recipe", type=Path, metavar="FILE", help="what to remove, in full detail")
    export.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder of the bundle")
    export.add_argument("--resume", action="store_true", help="continue an interrupted export of the same recipe")
    export.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR_OR_FILE",
        help="the code that the bundle is for: a folder, such as your repository, or a corpus of sprig corpus build "
        "(default for Python: its standard library)",
    )
    export.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help='evaluate on JSON lines with "code" and "query" or "docstring" (default: the standard library)',
    )


def _add_evaluate(commands: _Commands) -> None:
    evaluate = commands.add_parser("evaluate", help="measure the quality of the base models and the installed bundles")
    evaluate.add_argument("--suite", choices=("standard",), required=True)
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of the benchmark files")
    evaluate.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="the folder for report.json and report.html"
    )
    evaluate.add_argument(
        "--models", type=Path, default=Path("models"), metavar="DIR", help="base checkpoints (default: models)"
    )
    evaluate.add_argument("--baseline", metavar="FOLDER_OR_ID", help="the unpruned sentence encoder to compare with")
    evaluate.add_argument(
        "--held-out", type=Path, metavar="DIR", help="python.parquet and so on, as sprig corpus build writes them"
    )
    evaluate.add_argument("--task", choices=("search", "summarize"), help="measure only this task")
    evaluate.add_argument(
        "--bundle",
        type=Path,
        action="append",
        default=[],
        metavar="DIR_OR_NAME",
        help="measure this bundle instead of the installed one",
    )
    evaluate.add_argument("--limit", type=int, metavar="N", help="use at most N examples of each set, for a quick look")
    evaluate.add_argument(
        "--samples", type=Path, metavar="FILE.md", help="write ten summaries of each language to this file"
    )


def _add_compare(commands: _Commands) -> None:
    compare = commands.add_parser(
        "compare-languages", help="prune a model for each language, and measure it on all languages"
    )
    compare.add_argument("--task", choices=("search", "summarize"), required=True)
    compare.add_argument("--model", required=True, metavar="FOLDER_OR_ID")
    compare.add_argument("--corpora", type=Path, required=True, metavar="DIR", help="python.parquet and so on")
    compare.add_argument("--output", type=Path, required=True, metavar="DIR", help="masks, report.json and report.html")
    compare.add_argument(
        "--method", choices=("wanda", "magnitude", "sparsegpt"), default="wanda", help="how weights are chosen"
    )
    pruned = compare.add_mutually_exclusive_group()
    pruned.add_argument("--sparsity", type=float, nargs="+", default=[0.3, 0.5], metavar="SHARE")
    pruned.add_argument("--pattern", nargs="+", metavar="N:M", help="prune N of M neighbouring weights, as in 2:4")
    compare.add_argument(
        "--by-layer", action="store_true", help="keep more of layers with more outliers (OWL); the shares are means"
    )
    compare.add_argument(
        "--functions", type=int, default=200, metavar="N", help="functions to measure in each language (default: 200)"
    )


def _add_analyze(commands: _Commands) -> None:
    analyze = commands.add_parser("analyze", help="find out what a model knows about code, and what is redundant")
    analyze.add_argument(
        "--model", required=True, metavar="FOLDER_OR_ID", help="a model folder, a GGUF file, or a hub id"
    )
    analyze.add_argument("--language", required=True, metavar="L", help=f"one of {', '.join(NAMES)}")
    analyze.add_argument(
        "--corpus",
        type=Path,
        required=True,
        metavar="FILE.parquet|DIR",
        help="a corpus of the language, or a folder of source code",
    )
    analyze.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="the folder for report.json and report.html"
    )
    analyze.add_argument(
        "--tokens", type=int, default=1000, metavar="N", help="words of each class to train on (default: 1000)"
    )
    analyze.add_argument("--seed", type=int, default=0, metavar="S", help="the random seed (default: 0)")


def _add_corpus(commands: _Commands) -> None:
    corpus = commands.add_parser("corpus", help="make pairs of functions and documentation from source code")
    actions = corpus.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download the packages that a sources file names")
    fetch.add_argument("--sources", type=Path, required=True, metavar="FILE", help="TOML with pinned package names")
    fetch.add_argument("--output", type=Path, required=True, metavar="DIR")
    build = actions.add_parser("build", help="extract, filter and deduplicate pairs")
    build.add_argument("--source", type=Path, nargs="+", required=True, metavar="DIR")
    build.add_argument("--language", choices=("python", "java", "javascript", "cpp"), required=True)
    build.add_argument("--output", type=Path, required=True, metavar="FILE.parquet")
    build.add_argument(
        "--exclude", type=Path, nargs="*", default=[], metavar="FILE", help="leave out functions in these files"
    )
    questions = actions.add_parser(
        "questions", help="read questions that people asked, with the code that answers them"
    )
    questions.add_argument("--source", type=Path, nargs="+", required=True, metavar="FILE", help="CODE-NN or CoNaLa")
    questions.add_argument("--language", choices=("python", "java", "javascript", "cpp"), required=True)
    questions.add_argument("--output", type=Path, required=True, metavar="FILE.jsonl.gz")
    questions.add_argument("--exclude", type=Path, nargs="*", default=[], metavar="FILE", help="evaluation files")


def _add_train(commands: _Commands) -> None:
    train = commands.add_parser("train", help="train a base model or an adapter")
    train.add_argument("task", choices=("search", "summarize", "distill"))
    train.add_argument("--recipe", type=Path, required=True, metavar="FILE")
    train.add_argument("--data", type=Path, metavar="DIR", help="prepared data (not for distill)")
    train.add_argument(
        "--pairs", type=Path, nargs="+", metavar="FILE.parquet", help="prepare the data from these corpora first"
    )
    train.add_argument(
        "--benchmarks", type=Path, metavar="DIR", help="the folder of the data files that the recipe names"
    )
    train.add_argument(
        "--questions",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="pairs from sprig corpus questions, or your own (not for summarize)",
    )
    train.add_argument("--output", type=Path, required=True, metavar="DIR", help="checkpoints and the model")
