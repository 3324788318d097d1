"""The data of the summary base: pairs as token ids in flat arrays, the tokenizer, and the model to start from."""

from __future__ import annotations

import gzip
import json
import logging
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BartForConditionalGeneration, BertModel

from sprig_export.bases.recipe import SummaryRecipe
from sprig_export.bases.start import continue_model, generation_config, start_model, train_tokenizer
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.training.batches import fill_batches
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_TOKENIZER_TEXTS = 60_000  # pairs for training the tokenizer; more would not change it
_SETS = ("mined.train", "mined.valid", "target.train", "target.valid")
_POOL = 50  # batches that are sorted by length together

Text = tuple[str, str]
"""The encoder's input, and the summary."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Sources and targets as token ids, each uint16 [all tokens] with offsets int64 [n + 1]."""

    sources: NDArray[np.uint16]
    source_offsets: NDArray[np.int64]
    targets: NDArray[np.uint16]
    target_offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source_offsets) - 1

    @property
    def source_lengths(self) -> NDArray[np.int64]:
        """Tokens of each source, int64 [n]."""
        return np.diff(self.source_offsets)

    def source(self, index: int) -> NDArray[np.uint16]:
        """The token ids of one source."""
        return self.sources[self.source_offsets[index] : self.source_offsets[index + 1]]

    def target(self, index: int) -> NDArray[np.uint16]:
        """The token ids of one target."""
        return self.targets[self.target_offsets[index] : self.target_offsets[index + 1]]


def prepare(recipe: SummaryRecipe, corpora: Sequence[Path], output: Path, evaluation: Path | None = None) -> None:
    """Turn pairs into the folder that `summarize.train` reads.

    Args:
        recipe: what to train.
        corpora: Parquet files of `corpus.build.build`, of any languages.
        output: the folder to write: tokenizer.json, an .npz for each set of examples, and
            `start`, the model to begin with.
        evaluation: the folder of the recipe's target files; needed only if it names some.

    Raises:
        InvalidInput: the pairs, a target file or the model to start from cannot be read.
    """
    if evaluation is None and (recipe.targets or recipe.target_validation):
        raise InvalidInput(f"The recipe {recipe.name} names target files; name their folder.")
    folder = evaluation or Path()
    output.mkdir(parents=True, exist_ok=True)
    texts = {"mined.train": _read_pairs(corpora, "train", recipe), "mined.valid": _read_pairs(corpora, "valid", recipe)}
    texts["target.train"] = [text for name in recipe.targets for text in _read_targets(folder / name)]
    texts["target.valid"] = _read_targets(folder / recipe.target_validation) if recipe.target_validation else []
    tokenizer = _tokenizer_of(recipe) or train_tokenizer(_sample(texts, recipe.seed), recipe.vocabulary_size)
    _replace(output / "tokenizer.json", tokenizer.to_str().encode())
    examples = {name: _encode(tokenizer, texts[name], recipe) for name in _SETS}
    for name, encoded in examples.items():
        write_examples(output / f"{name}.npz", encoded)
        _LOG.info("%s: %d examples, %d source tokens", name, len(encoded), len(encoded.sources))
    summaries = (examples["mined.train"].target(i).tolist() for i in range(len(examples["mined.train"])))
    _write_start(recipe, tokenizer, summaries, output / "start")


def read_examples(path: Path) -> Examples:
    """Examples that `prepare` wrote.

    Raises:
        InvalidInput: the file does not exist, or is of another kind.
    """
    try:
        with np.load(path) as arrays:
            return Examples(*(arrays[name] for name in Examples.__slots__))
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInput(f"{path} does not hold prepared examples: {error}.") from error


def plan_batches(
    lengths: NDArray[np.int64], recipe: SummaryRecipe, tokens: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Endless batches of example numbers with similar lengths; the same for the same seed.

    Args:
        lengths: source tokens of each example, int64 [n].
        recipe: says how many of the long examples are in an epoch.
        tokens: the most source tokens of a batch, padding included.
        seed: for the order.
    """
    generator = np.random.default_rng(seed)
    while True:
        chosen = (lengths < recipe.long_tokens) | (generator.random(len(lengths)) < recipe.long_share)
        order = generator.permutation(np.flatnonzero(chosen))
        pool = max(1, _POOL * tokens // max(1, int(lengths[order].mean())))
        for start in range(0, len(order), pool):
            part = order[start : start + pool]
            batches = list(fill_batches(part[np.argsort(lengths[part], kind="stable")], lengths, tokens))
            for index in generator.permutation(len(batches)):
                yield batches[index]


def _read_pairs(corpora: Sequence[Path], split: str, recipe: SummaryRecipe) -> list[Text]:
    """The pairs of a split, as many of each corpus as the recipe takes, mixed."""
    import pyarrow.parquet  # imported here because only preparing reads Parquet

    from sprig_server.code.text import summary_input

    draw, texts = random.Random(recipe.seed), list[Text]()
    for path in corpora:
        try:
            columns = ["code", "language", "summary"]
            rows = pyarrow.parquet.read_table(path, columns=columns, filters=[("split", "=", split)]).to_pylist()
        except (OSError, pyarrow.ArrowException) as error:
            raise InvalidInput(f"{path} is not a corpus that `sprig corpus build` wrote: {error}.") from error
        chosen = draw.sample(rows, min(len(rows), recipe.most_pairs))
        texts.extend((summary_input(row["code"], row["language"]), row["summary"]) for row in chosen)
    draw.shuffle(texts)
    return texts


def _read_targets(path: Path) -> list[Text]:
    from sprig_server.code.text import summary_input

    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        return [(summary_input(r["code"], r["language"]), r["docstring"]) for r in records]
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise InvalidInput(f"{path} does not hold summaries as gzipped JSON lines: {error!r}.") from error


def _tokenizer_of(recipe: SummaryRecipe) -> Tokenizer | None:
    """The tokenizer of an earlier base, if the new vocabulary has the same size and so keeps it."""
    checkpoint = open_checkpoint(recipe.start)
    wanted = {"model_type": "bart", "vocab_size": recipe.vocabulary_size}
    if any(checkpoint.config.get(key) != value for key, value in wanted.items()):
        return None
    return Tokenizer.from_file(str(checkpoint.folder / "tokenizer.json"))


def _sample(texts: dict[str, list[Text]], seed: int) -> Iterator[str]:
    mined = texts["mined.train"]
    for pair in random.Random(seed).sample(mined, min(_TOKENIZER_TEXTS, len(mined))) + texts["target.train"]:
        yield pair[0].partition(" ")[2]  # without the language tag
        yield pair[1]


def _encode(tokenizer: Tokenizer, texts: Sequence[Text], recipe: SummaryRecipe) -> Examples:
    arrays: list[NDArray[np.uint16] | NDArray[np.int64]] = []
    for column, most in ((0, recipe.source_tokens), (1, recipe.target_tokens)):
        tokenizer.enable_truncation(most)
        encodings = tokenizer.encode_batch([text[column][: 20 * most] for text in texts])
        ids = [np.array(encoding.ids, dtype=np.uint16) for encoding in encodings]
        arrays.append(np.concatenate([np.empty(0, np.uint16), *ids]))
        arrays.append(np.cumsum([0, *(len(row) for row in ids)], dtype=np.int64))
    tokenizer.no_truncation()
    return Examples(*arrays)  # type: ignore[arg-type]


def write_examples(path: Path, examples: Examples) -> None:
    """Write examples for `read_examples`. If the process is killed meanwhile, the previous ones stay."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez_compressed(temporary, **{name: getattr(examples, name) for name in Examples.__slots__})
    temporary.replace(path)


def _write_start(recipe: SummaryRecipe, tokenizer: Tokenizer, summaries: Iterator[list[int]], folder: Path) -> None:
    checkpoint = open_checkpoint(recipe.start)
    old: Tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder).backend_tokenizer
    old.no_truncation()
    old.no_padding()
    if checkpoint.config.get("model_type") == "bart":
        earlier = BartForConditionalGeneration.from_pretrained(checkpoint.folder).float()
        model = continue_model(earlier, old, tokenizer)
    else:
        model = start_model(recipe, BertModel.from_pretrained(checkpoint.folder), old, tokenizer, summaries)
    model.generation_config = generation_config(recipe)
    model.save_pretrained(folder)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
