"""Recoveries on trimmed functions: the student does with less what its teacher does with all of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.export.families import batches_of, make_model
from torch import Tensor
from transformers import PreTrainedModel

from sprig_export.config.recipe import Recipe
from sprig_export.data.calibration import InputFormat, read_calibration
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.pruning.recover import Lessons, Recovery, Schedule, recover
from sprig_export.training.batches import Batch
from sprig_export.training.encoding import pool
from sprig_export.trimming.importance import learn_trimming
from sprig_export.trimming.student import RATIOS, Trimming, read_trimmed
from sprig_server.trim.tokens import kept_count

EVEN = Trimming(np.ones(500), (2, 3))


@given(
    st.lists(st.lists(st.integers(4, 20), max_size=12), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.3, 0.5, 0.9]),
)
def test_what_is_read_is_a_part_in_its_order(rows: list[list[int]], ratio: float) -> None:
    longest = max(map(len, rows)) + 2
    ids, mask = (
        torch.zeros((len(rows), longest), dtype=torch.int64),
        torch.zeros((len(rows), longest), dtype=torch.int64),
    )
    for number, row in enumerate(rows):
        ids[number, : len(row) + 2] = torch.tensor([2, *row, 3])
        mask[number, : len(row) + 2] = 1
    read = read_trimmed(Batch(ids, mask, trimmable=True), EVEN, ratio)
    for number, row in enumerate(rows):
        own, places = read.batch.ids[number], read.places[number]
        n = int(read.batch.mask[number].sum())
        assert n == kept_count(len(row), ratio) + 2, "special tokens stay"
        assert (own[0], own[n - 1]) == (2, 3)
        assert own[:n].tolist() == ids[number, places[:n]].tolist()
        assert (places[:n].diff() > 0).all()
        assert own[n:].tolist() == [0] * (len(own) - n)
    if ratio == 0.0:
        assert torch.equal(read.batch.ids, ids)
    states = torch.arange(ids.numel() * 2.0).reshape(*ids.shape, 2)
    assert torch.equal(read.states_of(states)[0, 0], states[0, read.places[0, 0]])


def test_questions_are_read_whole(bert: Path, repository: Path) -> None:
    calibration = read_calibration(repository, InputFormat("search", "python"), 8, 0)
    recipe, checkpoint = Recipe("search", str(bert), "python", recovery_steps=3), open_checkpoint(str(bert))
    trimming = learn_trimming(checkpoint, recipe, calibration)
    assert trimming is not None
    assert set(trimming.special) >= {0, 2, 3}
    assert 1 not in trimming.special, "an unknown word may go"
    assert trimming.table.min() > 0
    again = learn_trimming(checkpoint, replace(recipe, trim_ratio=0.0), calibration)
    assert again is not None, "a recipe whose share turned out to be 0 makes the same model again"
    assert (again.table == trimming.table).all()
    for without in ({"trim": "none"}, {"trim": "lean"}, {"recovery_steps": 0}):
        own = {"recovery_steps": 3, **without}
        assert learn_trimming(checkpoint, Recipe("search", str(bert), "python", **own), calibration) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["bert", "bart"])
def test_a_student_learns_to_do_with_less_and_resumes(family: str, tmp_path: Path) -> None:
    teacher = make_model(family)
    batches = [Batch(f.ids, f.mask, f.targets, f.target_mask, trimmable=True) for f in batches_of(family, 4)]
    students = [copy.deepcopy(teacher) for _ in range(3)]
    schedule, even = Schedule(80, 3e-3), Trimming(np.ones(500), ())
    lessons = Lessons(batches, trimming=even)
    recover(students[0], teacher, lessons, schedule, tmp_path / "whole")
    Recovery(students[1], teacher, lessons, schedule, tmp_path / "parts").finish(30)
    recover(students[2], teacher, lessons, schedule, tmp_path / "parts")
    for mine, other in zip(students[0].parameters(), students[2].parameters(), strict=True):
        assert torch.equal(mine, other)
    apart = [_apart(student, teacher, batches[0], even) for student in (students[0], teacher)]
    assert apart[0] < 0.8 * apart[1], "nearer to what the whole function means than the teacher is itself"


def test_half_of_the_functions_are_read_whole() -> None:
    assert np.mean([ratio == 0.0 for ratio in RATIOS]) == 0.5


@torch.no_grad()
def _apart(student: PreTrainedModel, teacher: PreTrainedModel, batch: Batch, trimming: Trimming) -> float:
    """How far a student's answer to a trimmed batch is from the teacher's to the whole one."""
    read = read_trimmed(batch, trimming, 0.5).batch
    given, wanted = read.run(student), batch.run(teacher)
    if batch.targets is None:
        return float(1 - (_vectors(given, read.mask) * _vectors(wanted, batch.mask)).sum(dim=-1).mean())
    shares = [output.logits.float().log_softmax(dim=-1) for output in (given, wanted)]  # type: ignore[attr-defined]
    return float(torch.nn.functional.kl_div(*shares, reduction="batchmean", log_target=True))


def _vectors(output: object, mask: Tensor) -> Tensor:
    return pool(output.last_hidden_state, mask)  # type: ignore[attr-defined]
