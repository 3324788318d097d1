"""Language packs: small distributions with bundles, found by an entry point.

A pack registers a package in the group `sprig.bundles`. Each folder of that package with a manifest is a bundle. A pack
contains data only: its package is located, never imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from sprig_server.bundle.manifest import FILE_NAME
from sprig_server.bundle.store import Bundle, open_bundle
from sprig_server.errors import InvalidBundle
from sprig_server.types import Task

GROUP = "sprig.bundles"
_SUMMARIES = "summaries"


@dataclass(frozen=True, slots=True)
class Pack:
    """An installed pack.

    Attributes:
        name: the name of its entry point: the language that it serves, or what several languages share.
        distribution, version: as pip knows it.
        bundles: those that this version of Sprig can read, sorted by name.
        problems: one sentence for each bundle that it cannot read, or if the pack has no bundles.
    """

    name: str
    distribution: str
    version: str
    bundles: tuple[Bundle, ...]
    problems: tuple[str, ...] = ()


def installed_packs() -> tuple[Pack, ...]:
    """All installed packs, sorted by name."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    return tuple(_open_pack(found[name]) for name in sorted(found))


def installed_bundles() -> tuple[Bundle, ...]:
    """The bundles of all installed packs, as `bundles_of` orders them."""
    return bundles_of(installed_packs())


def bundles_of(packs: Iterable[Pack]) -> tuple[Bundle, ...]:
    """The bundles of packs in the order in which they are chosen: one that more languages share comes first, because
    it is installed for being better than those of single languages.
    """
    found = [bundle for pack in packs for bundle in pack.bundles]
    return tuple(sorted(found, key=lambda bundle: -len(bundle.manifest.languages)))


def missing_packs(languages: Iterable[str], bundles: Iterable[Bundle], task: Task) -> list[str]:
    """The packs to install for those `languages` that no bundle serves in a task, as extras of Sprig, sorted."""
    served = {language for b in bundles if b.manifest.task == task for language in b.manifest.languages}
    missing = set(languages) - served
    if task == "summarize":
        return [_SUMMARIES] if missing else []
    return sorted({"javascript" if language == "typescript" else language for language in missing})


def explain_missing(packs: Iterable[str]) -> str:
    """One sentence that names the packs of one task to install."""
    names = list(packs)
    install = f'pip install "sprig-lsp[{",".join(names)}]"'
    if _SUMMARIES in names:
        return f"no pack of summaries is installed, so functions without documentation have no hover: {install}"
    return (
        f"no language pack for {' and '.join(names)} is installed, so such code is found by its words alone: {install}"
    )


def _open_pack(point: EntryPoint) -> Pack:
    distribution = point.dist.name if point.dist is not None else point.name
    version = point.dist.version if point.dist is not None else "unknown"
    bundles, problems = [], []
    folders = _bundle_folders(point.value)
    if not folders:
        problems.append(f'the pack "{distribution}" {version} holds no bundle: install it again')
    for folder in folders:
        try:
            bundles.append(open_bundle(folder))
        except InvalidBundle as error:
            problems.append(f'the pack "{distribution}" {version} does not work with this version of Sprig: {error}')
    return Pack(point.name, distribution, version, tuple(bundles), tuple(problems))


def _bundle_folders(package: str) -> list[Path]:
    """The bundle folders of a package. Only top-level packages are looked up, because looking up a subpackage imports
    its parent.
    """
    spec = find_spec(package) if package.isidentifier() else None
    places = spec.submodule_search_locations if spec is not None else None
    return sorted(path.parent for place in places or () for path in Path(place).glob(f"*/{FILE_NAME}"))
