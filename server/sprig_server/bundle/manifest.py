"""The manifest of a bundle, `manifest.json`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import cattrs
from cattrs.gen import make_dict_structure_fn

from sprig_server.errors import InvalidBundle
from sprig_server.types import Task, TrimMethod

SCHEMA = 2
FILE_NAME = "manifest.json"
HEAD = "head.onnx"
"""The graph behind the pooling: from "pooled", float32 [n, p], to "vectors", float32 [n, dimensions]."""
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""How the states of a text's tokens become one vector; the names are those of sentence-transformers."""
SHARED = "shared.npz"
"""Arrays that several graphs of a bundle share as external data, by their names in the graphs."""


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a bundle was made from; `sha256` is the digest of its weights file."""

    name: str
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True)
class Trim:
    """How much of a function is left out before the model reads it.

    Of the tokens that fit into the window, the share `ratio` is left out, in the order of `method`; at least `least`
    tokens stay if there are that many. If `whole`, the share is of all tokens of the function, and the rest must fit
    into the window.
    """

    method: TrimMethod = "none"
    ratio: float = 0.0
    least: int = 1
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings of a model say about the tokens it may write, with the names that transformers has for them.

    A summary begins with `first` (forced_bos_token_id). A summary of full length ends with `last`
    (forced_eos_token_id). It contains no token in `never` (suppress_tokens) and no sequence in `never_runs`
    (bad_words_ids). Tokens in `never_first` do not come at its beginning or right after `first`
    (begin_suppress_tokens). The logit of a token that the decoder has read or written already is divided by
    `repetition`, or multiplied if negative (repetition_penalty).
    """

    first: int | None = None
    last: int | None = None
    never: tuple[int, ...] = ()
    never_first: tuple[int, ...] = ()
    never_runs: tuple[tuple[int, ...], ...] = ()
    repetition: float = 1.0


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to run `decoder.onnx`. Its cache is float32 [batch, heads, length, head_dim], two for each layer.

    A summary ends at the `end_token` or at one of the `stop_tokens`. No sequence of `no_repeat` tokens may occur twice
    in it; 0 allows everything. A decoder-only model reads a `prompt`, in which `{code}` is replaced by the function and
    `{language}` by the name of its language; an encoder-decoder has none.
    """

    layers: int
    heads: int
    head_dim: int
    start_token: int
    end_token: int
    max_new_tokens: int
    beams: int
    no_repeat: int = 0
    prompt: str | None = None
    stop_tokens: tuple[int, ...] = ()
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Prompts:
    """The texts before questions and before passages that a search model reads. `pooled`: whether the tokens of a
    prompt count in the pooling.
    """

    query: str = ""
    document: str = ""
    pooled: bool = True


@dataclass(frozen=True, slots=True)
class Calibration:
    """How likely a generated sentence is right: 1 / (1 + e^-x), where x is the sum of `bias` and, for all evidence, its
    weight times its difference from its mean (`inference.likelihood`). From the probability `likely` on, a sentence is
    shown.
    """

    bias: float
    weights: dict[str, float]
    means: dict[str, float]
    likely: float


@dataclass(frozen=True, slots=True)
class File:
    """One file of the bundle: its size in bytes and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that the server needs to load a bundle, and that a person needs to judge it.

    `pooling` is one of `POOLINGS`, or several joined by "+" whose vectors are concatenated; "none" for summaries. A
    bundle with a `head.onnx` runs pooled vectors through it. `dimensions` is the length of a search vector, or the
    width of a summary model. `max_tokens` is the window of the encoder in tokens, special ones included. `quantization`
    says how many bits weights have. `quality` maps a data set to figures before and after.
    """

    schema: int
    name: str
    task: Task
    languages: tuple[str, ...]
    base: Base
    recipe: dict[str, Any]
    dimensions: int
    pooling: str
    max_tokens: int
    quantization: str
    opset: int
    licence: str
    files: dict[str, File]
    trim: Trim = field(default_factory=Trim)
    prompts: Prompts = field(default_factory=Prompts)
    decoding: Decoding | None = None
    calibration: Calibration | None = None
    quality: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A digest of everything that affects the bundle's answers: 16 hexadecimal digits."""
        hashes = {name: file.sha256 for name, file in self.files.items() if name.endswith((".onnx", ".npz"))}
        hashes |= {name: file.sha256 for name, file in self.files.items() if name == "tokenizer.json"}
        decoding = asdict(self.decoding) if self.decoding else None
        if self.decoding and self.decoding.rules == Rules():
            decoding = {name: value for name, value in asdict(self.decoding).items() if name != "rules"}
        shape = [
            self.task,
            self.pooling,
            self.max_tokens,
            asdict(self.trim),
            decoding,
            sorted(hashes.items()),
            *([] if self.prompts == Prompts() else [asdict(self.prompts)]),
            *([] if self.calibration is None else [asdict(self.calibration)]),
        ]
        return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]


def _exactly(*kinds: type) -> Callable[[Any, Any], Any]:
    """A hook that accepts values of these types only, without conversion."""

    def check(value: Any, _: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError(f"{value!r} is not of type {kinds[0].__name__}")
        return value

    return check


def _exact_items(kind: type, value: Any, _: Any) -> tuple[Any, ...]:
    return tuple(_exactly(kind)(item, kind) for item in _exactly(list, tuple)(value, list))


_converter = cattrs.Converter(forbid_extra_keys=True)
for _kind in (str, int, bool):
    _converter.register_structure_hook(_kind, _exactly(_kind))
_converter.register_structure_hook(float, _exactly(float, int))
_converter.register_structure_hook_func(partial(eq, tuple[str, ...]), partial(_exact_items, str))
_converter.register_structure_hook_func(partial(eq, tuple[int, ...]), partial(_exact_items, int))
for _class in (Base, Trim, Rules, Decoding, Prompts, Calibration, File, Manifest):
    _converter.register_structure_hook(
        _class, make_dict_structure_fn(_class, _converter, _cattrs_forbid_extra_keys=True)
    )


def parse_manifest(text: str, source: Path) -> Manifest:
    """The manifest in `text`; `source` is named in errors.

    Raises:
        InvalidBundle: it is not JSON, has an unknown schema version, or a field is missing, unknown or of a wrong type.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InvalidBundle(f'the manifest "{source}" is not JSON ({error}): export the bundle again') from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise InvalidBundle(
            f'the manifest "{source}" has schema version {schema!r}, this version of Sprig reads {SCHEMA}: '
            "export the bundle again or install the matching version"
        )
    try:
        manifest = _converter.structure(data, Manifest)
    except Exception as error:
        problems = "; ".join(cattrs.transform_error(error, path="manifest"))
        raise InvalidBundle(f'the manifest "{source}" cannot be used ({problems}): export the bundle again') from None
    pooling = manifest.pooling
    if pooling != "none" and not all(part in POOLINGS for part in pooling.split("+")):
        raise InvalidBundle(
            f'the manifest "{source}" cannot be used (the pooling {pooling!r} is not known): export the bundle again'
        )
    trim = manifest.trim
    if not 0 <= trim.ratio < 1 or trim.least < 1:
        raise InvalidBundle(
            f'the manifest "{source}" cannot be used (the share {trim.ratio:g} of a function cannot be left out, with '
            f"{trim.least} tokens at least to stay): export the bundle again"
        )
    calibration = manifest.calibration
    if calibration is not None and not _is_usable(calibration):
        raise InvalidBundle(
            f'the manifest "{source}" cannot be used (its calibration has a number that is not finite, a weight '
            "without a mean, or a probability that is not between 0 and 1): export the bundle again"
        )
    return manifest


def _is_usable(calibration: Calibration) -> bool:
    numbers = [calibration.bias, *calibration.weights.values(), *calibration.means.values()]
    has_means = calibration.weights.keys() <= calibration.means.keys()
    return has_means and all(map(math.isfinite, numbers)) and 0 <= calibration.likely <= 1


def render_manifest(manifest: Manifest) -> str:
    """The text of `manifest.json`."""
    return json.dumps(_converter.unstructure(manifest), indent=2, ensure_ascii=False) + "\n"


def describe_file(path: Path) -> File:
    """The size and SHA-256 of a file on disk."""
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return File(path.stat().st_size, digest.hexdigest())
