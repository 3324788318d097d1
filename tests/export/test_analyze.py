"""`sprig analyze` from the command line to its files, on tiny models with random weights, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from sprig_export.analysis.charts import curves, heat_map
from sprig_export.analysis.proposal import Proposal, principal_dimensions, propose, read_proposal
from sprig_export.analysis.selection import LayerScore, Score
from sprig_export.analysis.sources import read_functions
from sprig_export.analysis.study import analyze
from sprig_export.analysis.words import Plan
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
def one_thread():
    """Tiny models gain nothing from threads, which on a busy machine wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
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


@pytest.mark.parametrize(("model", "source"), [("bert", "folder"), ("bart", "corpus")])
def test_an_analysis_writes_a_report_a_page_and_a_proposal(
    model: str, source: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(request.getfixturevalue(model), request.getfixturevalue(source), tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "redundant" in printed.out
    assert "features of a probe and not of weights" in printed.out
    assert "· layers 3 in" in printed.err
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    data, classes = report["data"], report["data"]["classes"]
    assert set(classes) >= {"KEYWORD", "IDENTIFIER", "NUMBER", "STRING", "TYPE", "COMMENT"}
    assert data["left_out"] == {"MODIFIER": "no such word"} | data["left_out"]
    assert not set(classes) & set(data["left_out"])
    assert report["subject"] | {"name": "", "sha256": ""} == {
        "name": "", "sha256": "", "family": model, "layers": 2, "width": 32
    }  # fmt: skip
    assert report["baselines"]["chance"] == pytest.approx(1 / len(classes), abs=1e-3)
    assert report["full"]["test"] > 2 / len(classes)
    selective = report["full"]["test"] - report["baselines"]["control"]
    assert report["baselines"]["selectivity"] == pytest.approx(selective, abs=1e-3)
    assert [layer["layer"] for layer in report["layers"]] == [0, 1, 2]
    for points in (*report["orders"].values(), report["clusters"][::-1]):
        counts = [point["neurons"] for point in points]
        assert counts == sorted(counts)
        assert counts[-1] <= 96
    assert {points[-1]["score"]["dev"] for points in report["orders"].values()} == {report["full"]["dev"]}
    assert report["minimal"]["score"]["dev"] >= 0.99 * report["full"]["dev"] - 1e-3
    assert np.diag(report["similarity"]).tolist() == pytest.approx([1, 1, 1])
    assert [concept["label"] for concept in report["concepts"]] == classes
    assert all(len(neuron["words"]) == 5 for concept in report["concepts"] for neuron in concept["neurons"])
    assert [one["label"] for one in report["ablations"]] == classes
    for one in report["ablations"]:
        others = [loss for label, loss in one["loss"].items() if label != one["label"]]
        assert one["confirmed"] == (one["own"] > max(float(np.mean(others)), one["worst"]))
    proposal = read_proposal(tmp_path / "out" / "report.json")
    assert [choice.layers for choice in proposal.layers] == [
        choice["layers"] for choice in report["proposal"]["layers"]
    ]
    assert (proposal.of_layers, proposal.of_dimensions, len(proposal.redundancy)) == (2, 32, 3)


def test_the_page_needs_nothing_else_and_shows_every_section(bert: Path, folder: Path, tmp_path: Path):
    assert run(bert, folder, tmp_path) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|https?:|\burl\(|@import|<link", page)
    charts = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg role.*?</svg>", page, re.DOTALL)]
    labels = [chart.get("aria-label") for chart in charts]
    assert labels == [
        "Accuracy by layer",
        "CKA of every two layers",
        "Accuracy by neurons kept",
        "Accuracy lost by each class",
    ]
    assert len(charts[1].findall("rect")) == 9
    assert len(charts[2].findall("polyline")) == 3
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    for neuron in (neuron for concept in report["concepts"] for neuron in concept["neurons"]):
        assert f"<td>{neuron['layer']}/{neuron['unit']}</td>" in page
    assert page.count("<h2>") == 8


def test_the_same_seed_gives_the_same_report(bert: Path, corpus: Path):
    plan = Plan(str(bert), "python", corpus, tokens=12, seed=3)
    assert analyze(plan, lambda *told: None) == analyze(plan, lambda *told: None)


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
    path.write_text(json.dumps({"proposal": to_json(made)}), encoding="utf-8")
    assert read_proposal(path) == made
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match="is not a report of `sprig analyze`"):
        read_proposal(path)


def to_json(proposal: Proposal) -> object:
    from dataclasses import asdict

    return json.loads(json.dumps(asdict(proposal)))


def test_principal_dimensions_are_those_with_variance():
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((500, 3)) * [10, 10, 0.1] @ np.linalg.qr(draw.standard_normal((8, 8)))[0][:3]
    assert [principal_dimensions(rows.astype(np.float32), share) for share in (0.3, 0.95, 0.999999)] == [1, 2, 3]


def test_a_heat_map_colours_losses_and_gains_differently():
    chart = ElementTree.fromstring(heat_map("x", ["a"], ["b", "c", "d"], [[2.0, -1.0, 9.0]], 4, "{:+.1f}"))
    cells = [(cell.get("class"), cell.get("fill-opacity")) for cell in chart.findall("rect")]
    assert cells == [("more", "0.450"), ("less", "0.225"), ("more", "0.900")]
    assert [text.text for text in chart.findall("text")] == ["b", "c", "d", "a", "+2.0", "-1.0", "+9.0"]


def test_a_curve_gives_each_tenfold_the_same_room():
    lines = {"one": [(1.0, 0.0), (10.0, 0.5), (100.0, 1.0)]}
    chart = ElementTree.fromstring(curves("x", lines, {"one": "d"}, 0.25, logarithmic=True))
    x = [float(str(dot.get("cx"))) for dot in chart.findall("circle")]
    y = [float(str(dot.get("cy"))) for dot in chart.findall("circle")]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1])
    assert y[0] - y[1] == pytest.approx(y[1] - y[2])
    assert [text.text for text in chart.findall("text")][-3:] == ["1", "10", "100"]
