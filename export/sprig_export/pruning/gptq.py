"""GPTQ: rounding weights to 4 bits so that each compensates for the rounding errors of those before it.

Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from sprig_export.config.recipe import Recipe
from sprig_export.data.calibration import Calibration
from sprig_export.models.blocks import read_blocks
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.loading import load_model, load_tokenizer, reopen_checkpoint, write_checkpoint, write_tokenizer
from sprig_export.pruning.statistics import observe_all
from sprig_export.training.batches import Batch, make_batches

FINE_BLOCK = 32
"""The number of weights along the input of a matrix that share one factor, which has 16 bits."""
_BATCHES, _PAIRS_A_BATCH = 3, 32  # calibration for fitting weights
_SHARES = (*np.arange(0.7, 1.0, 0.05), 1.0, *(8 / n for n in (7, 6, 5, 4)))
"""What the largest weight of a block may be of the largest number: less than 1 cuts it, more is for blocks that were
rounded before, in which it need not be the largest number."""
_DAMPING = 0.01  # of the mean diagonal, so that the Hessian can be inverted
_LOWEST, _HIGHEST = -8, 7


def fit_checkpoint(checkpoint: Checkpoint, recipe: Recipe, calibration: Calibration, output: Path) -> Checkpoint:
    """The checkpoint with weights fitted for mixed precision, as a model folder at `output`. A result of an interrupted
    export is reused.
    """
    if output.is_dir():
        return reopen_checkpoint(output, checkpoint)
    model, tokenizer = load_model(checkpoint, recipe.task), load_tokenizer(checkpoint)
    pairs = calibration.pairs[: _BATCHES * _PAIRS_A_BATCH]
    fit_weights(model, make_batches(recipe.task, model, tokenizer, pairs, recipe.seed), recipe.sensitive)
    return write_checkpoint(model, checkpoint, output, lambda path: write_tokenizer(checkpoint, path))


def fit_weights(model: PreTrainedModel, batches: Sequence[Batch], sensitive: Iterable[str]) -> None:
    """Round the matrices of a model's layers to 4 bits in place, as `quantize_mixed` packs them. Sensitive ones, which
    get 8 bits, stay as they are.

    Args:
        batches: calibration text. The outputs of the matrices on it should change as little as possible.
        sensitive: parts of the names of matrices that get 8 bits.
    """
    blocks, sensitive = read_blocks(model), tuple(sensitive)
    found = observe_all(model, blocks, batches, second_moments=True)
    for block in blocks:
        for name, linear in block.linears().items():
            inputs = found[f"{block.name}/{name}"]
            if inputs.outer_products is not None and bits_of(name, sensitive) == 4:
                with torch.no_grad():
                    linear.weight.copy_(round_by_gptq(linear.weight, inputs.outer_products))


def round_by_gptq(weight: Tensor, products: Tensor) -> Tensor:
    """The weight [outputs, inputs] rounded to 16 evenly spaced values in every block of a row.

    Columns are rounded one after the other, and the columns to the right compensate for the error. The factor of a
    block is chosen for its weights at that time.

    Args:
        products: the sum of x xᵀ over the calibration tokens, [inputs, inputs].
    """
    left = weight.detach().double().clone()
    hessian = products.double().clone()
    dead = hessian.diagonal() == 0
    hessian[dead, dead] = 1.0
    hessian += torch.eye(len(hessian), dtype=torch.float64) * _DAMPING * hessian.diagonal().mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    upper = torch.linalg.cholesky(inverse, upper=True)  # [inputs, inputs]
    rounded = torch.empty_like(left)
    for start in range(0, left.shape[1], FINE_BLOCK):
        end = min(start + FINE_BLOCK, left.shape[1])
        part, own = left[:, start:end].clone(), upper[start:end, start:end]
        factors = torch.from_numpy(fit_factors(part.numpy().astype(np.float32), 4)).double()
        errors = torch.zeros_like(part)
        for column in range(end - start):
            numbers = (part[:, column] / factors).round().clamp(_LOWEST, _HIGHEST)
            rounded[:, start + column] = numbers * factors
            errors[:, column] = (part[:, column] - numbers * factors) / own[column, column]
            part[:, column + 1 :] -= errors[:, column, None] * own[column, column + 1 :]
        left[:, end:] -= errors @ upper[start:end, end:]
    return rounded.to(weight.dtype)


def bits_of(name: str, sensitive: Iterable[str]) -> int:
    """The bits of a matrix: 8 if its name contains one of the `sensitive` parts, otherwise 4."""
    return 8 if any(part in name for part in sensitive) else 4


def fit_factors(blocks: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """For each block, float32 [n, d], the factor with the least squared error, as a number of 16 bits: float32 [n].

    A number of the block stands for itself times the factor, and the largest magnitude for the lowest number or less.
    """
    half = 1 << (bits - 1)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)[:, 0]
    best, least = np.ones(len(blocks), np.float32), np.full(len(blocks), np.inf)
    for share in _SHARES if bits == 4 else (1.0,):
        factors = (largest * np.float32(-share / half)).astype(np.float16).astype(np.float32)
        factors[factors == 0] = 1
        numbers = np.clip(np.rint(blocks / factors[:, None]), -half, half - 1)
        errors = np.square(numbers * factors[:, None] - blocks).sum(axis=1)
        better = errors < least
        best[better], least[better] = factors[better], errors[better]
    return best
