"""Sharing the embedding of encoder and decoder: one copy, in a file beside both graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, numpy_helper
from onnx.external_data_helper import set_external_data

from sprig_export.onnx.quantize import ALIKE
from sprig_server.bundle.manifest import SHARED

_LARGE = 100_000  # bytes; for smaller tables a copy costs less than another file


def share_tables(encoder: Path, decoder: Path) -> bool:
    """Move the large table that two graphs share, with its factors, to a file `shared.npz` beside them.

    Both graphs then refer to it as external data, which must be provided when they are loaded.

    Returns:
        Whether there was such a table.
    """
    reader, writer = onnx.load(encoder), onnx.load(decoder)
    found = _common_table(reader.graph, writer.graph)
    if found is None:
        return False
    (own, own_scale), (table, scale) = found
    arrays = {"embedding": numpy_helper.to_array(table), "embedding_scale": numpy_helper.to_array(scale).reshape(-1)}
    for model, pair in ((reader, (own, own_scale)), (writer, (table, scale))):
        for tensor, name in zip(pair, arrays, strict=True):
            _make_external(model.graph, tensor.name, name, arrays[name])
    np.savez(encoder.with_name(SHARED), allow_pickle=False, **arrays)
    onnx.save(reader, encoder)
    onnx.save(writer, decoder)
    return True


Table = tuple[TensorProto, TensorProto]
"""4-bit rows and their factors."""


def _common_table(reader: GraphProto, writer: GraphProto) -> tuple[Table, Table] | None:
    for own, own_scale in _tables(reader):
        for table, scale in _tables(writer):
            first, second = numpy_helper.to_array(own), numpy_helper.to_array(table)
            if first.shape == second.shape and (first == second).mean() > ALIKE:
                return (own, own_scale), (table, scale)
    return None


def _tables(graph: GraphProto) -> list[Table]:
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    found: list[Table] = []
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            found.append((tensors[node.input[1]], tensors[node.input[2]]))
        elif node.op_type == "Gather" and node.input[0].endswith("_blocks"):
            found.append((tensors[node.input[0]], tensors[f"{node.input[0].removesuffix('s')}_scale"]))
    return [pair for pair in found if len(pair[0].raw_data) > _LARGE]


def _make_external(graph: GraphProto, old: str, new: str, values: NDArray[np.generic]) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
    (tensor,) = [tensor for tensor in graph.initializer if tensor.name == old]
    tensor.CopyFrom(numpy_helper.from_array(values, new))
    set_external_data(tensor, location=SHARED, length=values.nbytes)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
