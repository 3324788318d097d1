"""The search for a plan: what is considered, what is tried, what is chosen, and the export that follows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.export.families import make_model

from sprig_export.autotune.costs import Candidate
from sprig_export.autotune.export import export_first_good, export_to_target
from sprig_export.autotune.precision import Variant, choose_variant, with_precision
from sprig_export.autotune.search_space import describe_plan, follow_proposal, list_plans
from sprig_export.autotune.selection import Choice as PlanChoice
from sprig_export.autotune.selection import by_gate, by_target, slower_plans
from sprig_export.config.proposal import Proposal
from sprig_export.config.recipe import Recipe, read_recipe
from sprig_export.config.request import ExportRequest, Target
from sprig_export.onnx.validate import ValidationFailed
from sprig_export.report.stages import StageLog
from sprig_server.bundle.store import open_bundle
from sprig_server.errors import InvalidInput
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.summarizer import Summarizer

SEARCH = Recipe("search", "", "python")
SUMMARIZE = Recipe("summarize", "", "python")


def test_a_search_model_may_lose_everything_but_its_table() -> None:
    plans = list_plans(SEARCH, make_model("bert"))
    shapes = [(plan.layers, plan.units, plan.heads) for plan in plans]
    whole, narrow = [(3, 1.0, 1.0), (3, 0.5, 1.0), (3, 0.5, 0.5)], [(2, 1.0, 1.0), (2, 0.5, 1.0), (2, 0.5, 0.5)]
    assert shapes == [*whole, *narrow, (1, 1.0, 1.0), (0, 1.0, 1.0)]


@pytest.mark.parametrize("family", ["bart", "t5", "llama", "gpt2"])
def test_a_model_that_writes_keeps_a_layer_of_each_half(family: str) -> None:
    plans = list_plans(SUMMARIZE, make_model(family))
    assert {plan.heads for plan in plans} == {1.0}, "their configurations have no room for fewer heads"
    assert min(plan.decoder_layers for plan in plans) == 1
    assert len({(plan.layers, plan.decoder_layers, plan.units) for plan in plans}) == len(plans)
    if family == "t5":
        assert all(plan.layers >= plan.decoder_layers for plan in plans)


def test_plans_are_named_by_what_is_left() -> None:
    assert describe_plan(replace(SEARCH, layers=2, units=0.5), make_model("bert")) == "2 of 3 layers, 50% of the units"
    assert describe_plan(replace(SUMMARIZE, layers=2, decoder_layers=1), make_model("t5")) == (
        "2 of 3 encoder layers, 1 of 3 decoder layers"
    )


def considered(*speeds: float) -> list[Candidate]:
    return [Candidate(replace(SEARCH, layers=n), f"plan {n}", 10 / s, s) for n, s in enumerate(speeds)]


def check_choice(pick, plans, kept, limit, name, tried) -> None:
    seen = []

    def try_plan(found: Candidate) -> Candidate:
        seen.append(found.name)
        return replace(found, kept=kept[found.name])

    _, best, why = pick(plans, limit, try_plan)
    assert best.name == name
    assert sorted(seen) == sorted(tried)
    assert why.startswith("it is")


def test_without_a_target_the_fastest_plan_within_the_gate_is_found_by_halving() -> None:
    plans = considered(1, 2, 3, 4, 5, 6, 7)
    kept = {f"plan {n}": 1 - 0.03 * n for n in range(7)}
    check_choice(by_gate, plans, kept, 5.0, "plan 1", ["plan 3", "plan 1", "plan 2"])
    check_choice(by_gate, plans, kept, 50.0, "plan 6", ["plan 3", "plan 5", "plan 6"])
    check_choice(by_gate, plans, kept, 0.1, "plan 0", ["plan 3", "plan 1"])
    # Well within the gate: what is to follow costs something too.
    check_choice(by_gate, plans[:2], kept | {"plan 1": 0.955}, 5.0, "plan 0", ["plan 1"])
    check_choice(by_gate, plans[:2], kept | {"plan 1": 0.961}, 5.0, "plan 1", ["plan 1"])
    assert by_gate(plans[:1], 0.1, lambda found: found)[2].startswith("it is the only one")


def test_of_the_plans_that_meet_a_target_the_best_is_taken() -> None:
    plans = considered(3, 4, 5, 6, 7)
    kept = {"plan 0": 0.9, "plan 1": 0.95, "plan 2": 0.8, "plan 3": 0.7}
    check_choice(by_target, plans, kept, Target(speed=3), "plan 1", list(kept))
    check_choice(by_target, plans[:1], kept, Target(speed=3), "plan 0", ["plan 0"])


def test_for_a_size_the_largest_plans_are_tried() -> None:
    slow_and_small = replace(considered(1)[0], name="slow", megabytes=0.5)
    plans = [slow_and_small, *considered(2, 3, 4, 5)]
    kept = {f"plan {n}": 0.9 for n in range(4)} | {"slow": 0.5}
    check_choice(by_target, plans, kept, Target(megabytes=6), "plan 0", ["plan 0", "plan 1", "plan 2", "plan 3"])


def test_a_size_leaves_room_for_what_lies_beside_the_graph() -> None:
    (plan,) = considered(1)
    assert not plan.meets(Target(megabytes=10))
    assert plan.meets(Target(megabytes=10.3))


def test_what_was_tried_and_lost_too_much_is_no_fallback() -> None:
    plans = considered(1, 2, 3, 4, 5)
    plans[3] = replace(plans[3], kept=0.8)
    plans[2] = replace(plans[2], name="what the analysis says, as the analysis proposes")
    choice = PlanChoice(plans[4].recipe, tuple(plans), "it is tried")
    assert slower_plans(choice) == [plans[1], plans[0]]
    assert slower_plans(replace(choice, recipe=plans[0].recipe)) == []


@pytest.mark.parametrize("target", [(0.0, None), (-1.0, None), (None, 0.0), (float("nan"), None)])
def test_impossible_targets_are_refused(target: tuple[float | None, float | None]) -> None:
    with pytest.raises(InvalidInput, match="give a number above 0"):
        Target(*target)


VARIANTS = [
    Variant("float32", "float32", 40.0, 10.0, 0.80),
    Variant("int8", "int8", 12.0, 20.0, 0.80),
    Variant("int8", "int4", 11.0, 19.5, 0.795),
    Variant("int4", "int4", 6.0, 30.0, 0.70),
]


@pytest.mark.parametrize(
    ("target", "chosen"),
    [(Target(), 2), (Target(megabytes=11.5), 2), (Target(megabytes=6.2), 3), (Target(megabytes=50), 2)],
)
def test_the_fastest_precision_that_is_as_good_is_taken(target: Target, chosen: int) -> None:
    """4-bit products are fastest here but lose an eighth: they are taken only where nothing else is small enough."""
    assert choose_variant(VARIANTS, target, 5.0) == VARIANTS[chosen]


@pytest.mark.parametrize(("speed", "chosen"), [(3.9, 2), (5.0, 3), (9.0, 3)])
def test_a_precision_is_as_fast_as_was_asked_for(speed: float, chosen: int) -> None:
    assert choose_variant(VARIANTS, Target(speed=speed), 5.0) == VARIANTS[chosen]


def test_the_score_of_a_precision_counts_more_than_how_far_it_turns_vectors() -> None:
    eight, four = (with_precision(replace(SEARCH, min_cosine=0.95), variant) for variant in VARIANTS[2:])
    assert (eight.linear_dtype, eight.embedding_dtype, eight.min_cosine, eight.min_agreement) == (
        "int8",
        "int4",
        0.9,
        0.8,
    )
    assert with_precision(replace(SEARCH, min_cosine=0.5), VARIANTS[3]).min_cosine == 0.5
    # What the recovery rounded to is not what was chosen after it: without both, the recipe makes another bundle.
    assert (four.linear_dtype, four.recovery_linear_dtype) == ("int4", "int8")


def test_a_size_that_no_precision_reaches_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"needs 6\.0 MB in the fewest bits, at most 5 MB was asked for"):
        choose_variant(VARIANTS, Target(megabytes=5), 5.0)


LOOSE = {"sample": 8, "max_loss": 100.0, "min_agreement": 0.0, "min_cosine": 0.5, "max_new_tokens": 6}


def decisions(said: list[str]) -> list[str]:
    return [sentence for sentence in said if sentence.startswith(("Chosen", "the bundle has"))]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprig_export.autotune.selection.TRIAL_STEPS", 2)
    monkeypatch.setattr("sprig_export.autotune.export.RECOVERY_STEPS", 3)


def test_a_search_bundle_is_made_to_a_size(bert: Path, repository: Path, tmp_path: Path) -> None:
    said: list[str] = []
    recipe = Recipe("search", str(bert), "python", **LOOSE)
    manifest = export_to_target(
        ExportRequest(recipe, tmp_path / "bundle", repository, target=Target(megabytes=0.2)), StageLog(say=said.append)
    )
    assert sum(file.size for name, file in manifest.files.items() if "report" not in name) <= 0.2e6
    report = json.loads((tmp_path / "bundle" / "report.json").read_text())
    assert len(report["plans"]["considered"]) == 7
    assert any(plan["kept"] is not None for plan in report["plans"]["considered"])
    assert {(v["linear_dtype"], v["embedding_dtype"]) for v in report["variants"]} == {("float32",) * 2, ("int8",) * 2}
    (chosen,) = decisions(said)
    assert report["plans"]["why"] in chosen
    assert any(sentence.startswith("megabytes 0.") and "times as fast" in sentence for sentence in said)
    assert any(re.fullmatch(r"About \d+ minutes to go", sentence) for sentence in said)
    vectors = Encoder(open_bundle(tmp_path / "bundle"), 1).encode(["def open_file(path): pass"])
    assert vectors.shape == (1, manifest.dimensions)
    again = read_recipe(tmp_path / "bundle" / "recipe.toml")
    assert again.recovery_steps == 3
    assert (again.linear_dtype, again.embedding_dtype) in {("float32", "float32"), ("int8", "int8")}


def test_a_summary_bundle_is_made_to_a_speed(bart: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("summarize", str(bart), "python", **LOOSE)
    manifest = export_to_target(
        ExportRequest(recipe, tmp_path / "new" / "bundle", repository, target=Target(speed=0.01)), StageLog()
    )
    assert manifest.files.keys() >= {"encoder.onnx", "decoder.onnx"}
    considered = json.loads((tmp_path / "new" / "bundle" / "report.json").read_text())["plans"]["considered"]
    assert sum(plan["kept"] is not None for plan in considered) == 4
    summary = Summarizer(open_bundle(tmp_path / "new" / "bundle"), 1).summarize(
        "def open_file(path):\n    return path", "python"
    )
    assert summary.confidence <= 0


def test_a_target_out_of_reach_is_named_with_what_can_be_had(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "python", **LOOSE)
    with pytest.raises(
        InvalidInput, match=r"no plan is at most 0\.001 MB: the smallest has 0\.\d MB \(0 of 2 layers\)"
    ):
        export_to_target(
            ExportRequest(recipe, tmp_path / "bundle", repository, target=Target(megabytes=0.001)), StageLog()
        )
    assert not (tmp_path / "bundle").exists()


def test_an_interrupted_search_measures_nothing_twice(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe, target = Recipe("search", str(bert), "python", **LOOSE), Target(speed=0.01)

    def stop(stage: str) -> None:
        if stage.startswith("try"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_to_target(ExportRequest(recipe, tmp_path / "bundle", repository, target=target), StageLog(announce=stop))
    (folder,) = tmp_path.iterdir()
    before = json.loads((folder / "measured.json").read_text())
    looser = replace(recipe, max_loss=200.0)  # another gate chooses among the same measurements
    export_to_target(ExportRequest(looser, tmp_path / "bundle", repository, resume=True, target=target), StageLog())
    after = json.loads((tmp_path / "bundle" / "report.json").read_text())["plans"]["considered"]
    assert {plan["name"]: (plan["megabytes"], plan["speed"]) for plan in after} == {
        name: (found[0], found[1] / before["whole"]) for name, found in before.items() if "layers" in name
    }
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_plans_that_lose_too_much_give_way_to_slower_ones(bert: Path, repository: Path, tmp_path: Path) -> None:
    """The gate refuses two plans that would have to be ten times better than the base, and the third is written."""
    said: list[str] = []
    strict = Recipe("search", str(bert), "python", **LOOSE | {"max_loss": -1000.0})
    recipes = [replace(strict, layers=0), replace(strict, layers=1), Recipe("search", str(bert), "python", **LOOSE)]
    found = tuple(Candidate(recipe, f"plan {n}", 1.0, 1.0) for n, recipe in enumerate(recipes))
    choices = [PlanChoice(recipe, found, "it is tried") for recipe in recipes]
    refused, output = tmp_path / "refused.json", tmp_path / "bundle"
    request, log = ExportRequest(strict, output, repository), StageLog(say=said.append)
    with pytest.raises(ValidationFailed, match="No bundle was written"):
        export_first_good(choices[:2], request, refused, log)
    assert not output.exists()
    assert [sentence[:15] for sentence in decisions(said)] == ["Chosen: plan 0,", "the bundle has ", "Chosen: plan 1,"]
    said.clear()
    export_first_good(choices, request, refused, log)
    assert [sentence[:15] for sentence in decisions(said)] == ["Chosen: plan 1,", "the bundle has ", "Chosen: plan 2,"]
    assert json.loads((output / "report.json").read_text())["recipe"]["layers"] == -1


def test_a_folder_that_is_no_bundle_is_refused_before_anything_is_measured(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    stages: list[str] = []
    with pytest.raises(InvalidInput, match="is not a bundle: give a new folder"):
        export_to_target(
            ExportRequest(Recipe("search", str(bert), "python", **LOOSE), tmp_path, target=Target()),
            StageLog(announce=stages.append),
        )
    assert not stages
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_an_analysis_of_another_model_is_refused() -> None:
    proposal = Proposal(8, (), (), 0.3, (), 384, 200)
    with pytest.raises(InvalidInput, match="whose encoder has 8 layers, this one has 3"):
        follow_proposal(SEARCH, proposal, make_model("bert"))


def test_without_code_only_python_can_be_learnt(bert: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "java", **LOOSE)
    with pytest.raises(InvalidInput, match="an export for java needs code to learn from"):
        export_to_target(ExportRequest(recipe, tmp_path / "bundle", target=Target()), StageLog())


def test_stages_are_timed() -> None:
    run = StageLog(lambda stage: None)
    with run.stage("one") as facts:
        facts["found"] = 1
    assert run.stages[0]["found"] == 1


def test_what_an_analysis_proposes_is_tried_as_well(bert: Path, repository: Path, tmp_path: Path) -> None:
    proposal = {
        "of_layers": 2,
        "layers": [{"delta": 0.01, "layers": 1, "score": {"dev": 0.7, "test": 0.7}}],
        "redundancy": [
            {"layer": 0, "neurons": 0.1, "units": None},
            {"layer": 1, "neurons": 0.1, "units": 0.5},
            {"layer": 2, "neurons": 0.1, "units": 0.0},
        ],
        "distance": 0.3,
        "output_dimensions": [0, 1],
        "of_dimensions": 32,
        "principal_dimensions": 4,
    }
    (tmp_path / "report.json").write_text(json.dumps({"proposal": proposal}))
    recipe = Recipe("search", str(bert), "python", **LOOSE)
    output = tmp_path / "bundle"
    export_to_target(
        ExportRequest(recipe, output, repository, target=Target(), analysis=tmp_path / "report.json"), StageLog()
    )
    considered = json.loads((output / "report.json").read_text())["plans"]["considered"]
    (proposed,) = [plan for plan in considered if plan["name"].endswith("as the analysis proposes")]
    assert proposed["name"].startswith("the first 1 of 2 layers, 75% of the units")
    assert proposed["kept"] is not None
