"""Vocabulary pruning: a language's text is cut as before, other text survives, and the kept logits do not move."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BartConfig, BartForConditionalGeneration, BertConfig, BertModel

from sprig_export.bases.start import train_tokenizer
from sprig_export.pruning.vocabulary import count_tokens, prune_tokenizer, slice_vocabulary
from sprig_server.errors import InvalidInput

TEXT = [
    "def load_settings(path, defaults): return dict(defaults, **read(path))",
    "Return the settings of a path, or the defaults where it does not exist.",
    "for line in lines: total += len(line.split())",
    "Count the words of all the lines and return the total.",
]
OTHER = ["zebra quartz jumping über façade", "while (x) { y--; }", "SELECT name FROM table WHERE id = 7", "\t\x00 日本"]


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(TEXT + OTHER, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def byte_pairs() -> Tokenizer:
    return train_tokenizer(TEXT + OTHER, 420)


TOKENIZERS = pytest.mark.parametrize("make", [wordpiece, byte_pairs])


@TOKENIZERS
def test_text_of_the_language_is_cut_as_before(make) -> None:
    tokenizer = make()
    pruned = prune_tokenizer(tokenizer, count_tokens(tokenizer, TEXT), tokenizer.get_vocab_size() - 1)
    assert pruned.tokenizer.get_vocab_size() == len(pruned.kept) < tokenizer.get_vocab_size()
    for text in TEXT:
        before, after = tokenizer.encode(text), pruned.tokenizer.encode(text)
        assert after.tokens == before.tokens
        assert [int(pruned.kept[i]) for i in after.ids] == before.ids


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.sampled_from(" ".join(TEXT).replace("(", " ").replace(")", " ").split()), max_size=12))
def test_other_sentences_of_the_same_words_are_cut_as_before(words: list[str]) -> None:
    text = " ".join(words)
    for make in (wordpiece, byte_pairs):
        tokenizer = _made(make)
        pruned = prune_tokenizer(tokenizer, count_tokens(tokenizer, [*TEXT, *(f" {w}" for w in words), text]), 10_000)
        assert pruned.tokenizer.encode(text).tokens == tokenizer.encode(text).tokens


_known: dict[str, Tokenizer] = {}


def _made(make) -> Tokenizer:
    return _known.setdefault(make.__name__, make())


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_unseen_text_round_trips_through_bytes(text: str) -> None:
    tokenizer = _made(byte_pairs)
    pruned = prune_tokenizer(tokenizer, count_tokens(tokenizer, TEXT[:1]), 290)
    assert pruned.tokenizer.decode(pruned.tokenizer.encode(text).ids) == tokenizer.decode(tokenizer.encode(text).ids)


def test_bytes_stay_where_characters_fall_back_on_them() -> None:
    """As in Llama 2 and Gemma, whose vocabularies are not of bytes but spell what they do not know with them."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "a", "b", "ab"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b")], unk_token="<unk>", byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    pruned = prune_tokenizer(tokenizer, count_tokens(tokenizer, ["a b"]), 10).tokenizer
    assert pruned.decode(pruned.encode("a日b").ids) == "a日b"


def test_unseen_words_are_spelt_out_and_not_unknown() -> None:
    tokenizer = wordpiece()
    pruned = prune_tokenizer(tokenizer, count_tokens(tokenizer, TEXT), 100)
    assert "zebra" not in pruned.tokenizer.get_vocab()
    assert "[UNK]" not in pruned.tokenizer.encode("zebra quartz").tokens
    assert pruned.tokenizer.encode("zebra").tokens[0] == "[CLS]"


def test_the_most_frequent_entries_stay() -> None:
    tokenizer = wordpiece()
    ids = [tokenizer.token_to_id(word) for word in ("return", "the", "zebra")]
    counts = Counter(dict(zip(ids, (1, 9, 5), strict=True)))
    least = len(prune_tokenizer(tokenizer, Counter(), 0).kept)
    kept = prune_tokenizer(tokenizer, counts, least + 2).kept
    assert [i in kept for i in ids] == [False, True, True]


def test_kinds_that_cannot_be_pruned_are_named() -> None:
    with pytest.raises(InvalidInput, match="Unigram"):
        prune_tokenizer(Tokenizer(models.Unigram([("a", 0.0)])), Counter(), 10)


def test_logits_of_kept_entries_do_not_move() -> None:
    torch.manual_seed(0)
    shape = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    ids = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    model = BartForConditionalGeneration(
        BartConfig(vocab_size=50, encoder_attention_heads=2, decoder_attention_heads=2, **shape, **ids)
    ).eval()
    model.final_logits_bias.normal_()
    kept = np.array([0, 1, 2, 7, 11, 30, 49])
    source, target = torch.tensor([[3, 4, 6, 1]]), torch.tensor([[0, 5, 2]])  # new ids
    with torch.no_grad():
        before = model(
            input_ids=torch.from_numpy(kept)[source], decoder_input_ids=torch.from_numpy(kept)[target]
        ).logits
        slice_vocabulary(model, kept)
        after = model(input_ids=source, decoder_input_ids=target).logits
    assert torch.allclose(before[..., kept], after, atol=1e-6)
    assert model.config.vocab_size == 7
    assert model.lm_head.weight is model.model.shared.weight


def test_sentence_encoders_keep_their_vectors() -> None:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertModel(BertConfig(vocab_size=40, **shape)).eval()
    kept = np.array([0, 2, 3, 4, 9, 20])
    ids = torch.tensor([[2, 4, 5, 3]])
    with torch.no_grad():
        before = model(input_ids=torch.from_numpy(kept)[ids]).last_hidden_state
        slice_vocabulary(model, kept)
        after = model(input_ids=ids).last_hidden_state
    assert torch.allclose(before, after, atol=1e-6)


@TOKENIZERS
def test_the_pruned_tokenizer_is_a_plain_file(make) -> None:
    tokenizer = make()
    pruned = prune_tokenizer(tokenizer, count_tokens(tokenizer, TEXT), 200).tokenizer
    again = Tokenizer.from_str(pruned.to_str())
    assert json.loads(pruned.to_str())["model"]["type"] in ("WordPiece", "BPE")
    assert again.encode(TEXT[0]).ids == pruned.encode(TEXT[0]).ids
