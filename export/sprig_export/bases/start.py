"""What a summary base starts as: its tokenizer, and an encoder-decoder whose halves come from a BERT encoder or an
earlier base.

The tokenizer is a cased byte-level BPE over words and parts of identifiers.

BART's layers are BERT's layers (post-norm, GELU) under other names, so an encoder can be copied exactly. The vocabulary
cannot: every new token starts as the mean of the old pieces that spell it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import BartConfig, BartForConditionalGeneration, BertModel, GenerationConfig, PreTrainedTokenizerFast

from sprig_export.bases.recipe import SummaryRecipe
from sprig_export.models.folder import replace_folder

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
PAD_ID, END_ID, UNKNOWN_ID = 0, 1, 2
TAGS = ("<python>", "<java>", "<javascript>", "<typescript>", "<cpp>")
_SPECIAL = (PAD, END, UNKNOWN, *TAGS)
_WORDS = r" ?[A-Z]+(?![a-z])| ?[A-Z]?[a-z]+| ?[0-9]{1,2}|_+| ?[^\sA-Za-z0-9_]+|\s+"

_OFFSET = 2  # BART's learned positions begin at row 2
_MARK = 0.3  # the length of the marks below, as a share of a token's length
_NOISE = 0.05  # the same for the noise that distinguishes tokens with the same pieces
_NAMES = {
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "output.LayerNorm": "final_layer_norm",
}


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of `size` entries: pad 0, end 1, unknown 2, the language tags, then bytes and merges.

    Encoding appends the end token; decoding omits special tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        show_progress=False,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in _SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, END_ID)]
    )
    return tokenizer


def start_model(
    recipe: SummaryRecipe,
    bert: BertModel,
    bert_tokenizer: Tokenizer,
    tokenizer: Tokenizer,
    summaries: Iterable[list[int]],
) -> BartForConditionalGeneration:
    """A model for `tokenizer` with the encoder of `bert`.

    The decoder's self-attention and feed-forward layers start from the lowest layers of `bert`, its cross-attention at
    random. The output bias is the logarithm of each token's frequency in `summaries` (token ids), so that no step is
    spent on learning frequencies.
    """
    torch.manual_seed(recipe.seed)
    size = tokenizer.get_vocab_size()
    model = BartForConditionalGeneration(_config(recipe, bert, size))
    state = bert.state_dict()
    encoder, decoder = model.model.encoder, model.model.decoder
    with torch.no_grad():
        for half, layers in ((encoder, recipe.encoder_layers), (decoder, recipe.decoder_layers)):
            for index in range(layers):
                _copy_layer(half.layers[index], state, f"encoder.layer.{index}.")
            positions = state["embeddings.position_embeddings.weight"][: recipe.positions]
            half.embed_positions.weight[_OFFSET:] = positions + state["embeddings.token_type_embeddings.weight"][0]
            half.layernorm_embedding.load_state_dict(_part(state, "embeddings.LayerNorm."))
        old = state["embeddings.word_embeddings.weight"]
        model.model.shared.weight.copy_(_transfer(old, bert_tokenizer, tokenizer))
        counts = torch.ones(size)
        for summary in summaries:
            counts.index_add_(0, torch.tensor(summary), torch.ones(len(summary)))
        model.final_logits_bias.copy_((counts / counts.sum()).log() - (counts / counts.sum()).log().mean())
    model.tie_weights()
    return model


def continue_model(
    bart: BartForConditionalGeneration, old_tokenizer: Tokenizer, tokenizer: Tokenizer
) -> BartForConditionalGeneration:
    """An earlier base with another vocabulary. Tokens that stay keep their weights; a new one starts as the mean of the
    old tokens that spell it.
    """
    old, bias = bart.model.shared.weight.detach(), bart.final_logits_bias[0]
    old_ids, size = old_tokenizer.get_vocab(), tokenizer.get_vocab_size()
    rows, biases = old.mean(dim=0).repeat(size, 1), bias.min().repeat(size)
    for token, index in tokenizer.get_vocab().items():
        if token in old_ids:
            pieces = [old_ids[token]]
        else:
            pieces = old_tokenizer.encode(tokenizer.decoder.decode([token]), add_special_tokens=False).ids
        if pieces:
            rows[index] = old[torch.tensor(pieces)].mean(dim=0)
            biases[index] = bias[torch.tensor(pieces)].min()
    model = BartForConditionalGeneration(BartConfig(**{**bart.config.to_dict(), "vocab_size": size}))
    kept = {name: value for name, value in bart.state_dict().items() if value.shape[:1] != old.shape[:1]}
    kept.pop("final_logits_bias")
    model.load_state_dict(kept, strict=False)
    with torch.no_grad():
        model.model.shared.weight.copy_(rows)
        model.final_logits_bias.copy_(biases)
    model.tie_weights()
    return model


def _config(recipe: SummaryRecipe, bert: BertModel, size: int) -> BartConfig:
    heads, width = bert.config.num_attention_heads, bert.config.intermediate_size
    return BartConfig(
        vocab_size=size,
        d_model=bert.config.hidden_size,
        encoder_layers=recipe.encoder_layers,
        decoder_layers=recipe.decoder_layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=width,
        decoder_ffn_dim=width,
        max_position_embeddings=recipe.positions,
        dropout=0.0,
        attention_dropout=0.0,
        pad_token_id=PAD_ID,
        bos_token_id=PAD_ID,
        eos_token_id=END_ID,
        decoder_start_token_id=PAD_ID,
        forced_eos_token_id=None,
    )


def generation_config(recipe: SummaryRecipe) -> GenerationConfig:
    """The default decoding of summaries."""
    return GenerationConfig(
        pad_token_id=PAD_ID,
        eos_token_id=END_ID,
        decoder_start_token_id=PAD_ID,
        max_new_tokens=recipe.target_tokens,
        num_beams=1,
    )


def _copy_layer(layer: torch.nn.Module, state: dict[str, Tensor], prefix: str) -> None:
    for old, new in _NAMES.items():
        layer.get_submodule(new).load_state_dict(_part(state, f"{prefix}{old}."))


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _transfer(old: Tensor, old_tokenizer: Tokenizer, tokenizer: Tokenizer) -> Tensor:
    """Embeddings [new vocabulary, width]: the mean of the old pieces, with a mark for a leading space or capital,
    because otherwise the output layer could not tell "Return" from " return".
    """
    old_ids = old_tokenizer.get_vocab()
    generator = torch.Generator().manual_seed(0)
    width, scale = old.shape[1], old.std()
    space, capital = torch.randn(2, width, generator=generator) * scale * _MARK
    new = old.mean(dim=0).repeat(tokenizer.get_vocab_size(), 1)
    for token, index in tokenizer.get_vocab().items():
        text = tokenizer.decoder.decode([token])
        pieces = old_tokenizer.encode(text.strip(), add_special_tokens=False).ids
        if not text.strip() and "\n" in text:
            pieces = [old_ids[";"]]  # stands for a line break in code, which BERT never sees
        if index == END_ID:
            pieces = [old_ids["[SEP]"]]
        elif index == PAD_ID or token in TAGS:
            pieces = [old_ids["[CLS]"]]
        if pieces:
            new[index] = old[torch.tensor(pieces)].mean(dim=0)
        if index in (PAD_ID, END_ID) or token in TAGS:
            continue
        if text.startswith(" "):
            new[index] += space
        if text.strip()[:1].isupper():
            new[index] += capital
        new[index] += torch.randn(width, generator=generator) * scale * _NOISE
    return new


def write_model(model: BartForConditionalGeneration, tokenizer: Tokenizer, tokens: int, folder: Path) -> None:
    """Write a model in half precision with its tokenizer, as a folder that transformers can load.

    Args:
        model: the model, in any precision. It is not changed.
        tokenizer: the model's tokenizer.
        tokens: the most source tokens that it reads.
        folder: replaced as a whole.
    """
    half = BartForConditionalGeneration(model.config)
    half.load_state_dict(model.state_dict())
    half.generation_config = model.generation_config
    with replace_folder(folder) as temporary:
        half.half().save_pretrained(temporary)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, model_max_length=tokens
        ).save_pretrained(temporary)
