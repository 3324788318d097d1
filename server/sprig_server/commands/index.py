"""sprig index: build or refresh the index of a folder, list all indexes, remove unused ones."""

from __future__ import annotations

import time
from argparse import Namespace
from datetime import datetime

from rich.table import Table

from sprig_server.commands.terminal import (
    output,
    progress,
    tell_of_removed,
    warn_of_missing_packs,
    warn_of_unreadable,
    write_json,
)
from sprig_server.errors import InvalidInput
from sprig_server.index.build import Control
from sprig_server.index.cache import (
    CachedIndex,
    choose_for_removal,
    limit_cache,
    list_indexes,
    parse_size,
    remove_index,
)
from sprig_server.index.files import MAX_BYTES
from sprig_server.index.folder_index import FolderIndex
from sprig_server.inference.models import Models


def run(arguments: Namespace) -> int:
    """Build, list or prune, as the arguments say.

    Raises:
        InvalidInput: the options do not fit together.
    """
    if not arguments.prune and (arguments.older_than is not None or arguments.max_size is not None):
        raise InvalidInput("--older-than and --max-size say what goes: give them with --prune")
    if arguments.json and not (arguments.list or arguments.prune):
        raise InvalidInput("--json shows lists: give it with --list or --prune")
    if arguments.list:
        _list(arguments)
    elif arguments.prune:
        _prune(arguments)
    else:
        _build(arguments)
    return 0


def _list(arguments: Namespace) -> None:
    indexes = list_indexes()
    if arguments.json:
        write_json([_describe(index) for index in indexes])
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("folder", "definitions", "MB", "last used", ""):
        table.add_column(column, no_wrap=True, justify="right" if column in ("definitions", "MB") else "left")
    for index in indexes:
        table.add_row(
            _shown(index),
            "?" if index.definitions is None else str(index.definitions),
            f"{index.size / 1e6:.1f}",
            f"{datetime.fromtimestamp(index.last_used):%Y-%m-%d %H:%M}",
            "gone" if index.root is not None and index.is_orphan else "",
        )
    output().print(table)
    output().print(f"{len(indexes)} indexes, {sum(index.size for index in indexes) / 1e6:.1f} MB")


def _prune(arguments: Namespace) -> None:
    limit = None if arguments.max_size is None else parse_size(arguments.max_size)
    chosen = choose_for_removal(list_indexes(), arguments.older_than, limit)
    removed: list[CachedIndex] = []
    used: list[CachedIndex] = []
    for index in chosen:
        (removed if remove_index(index.path) else used).append(index)
    freed = sum(index.size for index in removed)
    if arguments.json:
        lists = {"removed": removed, "in_use": used}
        write_json({"freed": freed} | {name: [_describe(index) for index in found] for name, found in lists.items()})
        return
    tell_of_removed(removed, output())
    for index in used:
        output().print(f"left the index of {_shown(index)}: another process uses it", markup=False)
    output().print(f"{len(removed)} indexes removed, {freed / 1e6:.1f} MB freed", markup=False)


def _shown(index: CachedIndex) -> str:
    return index.folder.encode(errors="replace").decode()


def _describe(index: CachedIndex) -> dict[str, object]:
    return {
        "folder": None if index.root is None else str(index.root),
        "exists": not index.is_orphan,
        "definitions": index.definitions,
        "bytes": index.size,
        "last_used": datetime.fromtimestamp(index.last_used).astimezone().isoformat(timespec="seconds"),
        "path": str(index.path),
    }


def _build(arguments: Namespace) -> None:
    """Index a folder, and print the size of the index."""
    index = FolderIndex(arguments.workspace, Models(arguments.bundle, arguments.threads))
    if index.unwritable is not None:  # a temporary index would be useless here
        index.close()
        raise index.unwritable
    started = time.perf_counter()
    with progress() as report:
        left_out = index.update(control=Control(report))
    seconds = time.perf_counter() - started
    counted = index.statistics()
    size = index.store.path.stat().st_size / 1e6
    output().print(
        f"{counted.functions} functions ({counted.definitions} definitions) in {counted.files} files, "
        f"{seconds:.1f} s, {size:.1f} MB in {index.store.path}",
        markup=False,
    )
    if left_out.generated or left_out.too_large:
        output().print(
            f"left out: {left_out.generated} generated or minified, "
            f"{left_out.too_large} larger than {MAX_BYTES // 1_000_000} MB",
            markup=False,
        )
    warn_of_unreadable(left_out)
    warn_of_missing_packs(index)
    index.close()
    tell_of_removed(limit_cache())
