"""The settings of a sentence encoder, as sentence-transformers keeps them in its folder.

Every setting is honoured or refused. A model that pools differently from how it was trained answers worse, and no
figure would show it, because base and bundle would be wrong in the same way.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sprig_export.models.folder import read_json, read_settings
from sprig_server.bundle.manifest import POOLINGS, Prompts
from sprig_server.errors import InvalidInput

_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The older names, in the order in which sentence-transformers concatenates their vectors."""
_POOLING_KEYS = {*_FLAGS, "pooling_mode", "include_prompt", "embedding_dimension", "word_embedding_dimension"}
_TRANSFORMER_NAMES = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
_TRANSFORMER_KEYS = {"max_seq_length", "do_lower_case", "unpad_inputs", "modality_config"}
_HARMLESS = {"torch_dtype", "dtype", "attn_implementation", "add_pooling_layer", "trust_remote_code"}
_BEHIND = ("Dense", "LayerNorm", "Normalize", "Dropout")
_ALIKE_IF_NORMALIZED = ("dot", "dot_product", "euclidean")  # they rank unit vectors like the cosine


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer behind the pooling: "Dense", "LayerNorm" or "Normalize". The folder contains its settings and weights."""

    kind: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Sentences:
    """How texts become vectors: the pooling (several, joined by "+", are concatenated), the layers behind it, the
    number of output dimensions to keep (None: all), the prompts before texts, the window if the folder names one
    (`max_tokens`), and whether texts are lower-cased.
    """

    pooling: str = "mean"
    layers: tuple[Layer, ...] = ()
    dimensions: int | None = None
    prompts: Prompts = field(default_factory=Prompts)
    max_tokens: int | None = None
    lower_case: bool = False


def transformer_folder(home: Path) -> Path:
    """The folder with the transformer inside a model's folder: its weights, configuration and tokenizer.

    Raises:
        InvalidInput: `modules.json` is broken, or names another kind of model.
    """
    modules = _read_modules(home)
    return home if not modules else modules[0][1]


def read_sentences(home: Path, transformer: Path, config: Mapping[str, Any]) -> Sentences:
    """The settings in a model's folder. Without `modules.json`, the pooling is the mean of all tokens, or the last
    token for a model that was trained to continue texts.

    Args:
        home: the model's folder.
        transformer: the folder of the transformer in it.
        config: the transformer's config.json.

    Raises:
        InvalidInput: a setting cannot be honoured; the sentence names it.
    """
    modules = _read_modules(home)
    if modules:
        pools = [folder for kind, folder in modules if kind == "Pooling"]
        behind = modules[2:]
        if len(pools) != 1 or modules[1][0] != "Pooling":
            raise InvalidInput(
                f'"{home / "modules.json"}" has no Pooling behind the Transformer: only such models can be exported'
            )
        pooling, included = _read_pooling(pools[0] / "config.json")
    else:
        old, dense = home / "1_Pooling" / "config.json", home / "2_Dense"
        pooling, included = _read_pooling(old) if old.is_file() else (_pooling_of(config), True)
        behind = [("Dense", dense)] if dense.is_dir() else []
    layers = [Layer(kind, folder) for kind, folder in behind if kind != "Dropout"]
    window, lower_case = _read_transformer(transformer)
    place = home / "config_sentence_transformers.json"
    settings = read_settings(place)
    dimensions = settings.get("truncate_dim")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise InvalidInput(f'"{place}" keeps {dimensions!r} dimensions (truncate_dim): give at least 1')
    _check_similarity(settings, bool(layers) and layers[-1].kind == "Normalize" and dimensions is None, place)
    while layers and layers[-1].kind == "Normalize":
        layers.pop()  # vectors are compared by their cosine anyway
    prompts = _read_prompts(settings, included, place)
    return Sentences(pooling, tuple(layers), dimensions, prompts, window, lower_case)


def write_sentences(sentences: Sentences, folder: Path, width: int, projected: bool) -> None:
    """Write the settings into a model's folder that contains the transformer directly.

    Args:
        width: the width of the transformer's states.
        projected: whether the folder already has the layer `2_Dense`.
    """
    kinds = ["Dense"] if projected else [layer.kind for layer in sentences.layers]
    places = [f"{number}_{kind}" for number, kind in enumerate(kinds, 2)]
    if not projected:
        for layer, place in zip(sentences.layers, places, strict=True):
            shutil.copytree(layer.folder, folder / place) if layer.folder.is_dir() else (folder / place).mkdir()
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(
            [("Transformer", ""), ("Pooling", "1_Pooling"), *zip(kinds, places, strict=True)]
        )
    ]
    prompts = {"query": sentences.prompts.query, "document": sentences.prompts.document}
    written = {
        "modules.json": modules,
        "1_Pooling/config.json": {
            "embedding_dimension": width,
            "pooling_mode": sentences.pooling.split("+"),
            "include_prompt": sentences.prompts.pooled,
        },
        "sentence_bert_config.json": {
            "max_seq_length": sentences.max_tokens,
            "do_lower_case": sentences.lower_case,
        },
        "config_sentence_transformers.json": {"prompts": prompts, "truncate_dim": sentences.dimensions},
    }
    (folder / "1_Pooling").mkdir()
    for name, settings in written.items():
        (folder / name).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _read_modules(home: Path) -> list[tuple[str, Path]]:
    """The modules of a model, each with its kind and folder; empty if no file lists them."""
    place = home / "modules.json"
    if not place.is_file():
        return []
    modules = read_json(place)
    found: list[tuple[str, Path]] = []
    for module in modules if isinstance(modules, list) else []:
        kind, path = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(path, str):
            raise InvalidInput(f'"{place}" names a module without type and path: fetch the model again')
        name = kind.rsplit(".", 1)[-1]
        known = ("Pooling", *_BEHIND) if found else ("Transformer",)
        if not kind.startswith("sentence_transformers.") or name not in known:
            raise InvalidInput(
                f'"{place}" names the module {kind} as number {len(found)}: only a Transformer with Pooling behind it '
                f"can be exported, and then {', '.join(_BEHIND)}"
            )
        folder = home / path
        if not folder.resolve().is_relative_to(home.resolve()):
            raise InvalidInput(
                f'"{place}" names the folder "{path}", which is outside the folder: fetch the model again'
            )
        found.append((name, folder))
    if not found:
        raise InvalidInput(f'"{place}" names no modules: fetch the model again')
    return found


def _read_pooling(place: Path) -> tuple[str, bool]:
    """The pooling in a module's configuration, and whether the prompt's tokens are pooled too."""
    settings = read_settings(place)
    unknown = sorted(settings.keys() - _POOLING_KEYS)
    if unknown:
        raise InvalidInput(
            f'"{place}" has the unknown setting {unknown[0]}: only {", ".join(POOLINGS)} can be exported'
        )
    flags = {mode: settings[flag] for flag, mode in _FLAGS.items() if flag in settings}
    included = settings.get("include_prompt", True)
    for name, value in {**flags, "include_prompt": included}.items():
        if not isinstance(value, bool):
            raise InvalidInput(f'"{place}" has {value!r} for {name}, which is neither true nor false: fetch it again')
    named = settings.get("pooling_mode", [mode for mode, on in flags.items() if on])
    modes = [named] if isinstance(named, str) else named
    if not isinstance(modes, list) or not modes or not all(mode in POOLINGS for mode in modes):
        raise InvalidInput(f'"{place}" names the pooling {named!r}: only {", ".join(POOLINGS)} can be exported')
    return "+".join(modes), included


def _pooling_of(config: Mapping[str, Any]) -> str:
    """The default pooling of a transformer, as in sentence-transformers."""
    named = config.get("architectures")
    first = str(named[0]) if isinstance(named, list) and named else ""
    return "lasttoken" if first.endswith("ForCausalLM") and config.get("is_causal", True) else "mean"


def _read_transformer(folder: Path) -> tuple[int | None, bool]:
    """The window in the transformer module's settings, and whether it lower-cases texts."""
    places = (folder / f"sentence_{name}_config.json" for name in _TRANSFORMER_NAMES)
    place = next((path for path in places if path.is_file()), folder / "sentence_bert_config.json")
    settings = read_settings(place)
    expected = {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}
    for name, value in settings.items():
        harmless = not value or (isinstance(value, dict) and not value.keys() - _HARMLESS)
        if name not in _TRANSFORMER_KEYS and not harmless and expected.get(name) != value:
            raise InvalidInput(f'"{place}" has {value!r} for {name}, which cannot be exported: take it out')
    modality = settings.get("modality_config", {"text": {"method": "forward"}})
    text = modality.get("text") if isinstance(modality, dict) else None
    if not isinstance(text, dict) or text.get("method") != "forward":
        raise InvalidInput(f'"{place}" does not read plain text (modality_config): such models cannot be exported')
    window, lower_case = settings.get("max_seq_length"), settings.get("do_lower_case", False)
    if window is not None and (type(window) is not int or window < 1):
        raise InvalidInput(f'"{place}" has {window!r} for max_seq_length: give a number of tokens')
    if lower_case not in (True, False, None):
        raise InvalidInput(f'"{place}" has {lower_case!r} for do_lower_case, which is neither true nor false')
    return window, bool(lower_case)


def _read_prompts(settings: Mapping[str, Any], included: bool, place: Path) -> Prompts:
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise InvalidInput(f'"{place}" has prompts that are not texts: fetch the model again')
    default = settings.get("default_prompt_name")
    if default is not None and (not isinstance(default, str) or default not in prompts):
        raise InvalidInput(f'"{place}" names the prompt {default!r} as the default one, which it does not have')

    def prompt(*names: str | None) -> str:
        return next((prompts[name] or "" for name in (*names, default) if name in prompts), "")

    return Prompts(prompt("query"), prompt("document", "passage", "corpus"), included)


def _check_similarity(settings: Mapping[str, Any], normalized: bool, place: Path) -> None:
    similarity = settings.get("similarity_fn_name")
    if similarity in (None, "cosine") or (normalized and similarity in _ALIKE_IF_NORMALIZED):
        return
    raise InvalidInput(
        f'"{place}" compares vectors by {similarity!r}, which ranks differently from the cosine in the server: '
        "only cosine can be exported, and dot and euclidean for vectors that are normalized"
    )
