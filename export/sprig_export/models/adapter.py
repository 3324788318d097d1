"""Adapters: low-rank factors in the format of `peft`, and merging them into their model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sprig_export.models.folder import digest_weights, keep_made, read_settings
from sprig_server.errors import InvalidInput

CONFIGURATION, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def merge_adapter(base: Path, name: str, sha256: str, adapter: Path) -> tuple[Path, str]:
    """The folder, in the user's cache, of a decoder-only model with an adapter merged into it, and its digest.

    Args:
        base: the model's folder.
        name: the name of the model, which the adapter must name too.
        sha256: the digest of the model's weights.
        adapter: a folder that `sprig train summarize` wrote.

    Raises:
        InvalidInput: there is no adapter, it is damaged, or it is for another model.
    """
    settings = read_settings(adapter / CONFIGURATION)
    if not settings or not (adapter / WEIGHTS).is_file():
        raise InvalidInput(f'"{adapter}" is not an adapter: it needs {CONFIGURATION} and {WEIGHTS}')
    wanted = settings.get("base_model_name_or_path")
    if wanted != name:
        raise InvalidInput(f'the adapter "{adapter}" is for the model {wanted!r}, not for {name!r}: give that one')
    parts = (sha256, digest_weights([adapter / CONFIGURATION, adapter / WEIGHTS]))
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    return keep_made(digest, lambda folder: _merge(base, adapter, folder)), digest


def _merge(base: Path, adapter: Path, folder: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, torch_dtype=torch.float32)
    try:
        merged = PeftModel.from_pretrained(model, str(adapter)).float().merge_and_unload()
    except Exception as error:  # peft raises many types for damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(f'the adapter "{adapter}" does not fit the model ({reason}): train it again') from None
    merged.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
