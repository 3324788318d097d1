"""Pruning a vocabulary to a language without changing how the language's text is tokenized.

WordPiece takes the longest entry that fits, so removing entries that were never the longest changes nothing. Single
characters stay, so that other text is spelled instead of becoming unknown. BPE applies its merges in order, so an entry
is kept with every entry that some order of merges may build it from (its closure), and with the 256 bytes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel

from sprig_server.errors import InvalidInput

PRUNABLE = ("WordPiece", "BPE")
"""The kinds of vocabularies that can be pruned."""

_TOKENS = (
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "bad_words_ids",
)
"""The settings of a model that name tokens."""
_BATCH = 1_000  # texts
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # tokens that spell characters without an entry, in Llama and Gemma


@dataclass(frozen=True, slots=True)
class PrunedTokenizer:
    """A smaller tokenizer, and the former id of each of its ids: int64 [kept]."""

    tokenizer: Tokenizer
    kept: NDArray[np.int64]


def count_tokens(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each id occurs in `texts`, without truncation."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    counts: Counter[int] = Counter()
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            _count(tokenizer, batch, counts)
            batch = []
    _count(tokenizer, batch, counts)
    return counts


def prune_tokenizer(
    tokenizer: Tokenizer, counts: Counter[int], size: int, needed: Collection[int] = ()
) -> PrunedTokenizer:
    """A tokenizer with the `size` most frequent entries, or more if more entries must stay.

    Args:
        tokenizer: WordPiece or byte-level BPE.
        counts: how often each id occurs in the language's text.
        size: entries to keep, special ones included.
        needed: ids that stay, special or not.

    Raises:
        InvalidInput: another kind of tokenizer.
    """
    description: dict[str, Any] = json.loads(tokenizer.to_str())
    model = description["model"]
    if model["type"] not in PRUNABLE:
        raise InvalidInput(f"A vocabulary of the kind {model['type']} cannot be pruned: only WordPiece and BPE can.")
    vocabulary: dict[str, int] = model["vocab"]
    special = {token["content"] for token in description["added_tokens"]}
    closures = _Closures(model, vocabulary) if model["type"] == "BPE" else None
    kept = special | {token for token in vocabulary if _must_stay(token, model)}
    by_id = {index: token for token, index in vocabulary.items()}
    for wanted in (by_id[index] for index in needed if index in by_id):
        kept |= closures.of(wanted) if closures is not None else {wanted}
    for index, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        token = by_id.get(index)
        if token is None or token in kept:
            continue
        added = closures.of(token) - kept if closures is not None else {token}
        if len(kept) + len(added) <= size:
            kept |= added
    order = sorted(kept, key=lambda token: tokenizer.token_to_id(token))
    return PrunedTokenizer(
        _rebuild(description, order), np.array([tokenizer.token_to_id(t) for t in order], dtype=np.int64)
    )


def slice_vocabulary(model: PreTrainedModel, kept: NDArray[np.int64]) -> None:
    """Keep only the rows `kept` of the embedding and, if there is one, of the output projection, in place.

    The logits of the kept entries do not change.

    Raises:
        InvalidInput: the model's settings name a token that is removed.
    """
    rows, places = torch.from_numpy(kept), {int(old): new for new, old in enumerate(kept)}
    embedding = model.get_input_embeddings()
    projection = model.get_output_embeddings()
    tied = projection is not None and projection.weight is embedding.weight
    smaller = nn.Embedding(len(kept), embedding.weight.shape[1], padding_idx=places.get(embedding.padding_idx))
    smaller.weight = nn.Parameter(embedding.weight.detach()[rows])
    model.set_input_embeddings(smaller)
    if projection is not None:
        projection.weight = nn.Parameter(projection.weight.detach()[rows])
        projection.out_features = len(kept)
    if getattr(model, "final_logits_bias", None) is not None:
        model.register_buffer("final_logits_bias", model.final_logits_bias[:, rows])
    for settings in (model.config, getattr(model, "generation_config", None)):
        for name in _TOKENS:
            old = getattr(settings, name, None)
            if isinstance(old, int) and old not in places:
                raise InvalidInput(
                    f"the model's settings name the token {old} ({name}), which its tokenizer does not have: such a "
                    "vocabulary cannot be pruned, so set vocabulary = 0"
                )
            if old is not None:
                setattr(settings, name, _renumbered(old, places))
    model.config.vocab_size = len(kept)
    if tied:
        model.tie_weights()


def _renumbered(tokens: Any, places: Mapping[int, int]) -> Any:
    """A token, a list of tokens, or lists of sequences, with new ids. Removed ones are left out of lists; None if none
    is left.
    """
    if not isinstance(tokens, list):
        return places[tokens]
    if tokens and isinstance(tokens[0], list):
        return [[places[token] for token in run] for run in tokens if places.keys() >= set(run)] or None
    return [places[token] for token in tokens if token in places] or None


class _Closures:
    """The entries from which merges may build an entry, itself included."""

    def __init__(self, model: dict[str, Any], vocabulary: dict[str, int]) -> None:
        self._parts: dict[str, list[tuple[str, str]]] = {}
        for merge in model["merges"]:
            left, right = merge if isinstance(merge, list) else merge.split(" ")
            if left + right in vocabulary:
                self._parts.setdefault(left + right, []).append((left, right))
        self._known: dict[str, frozenset[str]] = {}

    def of(self, token: str) -> frozenset[str]:
        if token not in self._known:
            parts = [self.of(part) for pair in self._parts.get(token, []) for part in pair]
            self._known[token] = frozenset({token}).union(*parts)
        return self._known[token]


def _must_stay(token: str, model: dict[str, Any]) -> bool:
    prefix = model.get("continuing_subword_prefix") or ""
    if model.get("byte_fallback") and _BYTE.fullmatch(token):
        return True
    return len(token.removeprefix(prefix)) == 1 or token == model.get("unk_token")


def _rebuild(description: dict[str, Any], order: Sequence[str]) -> Tokenizer:
    ids = {token: index for index, token in enumerate(order)}
    model = description["model"]
    model["vocab"] = {token: ids[token] for token in order}
    if model["type"] == "BPE":
        pairs = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
        model["merges"] = [[a, b] for a, b in pairs if a in ids and b in ids and a + b in ids]
    for token in description["added_tokens"]:
        token["id"] = ids[token["content"]]
    description["added_tokens"].sort(key=lambda token: token["id"])
    _renumber(description.get("post_processor"), ids)
    description["padding"] = None
    return Tokenizer.from_str(json.dumps(description))


def _renumber(processor: dict[str, Any] | None, ids: dict[str, int]) -> None:
    """Write the new ids into a post-processor of any kind."""
    if processor is None:
        return
    for name in ("cls", "sep"):
        if isinstance(processor.get(name), list):
            processor[name][1] = ids[processor[name][0]]
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [ids[content] for content in token["tokens"]]
    for inner in processor.get("processors", []):
        _renumber(inner, ids)


def _count(tokenizer: Tokenizer, texts: list[str], counts: Counter[int]) -> None:
    for encoding in tokenizer.encode_batch(texts):
        counts.update(encoding.ids)
