"""Comparing a bundle with the model that it was made from, function by function."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example
from sprig_export.data.queries import keywords
from sprig_export.evaluate.metrics import sentence_bleu
from sprig_export.evaluate.search import encode_with_torch, encoding_settings, reciprocal_ranks
from sprig_export.evaluate.summaries import SummarySettings, score_summaries, summarize_with_torch
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_server.bundle.manifest import Manifest, Trim
from sprig_server.bundle.store import Bundle
from sprig_server.code.text import Passage, search_passage
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.session import default_threads
from sprig_server.inference.summarizer import Summarizer
from sprig_server.types import Vectors

_FORGOTTEN = 8  # examples


@dataclass(frozen=True, slots=True)
class Loss:
    """An example that got worse: the query or the reference, the function's first line, and the rank or the summary
    before and after.
    """

    text: str
    code: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The measurements: the gated scores, each as (base, bundle), the main one first; all figures; the worst losses."""

    scores: dict[str, tuple[float, float]]
    figures: dict[str, float]
    forgotten: tuple[Loss, ...]

    @property
    def lost(self) -> tuple[str, float]:
        """The score that lost most, and its loss in per cent of the base's."""
        losses = {
            name: 100 * (1 - after / before) if before > 0 else 0.0 for name, (before, after) in self.scores.items()
        }
        return max(losses.items(), key=lambda item: item[1])


def questions_of(sample: Sequence[Example]) -> dict[str, list[str]]:
    """The queries for a sample's functions, by the name of the score: their documentation, and keywords made from
    it.
    """
    draw = random.Random(0)
    typed = [keywords(example.text, example.language, draw) for example in sample]
    return {"MRR": [example.text for example in sample], "keyword MRR": typed}


def score_checkpoint(checkpoint: Checkpoint, recipe: Recipe, sample: Sequence[Example]) -> dict[str, float]:
    """A model's scores on a sample, in PyTorch: MRR for each kind of query, or greedy BLEU-4."""
    if recipe.task == "summarize":
        return {"BLEU-4": float(score_examples(checkpoint, recipe, sample).mean())}
    code, own = vectors_of_texts(checkpoint, [example.code for example in sample]), range(len(sample))
    asked = {name: vectors_of_texts(checkpoint, texts, asked=True) for name, texts in questions_of(sample).items()}
    return {name: float(reciprocal_ranks(queries, code, own).mean()) for name, queries in asked.items()}


def score_examples(checkpoint: Checkpoint, recipe: Recipe, sample: Sequence[Example]) -> NDArray[np.float64]:
    """The reciprocal rank of each function of a sample within it, or the BLEU-4 of its greedy summary: float64 [n]."""
    if recipe.task == "search":
        code = vectors_of_texts(checkpoint, [example.code for example in sample])
        queries = vectors_of_texts(checkpoint, [example.text for example in sample], asked=True)
        return reciprocal_ranks(queries, code, range(len(sample)))
    written = _summaries(checkpoint, recipe, sample)
    return np.array([sentence_bleu(s, e.text) for s, e in zip(written, sample, strict=True)])


def score_bundle(bundle: Bundle, recipe: Recipe, sample: Sequence[Example]) -> float:
    """A bundle's mean MRR over both kinds of query, or greedy BLEU-4, on a sample, as the server runs it."""
    if recipe.task == "search":
        encoder = Encoder(bundle, default_threads())
        code, asked = encoder.encode(_passages(sample)), questions_of(sample).values()
        ranks = [reciprocal_ranks(encoder.encode(texts), code, range(len(sample))) for texts in asked]
        return float(np.mean(ranks))
    summarizer = Summarizer(bundle, default_threads())
    written = [summarizer.summarize(example.code, example.language, beams=1).text for example in sample]
    return score_summaries(written, [example.text for example in sample])["bleu"]


def measure_search(
    base: Checkpoint, pruned: Checkpoint, folder: Path, manifest: Manifest, sample: Sequence[Example]
) -> Quality:
    """Compare a search bundle with its base: MRR among the sample's functions, for queries from their documentation and
    for keywords; and the mean cosine of their vectors with the pruned model's, which shows the effect of
    quantization.
    """
    encoder, own = Encoder(Bundle(folder, manifest), default_threads()), range(len(sample))
    functions = [example.code for example in sample]
    base_code, code = vectors_of_texts(base, functions), encoder.encode(_passages(sample))
    exact = base_code if pruned == base else vectors_of_texts(pruned, functions)
    untrimmed = Encoder(Bundle(folder, replace(manifest, trim=Trim())), default_threads())
    read_whole = code if manifest.trim.method == "none" else untrimmed.encode(_passages(sample))
    ranks = {
        name: (
            reciprocal_ranks(vectors_of_texts(base, texts, asked=True), base_code, own),
            reciprocal_ranks(encoder.encode(texts), code, own),
        )
        for name, texts in questions_of(sample).items()
    }
    scores = {name: (float(before.mean()), float(after.mean())) for name, (before, after) in ranks.items()}
    figures = {
        "base_mrr": scores["MRR"][0],
        "mrr": scores["MRR"][1],
        "base_keyword_mrr": scores["keyword MRR"][0],
        "keyword_mrr": scores["keyword MRR"][1],
        "cosine": float((read_whole * exact).sum(axis=1).mean()),
    }
    before, after = ranks["MRR"]
    worst = np.argsort(after - before, kind="stable")[:_FORGOTTEN]
    forgotten = tuple(
        Loss(sample[i].text, _first_line(sample[i]), f"rank {1 / before[i]:.0f}", f"rank {1 / after[i]:.0f}")
        for i in worst
        if after[i] < before[i]
    )
    return Quality(scores, figures, forgotten)


def measure_summaries(
    base: Checkpoint, recipe: Recipe, folder: Path, manifest: Manifest, sample: Sequence[Example]
) -> Quality:
    """Compare a summary bundle with its base: BLEU-4 of greedy summaries, and all figures of beam search."""
    summarizer = Summarizer(Bundle(folder, manifest), default_threads())
    references = [example.text for example in sample]
    before = _summaries(base, recipe, sample)
    after = [summarizer.summarize(example.code, example.language, beams=1).text for example in sample]
    beam = [summarizer.summarize(example.code, example.language).text for example in sample]
    figures = {
        "base_greedy_bleu": score_summaries(before, references)["bleu"],
        "greedy_bleu": score_summaries(after, references)["bleu"],
        **score_summaries(beam, references),
    }
    change = [sentence_bleu(a, r) - sentence_bleu(b, r) for b, a, r in zip(before, after, references, strict=True)]
    worst = np.argsort(change, kind="stable")[:_FORGOTTEN]
    forgotten = tuple(Loss(references[i], _first_line(sample[i]), before[i], after[i]) for i in worst if change[i] < 0)
    return Quality({"BLEU-4": (figures["base_greedy_bleu"], figures["greedy_bleu"])}, figures, forgotten)


def _passages(sample: Sequence[Example]) -> list[Passage]:
    return [search_passage(example.code, 0, example.language) for example in sample]


def vectors_of_texts(checkpoint: Checkpoint, texts: Sequence[str], asked: bool = False) -> Vectors:
    """A model's vectors of texts, in PyTorch: of functions, or of queries if they are `asked`."""
    model, tokenizer = load_model(checkpoint, "search"), load_tokenizer(checkpoint)
    return encode_with_torch(model, tokenizer, list(texts), encoding_settings(checkpoint, asked))


def _summaries(checkpoint: Checkpoint, recipe: Recipe, sample: Sequence[Example]) -> list[str]:
    model, tokenizer = load_model(checkpoint, "summarize"), load_tokenizer(checkpoint)
    pairs = [(example.code, example.language) for example in sample]
    settings = SummarySettings(
        recipe.summary_tokens, recipe.max_new_tokens, no_repeat=recipe.no_repeat, prompt=recipe.prompt
    )
    return summarize_with_torch(model, tokenizer, pairs, settings)


def _first_line(example: Example) -> str:
    return example.code.strip().split("\n", 1)[0][:100]
