"""The models that a suite compares: base checkpoints in float32 in PyTorch, and bundles as the server runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.config.recipe import Recipe
from sprig_export.evaluate.datasets import Documented
from sprig_export.evaluate.search import EncodingSettings, encode_with_torch, encoding_settings
from sprig_export.evaluate.summaries import SummarySettings, summarize_with_torch
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.inspection import fit_lengths
from sprig_export.models.loading import load_model, load_summarizer, load_tokenizer
from sprig_export.report.progress import Tick
from sprig_server.bundle.store import Bundle
from sprig_server.code.text import Passage
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.models import Models
from sprig_server.inference.summarizer import Summarizer
from sprig_server.types import Summary, Vectors

_AT_A_TIME = 64  # as many as the server's index encodes at once
_BASES = ("search", "summary")
_Text = TypeVar("_Text", str, Passage)


class SearchModel(Protocol):
    """Encodes functions and questions as vectors, float32 [n, d], L2-normalised."""

    name: str
    sha256: str

    def encode_code(self, functions: Sequence[Passage], tick: Tick) -> Vectors:
        """Vectors of functions."""

    def encode_queries(self, texts: Sequence[str], tick: Tick) -> Vectors:
        """Vectors of questions."""


class TorchEncoder:
    """A checkpoint of a sentence encoder."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.name, self.sha256 = checkpoint.name, checkpoint.sha256
        self._of_code, self._of_queries = encoding_settings(checkpoint), encoding_settings(checkpoint, asked=True)
        self._model = load_model(checkpoint, "search")
        self._tokenizer = load_tokenizer(checkpoint)

    def encode_code(self, functions: Sequence[Passage], tick: Tick) -> Vectors:
        """Vectors of functions."""
        return self._encode([function.text for function in functions], self._of_code, tick)

    def encode_queries(self, texts: Sequence[str], tick: Tick) -> Vectors:
        """Vectors of questions."""
        return self._encode(texts, self._of_queries, tick)

    def _encode(self, texts: Sequence[str], settings: EncodingSettings, tick: Tick) -> Vectors:
        return _in_parts(
            lambda part: encode_with_torch(self._model, self._tokenizer, part, settings), texts, _AT_A_TIME, tick
        )


class ServedEncoder:
    """A search bundle. It reads questions one by one, as the server does."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.sha256 = encoder.bundle.manifest.name, encoder.bundle.manifest.digest
        self._encoder = encoder

    def encode_code(self, functions: Sequence[Passage], tick: Tick) -> Vectors:
        """Vectors of functions."""
        return _in_parts(self._encoder.encode, functions, _AT_A_TIME, tick)

    def encode_queries(self, texts: Sequence[str], tick: Tick) -> Vectors:
        """Vectors of questions."""
        return _in_parts(self._encoder.encode, texts, 1, tick)


class TorchSummarizer:
    """A checkpoint of an encoder-decoder."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.name, self.sha256 = checkpoint.name, checkpoint.sha256
        self._recipe = fit_lengths(Recipe("summarize", self.name, ""), checkpoint)
        self._model: PreTrainedModel = load_summarizer(checkpoint.folder)
        self._tokenizer: PreTrainedTokenizerBase = load_tokenizer(checkpoint)

    def summarize(self, functions: Sequence[Documented], like: Bundle | None, tick: Tick) -> list[str]:
        """Summaries, decoded with the settings of the bundle `like`, or without one with those of an export."""
        window = like.manifest.max_tokens if like else self._recipe.summary_tokens
        decoding = like.manifest.decoding or self._recipe if like else self._recipe
        settings = SummarySettings(window, decoding.max_new_tokens, beams=decoding.beams, no_repeat=decoding.no_repeat)
        summaries: list[str] = []
        for function in functions:
            one = [(function.code, function.language)]
            summaries += summarize_with_torch(self._model, self._tokenizer, one, settings)
            tick(len(summaries))
        return summaries


class ServedSummarizer:
    """A summary bundle."""

    def __init__(self, summarizer: Summarizer) -> None:
        self.name, self.sha256 = summarizer.bundle.manifest.name, summarizer.bundle.manifest.digest
        self.bundle = summarizer.bundle
        self._summarizer = summarizer

    def summarize(self, functions: Sequence[Documented], tick: Tick) -> list[Summary]:
        """Sentences with their confidences."""
        summaries: list[Summary] = []
        for function in functions:
            summaries.append(self._summarizer.summarize(function.code, function.language))
            tick(len(summaries))
        return summaries


@dataclass(frozen=True, slots=True)
class Contestants:
    """All models of a suite. None and absent languages are models that do not exist."""

    baseline: TorchEncoder | None
    search_base: TorchEncoder | None
    summary_base: TorchSummarizer | None
    search_bundles: dict[str, ServedEncoder]
    summary_bundles: dict[str, ServedSummarizer]
    left_out: tuple[str, ...]


def open_contestants(
    bases: Path, baseline: str | None, languages: Sequence[str], bundles: Sequence[Path] = ()
) -> Contestants:
    """Load every model that exists.

    Args:
        bases: the folder with the checkpoints `search` and `summary`.
        baseline: the folder or hub id of the unpruned sentence encoder.
        languages: the languages to look up bundles for.
        bundles: folders or names of bundles that come before the installed ones.

    Raises:
        InvalidInput: a folder is not a model, or a hub id cannot be reached.
        InvalidBundle: a bundle is damaged.
    """
    unpruned = TorchEncoder(open_checkpoint(baseline)) if baseline else None
    left_out = [] if baseline else ["baseline: no --baseline was given"]
    left_out += [f"{name} base: there is no folder {name} among the models" for name in _BASES if not _is(bases, name)]
    served = Models(bundles, torch.get_num_threads())
    search, summaries = {}, {}
    for language in languages:
        if (bundle := served.search_bundle(language)) is not None:
            search[language] = ServedEncoder(served.encoder(bundle))
        else:
            left_out.append(f"bundle: there is none for search in {language}")
        if (bundle := served.summary_bundle(language)) is not None:
            summaries[language] = ServedSummarizer(served.summarizer(bundle))
        else:
            left_out.append(f"bundle: there is none for summaries of {language}")
    return Contestants(
        unpruned,
        TorchEncoder(open_checkpoint(str(bases / "search"))) if _is(bases, "search") else None,
        TorchSummarizer(open_checkpoint(str(bases / "summary"))) if _is(bases, "summary") else None,
        search,
        summaries,
        tuple(left_out),
    )


def _is(bases: Path, name: str) -> bool:
    return (bases / name).is_dir()


def _in_parts(encode: Callable[[Sequence[_Text]], Vectors], texts: Sequence[_Text], size: int, tick: Tick) -> Vectors:
    parts: list[Vectors] = []
    for start in range(0, len(texts), size):
        parts.append(encode(texts[start : start + size]))
        tick(min(start + size, len(texts)))
    return np.concatenate(parts)
