"""Bundles on disk: what a manifest says, and what is said about a broken one."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.bundle.manifest import (
    SCHEMA,
    Base,
    Calibration,
    Decoding,
    File,
    Manifest,
    Trim,
    describe_file,
    parse_manifest,
    render_manifest,
)
from sprig_server.bundle.packs import installed_bundles
from sprig_server.bundle.store import choose_bundle, open_bundle
from sprig_server.errors import InvalidBundle

SOURCE = Path("somewhere/manifest.json")


def manifest(**changes):
    whole = Manifest(
        schema=SCHEMA,
        name="search-python",
        task="search",
        languages=("python", "java"),
        base=Base("base/model", "ab" * 32, "Apache-2.0"),
        recipe={"task": "search", "nested": {"list": [1, 2.5, None, True]}},
        dimensions=384,
        pooling="mean",
        max_tokens=256,
        quantization="int8-dynamic",
        opset=17,
        licence="Apache-2.0",
        files={"encoder.onnx": File(3, "cd" * 32), "tokenizer.json": File(5, "ef" * 32)},
        trim=Trim("none", 0.0),
        quality={"größe": {"mrr before": 0.5, "mrr after": 0.49}},
    )
    return replace(whole, **changes)


SUMMARY = manifest(
    task="summarize",
    pooling="none",
    decoding=Decoding(3, 6, 64, start_token=0, end_token=2, max_new_tokens=24, beams=2),
)


CALIBRATION = Calibration(0.5, {"lowest": 1.5}, {"lowest": -2.0, "own": 0.6}, likely=0.75)


@pytest.mark.parametrize(
    "original", [manifest(), SUMMARY, manifest(quality={}, recipe={}), replace(SUMMARY, calibration=CALIBRATION)]
)
def test_a_manifest_survives_being_written_and_read(original):
    text = render_manifest(original)
    assert parse_manifest(text, SOURCE) == original
    assert text.endswith("}\n")
    assert render_manifest(parse_manifest(text, SOURCE)) == text


@pytest.mark.parametrize("trim", [Trim("novelty", 1.0), Trim("novelty", float("nan")), Trim("tail", 0.1, -3)])
def test_what_cannot_be_left_out_is_named(trim):
    check_error(render_manifest(manifest(trim=trim)), f"the share {trim.ratio:g}", f"{trim.least} tokens", "export the")


@pytest.mark.parametrize(
    "wrong",
    [
        {"bias": float("nan")},
        {"weights": {"lowest": float("inf")}},
        {"weights": {"length": 1.0}},
        {"means": {"lowest": float("nan")}},
        {"likely": 1.5},
    ],
)
def test_a_calibration_that_gives_no_probability_is_refused(wrong):
    text = render_manifest(replace(SUMMARY, calibration=replace(CALIBRATION, **wrong)))
    with pytest.raises(InvalidBundle, match="its calibration has a number that is not finite, a weight without a mean"):
        parse_manifest(text, SOURCE)


def test_fields_with_a_default_may_be_left_out():
    data = json.loads(render_manifest(manifest()))
    for name in ("trim", "decoding", "quality"):
        del data[name]
    assert parse_manifest(json.dumps(data), SOURCE) == manifest(quality={})


def check_error(text, *parts):
    with pytest.raises(InvalidBundle) as caught:
        parse_manifest(text, SOURCE)
    message = str(caught.value)
    assert message.startswith(f'the manifest "{SOURCE}" ')
    assert "\n" not in message
    assert "export the bundle again" in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("text", ["", "{", "not json", '{"schema": 1,}', "\0", "\ufeff{}"])
def test_not_json(text):
    check_error(text, "is not JSON")


@pytest.mark.parametrize("data", [{"schema": SCHEMA + 1}, {"schema": 0}, {"schema": "1"}, {"schema": None}, {}])
def test_an_unknown_schema_version(data):
    check_error(json.dumps(data), f"schema version {data.get('schema')!r}", f"reads {SCHEMA}")


@pytest.mark.parametrize("text", ["[]", "null", "3", '"text"'])
def test_json_that_is_no_object(text):
    check_error(text, "schema version None")


def changed(**changes):
    return json.dumps(json.loads(render_manifest(manifest())) | changes)


def test_an_unknown_key():
    check_error(changed(surprise=1), "cannot be used", "surprise")


def test_an_unknown_key_further_in():
    check_error(changed(trim={"method": "none", "ratio": 0.0, "surprise": 1}), "cannot be used", "surprise")


@pytest.mark.parametrize("name", ["name", "task", "languages", "base", "dimensions", "pooling", "files", "licence"])
def test_a_missing_field(name):
    data = json.loads(render_manifest(manifest()))
    del data[name]
    check_error(json.dumps(data), "cannot be used", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dimensions", "many"),
        ("dimensions", None),
        ("dimensions", [384]),
        ("dimensions", "384"),
        ("max_tokens", 256.5),
        ("name", 3),
        ("task", "translate"),
        ("pooling", "median"),
        ("languages", 5),
        ("languages", "python"),
        ("base", None),
        ("base", []),
        ("files", []),
        ("files", {"encoder.onnx": {"size": 3}}),
        ("files", {"encoder.onnx": {"size": "x", "sha256": "ab"}}),
        ("trim", {"method": "magic", "ratio": 0.5}),
        ("decoding", {"layers": 3}),
        ("quality", {"set": {"mrr": "good"}}),
        ("recipe", 3),
    ],
)
def test_a_field_of_a_wrong_type(name, value):
    check_error(changed(**{name: value}), "cannot be used", name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(asdict(manifest()))), JSON)
def test_whatever_a_field_holds_it_is_a_manifest_or_a_clear_sentence(name, value):
    try:
        found = parse_manifest(changed(**{name: value}), SOURCE)
    except InvalidBundle as error:
        assert str(SOURCE) in str(error)
    else:
        assert parse_manifest(render_manifest(found), SOURCE) == found


# The digest stands for the answers of a bundle.


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"encoder.onnx": File(3, "00" * 32), "tokenizer.json": File(5, "ef" * 32)}},
        {"files": {"encoder.onnx": File(3, "cd" * 32), "tokenizer.json": File(5, "00" * 32)}},
        {"pooling": "cls"},
        {"max_tokens": 128},
        {"task": "summarize"},
        {"trim": Trim("none", 0.5)},
        {"decoding": SUMMARY.decoding},
    ],
)
def test_what_shapes_the_answers_changes_the_digest(changes):
    assert manifest(**changes).digest != manifest().digest


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"licence": "MIT"},
        {"quality": {}},
        {"recipe": {}},
        {"files": manifest().files | {"README.md": File(1, "11" * 32), "report.json": File(1, "22" * 32)}},
        {"files": dict(reversed(manifest().files.items()))},
    ],
)
def test_what_only_describes_does_not_change_the_digest(changes):
    assert manifest(**changes).digest == manifest().digest
    assert len(manifest().digest) == 16


# Folders.


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "encoder.onnx").write_bytes(b"model")
    files = {"encoder.onnx": describe_file(folder / "encoder.onnx"), "gone.onnx": File(1, "00" * 32)}
    (folder / "manifest.json").write_text(render_manifest(manifest(files=files)))
    return folder


def check_folder_error(action, *parts):
    with pytest.raises(InvalidBundle) as caught:
        action()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_a_file_is_described_by_size_and_hash(folder):
    assert describe_file(folder / "encoder.onnx") == File(5, hashlib.sha256(b"model").hexdigest())


def test_a_file_that_matches_its_hash_is_loaded(folder):
    assert open_bundle(folder).load("encoder.onnx") == b"model"


@pytest.mark.parametrize("data", [b"modem", b"", b"model and more"])
def test_a_file_that_does_not_match_its_hash_is_refused(folder, data):
    (folder / "encoder.onnx").write_bytes(data)
    check_folder_error(lambda: open_bundle(folder).load("encoder.onnx"), str(folder / "encoder.onnx"), "hash")


def test_files_that_are_missing_or_not_listed(folder):
    bundle = open_bundle(folder)
    (folder / "extra.onnx").write_bytes(b"x")
    check_folder_error(lambda: bundle.load("gone.onnx"), str(folder / "gone.onnx"), "cannot read")
    check_folder_error(lambda: bundle.load("extra.onnx"), "lists no file", "extra.onnx")


def test_folders_that_are_no_bundles(tmp_path, folder):
    check_folder_error(lambda: open_bundle(tmp_path / "missing"), str(tmp_path / "missing"), "does not exist")
    check_folder_error(lambda: open_bundle(tmp_path), str(tmp_path), "is not a bundle")
    (folder / "manifest.json").write_bytes(b"\xff\xfe\xff")
    check_folder_error(lambda: open_bundle(folder), str(folder / "manifest.json"), "cannot read")


def test_the_bundle_for_a_task_and_a_language(tmp_path):
    def bundle(name, task, *languages):
        (tmp_path / name).mkdir()
        text = render_manifest(manifest(name=name, task=task, languages=languages))
        (tmp_path / name / "manifest.json").write_text(text)
        return open_bundle(tmp_path / name)

    python, java = bundle("a", "search", "python"), bundle("b", "search", "java")
    second, summary = bundle("c", "search", "python"), bundle("d", "summarize", "python")
    bundles = [summary, python, java, second]
    assert choose_bundle(bundles, "search", "python") == python
    assert choose_bundle(bundles, "search", "java") == java
    assert choose_bundle(bundles, "search", "cpp") is None  # its code is found by words until its pack is there
    assert choose_bundle(bundles, "summarize", "python") == summary
    assert choose_bundle(bundles, "summarize", "java") is None
    assert choose_bundle([], "search", "python") is None


def test_the_bundles_of_the_packs_match_their_manifests():
    bundles = installed_bundles()
    assert {bundle.manifest.task for bundle in bundles} == {"search", "summarize"}
    for bundle in bundles:
        for name, file in bundle.manifest.files.items():
            assert len(bundle.load(name)) == file.size
