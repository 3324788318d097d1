"""The settings of the server: typed, with a default for everything, the same shape wherever they come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sprig_server.inference.session import default_threads

SECTION = "sprig"

MAX_LIMIT = 1000
"""The maximum number of hits of one search."""
_MAX_THREADS = 1024

_GENERATE = ("always", "likely", "never")

# Keys that clients themselves use in the same section.
_OF_CLIENTS = frozenset({"trace"})


def _is_whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _setting(default: Any, accepts: Callable[[Any], bool], wanted: str, meaning: str) -> Any:
    return field(default=default, metadata={"accepts": accepts, "wanted": wanted, "meaning": meaning})


def _switch(default: bool, meaning: str) -> Any:
    return _setting(default, lambda value: isinstance(value, bool), "true or false", meaning)


@dataclass(frozen=True, slots=True)
class HoverSettings:
    """What a user can set for hovers, in editors under `sprig.hover.`."""

    enabled: bool = _switch(True, "answer hovers")
    documentation: bool = _switch(True, "show written documentation; switch it off beside a server that shows it, too")
    generate: str = _setting(
        "likely",
        lambda value: value in _GENERATE,
        f"one of {', '.join(map(json.dumps, _GENERATE))}",
        "show generated sentences about functions without documentation: all, those that are likely right, or none",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can set, in editors under `sprig.` in camelCase. `docs/settings_page.py` makes a page of it."""

    bundles: tuple[str, ...] = _setting(
        (),
        lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
        "a list of texts",
        "use these bundles before the others: folders of your own bundles, or names of installed ones",
    )
    threads: int = _setting(
        0,
        lambda value: _is_whole(value, 0, _MAX_THREADS),
        f"a whole number from 0 to {_MAX_THREADS}",
        "CPU threads of one inference; 0 means half of the processors, at most 4",
    )
    index: bool = _switch(True, "index the workspace")
    limit: int = _setting(
        50,
        lambda value: _is_whole(value, 1, MAX_LIMIT),
        f"a whole number from 1 to {MAX_LIMIT}",
        "how many hits a workspace symbol search returns",
    )
    hover: HoverSettings = field(default_factory=HoverSettings)

    @property
    def bundle_folders(self) -> tuple[Path, ...]:
        """The folders of the user's bundles, with "~" expanded, or names of installed bundles."""
        return tuple(_expanded(folder) for folder in self.bundles)

    @property
    def thread_count(self) -> int:
        """How many threads one inference may use."""
        return self.threads if self.threads > 0 else default_threads()


def _expanded(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:  # "~nobody"
        return Path(folder)


def own_section(data: Any, shared: bool) -> Any:
    """Sprig's part of an editor's settings, in the section `sprig` or without a section; None if there is none.

    If the settings may be `shared` with other servers, those without a section are Sprig's only if it knows one of
    them.
    """
    if not isinstance(data, Mapping):
        return data
    if SECTION in data:
        return data[SECTION]
    known = {_camel(setting.name) for setting in fields(Settings)}
    return data if not shared or known & data.keys() else None


def parse_settings(data: Any) -> tuple[Settings, tuple[str, ...]]:
    """The settings from what an editor sends, and the problems with them, a phrase each.

    Keys that are absent, null, or have unusable values get their defaults. Wrong settings never keep the server from
    starting, and never affect the others.
    """
    problems: list[str] = []
    settings = _parse(Settings, data, SECTION, problems)
    return settings, tuple(problems)


def _parse(kind: type[Any], data: Any, path: str, problems: list[str]) -> Any:
    if data is None:
        return kind()
    if not isinstance(data, Mapping):
        problems.append(f"{path} is {_quoted(data)}, not an object")
        return kind()
    known = {_camel(setting.name): setting for setting in fields(kind)}
    given = {}
    for key, value in data.items():
        setting = known.get(key)
        if setting is None:
            if key not in _OF_CLIENTS:
                close = get_close_matches(str(key), known, 1)
                problems.append(f"there is no setting {path}.{str(key)[:50]}" + (f" ({close[0]}?)" if close else ""))
        elif "accepts" not in setting.metadata:
            given[setting.name] = _parse(setting.default_factory, value, f"{path}.{key}", problems)  # type: ignore[arg-type]
        elif value is not None and setting.metadata["accepts"](value):
            given[setting.name] = tuple(value) if isinstance(value, list) else value
        elif value is not None:
            problems.append(f"{path}.{key} is {_quoted(value)}, not {setting.metadata['wanted']}")
    return kind(**given)


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 50 else f"{text[:50]}..."


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
