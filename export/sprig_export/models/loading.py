"""Loading checkpoints into memory and writing them back. Every stage reads and writes the same kind of folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import normalizers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from sprig_export.config.failures import readable
from sprig_export.models.blocks import restore_conv1d
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.families import DECODER_ONLY, SUMMARIZERS
from sprig_export.models.generation import read_generation
from sprig_export.models.head import attach_head, read_head, vector_width
from sprig_export.models.projection import (
    attach_projection,
    projection_of,
    write_projection,
)
from sprig_export.models.sentences import write_sentences
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

_UNUSED = ("pooler.",)  # parts that a sentence encoder does not need
_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def load_summarizer(folder: Path, attention: str | None = None) -> PreTrainedModel:
    """An encoder-decoder or a decoder-only model in float32 and evaluation mode. `attention` is an implementation, as
    transformers names it.

    Its `generation_config` keeps the settings about which tokens it may write, and none about how to search.

    Raises:
        InvalidInput: the model is of another kind or of an unknown family, or has a setting that cannot be honoured.
    """
    family = AutoConfig.from_pretrained(folder).model_type
    if family not in SUMMARIZERS:
        raise InvalidInput(
            f'the model "{folder}" is of the family {family}: summaries are exported from {", ".join(SUMMARIZERS)}'
        )
    generation = read_generation(folder)
    model = load_whole(AutoModelForCausalLM if family in DECODER_ONLY else AutoModelForSeq2SeqLM, folder, attention)
    model.generation_config = generation.settings(model.config.pad_token_id)
    if generation.start is not None:
        model.config.decoder_start_token_id = generation.start
    size = model.get_input_embeddings().weight.shape[0]
    if generation.highest >= size:
        raise InvalidInput(
            f'the settings of the model "{folder}" name the token {generation.highest}, and it has {size} embeddings: '
            "fetch it again"
        )
    return model


def load_whole(kind: Any, folder: Path, attention: str | None = None) -> PreTrainedModel:
    """A model in float32 and evaluation mode, with all its weights from its folder.

    Args:
        kind: the class in transformers that loads it, such as `AutoModel`.

    Raises:
        InvalidInput: weights are missing (transformers would initialize them at random) or are not finite numbers.
    """
    disable_progress_bar()  # otherwise each load of a sharded model shows a bar
    options = {"torch_dtype": torch.float32, "attn_implementation": attention, "output_loading_info": True}
    model, found = kind.from_pretrained(folder, **options)
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(_UNUSED))
    if missing:
        raise InvalidInput(
            f'the model "{folder}" has no weights for {missing[0]} ({len(missing)} in all), which its config.json asks '
            "for: fetch it again"
        )
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise InvalidInput(
                f'the weights {name} of the model "{folder}" contain values that are not finite numbers: fetch it again'
            )
    return cast("PreTrainedModel", model.eval())


def load_model(checkpoint: Checkpoint, task: Task, attention: str | None = None) -> PreTrainedModel:
    """A checkpoint's model in float32 and evaluation mode. `attention` is an implementation; None for the default.

    Raises:
        InvalidInput: the model's family is not known for this task, or its weights are damaged.
    """
    with readable(checkpoint.folder):
        if task == "summarize":
            return load_summarizer(checkpoint.folder, attention)
        model = load_whole(AutoModel, checkpoint.folder, attention)
    projection, head = read_head(checkpoint.sentences)
    if projection is not None:
        attach_projection(model, projection)
    attach_head(model, head)
    with readable(checkpoint.folder):
        vector_width(model, checkpoint.pooling)
    return model


def load_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerBase:
    """A checkpoint's fast tokenizer.

    Raises:
        InvalidInput: its files are damaged.
    """
    checkpoint.tokenizer_window  # noqa: B018  # with a wrong one, a tokenizer is loaded and fails at its first text
    with readable(checkpoint.folder):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(checkpoint.folder)
        if not tokenizer.is_fast:
            raise InvalidInput(
                f'the model in "{checkpoint.folder}" has no fast tokenizer, which is what the server reads: its kind '
                f"({type(tokenizer).__name__}) cannot be exported"
            )
    if checkpoint.sentences.lower_case:
        backend = tokenizer.backend_tokenizer
        others = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *others])
    return tokenizer


def write_tokenizer(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint's tokenizer as one file, as transformers reads it: the settings beside it can change it."""
    backend = load_tokenizer(checkpoint).backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    backend.save(str(path), pretty=False)


def halve_checkpoint(checkpoint: Checkpoint, task: Task, output: Path) -> None:
    """Write a checkpoint in half precision, with its other files, into the folder `output`."""
    shutil.copytree(checkpoint.folder, output, dirs_exist_ok=True)
    model = load_model(checkpoint, task)
    _save(model.half(), output)


def write_checkpoint(
    model: PreTrainedModel, checkpoint: Checkpoint, output: Path, write_tokenizer: Callable[[Path], object]
) -> Checkpoint:
    """Write a model folder like the checkpoint's, with other weights and another tokenizer. It is written
    atomically.
    """
    target, output = output, output.with_name(f"{output.name}.part")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for name in _FILES:
        if (checkpoint.folder / name).exists():
            (output / name).parent.mkdir(exist_ok=True)
            shutil.copy(checkpoint.folder / name, output / name)
    restore_conv1d(model)
    write_projection(model, output)
    if not hasattr(model, "lm_head"):
        width = int(model.config.hidden_size)
        write_sentences(checkpoint.sentences, output, width, projection_of(model) is not None)
    _save(model, output)
    write_tokenizer(output / "tokenizer.json")
    output.replace(target)
    return reopen_checkpoint(target, checkpoint)


def _save(model: PreTrainedModel, folder: Path) -> None:
    """Save the model without the modules behind it, which have their own folders."""
    behind = ("projection.", "sentence_head.")
    weights = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(behind)}
    model.save_pretrained(folder, state_dict=weights)


def reopen_checkpoint(folder: Path, like: Checkpoint) -> Checkpoint:
    """The checkpoint in a folder that was made from another one, with that one's name and licence."""
    return replace(open_checkpoint(str(folder)), name=like.name, licence=like.licence)
