"""sprig models: list the usable bundles and the language packs that they come from."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from rich.table import Table

from sprig_server.bundle.packs import Pack
from sprig_server.bundle.store import Bundle
from sprig_server.commands.terminal import messages, output, write_json
from sprig_server.inference.models import Models


def run(arguments: Namespace) -> int:
    """List the bundles."""
    models = Models(arguments.bundle, arguments.threads)
    packs = {bundle.folder: pack for pack in models.packs for bundle in pack.bundles}
    rows = [_describe(bundle, packs.get(bundle.folder)) for bundle in models.bundles]
    if arguments.json:
        write_json(rows)
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "task", "languages", "pack", "base", "licence", "MB", "digest"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"], row["task"], ", ".join(row["languages"]), row["pack"] or "-", row["base"], row["licence"],
            f"{row['bytes'] / 1e6:.1f}", row["digest"],
        )  # fmt: skip
    output().print(table)
    for pack in models.packs:
        for problem in pack.problems:
            messages().print(problem, markup=False, soft_wrap=True)
    return 0


def _describe(bundle: Bundle, pack: Pack | None) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "task": manifest.task,
        "languages": list(manifest.languages),
        "pack": f"{pack.distribution} {pack.version}" if pack else None,
        "base": manifest.base.name,
        "licence": manifest.licence,
        "bytes": sum(file.size for file in manifest.files.values()),
        "digest": manifest.digest,
        "folder": str(bundle.folder),
        "quality": manifest.quality,
    }
