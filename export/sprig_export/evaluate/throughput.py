"""Measuring the speed of a model or a bundle on this machine, each in a separate process.

Several ONNX Runtime sessions in one process disturb each other, because their waiting threads spin.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example
from sprig_server.bundle.manifest import FILE_NAME
from sprig_server.bundle.store import open_bundle
from sprig_server.code.text import search_passage
from sprig_server.errors import InvalidBundle, SprigError
from sprig_server.inference.beam import BeamSettings, beam_search
from sprig_server.inference.decoders import open_decoder
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.session import default_threads
from sprig_server.types import Task

Work = Callable[[Sequence[tuple[str, str]]], int]
"""(functions as code and language) -> the number of functions or tokens."""

_ROUNDS = 3  # the best round counts, because a busy machine only makes figures worse
_SOURCE_TOKENS = 256
_WRITTEN = 16
"""The number of tokens of every summary, even if the model would end it earlier, so that speed does not depend on the
text.
"""


def measure_throughput(folder: Path, task: Task, sample: Sequence[Example]) -> float:
    """Functions encoded, or tokens of summaries written, per second: the best of three rounds over a sample.

    Args:
        folder: a bundle (measured with ONNX Runtime), or a model folder (measured with PyTorch).
        task: the task. Summaries are written greedily, all with the same length.
        sample: functions. The time to load the model does not count.

    Raises:
        SprigError: the measuring process failed; the message says why.
    """
    with tempfile.TemporaryDirectory() as temporary:
        texts = Path(temporary) / "sample.json"
        texts.write_text(json.dumps([[example.code, example.language] for example in sample]), encoding="utf-8")
        command = [sys.executable, "-m", "sprig_export.evaluate.throughput", str(folder), task, str(texts)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SprigError(f'the speed of "{folder}" could not be measured: {reason[0]}')
    return float(done.stdout)


def _measure(folder: Path, task: Task, pairs: Sequence[tuple[str, str]]) -> float:
    work = _bundle_work(folder, task) if (folder / FILE_NAME).is_file() else _torch_work(folder, task)
    work(pairs[:4])  # the first run is a warm-up
    rates = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        done = work(pairs)
        rates.append(done / (time.perf_counter() - started))
    return max(rates)


def _bundle_work(folder: Path, task: Task) -> Work:
    bundle, threads = open_bundle(folder), default_threads()
    if task == "search":
        encoder = Encoder(bundle, threads)
        return lambda pairs: len(encoder.encode([search_passage(code, 0, language) for code, language in pairs]))
    decoding = bundle.manifest.decoding
    if decoding is None:
        raise InvalidBundle(f'"{folder}" does not say how it decodes: export it again')
    decoder = open_decoder(bundle, decoding, threads)

    def write(pairs: Sequence[tuple[str, str]]) -> int:
        for code, language in pairs:
            read, step = decoder.begin(code, language)
            beam_search(step, read, BeamSettings(ends=(), max_new_tokens=_WRITTEN))
        return _WRITTEN * len(pairs)

    return write


def _torch_work(folder: Path, task: Task) -> Work:
    import torch  # what measures a bundle starts without it, in half the time

    from sprig_export.evaluate.search import encode_with_torch, encoding_settings
    from sprig_export.evaluate.summaries import SummarySettings, summarize_with_torch
    from sprig_export.models.checkpoints import open_checkpoint
    from sprig_export.models.inspection import fit_lengths
    from sprig_export.models.loading import load_model, load_tokenizer

    torch.set_num_threads(default_threads())
    checkpoint = open_checkpoint(str(folder))
    model, tokenizer = load_model(checkpoint, task), load_tokenizer(checkpoint)
    if task == "search":
        reading = encoding_settings(checkpoint)
        return lambda pairs: len(encode_with_torch(model, tokenizer, [code for code, _ in pairs], reading))

    asked = Recipe("summarize", str(folder), "", summary_tokens=_SOURCE_TOKENS, max_new_tokens=_WRITTEN)
    writing = SummarySettings(fit_lengths(asked, checkpoint).summary_tokens, _WRITTEN, min_new_tokens=_WRITTEN)

    def write(pairs: Sequence[tuple[str, str]]) -> int:
        summarize_with_torch(model, tokenizer, pairs, writing)
        return _WRITTEN * len(pairs)

    return write


if __name__ == "__main__":
    place, kind, sample_file = sys.argv[1:]
    read = [(code, language) for code, language in json.loads(Path(sample_file).read_text(encoding="utf-8"))]
    sys.stdout.write(f"{_measure(Path(place), 'search' if kind == 'search' else 'summarize', read)}\n")
