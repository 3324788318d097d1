"""sprig index: build or refresh the index of a folder."""

from __future__ import annotations

import time
from argparse import Namespace

from sprig_server.commands.terminal import output, progress, warn_of_missing_packs, warn_of_unreadable
from sprig_server.index.files import MAX_BYTES
from sprig_server.index.workspace import Workspace
from sprig_server.inference.models import Models


def run(arguments: Namespace) -> int:
    """Index, and say what the index holds."""
    workspace = Workspace(arguments.workspace, Models(arguments.bundle, arguments.threads))
    started = time.perf_counter()
    with progress() as report:
        left_out = workspace.update(report=report)
    seconds = time.perf_counter() - started
    counted = workspace.statistics()
    size = workspace.store.path.stat().st_size / 1e6
    output().print(
        f"{counted.functions} functions ({counted.definitions} definitions) in {counted.files} files, "
        f"{seconds:.1f} s, {size:.1f} MB in {workspace.store.path}",
        markup=False,
    )
    if left_out.generated or left_out.too_large:
        output().print(
            f"left out: {left_out.generated} generated or minified, "
            f"{left_out.too_large} larger than {MAX_BYTES // 1_000_000} MB",
            markup=False,
        )
    warn_of_unreadable(left_out)
    warn_of_missing_packs(workspace)
    workspace.close()
    return 0
