"""Mixed precision: matrix products in 4 bits with small blocks, and in 8 bits for sensitive matrices."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from sprig_export.pruning.gptq import FINE_BLOCK, bits_of, fit_factors

_COMPUTE_INT8 = 4  # the accuracy level of ONNX Runtime that multiplies weights with 8-bit activations
_DOMAIN = "com.microsoft"


def quantize_mixed(source: Path, target: Path, sensitive: Iterable[str]) -> None:
    """Write `target`: `source` with 4 or 8 bits for the weights of its matrix products, and a single copy of a tied
    embedding.
    """
    model, sensitive = onnx.load(source), tuple(sensitive)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    packed: dict[str, tuple[NodeProto, NDArray[np.float32]]] = {}
    for node in [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights]:
        rows = numpy_helper.to_array(weights[node.input[1]]).T
        product = _add_product(graph, node, rows, bits_of(node.name, sensitive))
        packed[product.input[1]] = product, rows
    for gather in [node for node in graph.node if node.op_type == "Gather" and node.input[0] in weights]:
        table = numpy_helper.to_array(weights[gather.input[0]])
        for product, rows in packed.values():
            if table.shape == rows.shape and np.array_equal(table, rows):
                _put(graph, gather, _look_up(graph, gather, product, table.shape[1]))
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    if all(opset.domain != _DOMAIN for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    onnx.save(model, target)


def pack_finely(rows: NDArray[np.float32], bits: int) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Rows float32 [v, d] as MatMulNBits has them for d inputs and v outputs: numbers uint8 [v, blocks, bytes], of 4
    bits two in a byte, the first one low; factors float16 [v * blocks]. A number n of b bits stands for
    (n - 2^(b-1)) * factor."""
    blocks = np.pad(rows, ((0, 0), (0, -rows.shape[1] % FINE_BLOCK))).reshape(-1, FINE_BLOCK)
    half, factors = 1 << (bits - 1), fit_factors(blocks, bits)
    numbers = (np.clip(np.rint(blocks / factors[:, None]), -half, half - 1) + half).astype(np.uint8)
    numbers = numbers.reshape(len(rows), -1, FINE_BLOCK)
    if bits == 4:
        numbers = numbers[:, :, 0::2] | np.left_shift(numbers[:, :, 1::2], np.uint8(4), dtype=np.uint8)
    return numbers, factors.astype(np.float16)


def _add_product(graph: GraphProto, node: NodeProto, rows: NDArray[np.float32], bits: int) -> NodeProto:
    """Replace `node` by a product with packed weights. ONNX Runtime widens the factors when it loads them."""
    values, half, factors = (f"{node.name}_{part}" for part in ("values", "half", "factors"))
    for name, array in zip((values, half), pack_finely(rows, bits), strict=True):
        graph.initializer.append(numpy_helper.from_array(array, name))
    widened = helper.make_node("Cast", [half], [factors], name=f"{node.name}_widen", to=TensorProto.FLOAT)
    product = helper.make_node(
        "MatMulNBits", [node.input[0], values, factors], list(node.output), node.name, domain=_DOMAIN,
        K=rows.shape[1], N=len(rows), bits=bits, block_size=FINE_BLOCK, accuracy_level=_COMPUTE_INT8,
    )  # fmt: skip
    _put(graph, node, [widened, product])
    return product


def _look_up(graph: GraphProto, gather: NodeProto, product: NodeProto, width: int) -> list[NodeProto]:
    """Nodes that look up ids int64 [b, t] -> float32 [b, t, width] in the rows of a product's packed weights."""
    name, blocks = gather.name, -(-width // FINE_BLOCK)
    bits = next(attribute.i for attribute in product.attribute if attribute.name == "bits")
    constants = {
        "four": np.array(4, np.uint8),
        "fifteen": np.array(15, np.uint8),
        "middle": np.array(1 << (bits - 1), np.float32),
        "last": np.array([-1], np.int64),
        "first": np.array([0], np.int64),
        "width": np.array([width], np.int64),
        "table": np.array([-1, blocks], np.int64),
        "blocks": np.array([0, 0, blocks, FINE_BLOCK], np.int64),
        "row": np.array([0, 0, blocks * FINE_BLOCK], np.int64),
    }
    for part, array in constants.items():
        graph.initializer.append(numpy_helper.from_array(array, f"{name}_{part}"))
    kept = f"{product.name}_values", f"{product.name}_half", gather.input[1], gather.output[0]

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> NodeProto:
        own = [part if part in kept else f"{name}_{part}" for part in (*inputs, output)]
        return helper.make_node(kind, own[:-1], own[-1:], f"{name}_{kind}_{output}", **attributes)

    halves = [
        node("BitwiseAnd", ["packed", "fifteen"], "low"),
        node("BitShift", ["packed", "four"], "high", direction="RIGHT"),
        node("Unsqueeze", ["low", "last"], "low1"),
        node("Unsqueeze", ["high", "last"], "high1"),
        node("Concat", ["low1", "high1"], "both", axis=-1),
        node("Reshape", ["both", "blocks"], "numbers"),
    ]
    return [
        node("Gather", [kept[0], gather.input[1]], "packed" if bits == 4 else "numbers", axis=0),
        *(halves if bits == 4 else ()),
        node("Cast", ["numbers"], "real", to=TensorProto.FLOAT),
        node("Sub", ["real", "middle"], "centred"),
        node("Reshape", [kept[1], "table"], "by_row"),
        node("Gather", ["by_row", gather.input[1]], "half", axis=0),
        node("Cast", ["half"], "factor", to=TensorProto.FLOAT),
        node("Unsqueeze", ["factor", "last"], "factor1"),
        node("Mul", ["centred", "factor1"], "wide"),
        node("Reshape", ["wide", "row"], "rows"),
        node("Slice", ["rows", "first", "width", "last"], gather.output[0]),
    ]


def _put(graph: GraphProto, old: NodeProto, new: list[NodeProto]) -> None:
    place = list(graph.node).index(old)
    graph.node.remove(old)
    for offset, node in enumerate(new):
        graph.node.insert(place + offset, node)
