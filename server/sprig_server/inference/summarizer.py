"""Functions to sentences with a summary bundle: an encoder, and a decoder with a key-value cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sprig_server.bundle.store import Bundle
from sprig_server.code.text import summary_input
from sprig_server.errors import InvalidBundle
from sprig_server.inference.beam import beam_search
from sprig_server.inference.session import open_session, open_tokenizer
from sprig_server.types import Summary

Cache = dict[str, NDArray[np.float32]]


class Summarizer:
    """A loaded summary bundle. Safe to call from several threads at once.

    `encoder.onnx` gives the keys and values that every decoder layer attends to, computed once a function;
    `decoder.onnx` takes one token and the cache so far, which is empty at the first step.
    """

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the bundle.

        Raises:
            InvalidBundle: a file is missing or damaged, or the bundle is for another task.
        """
        decoding = bundle.manifest.decoding
        if bundle.manifest.task != "summarize" or decoding is None:
            raise InvalidBundle(f'"{bundle.folder}" is a bundle for {bundle.manifest.task}: give one for summarize')
        self.bundle = bundle
        self._decoding = decoding
        self._tokenizer = open_tokenizer(bundle)
        self._encoder = open_session(bundle, "encoder.onnx", threads)
        self._decoder = open_session(bundle, "decoder.onnx", threads)
        self._cache_names = [f"{i}.decoder.{part}" for i in range(decoding.layers) for part in ("key", "value")]
        self._outputs = ["logits", *(f"present.{name}" for name in self._cache_names)]

    def summarize(
        self, code: str, language: str, stop: Callable[[], bool] = lambda: False, beams: int | None = None
    ) -> Summary:
        """One sentence about a function.

        Args:
            code: the function without its own documentation.
            language: the name of its language.
            stop: asked between two steps.
            beams: how many hypotheses to keep; as the bundle says where it is None, 1 is greedy.

        Raises:
            Cancelled: `stop` returned True.
        """
        ids = np.array([self._tokenizer.encode(summary_input(code, language)).ids], dtype=np.int64)  # [1, t]
        mask = np.ones_like(ids)
        names = [node.name for node in self._encoder.get_outputs()]
        outputs = self._encoder.run(names, {"input_ids": ids, "attention_mask": mask})
        source = {name.replace("present", "past_key_values"): value for name, value in zip(names, outputs, strict=True)}
        best = beam_search(
            _DecoderStep(self, mask, source),
            start=self._decoding.start_token,
            end=self._decoding.end_token,
            beams=beams or self._decoding.beams,
            max_new_tokens=self._decoding.max_new_tokens,
            no_repeat=self._decoding.no_repeat,
            stop=stop,
        )
        return Summary(self._tokenizer.decode(list(best.tokens)).strip(), best.score)

    def _empty_cache(self) -> Cache:
        shape = (1, self._decoding.heads, 0, self._decoding.head_dim)
        return {name: np.zeros(shape, dtype=np.float32) for name in self._cache_names}

    def _run_decoder(self, feeds: dict[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
        outputs: list[NDArray[np.float32]] = self._decoder.run(self._outputs, feeds)
        return outputs


class _DecoderStep:
    """The `beam.Step` of one function: feeds the decoder and carries its cache from step to step."""

    def __init__(self, summarizer: Summarizer, mask: NDArray[np.int64], source: Cache) -> None:
        self._summarizer = summarizer
        self._mask = mask  # [1, t]
        self._source = source  # each [1, heads, t, head_dim]
        self._cache = summarizer._empty_cache()

    def __call__(self, tokens: NDArray[np.int64], parents: NDArray[np.int64]) -> NDArray[np.float32]:
        k = len(tokens)
        feeds: dict[str, NDArray[np.generic]] = {
            "input_ids": tokens[:, None],
            "encoder_attention_mask": np.repeat(self._mask, k, axis=0),
        }
        feeds |= {f"past_key_values.{name}": value[parents] for name, value in self._cache.items()}
        feeds |= {name: np.repeat(value, k, axis=0) for name, value in self._source.items()}
        logits, *present = self._summarizer._run_decoder(feeds)
        self._cache = dict(zip(self._cache, present, strict=True))
        return logits[:, -1]  # [k, v]
