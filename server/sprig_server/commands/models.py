"""sprig models: the bundles that can be used."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from rich.table import Table

from sprig_server.bundle.store import Bundle
from sprig_server.commands.terminal import output, write_json
from sprig_server.inference.models import Models


def run(arguments: Namespace) -> int:
    """List the bundles."""
    bundles = Models(arguments.bundle, arguments.threads).bundles
    if arguments.json:
        write_json([_describe(bundle) for bundle in bundles])
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "task", "languages", "base", "licence", "MB", "digest"):
        table.add_column(column, no_wrap=True)
    for bundle in bundles:
        row = _describe(bundle)
        table.add_row(
            row["name"], row["task"], ", ".join(row["languages"]), row["base"], row["licence"],
            f"{row['bytes'] / 1e6:.1f}", row["digest"],
        )  # fmt: skip
    output().print(table)
    return 0


def _describe(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "task": manifest.task,
        "languages": list(manifest.languages),
        "base": manifest.base.name,
        "licence": manifest.licence,
        "bytes": sum(file.size for file in manifest.files.values()),
        "digest": manifest.digest,
        "folder": str(bundle.folder),
        "quality": manifest.quality,
    }
