"""Sub-models of four languages against each other: the statistics on made-up scores, and the command on tiny models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from sprig_export.cli import run
from sprig_export.comparison import experiment
from sprig_export.comparison.matrix import Kept, kept_shares, matched_advantage
from sprig_export.config.request import Example
from sprig_export.pruning.masks import read_masks, sparsity_of
from sprig_server.errors import InvalidInput

LANGUAGES = ("python", "java", "javascript", "cpp")


def _scores(own: float, other: float, noise: float) -> dict[str, dict[str, np.ndarray]]:
    draw = np.random.default_rng(0)
    return {
        calibrated: {m: (own if m == calibrated else other) + noise * draw.normal(size=200) for m in LANGUAGES}
        for calibrated in LANGUAGES
    }


def test_an_advantage_of_matching_shows_where_there_is_one() -> None:
    advantage = matched_advantage(_scores(0.6, 0.5, 0.1), seed=0)
    assert advantage.mean == pytest.approx(0.1, abs=0.02)
    assert advantage.low < advantage.mean < advantage.high
    assert advantage.shows


def test_noise_alone_shows_nothing() -> None:
    advantage = matched_advantage(_scores(0.5, 0.5, 0.2), seed=0)
    assert not advantage.shows
    assert advantage.low < 0 < advantage.high


def test_english_text_is_no_language_to_match() -> None:
    scores = _scores(0.6, 0.5, 0.0)
    with_english = scores | {"english text": {name: np.zeros(200) for name in LANGUAGES}}
    assert matched_advantage(with_english, seed=0) == matched_advantage(scores, seed=0)


def test_shares_are_of_the_whole_models_score() -> None:
    whole = {"java": np.array([0.5, 1.0])}
    found = kept_shares({"cpp": {"java": np.array([0.25, 0.5])}}, whole, seed=0)
    assert found == {"cpp": {"java": Kept(0.5, 0.5, 0.5)}}, "in pairs: every function keeps a half"
    noisy = kept_shares({"cpp": {"java": np.array([0.0, 1.0])}}, whole, seed=0)["cpp"]["java"]
    assert (noisy.low, noisy.share, noisy.high) == (0.0, pytest.approx(2 / 3), 1.0)
    assert kept_shares({"cpp": {"java": np.zeros(2)}}, {"java": np.zeros(2)}, 0)["cpp"]["java"].share == 1.0


@pytest.fixture(scope="module")
def corpora(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    for shift, language in enumerate(LANGUAGES):
        rows = [
            {
                "name": example.code.split("(")[0].removeprefix("def "),
                "code": example.code,
                "language": language,
                "documentation": example.text,
                "summary": example.text,
                "split": "valid" if (number + shift) % 4 == 0 else "train",
            }
            for number, example in enumerate(examples)
        ]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{language}.parquet")
    return folder


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--sparsity", "1.5"], "the sparsity 1.5 is not possible"),
        (["--pattern", "4:2"], 'the pattern "4:2"'),
        (["--pattern", "2:4", "--by-layer"], "a pattern takes as much of every layer"),
        (["--pattern", "2:4", "--method", "sparsegpt"], "SparseGPT prunes a share"),
        (["--functions", "1"], "--functions 1 is too few"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(words: list[str], says: str, tmp_path: Path) -> None:
    asked = ["compare-languages", "--task", "search", "--model", "none", "--corpora", str(tmp_path)]
    with pytest.raises(InvalidInput, match=says):
        run([*asked, "--output", str(tmp_path / "out"), *words])


@pytest.mark.parametrize("task", ["search", "summarize"])
def test_every_sub_model_is_measured_on_every_language(
    task: str,
    bert: Path,
    bart: Path,
    corpora: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(experiment, "_SUMMARY_TOKENS", 6)  # a tiny model never ends a summary by itself
    model = bert if task == "search" else bart
    words = ["compare-languages", "--task", task, "--model", str(model), "--corpora", str(corpora)]
    run([*words, "--output", str(tmp_path), "--sparsity", "0.5", "--functions", "2"])
    report = json.loads((tmp_path / "report.json").read_text())
    (level,) = report["levels"]
    assert set(level["scores"]) == {*LANGUAGES, "english text"}
    assert all(set(row) == set(LANGUAGES) for row in level["scores"].values())
    assert level["distances"]["java"]["java"] == 0.0 < level["distances"]["java"]["cpp"] < 1.0
    assert sparsity_of(read_masks(tmp_path / "masks-java-50.npz")) == pytest.approx(0.5, abs=0.02)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "own language" in page and "http" not in page.replace("http-equiv", "")
    assert "50% pruned" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "pruned", "masks"),
    [
        (["--method", "sparsegpt", "--sparsity", "0.5", "--by-layer"], "50%, by layer", "masks-cpp-50-by-layer.npz"),
        (["--method", "magnitude", "--pattern", "2:4"], "50%, 2:4", "masks-cpp-50-2-of-4.npz"),
    ],
)
def test_other_methods_and_patterns_can_be_compared(
    words: list[str], pruned: str, masks: str, bert: Path, corpora: Path, tmp_path: Path
) -> None:
    asked = ["compare-languages", "--task", "search", "--model", str(bert), "--corpora", str(corpora)]
    run([*asked, "--output", str(tmp_path), "--functions", "4", *words])
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["method"], report["levels"][0]["pruned"]) == (words[1], pruned)
    found = read_masks(tmp_path / masks)
    assert sparsity_of(found) == pytest.approx(0.5, abs=0.02)
    if "2:4" in words:
        assert all((mask.reshape(-1, 4).sum(dim=1) == 2).all() for mask in found.values())
        assert report["levels"][0]["distances"]["java"]["cpp"] == 0.0, "magnitude does not look at the language"
