"""The two kinds of summary models behind the interface that beam search needs: a beginning, and the next step.

An encoder-decoder reads a function with `encoder.onnx`, which computes, once for each function, the keys and values
that every decoder layer attends to. A decoder-only model reads a prompt that contains the function, and continues it.
In both cases `decoder.onnx` takes the cache so far, which is empty at the first step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sprig_server.bundle.manifest import Decoding
from sprig_server.bundle.store import Bundle
from sprig_server.inference.beam import Step
from sprig_server.inference.reader import Reader
from sprig_server.inference.session import open_session

Feeds = dict[str, NDArray[np.generic]]
Decode = Callable[[Feeds], list[NDArray[np.float32]]]
"""Inputs of `decoder.onnx` -> its logits, then its cache."""
Cache = dict[str, NDArray[np.float32]]
"""The keys and values of the decoder's layers, each float32 [k, heads, length, head_dim]."""


class Decoder(Protocol):
    """A loaded summary model."""

    def begin(self, code: str, language: str) -> tuple[list[int], Step]:
        """The tokens before a summary, of which the search begins with the last, and the steps."""

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens."""


def open_decoder(bundle: Bundle, decoding: Decoding, threads: int) -> Decoder:
    """The decoder of a summary bundle.

    Raises:
        InvalidBundle: a file is missing or damaged.
    """
    return (EncoderDecoder if decoding.prompt is None else DecoderOnly)(bundle, decoding, threads)


class EncoderDecoder:
    """An encoder and a decoder. Safe to call from several threads at once."""

    def __init__(self, bundle: Bundle, decoding: Decoding, threads: int) -> None:
        self._start = decoding.start_token
        self._reader = Reader(bundle)
        self._encoder = open_session(bundle, "encoder.onnx", threads)
        session = open_session(bundle, "decoder.onnx", threads)
        self._empty = _empty_cache(decoding, "{layer}.decoder.{part}")
        outputs = _outputs(self._empty)
        self._decode: Decode = lambda feeds: session.run(outputs, feeds)

    def begin(self, code: str, language: str) -> tuple[list[int], Step]:
        """The token that the search begins with, and its steps."""
        ids = np.array(self._reader.read([self._reader.passage(code, language)]), dtype=np.int64)  # [1, t]
        mask = np.ones_like(ids)
        names = [node.name for node in self._encoder.get_outputs()]
        outputs = self._encoder.run(names, {"input_ids": ids, "attention_mask": mask})
        source = {name.replace("present", "past_key_values"): value for name, value in zip(names, outputs, strict=True)}
        return [self._start], _SourceStep(self._decode, mask, source, self._empty)

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens."""
        return str(self._reader.tokenizer.decode(tokens))


class DecoderOnly:
    """A model that continues a prompt. Safe to call from several threads at once."""

    def __init__(self, bundle: Bundle, decoding: Decoding, threads: int) -> None:
        self._reader = Reader(bundle)
        session = open_session(bundle, "decoder.onnx", threads)
        self._inputs = frozenset(node.name for node in session.get_inputs())
        self._empty = _empty_cache(decoding, "{layer}.{part}")
        outputs = _outputs(self._empty)
        self._decode: Decode = lambda feeds: session.run(outputs, feeds)

    def begin(self, code: str, language: str) -> tuple[list[int], Step]:
        """The prompt, of which all tokens but the last have been read, and the steps after it."""
        read = self._reader.read_prompt(code, language)
        step = _PromptStep(self._decode, self._inputs, self._empty)
        if len(read) > 1:
            step.read(np.array([read[:-1]], dtype=np.int64))
        return read, step

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens."""
        return str(self._reader.tokenizer.decode(tokens))


class _SourceStep:
    """The `Step` for one function: runs the decoder and keeps its cache between steps."""

    def __init__(self, decode: Decode, mask: NDArray[np.int64], source: Cache, empty: Cache) -> None:
        self._decode = decode
        self._mask = mask  # [1, t]
        self._source = source  # each [1, heads, t, head_dim]
        self._cache = empty

    def __call__(self, tokens: NDArray[np.int64], parents: NDArray[np.int64]) -> NDArray[np.float32]:
        k = len(tokens)
        feeds: Feeds = {"input_ids": tokens[:, None], "encoder_attention_mask": np.repeat(self._mask, k, axis=0)}
        feeds |= {f"past_key_values.{name}": value[parents] for name, value in self._cache.items()}
        feeds |= {name: np.repeat(value, k, axis=0) for name, value in self._source.items()}
        logits, *present = self._decode(feeds)
        self._cache = dict(zip(self._cache, present, strict=True))
        return logits[:, -1]  # [k, v]


class _PromptStep:
    """The `Step` after a prompt: every token attends to all tokens before it."""

    def __init__(self, decode: Decode, inputs: frozenset[str], empty: Cache) -> None:
        self._decode = decode
        self._inputs = inputs
        self._cache = empty

    def read(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read tokens, int64 [k, t]; returns the logits after the last one, float32 [k, v]."""
        (k, t), past = ids.shape, next(iter(self._cache.values())).shape[2]
        feeds: Feeds = {
            "input_ids": ids,
            "attention_mask": np.ones((k, past + t), dtype=np.int64),
            "position_ids": np.repeat(np.arange(past, past + t)[None], k, axis=0),
        }
        feeds = {name: value for name, value in feeds.items() if name in self._inputs}
        feeds |= {f"past_key_values.{name}": value for name, value in self._cache.items()}
        logits, *present = self._decode(feeds)
        self._cache = dict(zip(self._cache, present, strict=True))
        return logits[:, -1]

    def __call__(self, tokens: NDArray[np.int64], parents: NDArray[np.int64]) -> NDArray[np.float32]:
        self._cache = {name: value[parents] for name, value in self._cache.items()}
        return self.read(tokens[:, None])


def _empty_cache(decoding: Decoding, form: str) -> Cache:
    """Empty keys and values, under their names in the graph."""
    names = [form.format(layer=layer, part=part) for layer in range(decoding.layers) for part in ("key", "value")]
    return {name: np.zeros((1, decoding.heads, 0, decoding.head_dim), dtype=np.float32) for name in names}


def _outputs(cache: Cache) -> list[str]:
    return ["logits", *(f"present.{name}" for name in cache)]
