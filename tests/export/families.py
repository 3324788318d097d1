"""A tiny model with random weights of every family that can be pruned, and text for it as token ids."""

from __future__ import annotations

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertModel,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from sprig_export.training.batches import Batch

WORDS, WIDTH, HEADS, LAYERS, UNITS = 90, 32, 4, 3, 48
FAMILIES = ("bert", "roberta", "bart", "t5", "llama", "qwen2", "gemma", "gpt2")


def make_model(family: str) -> PreTrainedModel:
    """The same weights every time."""
    torch.manual_seed(0)
    encoder = {"vocab_size": WORDS, "hidden_size": WIDTH, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS}
    shared = {**encoder, "intermediate_size": UNITS}
    grouped = {**shared, "num_key_value_heads": 2}
    model: PreTrainedModel
    if family == "bert":
        model = BertModel(BertConfig(**shared), add_pooling_layer=False)
    elif family == "roberta":
        model = RobertaModel(RobertaConfig(**shared, pad_token_id=0), add_pooling_layer=False)
    elif family == "bart":
        halves = {
            f"{half}_{name}": n
            for half in ("encoder", "decoder")
            for name, n in (("layers", LAYERS), ("attention_heads", HEADS), ("ffn_dim", UNITS))
        }
        model = BartForConditionalGeneration(BartConfig(vocab_size=WORDS, d_model=WIDTH, pad_token_id=0, **halves))
    elif family == "t5":
        model = T5ForConditionalGeneration(
            T5Config(
                vocab_size=WORDS,
                d_model=WIDTH,
                d_kv=8,
                num_heads=HEADS,
                num_layers=LAYERS,
                d_ff=UNITS,
                decoder_start_token_id=0,
            )
        )
    elif family == "llama":
        model = LlamaForCausalLM(LlamaConfig(**grouped))
    elif family == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**grouped))
    elif family == "gemma":
        model = GemmaForCausalLM(GemmaConfig(**grouped, head_dim=8))
    else:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_embd=WIDTH, n_head=HEADS, n_layer=LAYERS, n_inner=UNITS))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name and "wte" not in name:
                parameter.mul_(6.0)  # as they are made, layers change next to nothing
    return model.eval()


def batches_of(family: str, count: int) -> list[Batch]:
    """Batches of two texts of different lengths, the shorter one padded with 0."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(count):
        ids = torch.randint(5, WORDS, (2, 9), generator=generator)
        mask = torch.ones_like(ids)
        mask[1, 6:] = 0
        targets = torch.randint(5, WORDS, (2, 5), generator=generator)
        target_mask = torch.ones_like(targets)
        target_mask[1, 4:] = 0
        both = family in ("bart", "t5")
        made.append(Batch(ids * mask, mask, targets if both else None, target_mask if both else None))
    return made
