"""Quantization: int8 or 4-bit matrix products, embeddings quantized by row, and no second copy of a tied embedding."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

from sprig_export.config.recipe import BLOCK, Precision

_COMPUTE_INT8 = 4  # the accuracy level of ONNX Runtime that multiplies 4-bit weights with 8-bit activations
# Embeddings with fewer numbers are not quantized: there is nothing to gain.
_SMALL_TABLE = 50_000
# Embeddings with fewer numbers get at least 8 bits: a table of positions is small, and affects every token.
_LARGE_TABLE = 500_000
ALIKE = 0.99
"""Two 4-bit tables with at least this share of equal bytes are the same table: values on an edge may be rounded either
way, and a block with the extremes -x and x may be scaled to either one.
"""


def quantize(source: Path, target: Path, linear_dtype: Precision = "int8", embedding_dtype: Precision = "int8") -> None:
    """Write `target`: `source` with matrix products and large embeddings in fewer bits.

    int8 weights of matrix products are symmetric for each output channel and use 7 bits. With 8 bits, processors
    without VNNI saturate when they add two products in 16 bits, and a bundle must give the same answers everywhere.
    4-bit weights are symmetric for each `BLOCK`. Activations are quantized at run time. int8 embeddings have a factor
    for each row (a single factor would cost rare tokens most of their precision), 4-bit embeddings a factor for each
    block of a row. float32 leaves the weights as they are.
    """
    if linear_dtype == "float32":
        shutil.copy(source, target)
    else:
        with _quiet():
            (_quantize_int8 if linear_dtype == "int8" else _quantize_int4)(source, target)
    if embedding_dtype != "float32":
        model = onnx.load(target)
        quantize_lookups(model.graph, embedding_dtype)
        onnx.save(model, target)


def _quantize_int8(source: Path, target: Path) -> None:
    quantize_dynamic(
        source,
        target,
        per_channel=True,
        reduce_range=True,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def _quantize_int4(source: Path, target: Path) -> None:
    config = DefaultWeightOnlyQuantConfig(
        block_size=BLOCK, is_symmetric=True, accuracy_level=_COMPUTE_INT8, op_types_to_quantize=("MatMul",)
    )
    quantizer = MatMulNBitsQuantizer(onnx.load(source), algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target), use_external_data_format=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantizers, which log every node and a hint that does not apply to fresh exports."""
    previous = logging.root.level
    logging.root.setLevel(logging.ERROR)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.root.setLevel(previous)
        logging.disable(logging.NOTSET)


def quantize_lookups(graph: GraphProto, embedding_dtype: Precision = "int8") -> None:
    """Quantize the large embeddings of a graph in place.

    If the embedding is tied to the output projection, the look-up reads the columns of the quantized projection, and no
    second copy is kept.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for gather in [node for node in graph.node if node.op_type == "Gather"]:
        table = weights.get(gather.input[0])
        along_rows = not any(attribute.name == "axis" and attribute.i for attribute in gather.attribute)
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2 or not along_rows:
            continue
        if np.prod(table.dims) < _SMALL_TABLE:
            continue
        if embedding_dtype == "int4" and np.prod(table.dims) >= _LARGE_TABLE:
            values, scales = _tied_blocks(graph, weights, table) or _add_blocks(graph, table)
            nodes = _look_up_blocks(graph, gather, values, scales, int(table.dims[1]))
        else:
            values, scales = _tied_projection(graph, weights, table) or _add_rows(graph, table)
            by_column = weights.get(values) is not None
            nodes = _look_up_rows(gather, values, scales, by_column)
        place = list(graph.node).index(gather)
        graph.node.remove(gather)
        for offset, node in enumerate(nodes):
            graph.node.insert(place + offset, node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _add_rows(graph: GraphProto, table: TensorProto) -> tuple[str, str]:
    """Add int8 rows [v, d] and their factors [v]. Returns the names of both."""
    rows = numpy_helper.to_array(table)
    scale = np.maximum(np.abs(rows).max(axis=1), 1e-12).astype(np.float32) / 127
    names = f"{table.name}_rows", f"{table.name}_row_scale"
    if names[0] not in {tensor.name for tensor in graph.initializer}:
        small = np.rint(rows / scale[:, None]).astype(np.int8)
        graph.initializer.append(numpy_helper.from_array(small, names[0]))
        graph.initializer.append(numpy_helper.from_array(scale, names[1]))
    return names


def _tied_projection(graph: GraphProto, weights: dict[str, TensorProto], table: TensorProto) -> tuple[str, str] | None:
    """The quantized matrix [d, v] whose columns are the rows of `table`, up to rounding, and its factors [v]."""
    rows = numpy_helper.to_array(table)
    for product in (node for node in graph.node if node.op_type == "MatMulInteger"):
        columns = weights.get(product.input[1])
        scale_name = product.input[1].removesuffix("_quantized") + "_scale"
        if columns is None or scale_name not in weights or list(columns.dims) != list(reversed(table.dims)):
            continue
        scale = numpy_helper.to_array(weights[scale_name])
        if (np.abs((numpy_helper.to_array(columns) * scale).T - rows) <= scale[:, None]).all():
            return columns.name, scale_name
    return None


def _look_up_rows(gather: NodeProto, values: str, scales: str, by_column: bool) -> list[NodeProto]:
    """Nodes that look up ids int64 [b, t] -> float32 [b, t, d] in int8 rows [v, d] or columns [d, v] with factors
    [v].
    """
    name, ids = str(gather.name), gather.input[1]
    found, shaped, real, factor, wide = (f"{name}_{part}" for part in ("int8", "rows", "float", "factor", "wide"))
    nodes = [helper.make_node("Gather", [values, ids], [found], axis=int(by_column))]  # [d, b, t] by column
    if by_column:
        nodes.append(helper.make_node("Transpose", [found], [shaped], perm=[1, 2, 0]))
    return [
        *nodes,
        helper.make_node("Cast", [shaped if by_column else found], [real], to=TensorProto.FLOAT),
        helper.make_node("Gather", [scales, ids], [factor], axis=0),
        helper.make_node("Constant", [], [f"{name}_axis"], value_ints=[-1]),
        helper.make_node("Unsqueeze", [factor, f"{name}_axis"], [wide]),
        helper.make_node("Mul", [real, wide], [gather.output[0]]),
    ]


def pack_blocks(rows: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Rows float32 [v, d] as 4-bit numbers, in the layout of MatMulNBits for d inputs and v outputs: uint8 [v, blocks,
    BLOCK / 2] with two numbers in a byte, the first one low, and a factor for each block, float32 [v * blocks].

    The number n means (n - 8) * factor. The largest magnitude of a block becomes 0, so all 16 numbers are used. An
    incomplete last block is filled with 0, as by ONNX Runtime's quantizer.
    """
    width = rows.shape[1]
    blocks = np.pad(rows, ((0, 0), (0, -width % BLOCK))).reshape(len(rows), -1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2, keepdims=True), axis=2)
    factors = (largest / -8).astype(np.float32)
    safe = np.where(factors == 0, np.float32(1), factors)
    numbers = (np.clip(np.rint(blocks / safe), -8, 7) + 8).astype(np.uint8)
    numbers.reshape(len(rows), -1)[:, width:] = 0
    packed: NDArray[np.uint8] = numbers[:, :, 0::2] | np.left_shift(numbers[:, :, 1::2], np.uint8(4), dtype=np.uint8)
    return packed, factors.reshape(-1)


def _add_blocks(graph: GraphProto, table: TensorProto) -> tuple[str, str]:
    names = f"{table.name}_blocks", f"{table.name}_block_scale"
    if names[0] not in {tensor.name for tensor in graph.initializer}:
        for name, array in zip(names, pack_blocks(numpy_helper.to_array(table)), strict=True):
            graph.initializer.append(numpy_helper.from_array(array, name))
    return names


def _tied_blocks(graph: GraphProto, weights: dict[str, TensorProto], table: TensorProto) -> tuple[str, str] | None:
    """The 4-bit weights of a projection that equal `table` in 4 bits, and their factors."""
    packed, factors = pack_blocks(numpy_helper.to_array(table))
    for product in (node for node in graph.node if node.op_type == "MatMulNBits"):
        values, scales = weights[product.input[1]], weights[product.input[2]]
        if numpy_helper.to_array(values).size != packed.size:
            continue
        same = numpy_helper.to_array(values).reshape(packed.shape) == packed
        close = np.isclose(numpy_helper.to_array(scales).reshape(-1), factors, rtol=1e-4, atol=0)
        if same.mean() > ALIKE and close.mean() > ALIKE:
            return values.name, scales.name
    return None


def _look_up_blocks(graph: GraphProto, gather: NodeProto, values: str, scales: str, width: int) -> list[NodeProto]:
    """Nodes that look up ids int64 [b, t] -> float32 [b, t, width] in 4-bit rows [v, blocks, BLOCK / 2]."""
    name, ids, blocks = str(gather.name), gather.input[1], -(-width // BLOCK)
    constants = {
        "four": np.array(4, np.uint8),
        "fifteen": np.array(15, np.uint8),
        "middle": np.array(8, np.float32),
        "last": np.array([-1], np.int64),
        "table": np.array([-1, blocks], np.int64),
        "pairs": np.array([0, 0, blocks, BLOCK], np.int64),
        "row": np.array([0, 0, blocks * BLOCK], np.int64),
        "first": np.array([0], np.int64),
        "width": np.array([width], np.int64),
    }
    for part, array in constants.items():
        graph.initializer.append(numpy_helper.from_array(array, f"{name}_{part}"))

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> NodeProto:
        named = [f"{name}_{part}" if part in steps else part for part in inputs]
        return helper.make_node(kind, named, [f"{name}_{output}" if output in steps else output], **attributes)

    steps = {*constants, "packed", "low", "high", "low1", "high1", "both", "blocks", "real", "centred"}
    steps |= {"factors", "factor", "factor1", "wide", "rows"}
    return [
        node("Gather", [values, ids], "packed", axis=0),
        node("BitwiseAnd", ["packed", "fifteen"], "low"),
        node("BitShift", ["packed", "four"], "high", direction="RIGHT"),
        node("Unsqueeze", ["low", "last"], "low1"),
        node("Unsqueeze", ["high", "last"], "high1"),
        node("Concat", ["low1", "high1"], "both", axis=-1),
        node("Reshape", ["both", "pairs"], "blocks"),
        node("Cast", ["blocks"], "real", to=TensorProto.FLOAT),
        node("Sub", ["real", "middle"], "centred"),
        node("Reshape", [scales, "table"], "factors"),
        node("Gather", ["factors", ids], "factor", axis=0),
        node("Unsqueeze", ["factor", "last"], "factor1"),
        node("Mul", ["centred", "factor1"], "wide"),
        node("Reshape", ["wide", "row"], "rows"),
        node("Slice", ["rows", "first", "width", "last"], gather.output[0]),
    ]
