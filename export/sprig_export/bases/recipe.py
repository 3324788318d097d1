"""Recipes of base models: everything that affects their weights, read from TOML."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from sprig_export.config.toml import fill, read_toml
from sprig_server.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the training, with its own share of data and its own frozen parts."""

    name: str
    steps: int
    learning_rate: float
    """The decoder's learning rate at the beginning of the stage. It falls linearly to the next stage's, or to zero."""
    target_share: float = 0.0
    """The share of batches from the target files (the desired style) instead of the mined pairs."""
    dropout: float = 0.0
    batch_tokens: int = 2048
    """Source tokens of one batch, padding included."""
    train_encoder: bool = True
    weight_bits: int = 0
    """4 to simulate weights of 4 bits (see `fake_quantization`), 0 for full precision."""


@dataclass(frozen=True, slots=True)
class SummaryRecipe:
    """The recipe of a summary base."""

    name: str
    start: str
    """A BERT encoder to start from, or an earlier summary base: a hub id or a folder."""
    stages: tuple[Stage, ...]
    targets: tuple[str, ...] = ()
    """Names of training files (.jsonl.gz) with sentences in the desired style."""
    target_validation: str = ""
    most_pairs: int = 120_000
    """Pairs of each corpus."""
    vocabulary_size: int = 8192
    encoder_layers: int = 6
    decoder_layers: int = 2
    positions: int = 256
    """The most source tokens that the model can read. Longer functions are cut."""
    source_tokens: int = 160
    """The most source tokens in training, including the end token."""
    target_tokens: int = 40
    long_tokens: int = 96
    """Sources of at least this length are rarer in training than in the corpus, because they cost much more."""
    long_share: float = 0.4
    warm_up_steps: int = 100
    encoder_rate: float = 0.3
    """Learning rate of the encoder and the embeddings, as a share of the decoder's."""
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    validation_steps: int = 500
    validation_pairs: int = 400
    checkpoint_steps: int = 500
    seed: int = 1

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages together."""
        return sum(stage.steps for stage in self.stages)


@dataclass(frozen=True, slots=True)
class SearchRecipe:
    """The recipe of a search base."""

    name: str
    start: str
    """A sentence encoder with mean pooling to start from: a hub id or a folder."""
    steps: int
    learning_rate: float
    """The highest; it is reached after the warm-up and falls to zero in a straight line."""
    styles: tuple[float, ...]
    """The shares of the kinds of queries: first sentence, whole documentation, question, keywords."""
    queries: tuple[str, ...] = ()
    """Names of further pair files (.jsonl.gz) with real questions. Each pair is used once."""
    validation: tuple[str, ...] = ()
    """Names of search sets: NAME.valid and NAME.corpus (.jsonl.gz)."""
    validation_pool: int = 1500
    """The number of functions besides the right answers in such a set."""
    validation_pairs: int = 500
    """Pairs of the held-out packages of each language."""
    most_pairs: int = 40_000
    """Pairs of each language."""
    hidden_names: float = 0.4
    """The share of functions whose name is hidden in their code."""
    batch: int = 192
    code_tokens: int = 128
    query_tokens: int = 48
    temperature: float = 0.05
    neighbours: int = 1
    """Pairs with similar queries that share a batch, as hard negatives of each other; 1 for none."""
    same_above: float = 1.0
    """Pairs of a batch whose queries have a greater cosine ask for the same thing, so they are not negatives."""
    warm_up_steps: int = 40
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    validation_steps: int = 100
    checkpoint_steps: int = 50
    seed: int = 1


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """The recipe of an adapter (LoRA): low-rank factors that teach a language model to write summaries."""

    name: str
    model: str
    """The language model: a GGUF file, a folder or a hub id."""
    prompt: str
    """The prompt: `{code}` is replaced by the function, `{language}` by the name of its language."""
    steps: int
    learning_rate: float
    """The highest; it is reached after the warm-up and falls to zero in a straight line."""
    rank: int = 16
    scale: float = 2.0
    """The factor of the low-rank product."""
    matrices: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """The names of the matrices that get factors."""
    pairs: int = 1_000
    """The most pairs of each language."""
    of_package: int = 150
    """The most pairs of one package."""
    of_verb: float = 0.2
    """The largest share of a language's sentences that begin with one verb."""
    getters: float = 0.05
    """The largest share of functions with a body of one line."""
    among: int = 200
    """The number of functions of the same language among which each must be found by its sentence; 0 to skip this
    test.
    """
    found_within: int = 3
    """The rank that it must have in that search."""
    code_tokens: int = 256
    """The most tokens of a function. Longer ones are left out."""
    trimmed: tuple[float, ...] = (0.0, 0.0, 0.3, 0.5)
    """The shares of tokens to leave out of a function, equally likely."""
    sentence_tokens: int = 40
    batch_tokens: int = 600
    """The most tokens of a batch, padding included."""
    warm_up_steps: int = 20
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    validation_steps: int = 100
    validation_pairs: int = 40
    checkpoint_steps: int = 50
    seed: int = 1


def read_adapter_recipe(path: Path) -> AdapterRecipe:
    """The recipe of an adapter in a TOML file.

    Raises:
        InvalidInput: it cannot be read, a key is unknown, missing or of the wrong type, or the prompt has no place for
            the function.
    """
    recipe = fill(AdapterRecipe, read_toml(path), path, "the recipe")
    if recipe.prompt.count("{code}") != 1:
        raise InvalidInput(f"{path}: the prompt {recipe.prompt!r} must hold {{code}} once, where the function goes.")
    return recipe


def is_adapter_recipe(path: Path) -> bool:
    """Whether a recipe of `sprig train summarize` is for an adapter."""
    return "prompt" in read_toml(path)


def read_summary_recipe(path: Path) -> SummaryRecipe:
    """The recipe of a summary base in a TOML file.

    Raises:
        InvalidInput: it cannot be read, or a key is unknown, missing or of the wrong type.
    """
    content = read_toml(path)
    stages = content.pop("stages", None)
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise InvalidInput(f"{path}: a recipe needs at least one [[stages]] table.")
    content["stages"] = tuple(fill(Stage, stage, path, "a stage") for stage in stages)
    return fill(SummaryRecipe, content, path, "the recipe")


def read_search_recipe(path: Path) -> SearchRecipe:
    """The recipe of a search base in a TOML file.

    Raises:
        InvalidInput: as `read_summary_recipe`, or not four styles.
    """
    recipe = fill(SearchRecipe, read_toml(path), path, "the recipe")
    if len(recipe.styles) != 4 or min(recipe.styles) < 0 or sum(recipe.styles) <= 0:
        raise InvalidInput(f"{path}: styles must be four shares, not {list(recipe.styles)}.")
    return recipe


def fingerprint(recipe: SearchRecipe | SummaryRecipe | AdapterRecipe) -> str:
    """The recipe as text, to check whether a state belongs to it."""
    return repr(asdict(recipe))
