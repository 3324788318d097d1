"""Bundles that trim: what the exporter learns and chooses, what the server leaves out, and what `sprig trim` shows."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import trimming_tables
from hypothesis import given
from hypothesis import strategies as st
from tables import replace_table

from sprig_export import pipeline
from sprig_export.config.recipe import Recipe, read_recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.data import calibration
from sprig_export.data.calibration import InputFormat, read_calibration
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.pipeline import LostTooMuch, export
from sprig_export.report.stages import StageLog
from sprig_export.trimming import choose as trimming_plans
from sprig_export.trimming.choose import falling
from sprig_export.trimming.importance import collect_importance
from sprig_export.trimming.measure import RATIOS, Asked, every_method, measure_cost, measure_search
from sprig_server.bundle.importance import parse_importance
from sprig_server.bundle.manifest import FILE_NAME, Trim, parse_manifest, render_manifest
from sprig_server.bundle.store import Bundle, open_bundle
from sprig_server.cli import main
from sprig_server.code.statements import CLASSES
from sprig_server.code.text import search_passage, summary_passage
from sprig_server.errors import InvalidBundle, InvalidInput
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.reader import Reader
from sprig_server.inference.summarizer import Summarizer
from sprig_server.trim.tokens import kept_count

ROOT = Path(__file__).resolve().parents[2]
CODE = "def send_list(table):\n    # merge it\n    result = table.send(list)\n    return result"
LOOSE = {"sample": 8, "max_loss": 1000.0, "min_cosine": -1.0, "min_agreement": 0.0, "trim_least": 1}


@pytest.fixture(scope="module")
def trimming(bert: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search bundle that leaves out 40 % of a function."""
    output = tmp_path_factory.mktemp("trimming") / "tiny"
    export(
        ExportRequest(Recipe("search", str(bert), "python", trim_ratio=0.4, **LOOSE), output, repository), StageLog()
    )  # type: ignore[arg-type]
    return output


def opened(folder: Path, **changes: object) -> Bundle:
    bundle = open_bundle(folder)
    return Bundle(folder, replace(bundle.manifest, **changes))


def test_importance_is_learnt_from_the_language(bert: Path, bart: Path, repository: Path) -> None:
    functions = read_calibration(repository, InputFormat("search", "python"), 8, 0).functions
    assert len(functions) > 20
    assert all(function.code.startswith("def ") for function in functions)
    search = collect_importance(open_checkpoint(str(bert)), "search", functions, 64)
    classes = {CLASSES[number] for number in (search.keys // search.vocabulary).tolist()}
    assert {"method", "variable", "return"} <= classes
    shares = search.means.astype(np.float64) * search.counts
    assert shares.sum() / search.counts.sum() == pytest.approx(1.0, abs=0.15), (
        "an even share is 1, special tokens apart"
    )
    summaries = collect_importance(open_checkpoint(str(bart)), "summarize", functions, 64)
    assert 0 < summaries.means.min() <= summaries.means.max() <= 1.0, "shares of what one token attends to"


def test_a_model_without_layers_attends_to_all_alike(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "python", layers=0, trim_ratio=0.5, **LOOSE)  # type: ignore[arg-type]
    export(ExportRequest(recipe, tmp_path / "table", repository), StageLog())
    assert set(parse_importance(open_bundle(tmp_path / "table").load("importance.npz")).means.tolist()) == {1.0}


def test_a_bundle_says_how_it_trims(trimming: Path) -> None:
    manifest = open_bundle(trimming).manifest
    assert manifest.trim == Trim("novelty", 0.4, 1)
    assert "importance.npz" in manifest.files
    assert read_recipe(trimming / "recipe.toml").trim_ratio == 0.4
    stages = [stage["stage"] for stage in json.loads((trimming / "report.json").read_text())["stages"]]
    assert "collect importance and choose the trimming" in stages
    other = replace(manifest, trim=Trim("novelty", 0.3))
    assert other.digest != manifest.digest, "vectors of differently trimmed functions are not mixed"


CURVES = [
    ("search", [0.800, 0.799, 0.798, 0.796, 0.795, 0.70], 0.3),
    ("search", [0.800, 0.790, 0.799, 0.70, 0.70, 0.70], 0.0),
    ("search", [0.800, 0.79, 0.82, 0.83, 0.82, 0.81], 0.5),
    ("summarize", [20.0, 19.9, 19.85, 19.8, 19.79, 19.0], 0.3),
]


@pytest.mark.parametrize(("task", "scores", "ratio"), CURVES)
def test_the_largest_share_is_taken_that_costs_nearly_nothing(
    trimming: Path, monkeypatch: pytest.MonkeyPatch, task: str, scores: list[float], ratio: float
) -> None:
    found = iter(scores)
    monkeypatch.setattr(trimming_plans, "score_bundle", lambda *_: next(found))
    recipe = Recipe(task, "model", "python")  # type: ignore[arg-type]
    trim, measured = trimming_plans.choose_trim(recipe, trimming, open_bundle(trimming).manifest, [])
    assert trim == (Trim("novelty", ratio, 32) if ratio else Trim())
    assert measured == dict(zip([0.0, *RATIOS], scores, strict=True))


def test_the_share_that_was_chosen_is_told(bert: Path, repository: Path, tmp_path: Path) -> None:
    export(ExportRequest(Recipe("search", str(bert), "python", **LOOSE), tmp_path / "chosen", repository), StageLog())  # type: ignore[arg-type]
    report = json.loads((tmp_path / "chosen" / "report.json").read_text())
    (stage,) = [stage for stage in report["stages"] if stage["stage"] == "collect importance and choose the trimming"]
    scores = {float(name.split()[-1].rstrip("%")) / 100: value for name, value in stage.items() if "score" in name}
    chosen = open_bundle(tmp_path / "chosen").manifest.trim.ratio
    assert chosen == stage["left_out"]
    assert read_recipe(tmp_path / "chosen" / "recipe.toml").trim_ratio == chosen, "so that it makes the same again"
    assert list(scores) == [0.0, *RATIOS]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_a_curve_that_rises_by_chance_is_flattened(scores: list[float]) -> None:
    curve = falling(scores)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(curve))
    assert sum(curve) == pytest.approx(sum(scores))
    assert falling(curve) == pytest.approx(curve)
    assert falling([0.8, 0.7, 0.9, 0.5]) == pytest.approx([0.8, 0.8, 0.8, 0.5])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trim_ratio": 1.5}, r"trim_ratio = 1\.5 is not a share of tokens: give at least 0 and less than 1"),
        ({"trim_ratio": -0.3}, r"trim_ratio = -0\.3 is not a share"),
        ({"trim_ratio": float("nan"), "trim": "none"}, "trim_ratio = nan is not a share"),
        ({"trim_least": 0}, "trim_least = 0: one token has to stay at least"),
    ],
)
def test_what_cannot_be_left_out_is_refused_at_once(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        export(
            ExportRequest(replace(Recipe("search", "/no/such/model", "python"), **changes), tmp_path / "nothing"),
            StageLog(),
        )  # type: ignore[arg-type]


def test_what_figures_are_made_with_is_not_chosen_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor does how much is measured on change what is learnt from; with little code, functions are put aside."""
    texts = {"documentation": "Adds one.", "summary": "Adds one.", "name": "f", "language": "python"}
    rows = [texts | {"code": f"def f{i}(): pass", "split": "valid" if i % 2 else "train"} for i in range(1200)]
    monkeypatch.setattr(calibration, "read_rows", lambda *_: rows)
    few, many = (read_calibration(tmp_path, InputFormat("search", "python"), count, 0) for count in (10, 600))
    assert few.pairs == many.pairs
    assert few.trials == many.trials
    assert 50 <= len(many.trials) < 100
    held_out = {row["code"] for row in rows if row["split"] == "valid"}
    for found in (few, many):
        chosen_by, measured = ({example.code for example in own} for own in (found.trials, found.examples))
        assert not chosen_by & measured
        assert chosen_by | measured <= held_out
    assert len(few.examples) == 10
    assert len(many.trials) + len(many.examples) == 600
    monkeypatch.setattr(calibration, "read_rows", lambda *_: rows[:200])
    little = read_calibration(tmp_path, InputFormat("search", "python"), 600, 0)
    aside = {example.code for example in little.trials}
    assert len(aside) == 10
    assert len(little.examples) == 100
    assert not aside & ({code for code, _ in little.pairs} | {example.code for example in little.examples})


def test_short_functions_stay_whole(trimming: Path) -> None:
    passage = search_passage(CODE, 0, "python")
    whole = Reader(opened(trimming), Trim()).read([passage])
    assert Reader(opened(trimming, trim=Trim("novelty", 0.4, 99))).read([passage]) == whole
    (some,) = Reader(opened(trimming, trim=Trim("novelty", 0.9, 5))).read([passage])
    assert len(some) == 2 + 5


def test_a_bundle_that_trimming_makes_too_bad_reads_whole_functions(
    bert: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, said = pipeline._check_loss, list[str]()

    def fail_once(*arguments: object) -> None:
        monkeypatch.setattr(pipeline, "_check_loss", gate)
        raise LostTooMuch("too much")

    monkeypatch.setattr(pipeline, "_check_loss", fail_once)
    monkeypatch.setattr(pipeline, "choose_trim", lambda *_: (Trim("novelty", 0.3), {}))
    recipe = Recipe("search", str(bert), "python", **LOOSE)  # type: ignore[arg-type]
    manifest = export(ExportRequest(recipe, tmp_path / "whole", repository), StageLog(say=said.append))
    assert manifest.trim == Trim()
    assert read_recipe(tmp_path / "whole" / "recipe.toml").trim_ratio == 0.0
    assert "the bundle may pass with whole functions, so it does not trim" in said
    monkeypatch.setattr(pipeline, "_check_loss", fail_once)
    with pytest.raises(LostTooMuch):  # what a recipe asks for is not changed
        export(ExportRequest(replace(recipe, trim_ratio=0.3), tmp_path / "other", repository), StageLog())


def test_functions_are_trimmed_and_questions_are_not(trimming: Path) -> None:
    bundle = open_bundle(trimming)
    reader, whole = Reader(bundle), Reader(bundle, Trim())
    passage = search_passage(CODE, 0, "python")
    (trimmed,), (all_of_it,) = reader.read([passage]), whole.read([passage])
    assert (trimmed[0], trimmed[-1]) == (all_of_it[0], all_of_it[-1]) == (2, 3), "[CLS] and [SEP] stay"
    assert len(trimmed) - 2 == int(0.6 * (len(all_of_it) - 2) + 1e-9)
    rest = iter(all_of_it)
    assert all(token in rest for token in trimmed), "in the order of the text"
    assert reader.read([CODE]) == whole.read([CODE]) == [all_of_it], "a text is no function"
    assert reader.read(["merge it", passage]) == [whole.read(["merge it"])[0], trimmed]
    vectors = Encoder(bundle, 1).encode([CODE, passage])
    assert not np.allclose(vectors[0], vectors[1])


def test_name_and_documentation_stay(trimming: Path) -> None:
    reader = Reader(open_bundle(trimming))
    text = "send_list\nMerge the table of a number.\n" + CODE
    (trimmed,), (head,) = (
        reader.read([search_passage(text, len(text) - len(CODE), "python")]),
        reader.read([text[: -len(CODE)]]),
    )
    assert trimmed[: len(head) - 1] == head[:-1]


@pytest.mark.parametrize("window", [8, 20, 64])
def test_long_functions_are_cut_at_the_window_and_trimmed_then(trimming: Path, window: int) -> None:
    reader = Reader(opened(trimming, max_tokens=window))
    passage = search_passage(CODE + "\n    # the last line merges" * 3, 0, "python")
    (read,) = reader.read([passage])
    kept = reader.explain(passage).kept
    fitting = min(window - 2, len(kept))
    assert len(read) - 2 == kept.sum() == kept[:fitting].sum() == kept_count(fitting, 0.4)
    assert (read[0], read[-1]) == (2, 3)
    whole = Reader(opened(trimming, max_tokens=window), Trim())
    cut = whole.explain(passage).kept
    assert cut.sum() == len(whole.read([passage])[0]) - 2
    assert (np.diff(cut.astype(int)) <= 0).all(), "without trimming the end does not fit"


def test_summaries_are_written_of_trimmed_functions(bart: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("summarize", str(bart), "python", trim_ratio=0.5, **LOOSE)  # type: ignore[arg-type]
    export(ExportRequest(recipe, tmp_path / "writer", repository), StageLog())
    bundle = open_bundle(tmp_path / "writer")
    reader = Reader(bundle)
    explanation = reader.explain(summary_passage(CODE, "python"))
    assert explanation.kept.sum() == len(explanation.kept) // 2
    assert 0 < explanation.importance.min() <= explanation.importance.max() == 1.0
    assert Summarizer(bundle, 1).summarize(CODE, "python").confidence <= 0


def test_pieces_are_the_code(trimming: Path) -> None:
    pieces = list(Reader(open_bundle(trimming)).explain(search_passage(CODE, 0, "python")).pieces())
    assert "".join(text for text, _, _ in pieces) == CODE
    assert all((kept is None) == (not text.strip()) for text, kept, _ in pieces)


def test_what_is_missing_is_named(trimming: Path, tmp_path: Path) -> None:
    manifest = open_bundle(trimming).manifest
    files = {name: file for name, file in manifest.files.items() if name != "importance.npz"}
    with pytest.raises(InvalidBundle, match=r"no importance\.npz, which trimming by novelty needs: export the bundle"):
        Reader(opened(trimming, files=files))
    assert Reader(opened(trimming, files=files, trim=Trim("tail", 0.4))).read(["a"])
    text = render_manifest(manifest).replace('"novelty"', '"magic"')
    with pytest.raises(InvalidBundle, match="magic"):
        parse_manifest(text, tmp_path / FILE_NAME)


def test_trim_shows_a_function(trimming: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "lists.py"
    source.write_text(f"import os\n\n\n{CODE}\n")
    common = ["trim", str(source), "--line", "5", "--bundle", str(trimming)]
    assert main(common) == 0
    heading, *shown = capsys.readouterr().out.splitlines()
    assert "tokens stay (5" in heading
    assert "tiny, novelty, ratio 0.4" in heading
    assert [line.rstrip() for line in shown] == CODE.splitlines()
    assert main([*common, "--json", "--ratio", "0.2", "--method", "tail"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["method"], found["ratio"], found["code"]) == ("send_list", "tail", 0.2, CODE)
    kept = [token["kept"] for token in found["tokens"]]
    assert kept == sorted(kept, reverse=True), "the tail is cut"
    assert CODE[found["tokens"][0]["start"] : found["tokens"][0]["end"]] == "def"
    assert main([*common, "--html", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert page.count("<s>") > 5
    assert "<script" not in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--line", "1"], "no function covers line 1"),
        (["--line", "5", "--method", "magic"], 'unknown method "magic": give one of none, tail'),
        (["--line", "5", "--html", "/nowhere/page.html"], 'cannot write "/nowhere/page.html"'),
    ],
)
def test_bad_input_is_named(
    trimming: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "lists.py").write_text(f"import os\n\n\n{CODE}\n")
    assert main(["trim", str(tmp_path / "lists.py"), "--bundle", str(trimming), *words]) == 2
    assert said in capsys.readouterr().err


def test_methods_are_measured_beside_the_whole(trimming: Path, examples: list[Example]) -> None:
    sample, methods = examples[:12], ("tail", "novelty")
    asked = Asked([e.text for e in sample], range(12), [e.code for e in sample], "python")
    whole, *rest = measure_search(open_bundle(trimming), asked, every_method(methods))
    assert (whole.method, whole.ratio, whole.kept, whole.low, whole.high, whole.tokens) == ("none", 0, 1, 1, 1, 1)
    assert [(cell.method, cell.ratio) for cell in rest] == [(m, r) for m in methods for r in RATIOS]
    assert all(cell.low <= cell.kept <= cell.high and cell.score > 0 and cell.milliseconds > 0 for cell in rest)
    assert all(1 - ratio <= cell.tokens < 1.0 for cell, ratio in zip(rest, [*RATIOS, *RATIOS], strict=True))


def test_the_document_has_a_place_for_every_table() -> None:
    text = (ROOT / "docs" / "results" / "trimming.md").read_text()
    places = [f"{task}-{kind}" for task in trimming_tables.KINDS for kind in ("base", "bundle", "long", "learning")]
    for name in (*places, "cost", "served"):
        assert "| new |" in replace_table(text, name, "| new |")
    for task in trimming_tables.KINDS:
        assert f"(trimming-{task}-classes.svg)" in text


def test_a_table_shows_every_method_at_every_share() -> None:
    whole = {
        "method": "none",
        "ratio": 0.0,
        "score": 0.8,
        "kept": 1.0,
        "low": 1.0,
        "high": 1.0,
        "tokens": 1.0,
        "whole": False,
    }
    cells = [whole | {"milliseconds": 2.0}]
    cells += [whole | {"method": m, "ratio": r, "milliseconds": 1.0} for m in ("lean", "tail") for r in (0.1, 0.5)]
    own = whole | {"method": "novelty", "ratio": 0.4, "kept": 0.99, "tokens": 0.7, "milliseconds": 1.5}
    found = {"cells": [*cells, own], "served": 0.4}
    said, _, head, _, *rows = trimming_tables.kept_table("java", found).splitlines()
    assert said == (
        "Untrimmed: 0.800, 2.0 ms a function. With its own setting the bundle leaves out 40%, less of short functions: "
        "it reads 70% of the tokens and keeps 99.0% (100.0% to 100.0%), 1.5 ms."
    )
    assert head == "| java | without 10% | without 50% | tokens read at 50% | ms at 50% |"
    assert [row.split(" | ")[0] for row in rows] == ["| lean", "| tail"]
    filled = whole | {"method": "novelty", "whole": True, "milliseconds": 2.0}
    said, _, *_, row = trimming_tables.long_table("java", {"cells": [cells[0], filled], "functions": 9}).splitlines()
    assert said == "Untrimmed: 0.800, 2.0 ms a function, of 9."
    assert row == "| novelty, the window filled | 100.0% (100.0% to 100.0%) | 100% | 2.0 |"


def test_what_is_served_is_told_as_a_ratio() -> None:
    kinds = {"as installed": (120.0, 20.0, 5.0), "whole functions": (80.0, 40.0, 5.0)}
    names = ("definitions a second", "hover p50 / p95, uncached", "query p50 / p95")
    medians = {kind: dict(zip(names, figures, strict=True)) for kind, figures in kinds.items()}
    said, _, _, _, *rows = trimming_tables.served_table(
        {"package": "rich", "medians": medians, "ratios": [1.6, 1.4, 1.5]}
    ).splitlines()
    assert said == "Package rich; indexing is 1.40 to 1.60 times as fast, run by run."
    assert rows[0] == "| definitions indexed a second | 120.0 | 80.0 | 1.50 times as fast |"
    assert rows[1] == "| hover, uncached, ms | 20.0 | 40.0 | 2.00 times as fast |"


def test_the_chart_of_classes_is_a_picture_of_its_own() -> None:
    root = ElementTree.fromstring(
        trimming_tables.class_chart("search", {"java": {"method": 0.2, "return": 0.1, "none": 0.02}})
    )
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert [text.text for text in root.findall("{http://www.w3.org/2000/svg}text")] == ["the paper, Java", "java"]
    assert "java: 0.50" in [title.text.split(", ")[-1] for title in root.iter("{http://www.w3.org/2000/svg}title")]


def test_the_cost_of_trimming_is_measured_beside_what_it_saves(trimming: Path, examples: list[Example]) -> None:
    passages = [search_passage(example.code, 0, "python") for example in examples[:6]]
    cost = measure_cost(open_bundle(trimming), passages, 2)
    read, whole = (
        sum(map(len, Reader(bundle).read(passages))) for bundle in (opened(trimming), opened(trimming, trim=Trim()))
    )
    assert (cost.read, cost.tokens) == (read, whole)
    assert cost.read < cost.tokens


def test_attention_of_a_cut_function_is_of_what_was_read(bert: Path) -> None:
    long = Example("python", CODE * 9, "Send it.")
    found = collect_importance(open_checkpoint(str(bert)), "search", [long], 16)
    assert found.counts.sum() == 14, "the window without [CLS] and [SEP]"
