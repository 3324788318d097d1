"""`sprig analyze` from the command line to its files, on tiny models with random weights, and what it refuses."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from sprig_export.analysis.proposal import principal_dimensions, propose
from sprig_export.analysis.report import render_json
from sprig_export.analysis.selection import LayerScore
from sprig_export.analysis.study import analyze
from sprig_export.analysis.token_classes import CLASSES
from sprig_export.analysis.words import Study, read_functions
from sprig_export.config.proposal import Score, read_proposal
from sprig_export.report.charts import curves, heat_map
from sprig_server.cli import main
from sprig_server.errors import InvalidInput

WORDS = [
    "file",
    "list",
    "socket",
    "table",
    "token",
    "number",
    "buffer",
    "tree",
    "open",
    "close",
    "read",
    "write",
    "sort",
]


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Tiny models gain nothing from threads, which on a busy machine wait for each other, nor from long training."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sprig_export.analysis.probe._LEAST_STEPS", 40)
        yield
    torch.set_num_threads(before)


def functions() -> list[str]:
    draw = np.random.default_rng(0)
    made = []
    for number in range(60):
        a, b, c, d, e = draw.permutation(WORDS)[:5]
        made.append(
            f"def {a}_{b}({c}: {d.title()}) -> {e.title()}:\n    # {a} the {b}\n    {d} = {c}.{a}({number}) "
            f"{draw.choice(list('+-*/%'))} {draw.integers(100)}\n    if {d} is not {c} and {d} > {number}:\n"
            f'        raise {b.title()}("{e} of {d}")\n    return {d}'
        )
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Python, and of what has to be passed over."""
    source = tmp_path_factory.mktemp("source")
    for place in range(3):
        own = [f'"""Text."""\n{code}' for code in functions()[place::3]]
        (source / f"module{place}.py").write_text("\n\n".join(own), encoding="utf-8")
    (source / "Other.java").write_text("class A { int f() { return 1; } }", encoding="utf-8")
    (source / "notes.txt").write_text("def not_code(): pass", encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "python.parquet"
    rows = [{"code": code, "language": "python"} for code in functions()]
    rows += [rows[0], {"code": "int f() { return 1; }", "language": "java"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def run(model: Path, source: Path, output: Path, *more: str) -> int:
    words = ["--model", str(model), "--language", "python", "--corpus", str(source), "--output", str(output)]
    return main(["analyze", *words, "--tokens", "30", *more])


@dataclass(frozen=True)
class Analysed:
    model: Path
    source: Path
    report: dict[str, Any]
    path: Path
    page: str
    printed: str
    told: str


@pytest.fixture(scope="module", params=["bert", "bart"])
def analysed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    """A BERT on a folder of source code, and a BART on a corpus."""
    model: Path = request.getfixturevalue(request.param)
    source: Path = request.getfixturevalue({"bert": "folder", "bart": "corpus"}[request.param])
    output = tmp_path_factory.mktemp("analysed") / "out"
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()) as told:
        assert run(model, source, output) == 0
    path = output / "report.json"
    report, page = (path.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".json", ".html"))
    return Analysed(model, source, json.loads(report), path, page, printed.getvalue(), told.getvalue())


def test_an_analysis_tells_how_far_it_is_and_then_what_it_found(analysed: Analysed):
    assert "· layers 3 in" in analysed.told
    assert analysed.told.rstrip().endswith("report.html")
    assert "features of a probe and not of weights" in analysed.printed
    assert f"finds the class of {analysed.report['full']['test']:.1%} of the test words" in analysed.printed


def test_a_report_says_on_which_words_it_rests(analysed: Analysed):
    data, subject = analysed.report["data"], analysed.report["subject"]
    assert (subject["family"], subject["layers"], subject["width"]) == (analysed.model.name[5:], 2, 32)
    assert set(data["classes"]) >= {"KEYWORD", "IDENTIFIER", "STRING", "COMMENT"}
    assert set(data["classes"]) | set(data["left_out"]) == set(CLASSES)
    assert len(data["classes"]) + len(data["left_out"]) == len(CLASSES)
    assert data["left_out"]["MODIFIER"] == "no such word"
    assert (data["functions"], data["corpus"]) == (60, analysed.source.name)
    for split in ("train", "dev", "test"):
        assert 0 < min(data["types"][split].values()) <= max(data["types"][split].values()) <= data[split]


def test_the_figures_of_a_report_agree_with_each_other(analysed: Analysed):
    report, base, full = analysed.report, analysed.report["baselines"], analysed.report["full"]
    classes = report["data"]["classes"]
    assert base["chance"] == pytest.approx(1 / len(classes), abs=1e-3)
    assert full["test"] > 1.5 * base["chance"]
    assert full["test"] == pytest.approx(np.mean(list(report["by_class"].values())), abs=1e-3)
    assert base["selectivity"] == pytest.approx(full["test"] - base["control"], abs=1e-3)
    assert base["seen_selectivity"] is None or base["seen_control"] <= base["seen"]
    assert [layer["layer"] for layer in report["layers"]] == [0, 1, 2]
    for points in (*report["orders"].values(), report["clusters"][::-1]):
        counts = [point["neurons"] for point in points]
        assert counts == sorted(counts)
        assert counts[-1] <= 96
    assert {points[-1]["score"]["dev"] for points in report["orders"].values()} == {full["dev"]}
    assert report["minimal"]["score"]["dev"] >= 0.99 * full["dev"] - 1e-3
    layer, cascade = report["cascade"]["layer"], report["cascade"]
    assert max(cascade["subset"]["neurons"]) < (layer + 1) * 32
    assert len(cascade["subset"]["neurons"]) <= cascade["clustered"] <= (layer + 1) * 32
    assert np.diag(report["similarity"]).tolist() == pytest.approx([1, 1, 1])


def test_every_concept_has_neurons_top_words_and_an_ablation(analysed: Analysed):
    report, classes = analysed.report, analysed.report["data"]["classes"]
    assert [concept["label"] for concept in report["concepts"]] == classes
    assert all(len(neuron["words"]) == 5 for concept in report["concepts"] for neuron in concept["neurons"])
    assert [one["label"] for one in report["ablations"]] == classes
    assert min(report["ablated_words"].values()) > 0
    for one in report["ablations"]:
        others = [loss for label, loss in one["loss"].items() if label != one["label"]]
        assert one["own"] == one["loss"][one["label"]]
        assert one["confirmed"] == (one["own"] > max(float(np.mean(others)), one["worst"]))


def test_a_proposal_is_read_from_a_report(analysed: Analysed):
    made, written = read_proposal(analysed.path), analysed.report["proposal"]
    assert [(choice.delta, choice.layers) for choice in made.layers] == [
        (choice["delta"], choice["layers"]) for choice in written["layers"]
    ]
    assert (made.of_layers, made.of_dimensions, [one.layer for one in made.redundancy]) == (2, 32, [0, 1, 2])
    assert 0 < len(made.output_dimensions) <= 32
    assert made.layers[0].layers == analysed.report["cascade"]["layer"]


def test_the_page_needs_nothing_else_and_shows_every_section(analysed: Analysed):
    page, report = analysed.page, analysed.report
    assert not re.search(r"<script|https?:|\burl\(|@import|<link", page)
    charts = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg role.*?</svg>", page, re.DOTALL)]
    assert [chart.get("aria-label") for chart in charts] == [
        "Accuracy by layer",
        "CKA of every two layers",
        "Accuracy by neurons kept",
        "Accuracy lost by each class",
    ]
    assert len(charts[1].findall("rect")) == 9
    assert len(charts[2].findall("polyline")) == 3
    assert len(charts[3].findall("rect")) == len(report["ablations"]) * (len(report["ablations"]) + 1)
    for neuron in (neuron for concept in report["concepts"] for neuron in concept["neurons"]):
        assert f"<td>{neuron['layer']}/{neuron['unit']}</td>" in page
    assert page.count("<h2>") == 8


@pytest.mark.parametrize("analysed", ["bert"], indirect=True)
def test_the_same_seed_gives_the_same_report(analysed: Analysed):
    plan = Study(str(analysed.model), "python", analysed.source, tokens=30)
    again = json.loads(render_json(analyze(plan, lambda *told: None)))
    assert again | {"date": ""} == analysed.report | {"date": ""}


def test_functions_are_read_once_each_and_in_one_language_only(folder: Path, corpus: Path):
    expected = sorted(functions())
    assert sorted(read_functions(corpus, "python", 1000, 0)) == expected
    assert sorted(read_functions(folder, "python", 1000, 0)) == expected
    few = read_functions(corpus, "python", 7, 1)
    assert len(few) == 7
    assert few == read_functions(corpus, "python", 7, 1) != read_functions(corpus, "python", 7, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--language", "cobol"], 'unknown language "cobol"'),
        (["--language", "cpp"], "holds no function in cpp: name another corpus or language"),
        (["--corpus", "nowhere.parquet"], '"nowhere.parquet" is not a corpus that `sprig corpus build` wrote'),
        (["--model", "nowhere"], 'the model "nowhere" does not exist'),
        (["--tokens", "5"], "5 words of each class are too few to train on: give at least 10"),
        (["--tokens", "5000"], "the corpus has too few words to tell classes apart: KEYWORD: too few words: "),
    ],
)
def test_what_cannot_be_analysed_is_refused_in_one_sentence(
    words: list[str], message: str, bert: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(bert, corpus, tmp_path / "out", *words) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("sprig: "))
    assert message in line
    assert not list((tmp_path / "out").iterdir())


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    bert: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run(bert, corpus, tmp_path / "file" / "out") == 2
    assert capsys.readouterr().err.startswith(f'sprig: cannot write to "{tmp_path / "file" / "out"}"')


def test_a_proposal_counts_what_correlates_and_is_read_back_as_it_was(tmp_path: Path):
    draw = np.random.default_rng(0)
    base = draw.standard_normal((400, 2, 3)).astype(np.float32)
    states = np.concatenate([base, base[:, :, :1] * [[[-2], [1]]] + [[[0], [0]]]], axis=2).astype(np.float32)
    states[:, 1, 3] = draw.standard_normal(
        400
    )  # in layer 0 the last neuron repeats the first one, in layer 1 none does
    units = np.repeat(draw.standard_normal((300, 2)), 4, axis=1).astype(np.float32)
    scores = [LayerScore(0, Score(0, 0), Score(0.885, 0.1)), LayerScore(1, Score(0, 0), Score(0.9, 0.2))]
    made = propose(scores, states, [units], states[:, 0])
    assert [(choice.delta, choice.layers) for choice in made.layers] == [(0.01, 1), (0.02, 0), (0.03, 0)]
    assert [(one.neurons, one.units) for one in made.redundancy] == [(0.25, None), (0.0, 0.75)]
    assert (made.output_dimensions, made.of_dimensions, made.principal_dimensions) == ((0, 1, 2), 4, 3)
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"proposal": asdict(made)}), encoding="utf-8")
    assert read_proposal(path) == made
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match="is not a report of `sprig analyze`"):
        read_proposal(path)


def test_principal_dimensions_are_those_with_variance():
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((500, 3)) * [10, 10, 0.1] @ np.linalg.qr(draw.standard_normal((8, 8)))[0][:3]
    assert [principal_dimensions(rows.astype(np.float32), share) for share in (0.3, 0.95, 0.999999)] == [1, 2, 3]


def test_a_heat_map_colours_losses_and_gains_differently():
    chart = ElementTree.fromstring(heat_map("x", {"a": {"b": 2.0, "c": -1.0, "d": 9.0}}, 4, "{:+.1f}"))
    cells = [(cell.get("class"), cell.get("fill-opacity")) for cell in chart.findall("rect")]
    assert cells == [("more", "0.300"), ("less", "0.150"), ("more", "0.600")]
    assert [text.text for text in chart.findall("text")] == ["b", "c", "d", "a", "+2.0", "-1.0", "+9.0"]


def test_a_curve_gives_each_tenfold_the_same_room():
    lines = {"one": [(1.0, 0.0), (10.0, 0.5), (100.0, 1.0)]}
    chart = ElementTree.fromstring(curves("x", lines, {"one": "d"}, 0.25, logarithmic=True))
    x = [float(str(dot.get("cx"))) for dot in chart.findall("circle")]
    y = [float(str(dot.get("cy"))) for dot in chart.findall("circle")]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1])
    assert y[0] - y[1] == pytest.approx(y[1] - y[2])
    assert [text.text for text in chart.findall("text")][-3:] == ["1", "10", "100"]
