"""What comes with Sprig: a bundle for each language and task, and tiny ones for search."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprig_server.bundle.store import built_in_bundles, choose_bundle, find_bundle
from sprig_server.code.languages import NAMES
from sprig_server.errors import InvalidBundle

_MOST = {"search": 10_000_000, "tiny": 4_000_000, "summary": 14_000_000}
"""Bytes of a bundle."""


@pytest.mark.parametrize("task", ["search", "summarize"])
@pytest.mark.parametrize("language", NAMES)
def test_every_language_has_a_bundle_of_its_own(task, language):
    bundle = choose_bundle(built_in_bundles(), task, language)
    assert bundle is not None
    assert language in bundle.manifest.languages


def test_bundles_stay_small():
    for bundle in built_in_bundles():
        name = bundle.folder.name
        kind = "tiny" if name.endswith("-tiny") else name.split("-")[0]
        assert sum(path.stat().st_size for path in bundle.folder.iterdir()) <= _MOST[kind], name
    assert sum(bundle.folder.name.endswith("-tiny") for bundle in built_in_bundles()) == 4


def test_the_files_are_those_of_the_manifests():
    for bundle in built_in_bundles():
        for name in bundle.manifest.files:
            bundle.load(name)  # raises where a hash does not match
        unlisted = {path.name for path in bundle.folder.iterdir()} - set(bundle.manifest.files) - {"manifest.json"}
        assert not unlisted


def test_a_built_in_bundle_is_found_by_its_name(tmp_path, monkeypatch):
    first = built_in_bundles()[0]
    assert find_bundle(Path(first.manifest.name)) == first
    monkeypatch.chdir(tmp_path)
    (tmp_path / first.manifest.name).mkdir()
    with pytest.raises(InvalidBundle, match="is not a bundle"):
        find_bundle(Path(first.manifest.name))  # a folder of that name is what is meant
    with pytest.raises(InvalidBundle, match="does not exist"):
        find_bundle(Path("no-such-bundle"))
