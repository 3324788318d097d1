"""The generation settings of a model, read as transformers reads them.

Settings about which tokens it may write are honoured or refused. The length of a summary and the search for it are
decided by the recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, GenerationConfig

from sprig_export.config.failures import readable
from sprig_export.models.folder import read_settings
from sprig_server.bundle.manifest import Rules
from sprig_server.errors import InvalidInput

_FILE = "generation_config.json"
_SEARCH = (
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "penalty_alpha",
    "temperature",
    "top_k",
    "top_p",
)
"""Settings that the recipe replaces by its own. An export reports which values it ignores."""
_REFUSED = (
    "constraints",
    "dola_layers",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "exponential_decay_length_penalty",
    "force_words_ids",
    "guidance_scale",
    "sequence_bias",
    "stop_strings",
    "token_healing",
    "watermarking_config",
)
"""Settings that change which tokens are written in ways that the server does not support."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The start token of a decoder (None for a decoder-only model), its end tokens (at least one), the rules for tokens
    it may write, and the settings that the recipe replaces, each as "name value".
    """

    start: int | None
    ends: tuple[int, ...]
    rules: Rules
    left: tuple[str, ...] = ()

    @property
    def needed(self) -> frozenset[int]:
        """The tokens that writing needs."""
        named = (self.start, self.rules.first, self.rules.last, *self.ends)
        return frozenset(token for token in named if token is not None)

    @property
    def highest(self) -> int:
        """The highest token id in the settings."""
        rules = self.rules
        return max(*self.needed, *rules.never, *rules.never_first, *(t for run in rules.never_runs for t in run), 0)

    def settings(self, padding: int | None) -> GenerationConfig:
        """The same settings for transformers, for writing with the model in PyTorch, and no others."""
        rules = self.rules
        return GenerationConfig(
            decoder_start_token_id=self.start,
            eos_token_id=list(self.ends) if len(self.ends) > 1 else self.ends[0],
            pad_token_id=self.ends[0] if padding is None else padding,
            forced_bos_token_id=rules.first,
            forced_eos_token_id=rules.last,
            suppress_tokens=list(rules.never) or None,
            begin_suppress_tokens=list(rules.never_first) or None,
            bad_words_ids=[list(run) for run in rules.never_runs] or None,
            repetition_penalty=rules.repetition,
        )


def read_generation(folder: Path) -> Generation:
    """The settings of a model that writes, from generation_config.json or, without that file, from config.json.

    Raises:
        InvalidInput: a setting cannot be honoured or has a wrong value, or there is no start or end token.
    """
    place = folder / (_FILE if (folder / _FILE).is_file() else "config.json")
    with readable(folder):
        config = AutoConfig.from_pretrained(folder)
        if place.name == _FILE:
            found = GenerationConfig.from_dict(read_settings(place, strict=True))
        else:
            found = GenerationConfig.from_model_config(config)
    usual = GenerationConfig()
    if prefix := getattr(config, "prefix", None):
        raise InvalidInput(
            f'"{folder / "config.json"}" puts {prefix!r} before every text (prefix), which the server does not: take '
            "it out if the model can do without"
        )
    for name in _REFUSED:
        if (value := getattr(found, name, None)) not in (None, getattr(usual, name, None)):
            raise InvalidInput(f'"{place}" has {value!r} for {name}, which cannot be honoured: take it out')
    two_halves = bool(config.is_encoder_decoder)
    # The weights were trained with the tokens of config.json. generation_config.json may lack them.
    ends = _tokens(found, "eos_token_id", place) or _tokens(config, "eos_token_id", folder / "config.json")
    if not ends:
        raise InvalidInput(
            f'neither {_FILE} nor config.json in "{folder}" names an eos_token_id: add it, so that summaries can end'
        )
    runs = [tuple(run) for run in _runs(found, place) if list(run) not in [[end] for end in ends]]
    rules = Rules(
        first=_token(found, "forced_bos_token_id", place) if two_halves else None,
        last=_token(found, "forced_eos_token_id", place),
        never=_tokens(found, "suppress_tokens", place),
        never_first=_tokens(found, "begin_suppress_tokens", place),
        never_runs=tuple(runs),
        repetition=_penalty(found, place),
    )
    left = [
        f"{name} {value}"
        for name in _SEARCH
        if (value := getattr(found, name, None)) not in (None, getattr(usual, name, None))
    ]
    if getattr(config, "task_specific_params", None):
        left.append("task_specific_params")
    return Generation(_start(found, config, folder) if two_halves else None, ends, rules, tuple(left))


def _start(found: GenerationConfig, config: Any, folder: Path) -> int:
    places = ((found, "decoder_start_token_id"), (config, "decoder_start_token_id"), (found, "bos_token_id"))
    for settings, name in places:
        if (token := _token(settings, name, folder)) is not None:
            return token
    raise InvalidInput(
        f'neither {_FILE} nor config.json in "{folder}" names a decoder_start_token_id: add it, so that summaries can '
        "begin"
    )


def _token(settings: Any, name: str, place: Path) -> int | None:
    """One token or none."""
    tokens = _tokens(settings, name, place)
    if len(tokens) > 1:
        raise InvalidInput(f'"{place}" has several tokens for {name} ({list(tokens)}): only one can be honoured')
    return tokens[0] if tokens else None


def _tokens(settings: Any, name: str, place: Path) -> tuple[int, ...]:
    """Any number of tokens."""
    value = getattr(settings, name, None)
    tokens = [] if value is None else value if isinstance(value, list) else [value]
    return _checked(tokens, name, place)


def _runs(found: GenerationConfig, place: Path) -> list[tuple[int, ...]]:
    value = found.bad_words_ids or []
    if not isinstance(value, list) or not all(isinstance(run, list) and run for run in value):
        raise InvalidInput(f'"{place}" has {value!r} for bad_words_ids: give lists of token ids')
    return [_checked(run, "bad_words_ids", place) for run in value]


def _checked(tokens: Sequence[object], name: str, place: Path) -> tuple[int, ...]:
    found = tuple(token for token in tokens if isinstance(token, int) and not isinstance(token, bool) and token >= 0)
    if len(found) < len(tokens):
        raise InvalidInput(f'"{place}" has {list(tokens)!r} for {name}: give token ids')
    return found


def _penalty(found: GenerationConfig, place: Path) -> float:
    value = 1.0 if found.repetition_penalty is None else found.repetition_penalty
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 100:
        raise InvalidInput(f'"{place}" has {value!r} for repetition_penalty: give a positive number')
    return float(value)
