"""Which files of a workspace are indexed, with a real git and without one."""

import os
import subprocess

import pytest

from sprig_server.code.languages import language_of_document, language_of_path
from sprig_server.index.files import MAX_BYTES, is_indexable, list_files, list_sources


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


def check(root, *expected):
    assert list_sources(root) == sorted(expected)


@pytest.mark.parametrize(
    "layout",
    [
        (),
        ("update-index --index-version 4",),
        ("update-index --split-index",),
        ("config core.fsmonitor false", "update-index --untracked-cache"),
        ("config index.skipHash true", "update-index --force-write-index"),
    ],
    ids=lambda commands: commands[-1].split("--")[-1] if commands else "plain",
)
@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
def test_every_form_of_an_index_says_what_is_tracked(folder, layout, hashes):
    git(folder, "init", f"--object-format={hashes}")
    write(folder, ".gitignore", text="*_pb2.py\n")
    write(folder, "a.py", "one_pb2.py", "sub/two_pb2.py", "sub/größe_pb2.py", "left_pb2.py")
    git(folder, "add", "--force", "one_pb2.py", "sub")
    for command in layout:
        git(folder, *command.split())
    write(folder, "late_pb2.py")
    git(folder, "add", "--force", "--intent-to-add", "late_pb2.py")
    check(folder, "a.py", "one_pb2.py", "sub/two_pb2.py", "sub/größe_pb2.py", "late_pb2.py")


@pytest.mark.parametrize("options", [("--cone",), ("--cone", "--sparse-index"), ("--no-cone",)], ids=" ".join)
def test_a_sparse_checkout_lists_what_is_there(folder, options):
    git(folder, "init")
    write(folder, ".gitignore", text="*_pb2.py\n")
    write(folder, "a.py", "in/b_pb2.py", "out/c.py", "out/deep/d.py")
    git(folder, "add", "--force", ".")
    git(folder, "commit", "-m", "one")
    git(folder, "sparse-checkout", "set", *options, *(["in"] if "--cone" in options else ["/*", "!/out/"]))
    assert not (folder / "out").exists()
    write(folder, "out/new.py")
    check(folder, "a.py", "in/b_pb2.py", "out/new.py")


def test_a_partial_clone_lists_what_is_there(folder, tmp_path):
    origin = tmp_path / "origin"
    write(origin, "a.py", "b.py")
    git(origin, "init")
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(origin, "add", ".")
    git(origin, "commit", "-m", "one")
    git(tmp_path, "clone", "--filter=blob:none", f"file://{origin}", "project")
    check(folder, "a.py", "b.py")


def test_a_linked_work_tree_has_its_own_index_and_the_shared_list(folder, tmp_path):
    write(folder, "a.py", ".gitignore", text="*_pb2.py\n")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "one")
    (folder / ".git" / "info" / "exclude").write_text("mine.py\n")
    linked = tmp_path / "linked"
    git(folder, "worktree", "add", str(linked))
    write(linked, "mine.py", "kept_pb2.py", "left_pb2.py")
    git(linked, "add", "--force", "kept_pb2.py")
    check(linked, "a.py", "kept_pb2.py")


def nest(folder, tmp_path):
    """`app` holds a library as a submodule and as a clone; the library ignores x.py, `app` ignores y.py."""
    library = tmp_path / "library"
    write(library, "crc.py")
    write(library, ".gitignore", text="x.py\n")
    git(library, "init")
    git(library, "add", ".")
    git(library, "commit", "-m", "one")
    git(folder, "init")
    write(folder, ".gitignore", text="y.py\n")
    git(folder, "-c", "protocol.file.allow=always", "submodule", "add", str(library), "vendored/lib")
    git(folder, "clone", str(library), "nested clone")
    git(folder / "nested clone", "clone", str(library), "deeper")
    for place in ("vendored/lib", "nested clone", "nested clone/deeper"):
        write(folder, f"{place}/x.py", f"{place}/y.py")
    return library


def test_submodules_and_nested_clones_are_listed_by_their_own_rules(folder, tmp_path):
    nest(folder, tmp_path)
    places = ("vendored/lib", "nested clone", "nested clone/deeper")
    check(folder, *(f"{place}/{name}" for place in places for name in ("crc.py", "y.py")))


def test_a_submodule_that_is_not_checked_out_is_no_error(folder, tmp_path):
    nest(folder, tmp_path)
    git(folder, "submodule", "deinit", "--force", "vendored/lib")
    write(folder, "own.py")
    check(folder, "own.py", *(f"nested clone/{n}" for n in ("crc.py", "y.py", "deeper/crc.py", "deeper/y.py")))


def test_a_submodule_counts_where_its_place_is_ignored_and_a_clone_does_not(folder, tmp_path):
    nest(folder, tmp_path)
    write(folder, ".gitignore", text="vendored\nnested*\n")
    check(folder, "vendored/lib/crc.py", "vendored/lib/y.py")


def test_a_git_folder_that_is_no_repository_changes_nothing(folder):
    git(folder, "init")
    write(folder, ".gitignore", text="y.py\n")
    (folder / "sub" / ".git").mkdir(parents=True)
    write(folder, "sub/y.py", "sub/z.py", "other/.git", "other/y.py", "other/w.py", text="gitdir: nowhere\n")
    write(folder, ".gitignore", text="y.py\n")
    check(folder, "sub/z.py", "other/w.py")


INSTALLED = (
    *("node_modules/left/index.js", "web/node_modules/@scope/p/a.ts", "bower_components/b.js", "jspm_packages/c.js"),
    *(".venv/lib/a.py", "venv/lib/b.py", "env/lib/c.py", "tools/py/lib/d.py", "lib/site-packages/e.py"),
    *("__pycache__/f.py", ".tox/py/g.py", ".nox/h.py", ".eggs/i.py", ".gradle/J.java", "out/cached/k.py", "cm/x.c"),
)


def install(root):
    write(root, *INSTALLED, "env/pyvenv.cfg", "tools/py/pyvenv.cfg", "out/cached/CACHEDIR.TAG", "cm/CMakeCache.txt")


def test_what_is_installed_is_left_out(either):
    install(either)
    write(either, "app.py")
    check(either, "app.py")


def test_what_is_installed_and_tracked_is_listed(folder):
    git(folder, "init")
    install(folder)
    git(folder, "add", ".")
    write(folder, "node_modules/left/new.js", "venv/new.py", "env/new.py")
    check(folder, *INSTALLED)


def test_names_that_people_give_to_their_own_folders_are_looked_through(either):
    own = (
        "env/a.py",
        "build/b.py",
        "target/c.py",
        "vendor/d.py",
        "dist/e.js",
        "lib/f.c",
        "packages/g.ts",
        "out/h.java",
    )
    write(either, *own, "CMakeCache.txt", "CMakeLists.txt", "pyvenv.cfg")
    check(either, *own)


def test_names_that_are_not_utf_8(either):
    name = os.fsdecode(b"caf\xe9.py")
    write(either, name, os.fsdecode(b"d\xff/x.py"), "z.py")
    check(either, name, os.fsdecode(b"d\xff/x.py"), "z.py")


def test_documents_without_a_file_count_where_a_file_would(either):
    write(either, ".gitignore", text="skip/\nno.py\n")
    write(either, "sub/a.py", "there.py")
    unsaved = ["new.py", "sub/new.py", "not/yet/there.py", "no.py", "skip/new.py", "node_modules/x.js", "notes.md"]
    found = list_files(either, unsaved).paths
    assert found == ["new.py", "not/yet/there.py", "sub/a.py", "sub/new.py", "there.py"]


def test_the_extensions_of_each_language():
    def check(language, *extensions):
        for extension in extensions:
            found = language_of_path(f"dir/name{extension}")
            assert found is not None, extension
            assert found.name == language, extension

    check("python", ".py", ".pyi", ".pyw", ".PY")
    check("java", ".java")
    check("javascript", ".js", ".mjs", ".cjs", ".jsx", ".es6", ".es", ".jsm")
    check("typescript", ".ts", ".mts", ".cts", ".tsx", ".d.ts")
    check("cpp", ".c", ".cc", ".cp", ".cpp", ".cxx", ".c++", ".C", ".h", ".hh", ".hp", ".hpp", ".hxx", ".h++", ".H")
    check("cpp", ".ipp", ".inl", ".tpp", ".txx", ".tcc", ".ipp", ".ixx", ".cppm", ".ccm", ".cxxm", ".c++m", ".mpp")
    check("cpp", ".cu", ".cuh", ".hip", ".ino")


@pytest.mark.parametrize(
    ("path", "language_id", "expected"),
    [
        ("/a/app.jsx", "javascript.jsx", "javascript"),
        ("/a/app.jsx", "jsx", "javascript"),
        ("/a/app.jsx", "js", "javascript"),
        ("/a/app.jsx", "web-component", "javascript"),
        ("/a/app.jsx", None, "javascript"),
        ("/a/script", "python", "python"),
        ("/a/header.h", "objective-c", "cpp"),
        ("/a/kernel", "cuda-cpp", "cpp"),
        ("/a/odd.js", "Python", "python"),
        ("", "typescript", "typescript"),
        ("/a/notes.md", "markdown", None),
        ("", "", None),
    ],
)
def test_a_known_identifier_wins_and_an_unknown_one_leaves_it_to_the_extension(path, language_id, expected):
    found = language_of_document(path, language_id)
    assert (found.name if found else None) == expected


def test_a_tsx_file_is_read_as_one_whatever_the_editor_calls_it():
    for language_id in ("typescript", "typescriptreact", "tsx", "typescript.tsx", "ts", "unheard-of"):
        assert language_of_document("/a/app.tsx", language_id).extensions == (".tsx",)
    assert language_of_document("untitled:1", "typescriptreact").extensions == (".tsx",)
