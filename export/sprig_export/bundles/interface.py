"""How to use the graphs of a bundle, and the manifest that says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from sprig_export.config.recipe import Recipe
from sprig_export.models.checkpoints import Checkpoint
from sprig_server.bundle.manifest import SCHEMA, Base, Decoding, Manifest, Prompts, describe_file


@dataclass(frozen=True, slots=True)
class Interface:
    """How to use a bundle's graphs, as its manifest describes it."""

    dimensions: int
    pooling: str
    max_tokens: int
    decoding: Decoding | None = None
    prompts: Prompts = field(default_factory=Prompts)


def describe_bundle(recipe: Recipe, base: Checkpoint, name: str, interface: Interface, staging: Path) -> Manifest:
    """The manifest of the files in a folder, without figures."""
    return Manifest(
        schema=SCHEMA,
        name=name,
        task=recipe.task,
        languages=recipe.languages,
        base=Base(base.name, base.sha256, base.licence),
        recipe={
            key: list(value) if isinstance(value, tuple) else value  # as JSON gives it back
            for key, value in asdict(recipe).items()
            if key not in ("model", "start", "adapter")
        },
        dimensions=interface.dimensions,
        pooling=interface.pooling,
        max_tokens=interface.max_tokens,
        quantization=recipe.quantization,
        opset=recipe.opset,
        licence=base.licence,
        files={path.name: describe_file(path) for path in staging.iterdir() if path.is_file()},
        decoding=interface.decoding,
        prompts=interface.prompts,
    )
