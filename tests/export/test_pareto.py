"""Plans measured beside magnitude and random pruning, the page of them, and the tables of the documentation."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import pytest
from transformers import AutoConfig, AutoModel

from sprig_export.autotune.pareto import Point, best_points, draw_front, measure_front, read_front, render_front
from sprig_export.config.recipe import Recipe
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.report.stages import StageLog
from sprig_server.bundle.packs import installed_bundles

ROOT = Path(__file__).resolve().parents[2]


def point(speed: float, score: float) -> Point:
    return Point(f"{speed}", "fluctuation", 10 / speed, 10 * speed, speed, score, score - 0.01, score + 0.01)


def test_the_best_points_are_those_that_no_other_beats() -> None:
    points = [point(1, 0.9), point(2, 0.8), point(3, 0.85), point(4, 0.5), point(4, 0.6), point(5, 0.4)]
    assert [p.speed for p in best_points(points, lambda p: -p.speed)] == [5, 4, 3, 1]
    assert [p.megabytes for p in best_points(points, lambda p: p.megabytes)] == [2, 2.5, 10 / 3, 10]


@pytest.fixture(scope="module")
def shallow(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder with a single layer, so that there are few plans."""
    folder = tmp_path_factory.mktemp("shallow") / "tiny"
    folder.mkdir()
    for path in bert.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = AutoConfig.from_pretrained(bert)
    config.num_hidden_layers = 1
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def test_a_front_holds_every_plan_with_its_rivals(shallow: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(shallow), "python", recovery_steps=2, sample=8)
    stages: list[str] = []
    front = measure_front(recipe, repository, tmp_path / "front", StageLog(stages.append))
    narrow, narrower = "1 of 1 layers, 50% of the units", "1 of 1 layers, 50% of the units, 50% of the heads"
    rivals = ["fluctuation", "magnitude", "random"]
    assert [(p.name, p.choice) for p in front.points] == [
        ("1 of 1 layers", "fluctuation"),
        *((narrow, choice) for choice in rivals),
        (narrower, "fluctuation"),
        ("0 of 1 layers", "fluctuation"),
    ]
    assert len({(p.megabytes, p.speed) for p in front.points if p.name == narrow}) == 1, "one shape, one cost"
    assert all(p.low <= p.score <= p.high and p.megabytes > 0 and p.speed > 0 for p in front.points)
    assert json.loads((tmp_path / "front" / "report.json").read_text()) == json.loads(json.dumps(asdict(front)))
    again = measure_front(recipe, repository, tmp_path / "front", StageLog(stages.append))
    assert again == front, "what was measured is taken over"
    assert read_front(json.loads((tmp_path / "front" / "report.json").read_text())) == front
    other = measure_front(replace(recipe, sample=6), repository, tmp_path / "front", StageLog(stages.append))
    assert other != front, "but not by another recipe"
    charts = draw_front(front)
    assert set(charts) == {"speed", "size"}
    assert all(chart.count("<circle") >= len(front.points) for chart in charts.values())
    page = render_front(front)
    assert page.count('<circle class="dot') >= 2 * len(front.points)
    assert open_checkpoint(str(shallow)).name in page
    assert "://" not in page, "a page needs no network"


@pytest.fixture(scope="module")
def benchmark_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_export", ROOT / "benchmarks" / "export.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documentation_has_a_place_for_every_table(benchmark_module: ModuleType) -> None:
    tasks = [f"{what}-{task}" for what in ("plans", "compare") for task in benchmark_module.MODELS]
    text = (ROOT / "docs" / "results" / "pruning.md").read_text()
    for name in ["bundles", "analyze", *tasks]:
        assert "| new |" in benchmark_module.replace_table(text, name, "| new |")
    with pytest.raises(SystemExit, match="no marks <!-- other -->"):
        benchmark_module.replace_table(text, "other", "")


def test_a_table_is_replaced_and_the_rest_stays(benchmark_module: ModuleType) -> None:
    text = "before\n<!-- a -->\n| old |\n<!-- /a -->\nafter\n<!-- b -->\n<!-- /b -->\n"
    changed = benchmark_module.replace_table(text, "a", "| new |")
    assert changed == text.replace("| old |", "| new |")
    assert benchmark_module.replace_table(changed, "a", "| new |") == changed


def test_the_table_of_the_bundles_is_made_of_their_reports(benchmark_module: ModuleType) -> None:
    lines = benchmark_module.bundle_table().splitlines()
    first, *_ = bundles = sorted(installed_bundles(), key=lambda bundle: bundle.folder.name)
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [b.folder.name for b in bundles]
    report = json.loads((first.folder / "report.json").read_text())
    (figures,) = report["quality"].values()
    assert f"MRR {figures['mrr']:.3f}" in lines[2]
