"""Training the search base: queries move towards their code and away from other code.

In-batch contrastive learning in both directions (InfoNCE; van den Oord et al. 2018, as sentence encoders use it). All
pairs of a batch are of one language, because pairs of different languages are too easy to tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

from sprig_export.bases.recipe import SearchRecipe, fingerprint
from sprig_export.bases.search_data import Ranking, read_pairs, read_rankings
from sprig_export.evaluate.search import reciprocal_ranks
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.folder import replace_folder
from sprig_export.training.encoding import encode, encode_all, pad
from sprig_export.training.loop import Pace, TrainingRun
from sprig_server.errors import InvalidInput

_POOL = 8  # batches that are sorted by length together


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids of queries [n, query tokens] and of their code [n, code tokens]."""

    queries: Tensor
    code: Tensor
    same: Tensor
    """bool [n, n]: pairs with the same text on one side, which are not negatives."""


def train_search(recipe: SearchRecipe, data: Path, output: Path, stop_after: int | None = None) -> None:
    """Train a search base, or continue where an interrupted run stopped.

    Args:
        recipe: what to train.
        data: the folder that `search_data.prepare` wrote.
        output: a folder for the run. Its `model` is the best by validation so far.
        stop_after: stop after this many steps, resumable.

    Raises:
        InvalidInput: data or model cannot be read, or `output` belongs to another recipe.
    """
    _SearchRun(recipe, data, output).finish(stop_after)


class _SearchRun(TrainingRun[Batch]):
    def __init__(self, recipe: SearchRecipe, data: Path, output: Path) -> None:
        checkpoint = open_checkpoint(recipe.start)
        if checkpoint.pooling != "mean":
            raise InvalidInput(f"{recipe.start} does not pool by the mean, and only such encoders can be trained.")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.recipe, self.start = recipe, checkpoint
        # No dropout: it costs a third of the time here, and one pass over the pairs does not overfit.
        none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        encoder: PreTrainedModel = AutoModel.from_pretrained(
            checkpoint.folder, add_pooling_layer=False, attn_implementation="eager", **none
        )
        self.encoder = encoder.float().to(self.device)
        self.pairs, self.rankings = read_pairs(data), read_rankings(data)
        pace = Pace(recipe.steps, recipe.validation_steps, recipe.checkpoint_steps, recipe.clip_norm, recipe.seed)
        optimizer = torch.optim.AdamW(
            encoder.parameters(), lr=0.0, weight_decay=recipe.weight_decay, betas=(0.9, 0.98), fused=True
        )
        super().__init__(encoder, optimizer, pace, output, fingerprint(recipe))

    def rate(self, step: int) -> float:
        recipe = self.recipe
        falling = (recipe.steps - step) / max(1, recipe.steps - recipe.warm_up_steps)
        return recipe.learning_rate * min(1.0, (step + 1) / max(1, recipe.warm_up_steps), falling)

    def batches(self) -> Iterator[Batch]:
        pairs, recipe = self.pairs, self.recipe
        for rows in plan_batches(pairs.languages, pairs.code.lengths, pairs.groups, recipe.batch, recipe.seed):
            queries, code = (pad(self.encoder, side, rows) for side in (self.pairs.queries, self.pairs.code))
            texts = self.pairs.texts[rows]  # [n]: pairs with the same number have the same documentation
            yield Batch(queries, code, torch.from_numpy(texts[:, None] == texts[None, :]).to(self.device))

    def loss(self, batch: Batch) -> Tensor:
        queries, code = encode(self.encoder, batch.queries), encode(self.encoder, batch.code)
        scores = (queries @ code.T).float() / self.recipe.temperature  # [n, n]
        own = torch.arange(len(scores), device=scores.device)
        alike = (queries.detach() @ queries.detach().T).float() > self.recipe.same_above
        others = (batch.same | alike) & ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(others, float("-inf"))
        return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2

    def validate(self) -> tuple[Mapping[str, float], float]:
        figures = {name: self._mean_reciprocal_rank(ranking) for name, ranking in self.rankings.items()}
        return figures, -sum(figures.values()) / max(1, len(figures))

    def keep(self) -> None:
        with replace_folder(self.output / "model") as folder:
            half = AutoModel.from_config(self.encoder.config, add_pooling_layer=False)
            half.load_state_dict(self.encoder.state_dict())
            half.half().save_pretrained(folder)
            AutoTokenizer.from_pretrained(self.start.folder).save_pretrained(folder)
            for name in ("1_Pooling/config.json", "modules.json", "sentence_bert_config.json"):
                source, target = self.start.folder / name, folder / name
                if source.exists():
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(source.read_bytes())

    def _mean_reciprocal_rank(self, ranking: Ranking) -> float:
        queries, code = encode_all(self.encoder, ranking.queries), encode_all(self.encoder, ranking.code)
        return float(reciprocal_ranks(queries, code, ranking.relevant.tolist()).mean())


def plan_batches(
    languages: NDArray[np.int8], lengths: NDArray[np.int64], groups: NDArray[np.int64], batch: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Endless batches of pair numbers, each of one language and with similar lengths; the same for the same seed.

    Args:
        languages: a number for each pair's language, int8 [n].
        lengths: tokens of each pair's code, int64 [n].
        groups: pairs with the same number, all of one language, go into a batch together, int64 [n].
        batch: pairs of a batch. The rest of a language waits for the next epoch.
        seed: decides the order.

    Raises:
        InvalidInput: no language has a whole batch of pairs.
    """
    generator = np.random.default_rng(seed)
    members = np.split(np.argsort(groups, kind="stable"), np.flatnonzero(np.diff(np.sort(groups))) + 1)
    spoken = np.array([languages[rows[0]] for rows in members])
    longest = np.array([lengths[rows].max() for rows in members])
    while True:
        planned: list[NDArray[np.int64]] = []
        for language in np.unique(languages):
            order = generator.permutation(np.flatnonzero(spoken == language))
            pool = max(1, _POOL * batch * len(order) // int((languages == language).sum()))
            for start in range(0, len(order), pool):
                part = order[start : start + pool]
                sorted_groups = part[np.argsort(longest[part], kind="stable")]
                ordered = np.concatenate([members[group] for group in sorted_groups])
                planned.extend(ordered[i : i + batch] for i in range(0, len(ordered) - batch + 1, batch))
        if not planned:
            raise InvalidInput(f"No language has {batch} pairs, which one batch needs; make `batch` smaller.")
        for index in generator.permutation(len(planned)):
            yield planned[index]
