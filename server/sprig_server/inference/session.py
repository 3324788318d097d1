"""ONNX Runtime sessions with a fixed number of threads, and tokenizers, from the bytes of a bundle."""

from __future__ import annotations

import io
import os

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from sprig_server.bundle.manifest import SHARED
from sprig_server.bundle.store import Bundle
from sprig_server.errors import InvalidBundle

# On CPUs, ONNX Runtime's fused kernel for addition and layer normalization takes four times as long as the two
# separately.
_SLOWER_FUSIONS = ["SkipLayerNormFusion"]


def default_threads() -> int:
    """Half of the processors that this process may use, from 1 to 4, so that the editor stays responsive."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, available // 2))


def open_session(bundle: Bundle, name: str, threads: int) -> ort.InferenceSession:
    """A session on the CPU for one ONNX file of a bundle.

    Args:
        threads: how many threads one run may use, at least 1.

    Raises:
        InvalidBundle: the file is missing, damaged, or not a model.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # Spinning threads would keep a laptop's cores busy between requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    data = bundle.load(name)
    if SHARED in bundle.manifest.files:
        with np.load(io.BytesIO(bundle.load(SHARED)), allow_pickle=False) as arrays:
            names, values = list(arrays), [ort.OrtValue.ortvalue_from_numpy(arrays[key]) for key in arrays]
        options.add_external_initializers(names, values)
    try:
        return ort.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER_FUSIONS
        )
    except Exception as error:  # onnxruntime raises many types of errors for an unusable model
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidBundle(
            f'"{bundle.folder / name}" is not a model that ONNX Runtime can load ({reason}): export the bundle again'
        ) from None


def open_tokenizer(bundle: Bundle) -> Tokenizer:
    """The tokenizer of a bundle, without truncation and padding.

    Raises:
        InvalidBundle: the file is missing, damaged, or not a tokenizer.
    """
    data = bundle.load("tokenizer.json")
    try:
        tokenizer = Tokenizer.from_str(data.decode("utf-8"))
    except Exception as error:
        raise InvalidBundle(
            f'"{bundle.folder / "tokenizer.json"}" is not a tokenizer ({error}): export the bundle again'
        ) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
