"""Which files of a workspace are indexed, with a real git and without one."""

import os
import subprocess

import pytest

from sprig_server.index.files import MAX_BYTES, is_indexable, list_sources


def write(root, *paths, text="x = 1\n"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def git(root, *arguments):
    own = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", "-C", str(root), *author, *arguments], check=True, capture_output=True, env=own)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that is in nobody's repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    root = tmp_path / "project"
    root.mkdir()
    return root


@pytest.fixture(params=["with git", "without git"])
def either(request, folder):
    """A folder with a repository, and one without: what is ignored is the same in both."""
    if request.param == "with git":
        git(folder, "init")
    return folder


def test_source_files_are_listed_sorted_and_relative_with_forward_slashes(either):
    write(either, "b.py", "a/deep/c.java", "a.ts", "README.md", "data.json", "Makefile", "a/x.cpp")
    assert list_sources(either) == ["a.ts", "a/deep/c.java", "a/x.cpp", "b.py"]


def test_an_empty_folder_has_no_sources(either):
    assert list_sources(either) == []


def test_what_gitignore_names_is_left_out(either):
    write(either, ".gitignore", text="build/\n*_generated.py\n/top.py\n# remark.py\n\n")
    write(either, "build/a.py", "sub/build/b.py", "x_generated.py", "sub/y_generated.py", "top.py", "sub/top.py")
    write(either, "remark.py")
    assert list_sources(either) == ["remark.py", "sub/top.py"]


def test_a_negated_pattern_brings_a_file_back(either):
    write(either, ".gitignore", text="*.py\n!keep.py\n")
    write(either, "a.py", "keep.py", "sub/keep.py", "sub/b.py")
    assert list_sources(either) == ["keep.py", "sub/keep.py"]


def test_a_file_in_an_ignored_folder_cannot_be_brought_back(either):
    write(either, ".gitignore", text="out/\n!out/keep.py\n")
    write(either, "out/keep.py", "a.py")
    assert list_sources(either) == ["a.py"]


def test_a_nested_gitignore_counts_below_its_folder_and_overrules_the_one_above(either):
    write(either, ".gitignore", text="*.js\n")
    write(either, "web/.gitignore", text="!*.js\n/vendor.js\nold/\n")
    write(either, "a.js", "web/b.js", "web/vendor.js", "web/sub/vendor.js", "web/old/c.py", "old/d.py")
    assert list_sources(either) == ["old/d.py", "web/b.js", "web/sub/vendor.js"]


def test_names_with_blanks_and_other_scripts(either):
    write(either, "a b.py", "größe.py", "文件/ü 𝄞.py", 'quo"te.py')
    assert list_sources(either) == sorted(["a b.py", "größe.py", "文件/ü 𝄞.py", 'quo"te.py'])


def test_symbolic_links_are_not_followed(either, tmp_path):
    outside = tmp_path / "outside"
    write(outside, "far.py")
    write(either, "real.py", "sub/inner.py")
    (either / "link.py").symlink_to("real.py")
    (either / "folder").symlink_to("sub")
    (either / "away").symlink_to(outside)
    (either / "broken.py").symlink_to("missing.py")
    (either / "loop").symlink_to(".")
    assert list_sources(either) == ["real.py", "sub/inner.py"]


def test_large_files_are_left_out(either):
    write(either, "fits.py", text="#" * MAX_BYTES)
    write(either, "large.py", text="#" * (MAX_BYTES + 1))
    write(either, "empty.py", text="")
    assert list_sources(either) == ["empty.py", "fits.py"]


def test_a_folder_with_the_extension_of_a_source_is_no_source(either):
    write(either, "package.py/inner.js")
    assert list_sources(either) == ["package.py/inner.js"]


def test_installed_packages_are_left_out_without_git(folder):
    write(folder, "a.py", "node_modules/m/index.js", ".venv/lib/x.py", "sub/__pycache__/y.py", ".git/hooks/z.py")
    assert list_sources(folder) == ["a.py"]


def test_files_that_git_does_not_know_yet_are_listed_and_ignored_ones_that_it_tracks_too(folder):
    git(folder, "init")
    write(folder, ".gitignore", text="*_pb2.py\n")
    write(folder, "tracked.py", "kept_pb2.py", "left_pb2.py")
    git(folder, "add", "tracked.py")
    git(folder, "add", "--force", "kept_pb2.py")
    git(folder, "commit", "-m", "first")
    write(folder, "new.py")
    assert list_sources(folder) == ["kept_pb2.py", "new.py", "tracked.py"]


def test_files_that_git_tracks_and_that_are_gone_are_left_out(folder):
    git(folder, "init")
    write(folder, "a.py", "b.py")
    git(folder, "add", ".")
    (folder / "a.py").unlink()
    assert list_sources(folder) == ["b.py"]


def test_a_file_in_conflict_is_listed_once(folder):
    git(folder, "init", "--initial-branch=one")
    write(folder, "a.py")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "base")
    git(folder, "checkout", "-b", "two")
    write(folder, "a.py", text="x = 2\n")
    git(folder, "commit", "-am", "two")
    git(folder, "checkout", "one")
    write(folder, "a.py", text="x = 3\n")
    git(folder, "commit", "-am", "one")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "merge", "two")
    assert list_sources(folder) == ["a.py"]


def test_a_subfolder_of_a_repository_is_listed_relative_to_itself(folder):
    git(folder, "init")
    write(folder, ".gitignore", text="skip.py\n")
    write(folder, "top.py", "sub/a.py", "sub/deep/b.py", "sub/skip.py")
    assert list_sources(folder / "sub") == ["a.py", "deep/b.py"]


def test_a_folder_that_the_repository_around_it_ignores_is_still_a_workspace(folder):
    git(folder, "init")
    write(folder, ".gitignore", text="scratch/\n")
    write(folder, "scratch/a.py", "scratch/.gitignore", "scratch/sub/b.py", text="sub/\n")
    assert list_sources(folder / "scratch") == ["a.py"]


def test_a_missing_folder_has_no_sources(folder):
    assert list_sources(folder / "missing") == []


def test_what_is_indexable(folder):
    write(folder, "a.py")
    (folder / "link.py").symlink_to("a.py")
    os.mkfifo(folder / "pipe.py")
    found = {name: is_indexable(folder / name) for name in ("a.py", "link.py", "pipe.py", "missing.py", ".")}
    assert found == {"a.py": True, "link.py": False, "pipe.py": False, "missing.py": False, ".": False}
