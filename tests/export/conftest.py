"""Tiny models with random weights, saved to disk as real checkpoints are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from sprig_export.config.request import Example

torch.set_num_threads(1)  # in models so small, threads wait for each other longer than they work

_VERBS = ["open", "close", "read", "write", "sort", "merge", "parse", "send"]
_NOUNS = ["file", "list", "socket", "table", "token", "number", "buffer", "tree"]


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    draw = random.Random(0)
    made = []
    for verb in _VERBS:
        for noun in _NOUNS:
            other = draw.choice(_NOUNS)
            code = f"def {verb}_{noun}({other}):\n    result = {other}.{verb}({noun})\n    return result"
            made.append(Example("python", code, f"{verb.title()} the {noun} of a {other}."))
    return made


def _train(model: object, trainer: object, texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def texts(examples: list[Example]) -> list[str]:
    return [text for example in examples for text in (f"<python> {example.code}", example.text)]


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("bert") / "tiny-bert"
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def _save_encoder_decoder(folder: Path, texts: list[str], family: str) -> Path:
    special = ["<pad>", "</s>", "<unk>", "<python>"]
    tokenizer = _train(models.BPE(), trainers.BpeTrainer(vocab_size=400, special_tokens=special), texts)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 0, "decoder_start_token_id": 0}
    size = tokenizer.get_vocab_size()
    if family == "t5":
        model = T5ForConditionalGeneration(
            T5Config(vocab_size=size, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, **ids)
        )
    else:
        model = BartForConditionalGeneration(
            BartConfig(
                vocab_size=size,
                d_model=32,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                max_position_embeddings=128,
                forced_eos_token_id=None,
                init_std=0.2,
                **ids,
            )
        )
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", params=["t5", "bart"])
def encoder_decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    return _save_encoder_decoder(tmp_path_factory.mktemp(request.param) / "tiny", texts, request.param)


@pytest.fixture(scope="session")
def bart(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    return _save_encoder_decoder(tmp_path_factory.mktemp("summary") / "tiny-bart", texts, "bart")


@pytest.fixture(scope="session")
def repository(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own: its code, its dependencies, and a hidden folder."""
    folder = tmp_path_factory.mktemp("project")
    for number, example in enumerate(examples):
        head, body = example.code.split("\n", 1)
        documented = f'{head}\n    """{example.text}"""\n{body}\n'
        (folder / f"part{number % 16}.py").open("a").write(documented + "\n\n")
    for place in (".venv/lib", "node_modules/x"):
        (folder / place).mkdir(parents=True)
        (folder / place / "other.py").write_text(
            'def stolen(x):\n    """Take what is not ours from others."""\n    return x\n'
        )
    return folder
