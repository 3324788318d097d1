"""int8 dynamic quantization, and one copy of a decoder's embedding instead of two."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


def quantize(source: Path, target: Path) -> None:
    """Write `target`: `source` with the weights of its matrix products and look-ups in int8.

    Weights are symmetric per output channel in 7 bits: with 8, processors without VNNI saturate when they add two
    products in 16 bits, and a bundle must answer alike everywhere. Activations are quantized at run time.
    """
    previous = logging.root.level
    logging.root.setLevel(logging.ERROR)  # the quantizer logs a hint that does not apply to what was just exported
    try:
        quantize_dynamic(
            source,
            target,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
    finally:
        logging.root.setLevel(previous)


def share_embedding(path: Path) -> bool:
    """Let a quantized decoder look its tokens up in the columns of its output projection.

    Where a model ties the two, the quantizer still writes both: int8 [v, d] for the look-up and int8 [d, v] for the
    product. The look-up becomes a gather of columns, scaled by their own factors, and the first copy goes.

    Returns:
        Whether there was a tied pair to share; the file is rewritten only then.
    """
    model = onnx.load(path)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    gather = next((n for n in graph.node if n.op_type == "Gather" and _is_matrix(weights.get(n.input[0]))), None)
    projection = next((n for n in reversed(graph.node) if n.op_type == "MatMulInteger"), None)
    if gather is None or projection is None:
        return False
    table, columns = weights[gather.input[0]], weights[projection.input[1]]
    if list(table.dims) != list(reversed(columns.dims)):
        return False
    dequantize = next(n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] == gather.output[0])
    scale_name = columns.name.removesuffix("_quantized") + "_scale"
    if scale_name not in weights or not _tied(weights, table, dequantize, columns, weights[scale_name]):
        return False
    nodes = _column_lookup(gather.input[1], columns.name, scale_name, dequantize.output[0], str(gather.name))
    place = list(graph.node).index(gather)
    for node in (gather, dequantize):
        graph.node.remove(node)
    for offset, node in enumerate(nodes):
        graph.node.insert(place + offset, node)
    graph.initializer.extend([numpy_helper.from_array(np.array([2], dtype=np.int64), "shared_embedding_axes")])
    for name in (table.name, dequantize.input[1], dequantize.input[2]):
        graph.initializer.remove(weights[name])
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return True


def _is_matrix(tensor: TensorProto | None) -> bool:
    return tensor is not None and len(tensor.dims) == 2 and tensor.dims[0] > tensor.dims[1]


def _tied(
    weights: dict[str, TensorProto],
    table: TensorProto,
    dequantize: NodeProto,
    columns: TensorProto,
    scale: TensorProto,
) -> bool:
    """Whether both tensors stand for the same numbers, up to their rounding and one common factor."""
    step = float(numpy_helper.to_array(weights[dequantize.input[1]]))
    zero = int(numpy_helper.to_array(weights[dequantize.input[2]]))
    rows = (numpy_helper.to_array(table)[:256].astype(np.float32) - zero) * step  # [256, d]
    head = (numpy_helper.to_array(columns)[:, :256] * numpy_helper.to_array(scale)[:256]).T.astype(np.float32)
    return bool(np.abs(rows - head).max() <= 1.5 * step + float(numpy_helper.to_array(scale)[:256].max()))


def _column_lookup(ids: str, columns: str, scale: str, output: str, prefix: str) -> list[NodeProto]:
    """Nodes that look up columns: ids int64 [b, t] -> float32 [b, t, d]."""
    return [
        helper.make_node("Gather", [columns, ids], [f"{prefix}_columns"], axis=1),  # int8 [d, b, t]
        helper.make_node("Transpose", [f"{prefix}_columns"], [f"{prefix}_rows"], perm=[1, 2, 0]),
        helper.make_node("Cast", [f"{prefix}_rows"], [f"{prefix}_float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [scale, ids], [f"{prefix}_scale"], axis=0),  # float32 [b, t]
        helper.make_node("Unsqueeze", [f"{prefix}_scale", "shared_embedding_axes"], [f"{prefix}_factor"]),
        helper.make_node("Mul", [f"{prefix}_float", f"{prefix}_factor"], [output]),
    ]
