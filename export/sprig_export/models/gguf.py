"""Converting a GGUF file, the format of llama.cpp, into a model folder.

transformers restores the weights and the vocabulary. It gets some settings of the tokenizer wrong, which are corrected
from the file: the end token, the padding token, and whether a text begins with a special token.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprig_export.models.folder import digest_weights, find_weights, keep_made
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_SUFFIX = ".gguf"
_ARCHITECTURES = ("llama", "qwen2", "gpt2")
"""The architectures that transformers can restore and Sprig can export, by their names in GGUF."""
_UNKNOWN_TYPE = re.compile(r"(\d+)\)? is not a valid GGMLQuantizationType")
_DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone")
"""Vocabularies (`tokenizer.ggml.pre`) in which every digit is a separate token."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a GGUF file: the model's architecture, name and licence; and for its tokenizer, the ids of the
    tokens that begin, end and pad a text, whether a text begins with the first of them, and whether digits are
    split.
    """

    architecture: str
    name: str
    licence: str
    begin: int | None
    end: int
    padding: int
    begins: bool
    digits_apart: bool


def find_gguf(model: Path) -> Path | None:
    """The GGUF file at a path, or the only one in a folder without other weights; None if there is none.

    Raises:
        InvalidInput: the folder contains several.
    """
    if model.is_file():
        return model if model.suffix.lower() == _SUFFIX else None
    found = sorted(path for path in model.iterdir() if path.suffix.lower() == _SUFFIX) if model.is_dir() else []
    if not found or find_weights(model):
        return None
    if len(found) > 1:
        raise InvalidInput(f'"{model}" holds {len(found)} GGUF files: name one of them, such as "{found[0]}"')
    return found[0]


def unpack_gguf(path: Path) -> tuple[Path, str, Header]:
    """The model folder of a GGUF file, kept in the user's cache, with the file's SHA-256 and its header.

    Raises:
        InvalidInput: it is not a complete GGUF file of a supported model with a tokenizer.
    """
    sha256, header = digest_weights([path]), read_header(path)
    return keep_made(sha256, lambda folder: _restore(path, header, folder)), sha256, header


def read_header(path: Path) -> Header:
    """The header of a GGUF file.

    Raises:
        InvalidInput: as `unpack_gguf`.
    """
    from gguf import GGUFReader
    from gguf.quants import dequantize

    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise InvalidInput(f'"{path}" is not a GGUF file: it does not begin with "GGUF"')
    try:
        reader = GGUFReader(path)
    except Exception as error:  # truncated files make NumPy and Python raise many types
        unknown = _unknown_type(error)
        if unknown:
            raise InvalidInput(
                f'"{path}" has weights of the unknown type {unknown}: take the model as F16, Q8_0 or Q4_1, for example'
            ) from None
        raise InvalidInput(f'"{path}" is cut off or damaged: fetch it again') from None

    def field(name: str, default: Any = None) -> Any:
        found = reader.get_field(name)
        return default if found is None else found.contents()

    architecture = str(field("general.architecture", "unknown"))
    if architecture not in _ARCHITECTURES:
        raise InvalidInput(
            f'"{path}" holds a model of the architecture {architecture}: GGUF files are read of '
            f"{', '.join(_ARCHITECTURES)}"
        )
    if reader.get_field("tokenizer.ggml.tokens") is None:
        raise InvalidInput(f'"{path}" holds no tokenizer: take a GGUF file of the whole model')
    kinds = {tensor.tensor_type: tensor for tensor in reader.tensors}
    for kind, tensor in kinds.items():
        try:
            dequantize(tensor.data[:1], kind)
        except (NotImplementedError, ValueError):
            raise InvalidInput(
                f'"{path}" has weights of the type {kind.name} ({tensor.name}), which cannot be restored: take the '
                "model as F16, Q8_0 or Q4_1, for example"
            ) from None
    end = field("tokenizer.ggml.eos_token_id")
    if end is None:
        raise InvalidInput(f'"{path}" names no token that ends a text (tokenizer.ggml.eos_token_id): take another file')
    begin = field("tokenizer.ggml.bos_token_id")
    return Header(
        architecture,
        str(field("general.name", path.stem)),
        str(field("general.license", "unknown")),
        None if begin is None else int(begin),
        int(end),
        int(field("tokenizer.ggml.padding_token_id", end)),
        bool(field("tokenizer.ggml.add_bos_token", field("tokenizer.ggml.model") == "llama")),
        field("tokenizer.ggml.pre") in _DIGITS_APART,
    )


def _unknown_type(error: Exception) -> str:
    """The number of an unknown type of weights; "" for another error."""
    found = _UNKNOWN_TYPE.search(str(error))
    return found[1] if found else ""


def _restore(path: Path, header: Header, folder: Path) -> None:
    _LOG.info("unpacking %s, once", path.name)
    import torch
    from tokenizers import pre_tokenizers, processors
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

    where = {"gguf_file": path.name, "local_files_only": True}
    try:
        raw = AutoTokenizer.from_pretrained(path.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(path.parent, torch_dtype=torch.float32, **where)
    except Exception as error:  # transformers raises many types for damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(f'"{path}" cannot be read by transformers ({reason}): take another file') from None
    backend = raw.backend_tokenizer
    token = backend.id_to_token
    begin = token(header.begin) if header.begin is not None else None
    if header.digits_apart:
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
        )
    if header.begins and begin is not None:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, header.begin)]
        )
    else:
        backend.post_processor = processors.Sequence([])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=begin,
        eos_token=token(header.end),
        pad_token=token(header.padding),
        model_max_length=model.config.max_position_embeddings,
    )
    for config in (model.config, model.generation_config):
        config.bos_token_id, config.eos_token_id, config.pad_token_id = header.begin, header.end, header.padding
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
