"""Folders of installed packages without some of the language packs, and Python started in them."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKS = sorted(path.parent for path in (ROOT / "packs").glob("*/pyproject.toml"))
ALL = tuple(pack.name for pack in PACKS)
PYTHON = [sys.executable, "-S"]
"""Sees what the environment names, and no package that is installed beside it."""


def make_site(folder: Path, without: Collection[str]) -> Path:
    """The packages that are installed here, but for the packs of these names."""
    folder.mkdir(parents=True)
    missing = {f"sprig_lsp_{name}" for name in without}
    for place in {sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]}:
        for path in Path(place).iterdir():
            editable = path.suffix == ".pth" or path.name.startswith("sprig_pack_")
            if not editable and path.name.split("-")[0] not in missing:
                (folder / path.name).symlink_to(path)
    for pack in PACKS:
        if pack.name not in without:
            (folder / f"sprig_pack_{pack.name}").symlink_to(pack / f"sprig_pack_{pack.name}")
    return folder


def environment_of(site: Path, *more: Path) -> dict[str, str]:
    """What PYTHON needs to see the packages of `site` and `more` alone, with a cache beside them."""
    paths = [str(ROOT / "server"), *map(str, more), str(site)]
    return {"PYTHONPATH": os.pathsep.join(paths), "SPRIG_CACHE_DIR": str(site.parent / "cache")}
