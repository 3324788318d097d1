"""Pruning a checkpoint on disk: what comes out is a model folder again, so that every later stage reads one kind."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from sprig_export.architectures import load_encoder_decoder
from sprig_export.checkpoints import Checkpoint, open_checkpoint
from sprig_export.pruning.vocabulary import count_tokens, slice_vocabulary, trim_vocabulary
from sprig_export.recipe import Recipe


def trim_checkpoint(
    checkpoint: Checkpoint, recipe: Recipe, texts: Iterable[str], output: Path, facts: dict[str, Any]
) -> Checkpoint:
    """The checkpoint with the vocabulary of `texts` alone, as a model folder at `output`.

    `facts` takes up how many entries it had and has, and which share of the tokens of `texts` is kept.
    """
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder).backend_tokenizer
    counts = count_tokens(tokenizer, texts)
    trimmed = trim_vocabulary(tokenizer, counts, recipe.vocabulary)
    facts["entries_before"], facts["entries"] = tokenizer.get_vocab_size(), len(trimmed.kept)
    facts["tokens_kept"] = round(sum(counts[int(index)] for index in trimmed.kept) / max(1, counts.total()), 5)
    if recipe.task == "search":
        model = AutoModel.from_pretrained(checkpoint.folder, torch_dtype=torch.float32)
    else:
        model = load_encoder_decoder(checkpoint.folder)
    slice_vocabulary(model, trimmed.kept)
    output.mkdir()
    for name in (
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    ):
        source, target = checkpoint.folder / name, output / name
        if source.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)
    model.save_pretrained(output)
    trimmed.tokenizer.save(str(output / "tokenizer.json"), pretty=False)
    return replace(open_checkpoint(str(output)), name=checkpoint.name, licence=checkpoint.licence)
