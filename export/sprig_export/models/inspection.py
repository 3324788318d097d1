"""Checking a model before an export: whether its parts fit together, and how it will be used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.config.recipe import Recipe
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.generation import read_generation
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_export.report.stages import Say, say_nothing
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

_LEAST_ROOM = 16
"""The fewest tokens of a function that are enough for a summary, special tokens and the prompt included."""


def inspect_model(checkpoint: Checkpoint, task: Task) -> dict[str, Any]:
    """The facts about a model that an export reports at its beginning.

    Raises:
        InvalidInput: its tokenizer, embeddings and settings do not fit together, or the server cannot feed it as it
            expects.
    """
    if task == "search" and checkpoint.config.get("is_encoder_decoder"):
        raise InvalidInput(
            f'the model "{checkpoint.name}" writes texts (it is an encoder-decoder): give a sentence encoder for search'
        )
    model, tokenizer = load_model(checkpoint, task), load_tokenizer(checkpoint)
    tokens, rows = max(tokenizer.get_vocab().values()) + 1, model.get_input_embeddings().weight.shape[0]
    if tokens > rows:
        raise InvalidInput(
            f'the tokenizer of the model "{checkpoint.name}" has {tokens} tokens, the model {rows} embeddings: give '
            "the tokenizer that it was trained with"
        )
    _check_that_it_runs(checkpoint, model)
    if task == "search":
        return _inspect_encoder(checkpoint, model, tokenizer)
    left = read_generation(checkpoint.folder).left
    return {"left_to_the_recipe": ", ".join(left)} if left else {}


def fit_lengths(recipe: Recipe, checkpoint: Checkpoint, say: Say = say_nothing) -> Recipe:
    """The recipe of a summary bundle with texts no longer than the model has positions for.

    Args:
        say: called with a sentence for each setting that had to be lowered.

    Raises:
        InvalidInput: there are too few positions for any function.
    """
    positions = checkpoint.positions
    if recipe.task != "summarize" or positions is None:
        return recipe
    written = min(recipe.max_new_tokens, positions)
    room = positions - written if checkpoint.decoder_only else positions  # which reads and writes one text
    if room < _LEAST_ROOM:
        raise InvalidInput(
            f'the model "{checkpoint.name}" has positions for {positions} tokens, {written} of them for the summary '
            f"(max_new_tokens): functions need {_LEAST_ROOM} at least"
        )
    fitted = replace(recipe, summary_tokens=min(recipe.summary_tokens, room), max_new_tokens=written)
    for name in ("summary_tokens", "max_new_tokens"):
        asked, left = getattr(recipe, name), getattr(fitted, name)
        if left < asked:
            say(f"{name} is {left} instead of {asked}: the model has positions for {positions} tokens")
    return fitted


def _check_that_it_runs(checkpoint: Checkpoint, model: PreTrainedModel) -> None:
    """Some settings are used only when the model runs, such as the epsilon of a normalization."""
    one = torch.zeros((1, 1), dtype=torch.int64)
    inputs = {"input_ids": one, "attention_mask": torch.ones_like(one)}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = one
    try:
        with torch.inference_mode():
            model(**inputs)
    except Exception as error:  # whatever a layer raises for a setting of a wrong type
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInput(
            f'the model "{checkpoint.name}" does not run with the settings in its config.json ({reason}): mend the '
            "setting, or give another model"
        ) from None


def _inspect_encoder(
    checkpoint: Checkpoint, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
    if tokenizer.truncation_side != "right":
        raise InvalidInput(
            f'the tokenizer of the model "{checkpoint.name}" cuts the beginning of long texts (truncation_side), and '
            "the server cuts their end: such models cannot be exported"
        )
    if any(tokenizer("a", return_token_type_ids=True)["token_type_ids"]):
        raise InvalidInput(
            f'the tokenizer of the model "{checkpoint.name}" gives texts a type other than 0 (token_type_ids), and the '
            "server gives them that one: such models cannot be exported"
        )
    sentences, window = checkpoint.sentences, checkpoint.max_tokens
    full = torch.full((1, window), tokenizer.convert_tokens_to_ids(tokenizer.tokenize("a")[:1] or ["a"])[0] or 0)
    try:
        with torch.inference_mode():
            model(input_ids=full, attention_mask=torch.ones_like(full))
    except (IndexError, RuntimeError, ValueError) as error:
        raise InvalidInput(
            f'the model "{checkpoint.name}" cannot read the {window} tokens of its window ({error}): give a smaller '
            "max_seq_length in its sentence_bert_config.json"
        ) from None
    facts: dict[str, Any] = {"pooling": sentences.pooling, "max_tokens": window}
    if sentences.max_tokens is not None and sentences.max_tokens > window:
        facts["max_tokens"] = (
            f"{window}, since it has positions for no more than these ({sentences.max_tokens} are named)"
        )
    if sentences.prompts.query or sentences.prompts.document:
        facts["prompts"] = f"{sentences.prompts.query!r} and {sentences.prompts.document!r}"
    return facts
