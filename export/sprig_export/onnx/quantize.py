"""int8: dynamically quantized matrix products, row-wise quantized look-ups, and no second copy of a tied embedding."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

# Tables below this many numbers stay as they are: there is nothing to gain.
_SMALL_TABLE = 50_000


def quantize(source: Path, target: Path) -> None:
    """Write `target`: `source` with the weights of its matrix products and large look-ups in int8.

    Weights of products are symmetric per output channel in 7 bits: with 8, processors without VNNI saturate when they
    add two products in 16 bits, and a bundle must answer alike everywhere. Activations are quantized at run time.
    Look-up tables have a factor for each row; one for the whole table costs rare tokens most of their precision.
    """
    previous = logging.root.level
    logging.root.setLevel(logging.ERROR)  # the quantizer logs a hint that does not apply to what was just exported
    try:
        quantize_dynamic(
            source,
            target,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["MatMul"],
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
    finally:
        logging.root.setLevel(previous)
    model = onnx.load(target)
    quantize_lookups(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def quantize_lookups(graph: GraphProto) -> None:
    """Quantize the large look-up tables of a graph in place.

    Where a model ties its embedding to its output projection, the look-up reads the columns of the quantized
    projection, and no second copy of the numbers is kept.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for gather in [node for node in graph.node if node.op_type == "Gather"]:
        table = weights.get(gather.input[0])
        along_rows = not any(attribute.name == "axis" and attribute.i for attribute in gather.attribute)
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2 or not along_rows:
            continue
        if np.prod(table.dims) < _SMALL_TABLE:
            continue
        values, scales = _tied_projection(graph, weights, table) or _add_rows(graph, table)
        by_column = weights.get(values) is not None
        nodes = _lookup(gather.input[1], values, scales, gather.output[0], str(gather.name), by_column)
        place = list(graph.node).index(gather)
        graph.node.remove(gather)
        for offset, node in enumerate(nodes):
            graph.node.insert(place + offset, node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _add_rows(graph: GraphProto, table: TensorProto) -> tuple[str, str]:
    """Add int8 rows [v, d] and their factors [v]; the names of both."""
    rows = numpy_helper.to_array(table)
    scale = np.maximum(np.abs(rows).max(axis=1), 1e-12).astype(np.float32) / 127
    names = f"{table.name}_rows", f"{table.name}_row_scale"
    if names[0] not in {tensor.name for tensor in graph.initializer}:
        small = np.rint(rows / scale[:, None]).astype(np.int8)
        graph.initializer.append(numpy_helper.from_array(small, names[0]))
        graph.initializer.append(numpy_helper.from_array(scale, names[1]))
    return names


def _tied_projection(graph: GraphProto, weights: dict[str, TensorProto], table: TensorProto) -> tuple[str, str] | None:
    """The quantized matrix [d, v] whose columns are the rows of `table` up to rounding, and its factors [v]."""
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


def _lookup(ids: str, values: str, scales: str, output: str, name: str, by_column: bool) -> list[NodeProto]:
    """Nodes for ids int64 [b, t] -> float32 [b, t, d], from int8 rows [v, d] or columns [d, v] and factors [v]."""
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
        helper.make_node("Mul", [real, wide], [output]),
    ]
