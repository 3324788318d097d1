"""A smaller base for all languages, and exports that begin with it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sprig_export.autotune.costs import Candidate
from sprig_export.autotune.export import export_to_target
from sprig_export.autotune.selection import is_better
from sprig_export.bases.distill import distill
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import ExportRequest, Target
from sprig_export.data.calibration import InputFormat, read_calibration
from sprig_export.models.blocks import read_blocks
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.loading import load_model
from sprig_export.pipeline import export
from sprig_export.pruning.cut import CutRequest, cut_checkpoint
from sprig_export.report.stages import StageLog
from sprig_server.bundle.store import open_bundle
from sprig_server.errors import InvalidInput
from sprig_server.inference.encoder import Encoder


@pytest.fixture(scope="module")
def corpora(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("corpora") / "python"
    folder.symlink_to(repository, target_is_directory=True)
    return [folder]


@pytest.fixture(scope="module")
def small(bert: Path, corpora: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe("search", str(bert), "all", layers=1, units=0.5, recovery_steps=2)
    return distill(recipe, corpora, tmp_path_factory.mktemp("distilled"))


def test_a_distilled_model_is_a_checkpoint_in_half_precision(small: Path) -> None:
    assert {tensor.dtype for tensor in load_file(small / "model.safetensors").values()} == {torch.float16}
    (block,) = read_blocks(load_model(open_checkpoint(str(small)), "search"))
    assert block.feed_forward.width == 32
    assert json.loads((small / "training.jsonl").read_text().splitlines()[0])["step"] == 2


@pytest.mark.parametrize("smaller", [{}, {"dimensions": 16, "recovery_steps": 2}])
def test_an_export_begins_with_it_and_is_compared_with_the_whole(
    bert: Path, small: Path, repository: Path, tmp_path: Path, smaller: dict[str, int]
) -> None:
    recipe = Recipe("search", str(bert), "python", start=str(small), vocabulary=200, **smaller)  # type: ignore[arg-type]
    manifest = export(
        ExportRequest(replace(recipe, max_loss=100.0, sample=8), tmp_path / "bundle", repository), StageLog()
    )
    report = json.loads((tmp_path / "bundle" / "report.json").read_text())
    assert [layer["units"] for layer in report["layers"]] == [32]
    assert report["layers"][0]["units_before"] == 64
    assert report["compared"]["parameters"]["before"] > report["compared"]["parameters"]["after"]
    assert manifest.base.sha256 == open_checkpoint(str(bert)).sha256
    assert report["recipe"]["start"] == "model", "by its name, not by where it lies"
    assert str(tmp_path) not in (tmp_path / "bundle" / "recipe.toml").read_text()
    assert Encoder(open_bundle(tmp_path / "bundle"), 1).encode(["def f(): pass"]).shape == (
        1,
        smaller.get("dimensions", 32),
    )


def test_a_recipe_that_takes_nothing_out_is_refused(bert: Path, corpora: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the recipe removes nothing"):
        distill(Recipe("search", str(bert), "all"), corpora, tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_an_interrupted_distillation_is_continued(bert: Path, corpora: list[Path], small: Path, tmp_path: Path) -> None:
    """What was cut already is taken over, and the same weights come out."""
    recipe = Recipe("search", str(bert), "all", layers=1, units=0.5, recovery_steps=2)
    first = distill(recipe, corpora, tmp_path)
    weights = load_file(first / "model.safetensors")
    (first / "model.safetensors").unlink()
    (tmp_path / "state" / "state.pt").unlink()  # nothing is taught again
    again = load_file(distill(recipe, corpora, tmp_path) / "model.safetensors")
    expected = load_file(small / "model.safetensors")
    assert all(torch.equal(weights[name], again[name]) and torch.equal(again[name], expected[name]) for name in weights)
    assert not (tmp_path / "state" / "state.pt").exists()


def test_a_model_that_only_lost_layers_has_no_log(bert: Path, corpora: list[Path], tmp_path: Path) -> None:
    folder = distill(Recipe("search", str(bert), "all", layers=1), corpora, tmp_path)
    assert (folder / "model.safetensors").is_file() and not (folder / "training.jsonl").exists()


def test_a_smaller_model_has_to_go_with_the_whole_one(
    bert: Path, small: Path, repository: Path, tmp_path: Path
) -> None:
    calibration = read_calibration(repository, InputFormat("search", "python"), 8, 0)
    recipe, base = Recipe("search", str(bert), "python", dimensions=8), open_checkpoint(str(bert))
    narrow = cut_checkpoint(base, CutRequest(recipe, calibration, tmp_path / "narrow"), {})
    other = tmp_path / "other"
    shutil.copytree(small, other)
    tokenizer = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(tokenizer.replace('"open"', '"opens"'))
    for start, wrong in ((narrow, "has states of 8 numbers"), (open_checkpoint(str(other)), "another vocabulary")):
        with pytest.raises(InvalidInput, match=wrong):
            cut_checkpoint(
                base, CutRequest(Recipe("search", "", "python"), calibration, tmp_path / "x", start=start), {}
            )


def test_what_another_recipe_left_is_not_continued(bert: Path, corpora: list[Path], tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "all", layers=1, recovery_steps=1)
    distill(recipe, corpora, tmp_path)
    with pytest.raises(InvalidInput, match="holds a model of another recipe"):
        distill(replace(recipe, units=0.5), corpora, tmp_path)


def test_it_also_learns_from_questions(bert: Path, small: Path, corpora: list[Path], tmp_path: Path) -> None:
    """A smaller model goes on learning, now from what people ask as well; a file without questions is refused."""
    recipe = Recipe("search", str(bert), "all", start=str(small), recovery_steps=3)
    asked = [{"query": f"how to open file {n}", "code": f"open({n})", "language": "python"} for n in range(40)]
    (tmp_path / "asked.jsonl").write_text("\n".join(json.dumps(pair) for pair in asked))
    folders = [
        distill(recipe, corpora, tmp_path / f"with-{len(files)}", files) for files in ([], [tmp_path / "asked.jsonl"])
    ]
    without, with_questions = (load_file(folder / "model.safetensors") for folder in folders)
    assert not all(torch.equal(without[name], with_questions[name]) for name in without)
    (tmp_path / "asked.jsonl").write_text('{"code": "open()", "language": "python"}')
    with pytest.raises(InvalidInput, match='needs "query" or "docstring"'):
        distill(recipe, corpora, tmp_path / "refused", [tmp_path / "asked.jsonl"])


def test_it_is_a_plan_of_its_own(
    bert: Path, small: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe("search", str(bert), "python", start=str(small), sample=8, max_loss=100.0, min_cosine=0.5)
    monkeypatch.setattr("sprig_export.autotune.selection.TRIAL_STEPS", 2)
    monkeypatch.setattr("sprig_export.autotune.export.RECOVERY_STEPS", 3)
    export_to_target(ExportRequest(recipe, tmp_path / "bundle", repository, target=Target()), StageLog())
    considered = json.loads((tmp_path / "bundle" / "report.json").read_text())["plans"]["considered"]
    names = [plan["name"] for plan in considered]
    assert names[-1] == "model, distilled before"
    assert len(names) == len(set(names)) == 8
    assert considered[-1]["kept"] is not None, "it is tried in any case"


def test_it_is_taken_where_it_is_better() -> None:
    recipe = Recipe("search", "", "python")
    chosen, distilled = Candidate(recipe, "half", 5.0, 3.0, 0.90), Candidate(recipe, "distilled", 5.0, 3.5, 0.97)
    slow, poor = replace(distilled, speed=2.0), replace(distilled, kept=0.8)
    assert is_better(distilled, chosen, Target(), 5.0)
    assert not is_better(slow, chosen, Target(), 5.0), "without a target the fastest is taken"
    assert not is_better(poor, chosen, Target(), 5.0), "a tenth would be lost"
    assert is_better(slow, chosen, Target(megabytes=6), 5.0)
    assert not is_better(poor, chosen, Target(megabytes=6), 5.0)
