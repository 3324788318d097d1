"""Finding models: a local folder, or a model hub."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sprig_export.config.failures import readable
from sprig_export.models.adapter import merge_adapter
from sprig_export.models.families import DECODER_ONLY
from sprig_export.models.folder import WEIGHTS, check_settings, digest_weights, find_weights, read_settings
from sprig_export.models.gguf import find_gguf, unpack_gguf
from sprig_export.models.sentences import Sentences, read_sentences, transformer_folder
from sprig_server.errors import InvalidInput

_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
"""The files that a tokenizer can be read from. transformers converts all but the first."""
_WINDOW = 512  # tokens; longer inputs cost more than they bring
_POSITIONS_BEHIND_PADDING = (
    "camembert",
    "data2vec-text",
    "ibert",
    "longformer",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
)
"""Families whose table of positions starts after the row of padding."""
_CONFIGURATION = ("*.json", "*.safetensors", "*.txt", "1_Pooling/*", "README.md")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on disk: its folder, its name, the digest of its weights, and its licence."""

    folder: Path
    name: str
    sha256: str
    licence: str
    config: dict[str, Any]
    home: Path | None = None
    """The folder with the settings of sentence-transformers, if it is not the folder of the weights."""

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the checkpoint; empty if there is none."""
        return read_settings(self.folder / name)

    @property
    def decoder_only(self) -> bool:
        """Whether the model writes by continuing a prompt."""
        return self.config.get("model_type") in DECODER_ONLY

    @property
    def sentences(self) -> Sentences:
        """How a sentence encoder makes vectors of texts."""
        return read_sentences(self.home or self.folder, self.folder, self.config)

    @property
    def pooling(self) -> str:
        """How a sentence encoder pools."""
        return self.sentences.pooling

    @property
    def max_tokens(self) -> int:
        """The window of a sentence encoder in tokens: its own, otherwise the tokenizer's but at most 512, and never
        more than it has positions.
        """
        own = self.sentences.max_tokens or min(self.tokenizer_window, _WINDOW)
        return min(own, self.positions or own)

    @property
    def positions(self) -> int | None:
        """The number of tokens that the model has positions for; None if it needs none."""
        from transformers import AutoConfig

        with readable(self.folder):
            return positions_of(AutoConfig.from_pretrained(self.folder))

    @property
    def tokenizer_window(self) -> int:
        """The most tokens of a text that the tokenizer says the model reads."""
        window = self.read_json("tokenizer_config.json").get("model_max_length", _WINDOW)
        if isinstance(window, bool) or not isinstance(window, int | float) or not window >= 1:
            place = self.folder / "tokenizer_config.json"
            raise InvalidInput(f'"{place}" has {window!r} for model_max_length: give a number of tokens')
        return int(window)


def positions_of(config: Any) -> int | None:
    """The number of tokens that a model with this configuration (of transformers) has positions for; None if it needs
    none.
    """
    count = getattr(config, "max_position_embeddings", None)
    if not isinstance(count, int) or count < 1:
        return None
    behind_padding = config.model_type in _POSITIONS_BEHIND_PADDING
    return max(1, count - (config.pad_token_id or 0) - 1) if behind_padding else count


def open_checkpoint(model: str, adapter: str = "") -> Checkpoint:
    """The checkpoint in a folder or a GGUF file, or of a hub id, which is downloaded unless it is in the local cache.

    Args:
        model: the folder, the file or the id.
        adapter: the folder of an adapter (`sprig train summarize`) that is merged into the model; "" for none.

    Raises:
        InvalidInput: there is no such file, folder or reachable hub id with a model; the adapter is missing, or for
            another model.
    """
    base = _open(model)
    if not adapter:
        return base
    folder, sha256 = merge_adapter(base.folder, base.name, base.sha256, Path(adapter))
    return replace(base, folder=folder, name=f"{base.name} with {Path(adapter).resolve().name}", sha256=sha256)


def _open(model: str) -> Checkpoint:
    folder, name = Path(model), Path(model).resolve().name
    if (file := find_gguf(folder)) is not None:
        return _open_gguf(file)
    if not folder.is_dir():
        if model.count("/") != 1 or model.startswith((".", "/")):
            raise InvalidInput(f'the model "{model}" does not exist: give a folder, or a hub id such as "owner/name"')
        folder = _download(model)
        if (file := find_gguf(folder)) is not None:
            return _open_gguf(file)
    home, folder = folder, transformer_folder(folder)
    config, weights = read_settings(folder / "config.json", strict=True), find_weights(folder)
    if not config or not weights:
        needed = f"config.json, tokenizer.json and one of {', '.join(WEIGHTS)}"
        raise InvalidInput(f'"{model}" is not a model folder: it needs {needed}')
    check_settings(folder)
    _check_family(folder / "config.json", config)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise InvalidInput(
            f'the model "{model}" has no fast tokenizer (tokenizer.json), which is what the server reads: load it with '
            "transformers.AutoTokenizer and save it again there"
        )
    sha256 = digest_weights(weights)
    card = _card(home)
    return Checkpoint(folder, card.get("title", name), sha256, card.get("license", "unknown"), config, home)


def _check_family(place: Path, config: dict[str, Any]) -> None:
    from transformers import CONFIG_MAPPING

    family = config.get("model_type")
    if not isinstance(family, str) or family not in CONFIG_MAPPING:
        raise InvalidInput(
            f'"{place}" names the family {family!r} (model_type), which transformers {version("transformers")} does '
            "not know: give a model of another family"
        )


def _open_gguf(file: Path) -> Checkpoint:
    folder, sha256, header = unpack_gguf(file)
    return Checkpoint(folder, header.name, sha256, header.licence, read_settings(folder / "config.json"))


def _download(model: str) -> Path:
    from huggingface_hub import list_repo_files, snapshot_download

    try:
        folder = Path(snapshot_download(model, allow_patterns=list(_CONFIGURATION)))
        if find_gguf(folder) is None and not find_weights(folder):
            named = [name for name in list_repo_files(model) if name.endswith(".gguf")]
            if len(named) == 1:  # of several, each of them large, somebody has to choose
                folder = Path(snapshot_download(model, allow_patterns=named))
        return folder
    except InvalidInput:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidInput(
            f'the model "{model}" cannot be downloaded ({reason}): check the id and the network, or give a folder'
        ) from None


def _card(folder: Path) -> dict[str, str]:
    """The plain `key: value` lines in the head of a model card, and its first heading as "title"."""
    path = folder / "README.md"
    if not path.is_file():
        return {}
    parts = path.read_text(encoding="utf-8", errors="replace").split("---", 2)
    if len(parts) < 3:
        return {}
    pairs = (line.split(":", 1) for line in parts[1].splitlines() if ":" in line and not line.startswith((" ", "-")))
    card = {key.strip(): value.strip().strip("\"'") for key, value in pairs if value.strip()}
    heading = next((line[2:].strip() for line in parts[2].splitlines() if line.startswith("# ")), "")
    return card | ({"title": heading} if heading else {})
