"""Collecting the importance table of a language: which tokens a model attends to (LeanCode).

Search with the pooling "cls": the attention of the first token in the last layer, averaged over heads. With the pooling
"mean": token j contributes to the mean of sum_j a_ij v_j over i with the mean of a_ij over i. That mean replaces the
first token's row, times the number of tokens, so that 1 is an even share in functions of any length. Summaries: the
attention of the decoder's last layer while it reads the reference sentence, averaged over heads, then the maximum over
the sentence. A decoder-only model reads the sentence behind its prompt; the mean of the last half of its layers is
used, which was not compared with other choices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example
from sprig_export.data.calibration import Calibration
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_export.training.loop import autocast
from sprig_export.trimming.student import Trimming
from sprig_server.code.statements import split_statements
from sprig_server.code.text import Passage, prompt_parts, prompt_passage, search_passage, summary_passage
from sprig_server.trim.collect import Collector, cls_attention, cross_attention, mean_attention
from sprig_server.trim.importance import Importance
from sprig_server.trim.novelty import novelty_table
from sprig_server.trim.tokens import place_tokens
from sprig_server.types import Task

_SENTENCE_TOKENS = 40
_LAST_LAYERS = 0.5  # the share of a decoder-only model's layers
_LEARNT_FROM = 300  # functions; a recovery needs only a rough table


def collect_importance(
    checkpoint: Checkpoint, task: Task, functions: Sequence[Example], window: int, prompt: str | None = None
) -> Importance:
    """The importance of a model's tokens, by statement class.

    Args:
        checkpoint: a sentence encoder or a summary model; its vocabulary is that of the bundle.
        functions: code of the language, with the sentences that say what it does.
        window: the number of tokens that are read of each, special tokens included.
        prompt: that of a decoder-only model.
    """
    model = load_model(checkpoint, task, "eager")  # other implementations do not return attention
    tokenizer: Tokenizer = load_tokenizer(checkpoint).backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(window)
    collector = Collector(tokenizer.get_vocab_size())
    for function in functions:
        passage = _passage(function, task, prompt)
        encoding = tokenizer.encode(passage.text)
        statements = split_statements(passage.code, function.language)
        tokens = place_tokens(passage, encoding.ids, encoding.offsets, statements)
        if len(tokens):
            with torch.inference_mode(), autocast(model):
                if prompt is None:
                    said = tokenizer.encode(function.text).ids[:_SENTENCE_TOKENS]
                    attended = _attended(model, encoding.ids, said, checkpoint.pooling)
                else:
                    behind = prompt_parts(prompt, function.language)[1], f" {function.text}"
                    after, said = (tokenizer.encode(text, add_special_tokens=False).ids for text in behind)
                    attended = _attended_behind(model, encoding.ids, [*after, *said[:_SENTENCE_TOKENS]], len(after))
            collector.add(tokens, attended[tokens.places])
    return collector.finish()


def learn_trimming(checkpoint: Checkpoint, recipe: Recipe, calibration: Calibration) -> Trimming | None:
    """How a recovery trims the functions that its student reads; None if the bundle will read whole functions, or there
    are no functions.

    The recipe's share is not used. It is chosen afterwards, and the recipe that is then written must make the same
    model again.
    """
    served = recipe.trim == "novelty" and not checkpoint.decoder_only
    functions = calibration.functions[:_LEARNT_FROM]
    if not (served and recipe.recovery_steps and functions):
        return None
    window = checkpoint.max_tokens if recipe.task == "search" else recipe.summary_tokens
    found = collect_importance(checkpoint, recipe.task, functions, window)
    tokenizer = load_tokenizer(checkpoint)
    special = tuple(number for number in tokenizer.added_tokens_decoder if number != tokenizer.unk_token_id)
    return Trimming(novelty_table(found.token_means()), special, recipe.trim_least)


def _passage(function: Example, task: Task, prompt: str | None) -> Passage:
    if task == "search":
        return search_passage(function.code, 0, function.language)
    if prompt is None:
        return summary_passage(function.code, function.language)
    return prompt_passage(prompt, function.code, function.language)


def _attended(model: PreTrainedModel, ids: list[int], said: list[int], pooling: str) -> NDArray[np.float64]:
    """The attention that each token of a function gets, float64 [t]."""
    read = torch.tensor([ids])
    if model.config.is_encoder_decoder:
        start = model.config.decoder_start_token_id
        targets = torch.tensor([[start, *said[:-1]]])
        given = model(input_ids=read, decoder_input_ids=targets, output_attentions=True, use_cache=False)
        return cross_attention(given.cross_attentions[-1][0].double().numpy())
    layers = model(input_ids=read, output_attentions=True).attentions
    if not layers:  # a mean of embeddings attends to all tokens equally
        return np.ones(len(ids))
    attention = layers[-1][0].double().numpy()  # [h, t, t]
    return cls_attention(attention) if pooling == "cls" else mean_attention(attention)


def _attended_behind(model: PreTrainedModel, ids: list[int], behind: list[int], written: int) -> NDArray[np.float64]:
    """The attention that each token of a prompt gets from the sentence behind it, float64 [t].

    Args:
        ids: the prompt up to the end of the function, t tokens.
        behind: the rest of the prompt and the sentence, which begins at the token `written`.
    """
    layers = model(input_ids=torch.tensor([[*ids, *behind]]), output_attentions=True, use_cache=False).attentions
    last = layers[round(len(layers) * (1 - _LAST_LAYERS)) :]
    attention = torch.stack([layer[0] for layer in last]).double().mean(dim=0).numpy()  # [h, all, all]
    start = len(ids) + written - 1  # the token before the sentence writes its first one
    return cross_attention(attention[:, start:-1, : len(ids)])
