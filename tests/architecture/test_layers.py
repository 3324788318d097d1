"""The layers of the exporter: a module imports only what lies below it, and only the command line imports a leaf."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.test_invariants import EXPORTER, imports, modules

LAYERS = (
    "config",
    "report",
    "models",
    "corpus",
    "data",
    "training",
    "evaluate",
    "trimming",
    "pruning",
    "onnx",
    "bundles",
    "pipeline",
    "autotune",
    "analysis",
    "comparison",
    "bases",
    "cli",
)
"""From the bottom to the top."""
LEAVES = ("analysis", "comparison", "bases")


def layer_of(path: Path) -> str:
    return path.relative_to(EXPORTER).with_suffix("").parts[0]


def imported_layers(path: Path) -> set[str]:
    names = [name.split(".") for name in imports(path)]
    return {parts[1] for parts in names if parts[0] == "sprig_export" and len(parts) > 1}


def test_every_module_is_in_a_layer() -> None:
    assert {layer_of(path) for path in modules(EXPORTER)} - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_downwards(layer: str) -> None:
    below = {*LAYERS[: LAYERS.index(layer) + 1]}
    for path in modules(EXPORTER):
        if layer_of(path) == layer:
            assert imported_layers(path) & {*LAYERS} <= below, path.relative_to(EXPORTER)


@pytest.mark.parametrize("leaf", LEAVES)
def test_nothing_but_the_command_line_imports_a_leaf(leaf: str) -> None:
    users = {layer_of(path) for path in modules(EXPORTER) if leaf in imported_layers(path)}
    assert users <= {leaf, "cli"}
