"""The settings of the server: typed, with a default for everything, the same shape wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cattrs
from cattrs.gen import make_dict_structure_fn, override
from cattrs.v import format_exception

from sprig_server.inference.session import default_threads
from sprig_server.types import MIN_CONFIDENCE

SECTION = "sprig"


@dataclass(frozen=True, slots=True)
class HoverSettings:
    """`enabled` turns hovers on; `generate` allows written summaries; below `min_confidence` (a mean
    log-probability) none is shown."""

    enabled: bool = True
    generate: bool = True
    min_confidence: float = MIN_CONFIDENCE


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can set, in editors under `sprig.` in camelCase.

    `bundles` are folders of own bundles or names of installed ones, which come before the others; `threads` bounds the
    CPU threads of one inference (0: half of the processors, at most 4); `index` turns indexing of the workspace on;
    `limit` is how many hits `workspace/symbol` gives.
    """

    bundles: tuple[str, ...] = ()
    threads: int = 0
    index: bool = True
    limit: int = 50
    hover: HoverSettings = field(default_factory=HoverSettings)

    @property
    def bundle_folders(self) -> tuple[Path, ...]:
        """The folders of own bundles, "~" expanded, or the names of installed ones."""
        return tuple(Path(folder).expanduser() for folder in self.bundles)

    @property
    def thread_count(self) -> int:
        """How many threads one inference may use."""
        return self.threads if self.threads > 0 else default_threads()


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_converter = cattrs.Converter(detailed_validation=True)
_converter.register_structure_hook(int, lambda value, _: _expect(value, int))
_converter.register_structure_hook(bool, lambda value, _: _expect(value, bool))
_converter.register_structure_hook(str, lambda value, _: _expect(value, str))
_converter.register_structure_hook(float, lambda value, _: float(_expect(value, (int, float))))
_converter.register_structure_hook_func(
    lambda kind: kind == tuple[str, ...],
    lambda value, _: tuple(_expect(item, str) for item in _expect(value, list)),
)
for _class in (HoverSettings, Settings):
    _names = {name: override(rename=_camel(name)) for name in _class.__dataclass_fields__}
    _converter.register_structure_hook(_class, make_dict_structure_fn(_class, _converter, **_names))  # type: ignore[arg-type]


def _expect(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        expected = kind.__name__ if isinstance(kind, type) else "number"
        raise TypeError(f"{value!r} is not of type {expected}")
    return value


def parse_settings(data: Any) -> tuple[Settings, tuple[str, ...]]:
    """Settings from what an editor sends, and what is wrong with it.

    Unset keys (absent, or null as editors send them) have their defaults. A value that cannot be used is reported and
    leaves the whole at its defaults: wrong settings never keep the server from starting.
    """
    if data is None:
        return Settings(), ()
    if not isinstance(data, dict):
        return Settings(), (f"settings must be an object, not {data!r}",)
    try:
        return _converter.structure(_without_nulls(data), Settings), ()
    except Exception as error:
        return Settings(), tuple(cattrs.transform_error(error, path=SECTION, format_exception=_describe))


def _describe(error: BaseException, kind: type | None) -> str:
    """What is wrong with one value; our own messages quote it."""
    return str(error) if isinstance(error, TypeError) else format_exception(error, kind)


def _without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }
