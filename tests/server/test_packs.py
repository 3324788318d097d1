"""Language packs: what each brings, that it installs as a wheel, and what happens where one is missing or unfit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sites import ALL, PACKS, PYTHON, ROOT, environment_of, make_site

from sprig_server.bundle.packs import Pack, bundles_of, installed_bundles, installed_packs, missing_packs
from sprig_server.bundle.store import choose_bundle, find_bundle
from sprig_server.code.languages import NAMES
from sprig_server.errors import InvalidBundle
from sprig_server.types import TASKS

_MOST = {"search": 10_000_000, "summaries": 75_000_000}
"""Bytes of a bundle: one language's, or the one that all languages share."""


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("language", NAMES)
def test_every_language_has_a_bundle(task, language):
    bundle = choose_bundle(installed_bundles(), task, language)
    assert bundle is not None
    assert language in bundle.manifest.languages


def test_bundles_stay_small():
    for bundle in installed_bundles():
        kind = bundle.folder.name.split("-")[0]
        assert sum(path.stat().st_size for path in bundle.folder.iterdir()) <= _MOST[kind], bundle.folder.name


def test_the_tracked_weights_stay_within_their_budget():
    weights = [path for folder in ("packs", "models") for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in weights) <= 300_000_000


def test_the_files_are_those_of_the_manifests():
    for bundle in installed_bundles():
        for name in bundle.manifest.files:
            bundle.load(name)  # raises where a hash does not match
        unlisted = {path.name for path in bundle.folder.iterdir()} - set(bundle.manifest.files) - {"manifest.json"}
        assert not unlisted


def test_an_installed_bundle_is_found_by_its_name(tmp_path, monkeypatch):
    bundles = installed_bundles()
    first = bundles[0]
    assert find_bundle(Path(first.folder.name), bundles) == first
    monkeypatch.chdir(tmp_path)
    (tmp_path / first.folder.name).mkdir()
    with pytest.raises(InvalidBundle, match="is not a bundle"):
        find_bundle(Path(first.folder.name), bundles)  # a folder of that name is what is meant
    with pytest.raises(InvalidBundle, match="does not exist"):
        find_bundle(Path("no-such-bundle"), bundles)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_a_wheel_holds_every_file_of_its_bundles(pack, tmp_path):
    """Hatchling leaves out what .gitignore names, without a word."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, pack]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size <= (75_000_000 if pack.name == "summaries" else 60_000_000)
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(tmp_path / "installed")
    there = {path.relative_to(pack).as_posix() for path in pack.glob("sprig_pack_*/**/*") if path.is_file()}
    assert packed == {name for name in there if "__pycache__" not in name}
    task = "summarize" if pack.name == "summaries" else "search"
    assert sum(name.endswith("manifest.json") for name in packed) == 1
    seen = _sprig(["models", "--json"], make_site(tmp_path / "site", without=ALL), tmp_path / "installed")
    rows = json.loads(seen.stdout)
    assert {row["pack"] for row in rows} == {f"sprig-lsp-{pack.name} 0.1.0"}
    assert {row["task"] for row in rows} == {task}


@pytest.fixture(scope="module")
def java_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("java")
    (folder / "Reader.java").write_text("class Reader {\n  int readBytes(int n) { return n + 1; }\n}\n")
    (folder / "a.py").write_text("def read_text(path):\n    return path.read_text()\n")
    return folder


def test_without_a_pack_code_is_found_by_its_words_and_the_pack_is_named(java_folder, tmp_path):
    site = make_site(tmp_path / "site", without=["java"])
    found = _sprig(["search", "read bytes", "--workspace", str(java_folder), "--json"], site)
    assert json.loads(found.stdout)["hits"][0]["name"] == "Reader.readBytes"
    assert "no language pack for java is installed" in found.stderr
    assert 'pip install "sprig-lsp[java]"' in found.stderr


def test_without_any_pack_search_and_index_work(java_folder, tmp_path):
    site = make_site(tmp_path / "site", without=ALL)
    found = _sprig(["search", "read_text", "--workspace", str(java_folder), "--json"], site)
    assert "read_text" in {hit["name"] for hit in json.loads(found.stdout)["hits"]}
    assert 'pip install "sprig-lsp[java,python]"' in found.stderr
    assert json.loads(_sprig(["models", "--json"], site).stdout) == []


def test_a_pack_of_another_schema_is_named_and_the_others_serve(java_folder, tmp_path):
    site = make_site(tmp_path / "site", without=["java"])
    (site / "sprig_pack_java" / "search-java").mkdir(parents=True)
    (site / "sprig_pack_java" / "search-java" / "manifest.json").write_text('{"schema": 99}')
    (site / "sprig_pack_java" / "__init__.py").write_text("raise SystemExit('a pack is never imported')")
    info = site / "sprig_lsp_java-9.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sprig-lsp-java\nVersion: 9.0.0\n")
    (info / "entry_points.txt").write_text("[sprig.bundles]\njava = sprig_pack_java\n")
    seen = _sprig(["models"], site)
    assert 'the pack "sprig-lsp-java" 9.0.0 does not work with this version of Sprig' in seen.stderr
    assert "schema version 99" in seen.stderr
    assert "search-python" in seen.stdout
    found = _sprig(["search", "read_text", "--workspace", str(java_folder), "--json"], site)
    assert json.loads(found.stdout)["hits"][0]["name"] == "read_text"
    assert "sprig-lsp-java" in found.stderr


def test_packs_say_what_they_are():
    assert {pack.name: (pack.distribution, pack.problems) for pack in installed_packs()} == {
        path.name: (f"sprig-lsp-{path.name}", ()) for path in PACKS
    }


def test_a_bundle_that_languages_share_comes_before_those_of_one():
    (shared,) = [bundle for bundle in installed_bundles() if bundle.manifest.task == "summarize"]
    own = replace(shared, manifest=replace(shared.manifest, languages=("python",)))
    packs = [Pack("python", "sprig-lsp-python", "0", (own,)), Pack("summaries", "sprig-lsp-summaries", "0", (shared,))]
    assert choose_bundle(bundles_of(packs), "summarize", "python") is shared


def test_typescript_needs_the_pack_of_javascript():
    assert missing_packs(["typescript", "javascript"], [], "search") == ["javascript"]


@pytest.mark.parametrize("task", TASKS)
def test_only_the_packs_of_a_folders_languages_are_missing(task):
    assert missing_packs(NAMES, installed_bundles(), task) == []
    assert missing_packs([], [], task) == []


def test_without_the_pack_of_summaries_it_is_named(java_folder, tmp_path):
    site = make_site(tmp_path / "site", without=["summaries"])
    written = _sprig(["summarize", str(java_folder / "a.py"), "--json"], site)
    assert json.loads(written.stdout)["summary"] is None
    assert "no pack of summaries is installed, so functions without documentation have no hover" in written.stderr
    assert 'pip install "sprig-lsp[summaries]"' in written.stderr
    assert "summaries" not in _sprig(["search", "read", "--workspace", str(java_folder)], site).stderr


def _sprig(words: list[str], site: Path, *more: Path) -> subprocess.CompletedProcess[str]:
    """A command of Sprig that sees the packages of `site` and `more` alone."""
    environment = os.environ | environment_of(site, *more)
    return subprocess.run(
        [*PYTHON, "-m", "sprig_server", *words], capture_output=True, text=True, env=environment, check=True
    )
