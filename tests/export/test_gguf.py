"""GGUF files: what llama.cpp's own writer wrote is the model it was written from, with a tokenizer that ends texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from tests.export.families import make_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedModel

from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.gguf import find_gguf, read_header
from sprig_export.models.loading import load_model
from sprig_server.errors import InvalidInput

BEGIN, END, UNKNOWN = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.layers.": "blk.",
}


@pytest.fixture(scope="module")
def tokenizer(texts: list[str]) -> Tokenizer:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=[UNKNOWN, BEGIN, END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    return inner


@pytest.fixture(scope="module")
def llama(tokenizer: Tokenizer) -> PreTrainedModel:
    model = make_model("llama")
    model.resize_token_embeddings(tokenizer.get_vocab_size())
    return model.eval()


@pytest.fixture
def write(llama: PreTrainedModel, tokenizer: Tokenizer, tmp_path: Path) -> Callable[..., Path]:
    """Writes the model into a GGUF file, some of it changed."""

    def write(
        architecture: str = "llama", vocabulary: bool = True, begins: bool = False, kind: str = "F32", folder: str = "m"
    ) -> Path:
        path = tmp_path / folder / "tiny.gguf"
        path.parent.mkdir(exist_ok=True)
        writer = gguf.GGUFWriter(path, architecture)
        config = llama.config
        writer.add_name("Tiny")
        writer.add_license("apache-2.0")
        writer.add_block_count(config.num_hidden_layers)
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(config.num_attention_heads)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_freq_base(config.rope_theta)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_vocab_size(config.vocab_size)
        if vocabulary:
            by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre("smollm")
            writer.add_token_list([token for token, _ in by_id])
            writer.add_token_types([3 if token in (BEGIN, END, UNKNOWN) else 1 for token, _ in by_id])
            writer.add_token_merges([" ".join(pair) for pair in _merges(tokenizer)])
            writer.add_bos_token_id(1)
            writer.add_eos_token_id(2)
            writer.add_unk_token_id(0)
            writer.add_pad_token_id(2)
            writer.add_add_bos_token(begins)
        wanted = gguf.GGMLQuantizationType[kind]
        for name, value in llama.state_dict().items():
            array = _as_llama_cpp(name, value.float().numpy(), config)
            for ours, theirs in TENSORS.items():
                name = name.replace(ours, theirs)
            quantized = wanted != gguf.GGMLQuantizationType.F32 and array.ndim == 2 and array.shape[1] % 32 == 0
            data = gguf.quantize(array, wanted) if quantized else array
            writer.add_tensor(name, data, raw_dtype=wanted if quantized else None)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    import json

    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _as_llama_cpp(name: str, array: np.ndarray, config: object) -> np.ndarray:
    """llama.cpp keeps the two halves of a head's rotations next to each other."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return array
    return array.reshape(heads, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)


def test_a_file_is_the_model_it_was_written_from(write: Callable[..., Path], llama: PreTrainedModel) -> None:
    path = write()
    checkpoint = open_checkpoint(str(path))
    assert (checkpoint.name, checkpoint.licence, checkpoint.decoder_only) == ("Tiny", "apache-2.0", True)
    restored, ids = load_model(checkpoint, "summarize"), torch.arange(24)[None]
    with torch.no_grad():
        torch.testing.assert_close(restored(ids).logits, llama(ids).logits)
    assert open_checkpoint(str(path.parent)).folder == checkpoint.folder  # the folder that holds the file will do


def test_fewer_bits_are_restored_too(write: Callable[..., Path], llama: PreTrainedModel) -> None:
    checkpoint = open_checkpoint(str(write(kind="Q8_0")))
    weight = load_model(checkpoint, "summarize").state_dict()["model.layers.0.mlp.up_proj.weight"]
    torch.testing.assert_close(weight, llama.state_dict()["model.layers.0.mlp.up_proj.weight"], atol=0.01, rtol=0.05)


@pytest.mark.parametrize("begins", [False, True])
def test_the_tokenizer_begins_ends_and_pads_as_the_file_says(
    begins: bool, write: Callable[..., Path], tokenizer: Tokenizer
) -> None:
    checkpoint = open_checkpoint(str(write(begins=begins)))
    restored = AutoTokenizer.from_pretrained(checkpoint.folder)
    assert (restored.eos_token, restored.pad_token) == (END, END)
    assert checkpoint.config["eos_token_id"] == checkpoint.config["pad_token_id"] == 2
    text = "def read_table(x12):\n    return 'ä' + x[345]"
    assert restored(text)["input_ids"] == [1] * begins + tokenizer.encode(text).ids
    assert restored.decode(tokenizer.encode(text).ids) == text


def test_what_cannot_be_read_is_named(write: Callable[..., Path], tmp_path: Path) -> None:
    def check(path: Path, *said: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            open_checkpoint(str(path))
        sentence = str(refused.value)
        for part in (path.name, *said):
            assert part in sentence
        assert "\n" not in sentence

    check(write("mamba", folder="other"), "mamba", "llama")
    check(write(vocabulary=False, folder="bare"), "no tokenizer")
    whole = write()
    for share in (0.001, 0.3, 0.97):
        cut = tmp_path / f"cut-{share}.gguf"
        cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
        check(cut, "cut off or damaged")
    unknown = bytearray(whole.read_bytes())
    place = unknown.index(b"output_norm.weight") + len(b"output_norm.weight") + 4 + 8  # behind its one dimension
    unknown[place : place + 4] = (99).to_bytes(4, "little")
    (tmp_path / "unknown.gguf").write_bytes(unknown)
    check(tmp_path / "unknown.gguf", "unknown type 99")
    (tmp_path / "text.gguf").write_text("not a model")
    check(tmp_path / "text.gguf", "not a GGUF file")


def test_one_of_several_has_to_be_chosen(write: Callable[..., Path], tmp_path: Path) -> None:
    first = write()
    assert find_gguf(first.parent) == first and find_gguf(tmp_path) is None
    first.with_name("other.gguf").write_bytes(first.read_bytes())
    with pytest.raises(InvalidInput, match="2 GGUF files"):
        find_gguf(first.parent)


def test_the_header_says_how_digits_are_read(write: Callable[..., Path]) -> None:
    assert read_header(write()).digits_apart
