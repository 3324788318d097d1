"""`sprig evaluate`: the floors and intervals by hand, the whole suite on small data, and every way it may refuse."""

from __future__ import annotations

import gzip
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from sprig_export.config.request import Example
from sprig_export.evaluate import suite, summary_rows
from sprig_export.evaluate.command import render_page, render_samples
from sprig_export.evaluate.datasets import Documented, SearchSet, SummarySet, draw, load_standard
from sprig_export.evaluate.metrics import at_threshold, bm25, curve, nearest, threshold_for, words_of_name
from sprig_export.evaluate.results import THRESHOLD, Model, Report, render_json
from sprig_export.evaluate.search import bootstrap_interval, ranks
from sprig_export.evaluate.suite import Evaluation, run_standard
from sprig_export.evaluate.summaries import score_summaries
from sprig_export.evaluate.summary_rows import Neighbours
from sprig_export.report.charts import Dot, dot_chart, line_chart
from sprig_server.bundle.packs import installed_bundles, installed_packs
from sprig_server.bundle.store import find_bundle
from sprig_server.cli import main
from sprig_server.errors import InvalidInput
from sprig_server.inference.models import Models
from sprig_server.types import Task

EMPTY = Report("standard", "2026-01-02", None, 0, None, (), (), (), (), (), (), ())


def write_lines(folder: Path, name: str, records: list[dict[str, Any]]) -> None:
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny models gain nothing from threads, which on a busy machine wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def only_python_bundles(monkeypatch: pytest.MonkeyPatch):
    """Whatever else is installed: there is a language with a search bundle, and there are languages without."""
    found = tuple(pack for pack in installed_packs() if pack.name in ("python", "summaries"))
    monkeypatch.setattr("sprig_server.inference.models.installed_packs", lambda: found)


@pytest.fixture
def data(tmp_path: Path, examples: list[Example]) -> Path:
    """Everything of Python but `humanevalx_python`, and of Java one file; the others are missing."""
    folder = tmp_path / "data"
    folder.mkdir()
    functions = [
        {"id": f"c{i}", "language": "python", "code": e.code, "docstring": e.text} for i, e in enumerate(examples)
    ]
    questions = [{"query": examples[i].text, "code_id": f"c{i}"} for i in (3, 1, 8, 3)]
    write_lines(folder, "cosqa.valid", questions)
    write_lines(folder, "cosqa.corpus", functions[:12])
    write_lines(folder, "cosqa_summarize.valid", functions[:6])
    write_lines(folder, "cosqa_summarize.train", functions[20:30])
    java = [
        {"language": "java", "code": f"int plus{i}(int a) {{ return a + {i}; }}", "query": f"Add {i}."}
        for i in range(3)
    ]
    write_lines(folder, "humanevalx_java.test", java)
    write_lines(folder, "mbxp_python.valid", [f | {"query_short": f["docstring"]} for f in functions[6:9]])
    return folder


@pytest.fixture
def held_out(tmp_path: Path, examples: list[Example]) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [
        {
            "package": f"package{i % 3}", "path": "a.py", "language": "python", "name": f"function_{i}", "code": e.code,
            "documentation": e.text, "summary": e.text, "split": "valid" if i % 2 else "train",
        }
        for i, e in enumerate(examples[:24])
    ]  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "python.parquet")
    return folder


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory, bert: Path, bart: Path) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "search").symlink_to(bert)
    (folder / "summary").symlink_to(bart)
    return folder


# By hand


def test_bm25_by_hand():
    # 4 words (def, open_file, open, file) and 2, so 3 on average; each matched word is in one of two documents.
    one = math.log(1 + 1.5 / 1.5) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 4 / 3))
    assert bm25(["open the file"], ["def open_file", "def close"]) == pytest.approx(np.array([[2 * one, 0]]))


def test_bm25_drops_stop_words_unless_there_is_nothing_else():
    documents = ["how to", "parse"]
    assert bm25(["how to parse"], documents)[0, 0] == 0
    assert bm25(["how to"], documents)[0, 0] > 0


def test_bm25_knows_nothing_of_strange_and_missing_words():
    assert bm25(["", "zebra"], ["parse", ""]).tolist() == [[0, 0], [0, 0]]


def test_names_become_words():
    assert words_of_name("parseHTTP_url") == "parse http url"


def test_nearest_is_by_cosine():
    pool = np.eye(3, dtype=np.float32)
    assert nearest(pool[[2, 0]], pool).tolist() == [2, 0]


def test_the_neighbour_gives_its_sentence_and_a_pool_is_read_once():
    class Letters:
        """Encodes a text as how often it holds "a" and "b"."""

        name, sha256 = "letters", "0"

        def encode_code(self, functions, tick):
            return self.encode_queries([function.text for function in functions], tick)

        def encode_queries(self, texts, tick):
            return np.array([[text.count("a"), text.count("b")] for text in texts], dtype=np.float32)

    pool = [Documented("p", "python", "f", code, f"Sentence of {code}.") for code in ("a", "b")]
    functions = tuple(Documented("", "python", "g", code, "") for code in ("bb", "aa", "b"))
    stages: list[str] = []
    neighbours = Neighbours(Letters(), {"pool": pool}, lambda stage, done, total: stages.append(stage))
    data = SummarySet("set", "python", functions, "pool")
    assert neighbours.sentences(data) == ["Sentence of b.", "Sentence of a.", "Sentence of b."]
    neighbours.sentences(data)
    assert stages == ["pool", "set: nearest neighbours", "set: nearest neighbours"]
    assert neighbours.sentences(SummarySet("set", "python", functions, "another")) is None


def test_ranks_by_hand():
    assert ranks(np.array([[0.1, 0.9, 0.5], [0.3, 0.3, 0.1]]), [2, 0]).tolist() == [2, 2]


def test_the_interval_of_a_constant_is_that_constant():
    assert bootstrap_interval(np.full(9, 0.25), 0) == (0.25, 0.25)


def test_the_interval_is_as_wide_as_theory_says_and_hangs_on_the_seed():
    coins = np.repeat([0.0, 1.0], 200)
    low, high = bootstrap_interval(coins, 0)
    # The standard error of the mean of 400 coins is 0.025.
    assert (low, high) == (pytest.approx(0.5 - 1.96 * 0.025, abs=0.006), pytest.approx(0.5 + 1.96 * 0.025, abs=0.006))
    assert bootstrap_interval(coins, 0) == (low, high) != bootstrap_interval(coins, 1)


def test_a_threshold_splits_good_from_bad():
    confidences, scores = [-3.0, -2.0, -1.0, -0.5], [10.0, 30.0, 29.9, 50.0]
    point = at_threshold(confidences, scores, -1.0)
    assert (point.shown, point.hidden, point.good_shown, point.good_hidden, point.ratio) == (2, 2, 0.5, 0.5, 1.0)
    point = at_threshold(confidences, scores, -2.0)
    assert (point.shown, point.good_shown, point.good_hidden, point.ratio) == (3, pytest.approx(2 / 3), 0.0, None)
    point = at_threshold(confidences, scores, 0.0)
    assert (point.shown, point.good_shown, point.good_hidden, point.ratio) == (0, None, 0.5, None)


def test_the_curve_goes_from_all_to_a_tenth():
    points = curve([float(-i) for i in range(20)], [50.0] * 20)
    assert [point.shown for point in points] == [20, 18, 16, 14, 12, 10, 8, 6, 4, 2]
    assert points[0].good_hidden is None
    assert len(curve([-1.0, -1.0], [0.0, 50.0])) == 1


def test_the_threshold_for_a_ratio_is_the_smallest_that_reaches_it():
    scores = [0.0, 50.0, 0.0, 0.0, 0.0, 0.0, 50.0, 50.0, 50.0, 50.0]
    points = curve([float(i) for i in range(10)], scores)
    # At 1 a hidden one is bad and most shown ones are good; at 2 and 3 half and a third of the hidden are good.
    assert threshold_for(points, 2.0) == 1.0
    assert threshold_for(points[2:], 2.0) == 4.0
    assert threshold_for(curve([-1.0, -2.0], [0.0, 0.0]), 2.0) is None


def test_drawn_queries_keep_their_answers():
    whole = SearchSet("s", "python", ("a", "b", "c", "d"), ("A", "x", "B", "C", "y"), (0, 2, 3, 0))
    drawn = whole.drawn(3, seed=1)
    assert len(drawn.queries) == 3
    assert all(
        drawn.candidates[row] == query.upper().replace("D", "A")
        for query, row in zip(drawn.queries, drawn.relevant, strict=True)
    )
    assert "x" not in drawn.candidates and "y" not in drawn.candidates
    assert drawn == whole.drawn(3, seed=1) and drawn.queries != whole.drawn(3, seed=2).queries


def test_charts_put_values_where_they_belong():
    def centres(svg: str) -> list[float]:
        return [float(x) for x in re.findall(r'<circle[^>]* cx="([\d.]+)"', svg)]

    rows = {"<set>": {"one": Dot(0.0, "0"), "two": Dot(1.0, "1", 0.5, 1.5)}, "other": {"two": Dot(0.5, "half")}}
    svg = dot_chart("a & b", rows, {"one": "a", "two": "b"}, (0, 1))
    left, right, middle = centres(svg)
    assert (left + right) / 2 == pytest.approx(middle)
    assert "&lt;set&gt;" in svg and "<set>" not in svg and "a &amp; b" in svg
    svg = line_chart("l", {"shown": [(-3.0, 0.0), (-1.0, 1.0)]}, {"shown": "a"}, mark=-2.0)
    (mark,) = re.findall(r'class="mark" x1="([\d.]+)"', svg)
    assert float(mark) == pytest.approx(sum(centres(svg)) / 2)


# The suite


def test_the_suite_measures_what_is_there_and_names_what_is_not(
    data: Path, held_out: Path, bases: Path, bert: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(summary_rows, "BASE_SUMMARIES", 4)
    stages: dict[str, tuple[int, int]] = {}
    plan = Evaluation(data, bases, str(bert), held_out)
    report = run_standard(plan, lambda stage, done, total: stages.update({stage: (done, total)}))
    search = {(figure.data, figure.column): figure for figure in report.search}
    models = ("BM25", "baseline", "base", "bundle")
    assert set(search) == {
        *((name, column) for name in ("cosqa.valid", "held-out python") for column in models),
        *(("humanevalx_java.test", column) for column in models[:3]),
    }
    # The baseline and the base are the same model here, and full text finds what repeats the query's words.
    cosqa = search["cosqa.valid", "base"]
    assert cosqa.mrr == search["cosqa.valid", "baseline"].mrr and cosqa.low <= cosqa.mrr <= cosqa.high
    assert search["cosqa.valid", "BM25"].mrr > 0.4
    assert (cosqa.n, cosqa.pool, cosqa.seed, search["held-out python", "bundle"].pool) == (4, 12, 0, 12)
    (gain,) = [c for c in report.comparisons if (c.data, c.of) == ("cosqa.valid", "base - baseline")]
    assert (gain.value, gain.low, gain.high, gain.metric) == (0, 0, 0, "mrr")
    (kept,) = [c for c in report.comparisons if (c.data, c.of, c.metric) == ("cosqa.valid", "bundle / base", "mrr")]
    assert kept.value == pytest.approx(search["cosqa.valid", "bundle"].mrr / cosqa.mrr)

    served = Models((), threads=1)
    search_bundle, summary_bundle = served.search_bundle("python"), served.summary_bundle("python")
    assert search_bundle is not None and summary_bundle is not None
    encoder, summarizer = served.encoder(search_bundle), served.summarizer(summary_bundle)
    pool = encoder.encode([example.code for example in examples[:12]])
    asked = np.concatenate([encoder.encode([examples[i].text]) for i in (3, 1, 8, 3)])
    expected = 1 / ranks(asked @ pool.T, [3, 1, 8, 3])
    assert search["cosqa.valid", "bundle"].mrr == pytest.approx(expected.mean())
    assert search["cosqa.valid", "bundle"].recall_at_10 == (expected >= 0.1).mean()

    summaries = {(figure.data, figure.column): figure for figure in report.summaries}
    columns = ("name", "neighbour", "base", "bundle, base's examples", "bundle")
    assert [column for name, column in summaries if name == "cosqa_summarize.valid"] == list(columns)
    assert [summaries["cosqa_summarize.valid", column].n for column in columns] == [6, 6, 4, 4, 6]
    written = [summarizer.summarize(example.code, "python") for example in examples[:6]]
    references = [example.text for example in examples[:6]]
    found = summaries["cosqa_summarize.valid", "bundle"]
    scores = score_summaries([summary.text for summary in written], references)
    assert {name: getattr(found, name) for name in scores} == pytest.approx(scores)
    few = sorted(draw(range(6), 4, seed=0))
    scores = score_summaries([written[i].text for i in few], [references[i] for i in few])
    again = summaries["cosqa_summarize.valid", "bundle, base's examples"]
    assert {name: getattr(again, name) for name in scores} == pytest.approx(scores)
    names = [example.text.lower().split() for example in examples[:6]]
    verbatim = score_summaries([f"{words[0]} {words[2]}" for words in names], references)
    assert summaries["cosqa_summarize.valid", "name"].rouge_l == pytest.approx(verbatim["rouge_l"])

    of_cosqa = report.confidence[0]
    assert (of_cosqa.data, of_cosqa.n, of_cosqa.default.threshold) == ("cosqa_summarize.valid", 6, THRESHOLD)
    assert of_cosqa.default.shown == sum(summary.confidence >= THRESHOLD for summary in written)
    assert {sample.data for sample in report.samples} == {"held-out python"}
    assert len({sample.name for sample in report.samples}) == 10
    assert all(sample.package.startswith("package") for sample in report.samples)

    took_part = [(m.task, m.column, m.name) for m in report.models]
    assert took_part[:3] == [
        ("search", "baseline", "tiny-bert"), ("search", "base", "tiny-bert"), ("summarize", "base", "tiny-bart"),
    ]  # fmt: skip
    assert took_part[3:] == [
        ("search", "bundle", "search-python"),
        *[("summarize", "bundle", "summaries")] * 4,  # one bundle for all languages
    ]
    assert "humanevalx_python.test: there is no humanevalx_python.test.jsonl.gz" in report.left_out
    assert "held-out java: there is no java.parquet" in report.left_out
    assert all(done == total for done, total in stages.values())
    assert stages["cosqa_summarize.valid: base writes"] == (4, 4)


def test_every_figure_says_on_what_it_was_measured(data: Path, held_out: Path, bases: Path):
    plan = Evaluation(data, bases, None, held_out, limit=2, seed=3)
    report = run_standard(plan)
    read = json.loads(render_json(report))
    records = [record for part in ("search", "summaries", "comparisons", "confidence") for record in read[part]]
    assert len(records) > 12
    assert all(record["seed"] == 3 and 1 <= record["n"] <= 2 and record["data"] for record in records)
    assert (read["limit"], read["seed"], read["suite"]) == (2, 3, "standard")
    assert {len(model["sha256"]) for model in read["models"]} == {16, 64}
    assert max(figure.pool for figure in report.search) == 2
    # The neighbour is found with the base where there is no baseline.
    assert "neighbour" in {figure.column for figure in report.summaries}
    again = run_standard(plan)
    assert (again.search, again.summaries, again.samples) == (report.search, report.summaries, report.samples)


def test_without_any_base_the_bundles_stand_beside_the_floors(data: Path, tmp_path: Path):
    report = run_standard(Evaluation(data, tmp_path / "no models", limit=2))
    assert {figure.column for figure in report.search} == {"BM25", "bundle"}
    assert {figure.column for figure in report.summaries} == {"name", "neighbour", "bundle"}
    assert report.comparisons == ()
    for reason in (
        "baseline: no --baseline was given",
        "search base: there is no folder search among the models",
        "summary base: there is no folder summary among the models",
        "held-out packages: no --held-out folder was given",
    ):
        assert reason in report.left_out
    # Without held-out packages the first set of the language gives the samples.
    assert {sample.data for sample in report.samples} == {"cosqa_summarize.valid"}


@pytest.mark.parametrize(("task", "other"), [("search", "summarize"), ("summarize", "search")])
def test_one_task_can_be_measured_alone(data: Path, tmp_path: Path, task: Task, other: Task):
    report = run_standard(Evaluation(data, tmp_path / "no models", limit=2, task=task))
    measured = {"search": report.search, "summarize": report.summaries}
    assert measured[task]
    assert not measured[other]
    assert f"everything but {task}: --task {task}" in report.left_out


def test_another_bundle_takes_the_place_of_the_installed_one(data: Path, tmp_path: Path):
    """One with another name, so that the report says which it was."""
    shutil.copytree(find_bundle(Path("search-python"), installed_bundles()).folder, tmp_path / "mine")
    manifest = json.loads((tmp_path / "mine" / "manifest.json").read_text())
    (tmp_path / "mine" / "manifest.json").write_text(json.dumps(manifest | {"name": "mine"}))
    report = run_standard(
        Evaluation(data, tmp_path / "no models", limit=2, task="search", bundles=(tmp_path / "mine",))
    )
    assert [model.name for model in report.models if model.task == "search"] == ["mine"]


def test_the_command_writes_tables_a_page_and_samples(data: Path, held_out: Path, tmp_path: Path, capsys):
    output, samples = tmp_path / "new" / "report", tmp_path / "docs" / "models.md"
    words = ["evaluate", "--suite", "standard", "--data", data, "--output", output, "--held-out", held_out]
    assert main([str(word) for word in [*words, "--models", tmp_path, "--limit", 3, "--samples", samples]]) == 0
    captured = capsys.readouterr()
    for text in ("Search", "cosqa.valid", "Summaries", "Confidence", "left out: mbxp_java.valid", "a quick look"):
        assert text in captured.out
    assert "cosqa.valid: bundle reads functions" in captured.err
    page = (output / "report.html").read_text()
    assert page.count("<svg role") == 3 + 3  # search, two for summaries, one for each confidence curve
    assert "http://" not in page and "https://" not in page and "<script" not in page and "<link" not in page
    assert "prefers-color-scheme: dark" in page
    markdown = samples.read_text()
    assert "sprig evaluate --suite standard --data DATA --held-out CORPUS --limit 3" in markdown
    assert markdown.count("   - generated: ") == 3 and re.search(r"\*\*function\\_\d+\*\*, package package\d", markdown)
    for text in (page, markdown, (output / "report.json").read_text()):
        assert str(tmp_path) not in text


def test_pages_escape_what_models_are_called():
    model = Model("search", "base", "all", "<b>&amp", "0")
    page = render_page(Report(**{name: getattr(EMPTY, name) for name in EMPTY.__slots__} | {"models": (model,)}))
    assert "&lt;b&gt;&amp;amp" in page and "<b>&amp" not in page


def test_an_empty_report_is_a_page_too():
    assert "<h2>Search" not in render_page(EMPTY)
    assert json.loads(render_json(EMPTY))["commit"] is None
    assert render_samples(EMPTY).startswith("# ")


def test_the_commit_is_that_of_the_code_and_of_nothing_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A repository that does not hold the code, as where a virtual environment lies in a project.
    stranger = tmp_path / "suite.py"
    stranger.write_text("")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(suite, "__file__", str(stranger))
    assert suite._commit() is None
    for command in (["add", "suite.py"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "-m", "m"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert re.fullmatch(r"[0-9a-f]{12}", suite._commit() or "")
    stranger.write_text("x = 1\n")
    assert (suite._commit() or "").endswith("-dirty")


# Refusals


def test_data_that_cannot_be_used_is_refused(data: Path, held_out: Path, tmp_path: Path):
    with pytest.raises(InvalidInput, match=r'nowhere" is not a folder: give'):
        load_standard(tmp_path / "nowhere", None, None, 0)
    with pytest.raises(InvalidInput, match="is not a folder: give"):
        load_standard(data, tmp_path / "nowhere", None, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds none of the benchmark files: give"):
        load_standard(tmp_path / "empty", None, None, 0)
    (held_out / "python.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InvalidInput, match=r'python\.parquet" is not a corpus .*: give'):
        load_standard(data, held_out, None, 0)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"query": "q"}], r'record 1 of ".*cosqa\.valid\.jsonl\.gz" has no text "code_id": fetch'),
        ([{"query": "q", "code_id": "c0"}, {"query": 7, "code_id": "c0"}], 'record 2 .* has no text "query"'),
        ([{"query": "q", "code_id": "gone"}], 'names the code "gone", which its corpus lacks: fetch'),
        ([], "holds no record: fetch"),
    ],
)
def test_a_damaged_file_is_refused(data: Path, records: list[dict[str, Any]], message: str):
    write_lines(data, "cosqa.valid", records)
    with pytest.raises(InvalidInput, match=message):
        load_standard(data, None, None, 0)


def test_held_out_packages_without_validation_pairs_are_left_out(data: Path, held_out: Path):
    path = held_out / "python.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path, filters=[("split", "=", "train")]), path)
    found = load_standard(data, held_out, None, 0)
    assert "held-out python: python.parquet holds no valid pairs" in found.left_out
    assert len(found.pools["training pairs python"]) == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--limit", "0"], "a limit of 0 examples measures nothing: give at least 1"),
        (["--baseline", "./nowhere"], 'the model "./nowhere" does not exist: give'),
        (["--data", "/nowhere"], '"/nowhere" is not a folder: give'),
    ],
)
def test_the_command_refuses_in_one_sentence(data: Path, tmp_path: Path, capsys, words: list[str], message: str):
    words = ["evaluate", "--suite", "standard", "--data", str(data), "--output", str(tmp_path / "o"), *words]
    assert main(words) == 2
    assert f"sprig: {message}" in capsys.readouterr().err


def test_an_output_that_is_a_file_is_refused_before_the_work(data: Path, tmp_path: Path, capsys):
    (tmp_path / "taken").write_text("mine")
    words = ["evaluate", "--suite", "standard", "--data", str(data), "--output", str(tmp_path / "taken")]
    assert main(words) == 2
    assert "give another folder" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"
