"""Fewer output dimensions: the directions that are kept, and the map behind an encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.families import batches_of, make_model
from transformers import AutoTokenizer

from sprig_export.bundles.graphs import build_unchecked
from sprig_export.config.recipe import Recipe, whole_recipe
from sprig_export.config.request import ExportRequest
from sprig_export.evaluate.search import EncodingSettings, encode_with_torch
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.head import read_head, vector_width
from sprig_export.models.loading import load_model
from sprig_export.models.projection import attach_projection, make_projection, principal_directions, write_projection
from sprig_export.models.sentences import Layer, Sentences
from sprig_export.pipeline import export
from sprig_export.report.stages import StageLog
from sprig_server.bundle.store import open_bundle
from sprig_server.errors import InvalidInput
from sprig_server.inference.encoder import Encoder


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(6, 12), st.integers(0, 1000))
def test_vectors_of_few_directions_keep_their_products(rank: int, width: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = (draw.normal(size=(40, rank)) @ draw.normal(size=(rank, width))).astype(np.float32)
    directions = principal_directions(vectors, rank).numpy()
    assert directions.shape == (rank, width)
    assert np.allclose(directions @ directions.T, np.eye(rank), atol=1e-4)
    turned = vectors @ directions.T
    assert np.allclose(turned @ turned.T, vectors @ vectors.T, rtol=1e-3, atol=1e-2 * width)


@pytest.mark.parametrize("kept", [0, -1, 9])
def test_impossible_counts_are_refused(kept: int) -> None:
    with pytest.raises(InvalidInput, match="give 1 to 8"):
        principal_directions(np.ones((4, 8), dtype=np.float32), kept)


@pytest.mark.parametrize("bias", [False, True])
def test_a_map_is_written_and_read_as_it_is(tmp_path: Path, bias: bool) -> None:
    model, (batch,) = make_model("bert"), batches_of("bert", 1)
    torch.manual_seed(0)
    plain = batch.run(model).last_hidden_state  # type: ignore[attr-defined]
    own = make_projection(torch.randn(8, 32), torch.randn(8) if bias else None)
    attach_projection(model, own)
    assert vector_width(model, "mean") == 8
    assert torch.allclose(batch.run(model).last_hidden_state, own(plain))  # type: ignore[attr-defined]
    write_projection(model, tmp_path)
    read, head = read_head(Sentences(layers=(Layer("Dense", tmp_path / "2_Dense"),)))
    assert read is not None and head is None
    assert torch.equal(read.weight, own.weight)
    assert (read.bias is None) == (not bias)


def test_a_damaged_map_is_named(tmp_path: Path) -> None:
    (tmp_path / "2_Dense").mkdir()
    with pytest.raises(InvalidInput, match=r"2_Dense.* is not a readable layer"):
        read_head(Sentences(layers=(Layer("Dense", tmp_path / "2_Dense"),)))


@pytest.mark.parametrize("layers", [0, 1])
def test_a_bundle_of_fewer_dimensions_gives_the_vectors_of_pytorch(
    bert: Path, repository: Path, tmp_path: Path, layers: int
) -> None:
    recipe = Recipe("search", str(bert), "python", layers=layers, dimensions=16, recovery_steps=2)
    recipe = replace(recipe, linear_dtype="float32", embedding_dtype="float32", max_loss=100.0, sample=8)
    manifest = export(ExportRequest(recipe, tmp_path / "bundle", repository), StageLog())
    assert manifest.dimensions == 16
    assert manifest.quality[next(iter(manifest.quality))]["cosine"] > 0.9999
    assert Encoder(open_bundle(tmp_path / "bundle"), 1).encode(["def f(): pass"]).shape == (1, 16)


@pytest.mark.parametrize("bias", [False, True])
def test_a_model_that_has_a_map_already_keeps_it(bert: Path, tmp_path: Path, bias: bool) -> None:
    """As models of sentence-transformers with a dense layer do."""
    checkpoint = open_checkpoint(str(bert))
    model, folder = load_model(checkpoint, "search"), tmp_path / "dense"
    attach_projection(model, make_projection(torch.randn(8, 32), torch.randn(8) if bias else None))
    folder.mkdir()
    for path in bert.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    write_projection(model, folder)
    dense = open_checkpoint(str(folder))
    build_unchecked(whole_recipe(Recipe("search", str(folder), "python")), dense, tmp_path / "bundle")
    texts = ["def open_file(list): return list", "close the socket"]
    found = Encoder(open_bundle(tmp_path / "bundle"), 1).encode(texts)
    model, tokenizer = load_model(dense, "search"), AutoTokenizer.from_pretrained(folder)
    expected = encode_with_torch(model, tokenizer, texts, EncodingSettings("mean", checkpoint.max_tokens))
    assert found.shape == (2, 8)
    assert np.allclose(found, expected, atol=1e-5)
