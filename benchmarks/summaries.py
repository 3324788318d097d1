"""What systems write about the same functions of held-out packages, by measures that do not reward templates alone.

BLEU-4 and ROUGE-L compare with the documentation. The round trip looks for the function among others of its language,
by its sentence. Faithfulness is the share of a sentence's words that stem from the function or are common in
programming; defects are repeated words, words that do not exist, and sentences without a verb.

    python benchmarks/summaries.py --data DATA --corpora CORPORA \
        --system "bundles of the languages" build/bundles/summary-* \
        --system "shared bundle" packs/summaries/*/summaries \
        --model build/bases/SmolLM2-135M-Instruct.Q4_1.gguf --adapter models/summary-adapter \
        --document docs/results/summaries.md
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
from tables import markdown, replace_table

from sprig_export.bundles.graphs import build_unchecked
from sprig_export.config.recipe import Recipe, read_recipe, whole_recipe
from sprig_export.evaluate.datasets import LANGUAGES, Documented, draw, load_standard
from sprig_export.evaluate.faithfulness import Written, score_faithfulness
from sprig_export.evaluate.metrics import nearest
from sprig_export.evaluate.round_trip import reciprocal_mean
from sprig_export.evaluate.summaries import score_summaries
from sprig_export.models.checkpoints import open_checkpoint
from sprig_server.bundle.store import Bundle, choose_bundle, open_bundle
from sprig_server.code.text import search_input, search_passage
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.models import Models
from sprig_server.inference.summarizer import Summarizer
from sprig_server.types import Vectors

RECIPE = Path(__file__).parents[1] / "export" / "sprig_export" / "recipes" / "summary.toml"
AMONG = 1000
"""Functions of the round trip, the right one included; the nearest neighbour is one of the others."""
KNOWN = 3
"""A word is English where the documentation of so many packages has it."""
NEIGHBOUR = "nearest neighbour"


@dataclass(frozen=True, slots=True)
class Task:
    """Functions to write about, and others of their language; with vectors of both, float32 [n, d], normalised."""

    name: str
    language: str
    functions: tuple[Documented, ...]
    others: tuple[Documented, ...]
    vectors: Vectors
    other_vectors: Vectors


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a system wrote about one function, how sure it was, and how many seconds it took."""

    text: str
    confidence: float = 0.0
    seconds: float = 0.0


def main() -> None:
    """Measure every system on every set and write the page."""
    options = read_options()
    models = Models((), options.threads)
    tasks = list(read_tasks(options, models))
    english = english_words(options.corpora)
    systems = {name: [open_bundle(Path(folder)) for folder in folders] for name, *folders in options.system}
    results: dict[str, dict[str, list[Sentence]]] = defaultdict(dict)
    with tempfile.TemporaryDirectory() as work:
        systems |= dict(convert_models(options, Path(work)))
        for task in tasks:
            found = nearest(task.vectors, task.other_vectors)
            results[task.name][NEIGHBOUR] = [Sentence(task.others[row].summary) for row in found]
            for name, bundles in systems.items():
                bundle = choose_bundle(bundles, "summarize", task.language)
                if bundle is not None:
                    results[task.name][name] = write(bundle, task, options.threads)
                    sys.stderr.write(f"{task.name}: {name} wrote {len(task.functions)} sentences\n")
    rows = [
        (task.name, name, measure(task, sentences, english, models))
        for task in tasks
        for name, sentences in results[task.name].items()
    ]
    page = options.document.read_text(encoding="utf-8")
    options.document.write_text(replace_table(page, "summaries", render(rows)), encoding="utf-8")
    if options.sentences is not None:
        options.sentences.write_text(json.dumps(list(listed(tasks, results)), indent=1), encoding="utf-8")


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of cosqa_summarize.valid.jsonl.gz")
    parser.add_argument("--corpora", type=Path, required=True, help="the folder of python.parquet and so on")
    parser.add_argument(
        "--system", nargs="+", action="append", default=[], metavar="NAME", help="a name, and bundles that it has"
    )
    parser.add_argument("--model", default="", help="a language model to measure whole, in 32 bits")
    parser.add_argument("--adapter", default="", help="what it was taught, to measure it so as well")
    parser.add_argument("--functions", type=int, default=30, help="of each set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--document", type=Path, required=True, help="the Markdown file whose table is written anew")
    parser.add_argument(
        "--sentences", type=Path, help="a JSON file of all sentences beside their functions, to be read"
    )
    return parser.parse_args()


def read_tasks(options: argparse.Namespace, models: Models) -> Iterator[Task]:
    """The held-out packages of every language, and CoSQA."""
    standard = load_standard(options.data, options.corpora, None, options.seed)
    for data in standard.summaries:
        if not data.name.startswith(("held-out", "cosqa")):
            continue
        bundle = models.search_bundle(data.language)
        if bundle is None:
            raise SystemExit(f"no bundle for search in {data.language} is installed: install its pack")
        encoder = models.encoder(bundle)
        functions = tuple(draw(data.functions, options.functions, options.seed))
        others = tuple(draw(standard.pools[data.pool], AMONG - 1, options.seed))
        yield Task(data.name, data.language, functions, others, encode(encoder, functions), encode(encoder, others))


def encode(encoder: Encoder, functions: Sequence[Documented]) -> Vectors:
    """What the search bundle makes of functions, as it reads them when it serves, but without their names."""
    return encoder.encode([search_passage(search_input(f.code), 0, f.language) for f in functions])


def english_words(corpora: Path) -> frozenset[str]:
    """Words of the first sentences of the documentation of several packages."""
    packages: dict[str, set[str]] = defaultdict(set)
    for language in LANGUAGES:
        table = pyarrow.parquet.read_table(corpora / f"{language}.parquet", columns=["package", "summary"])
        for row in table.to_pylist():
            for word in re.findall(r"[a-z]+", row["summary"].lower()):
                packages[word].add(row["package"])
    return frozenset(word for word, found in packages.items() if len(found) >= KNOWN)


def convert_models(options: argparse.Namespace, work: Path) -> Iterator[tuple[str, list[Bundle]]]:
    """Bundles of the whole language model in 32 bits, as it came and as it was taught."""
    recipe = whole_recipe(replace(read_recipe(RECIPE), model=options.model))
    asked = {"language model, untaught": "", "language model, taught": options.adapter}
    for name, adapter in asked.items():
        if options.model and (adapter or name.endswith("untaught")):
            folder = build_unchecked(as_served(recipe), open_checkpoint(options.model, adapter), work / name)
            yield name, [open_bundle(folder)]


def as_served(recipe: Recipe) -> Recipe:
    """The whole model's recipe, decoding as the pack's does."""
    served = read_recipe(RECIPE)
    return replace(recipe, beams=served.beams, no_repeat=served.no_repeat, max_new_tokens=served.max_new_tokens)


def write(bundle: Bundle, task: Task, threads: int) -> list[Sentence]:
    """What a bundle says about every function of a set."""
    summarizer, sentences = Summarizer(bundle, threads), []
    for function in task.functions:
        started = time.perf_counter()
        summary = summarizer.summarize(function.code, function.language)
        sentences.append(Sentence(summary.text, summary.confidence, time.perf_counter() - started))
    return sentences


def measure(task: Task, sentences: Sequence[Sentence], english: frozenset[str], models: Models) -> dict[str, float]:
    """All figures of a system on a set."""
    texts = [sentence.text or "." for sentence in sentences]
    bundle = models.search_bundle(task.language)
    assert bundle is not None
    asked = models.encoder(bundle).encode(texts)
    own = (asked * task.vectors).sum(axis=1)
    ranks = 1 + (asked @ task.other_vectors.T > own[:, None]).sum(axis=1)
    written = [Written(text, f.name, f.code) for text, f in zip(texts, task.functions, strict=True)]
    return {
        **score_summaries(texts, [function.summary for function in task.functions]),
        "mrr": reciprocal_mean(np.asarray(ranks)),
        **score_faithfulness(written, english),
        "seconds": statistics.median(sentence.seconds for sentence in sentences),
    }


def render(rows: Sequence[tuple[str, str, dict[str, float]]]) -> str:
    """The table of the page."""
    head = ["functions", "system", "BLEU-4", "ROUGE-L", "round trip MRR", "faithfulness", "defects", "words"]
    cells = [
        [
            data,
            name,
            f"{found['bleu']:.1f}",
            f"{found['rouge_l']:.1f}",
            f"{found['mrr']:.3f}".lstrip("0"),
            f"{found['faithfulness']:.1%}",
            f"{found['defects']:.1%}",
            f"{found['words']:.1f}",
        ]
        for data, name, found in rows
    ]
    return markdown(head, cells)


def listed(tasks: Sequence[Task], results: dict[str, dict[str, list[Sentence]]]) -> Iterator[dict[str, object]]:
    """Every function with all that was written about it, in an order that is drawn, so that languages mix."""
    found = [
        {**asdict(function), "set": task.name, "sentences": {n: asdict(s[row]) for n, s in results[task.name].items()}}
        for task in tasks
        for row, function in enumerate(task.functions)
    ]
    random.Random(0).shuffle(found)
    yield from found


if __name__ == "__main__":
    main()
