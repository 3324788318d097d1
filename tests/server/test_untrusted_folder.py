"""Opening a folder runs nothing of the folder's, reads nothing outside of it, and waits for nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_files import git, write

from sprig_server.index.files import list_files, list_sources

# What `git help config` documents as a command, a program, a hook, or as the name of something that is run.
_NAMES = """
core.alternateRefsCommand core.askPass core.editor core.fsmonitor core.gitProxy core.pager core.sshCommand
credential.helper credential.https://example.org.helper diff.external diff.x.command diff.x.textconv difftool.x.cmd
difftool.x.path filter.x.clean filter.x.smudge filter.x.process gpg.program gpg.ssh.program gpg.x509.program
gpg.ssh.defaultKeyCommand guitool.x.cmd help.browser imap.tunnel instaweb.browser instaweb.httpd interactive.diffFilter
log.showSignature man.x.cmd man.x.path merge.x.driver mergetool.x.cmd mergetool.x.path pager.ls-files pager.status
browser.x.cmd browser.x.path remote.origin.receivepack remote.origin.uploadpack remote.origin.vcs sendemail.smtpServer
sendemail.sendmailCmd sendemail.toCmd sequence.editor tar.x.command trailer.x.cmd trailer.x.command
uploadpack.packObjectsHook submodule.x.update web.browser alias.ls-files alias.status uploadarchive.x.command
"""
PROGRAMS = _NAMES.split()


def plant(folder: Path) -> Path:
    """A repository that names a program wherever git would run one; the file that the program makes."""
    ran = folder / "ran"
    program = folder / "marker.sh"
    program.write_text(f'#!/bin/sh\ntouch "{ran}"\ncat\n')
    program.chmod(0o755)
    git(folder, "init")
    write(folder, "a.py", text="def only_function():\n    return 1\n")
    write(folder, ".gitattributes", text="* filter=x diff=x merge=x\n")
    git(folder, "add", "a.py", ".gitattributes")
    git(folder, "commit", "-m", "one")
    hooks = folder / "hooks"
    hooks.mkdir()
    names = [path.name.removesuffix(".sample") for path in (folder / ".git" / "hooks").iterdir()]
    for name in {*names, "post-index-change", "fsmonitor-watchman", "query-watchman", "post-checkout"}:
        for place in (hooks, folder / ".git" / "hooks"):
            (place / name).symlink_to(program)
    for key in PROGRAMS:
        git(folder, "config", "--file", ".git/config", key, f"!{program}" if key.startswith("alias") else str(program))
    git(folder, "config", "--file", ".git/config", "core.hooksPath", str(hooks))
    git(folder, "config", "--file", ".git/config", "remote.origin.url", f"ext::{program} %S")
    for key, value in {
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
        "include.path": str(folder / "more.config"),
        "includeIf.gitdir:/.path": str(folder / "more.config"),
    }.items():
        git(folder, "config", "--file", ".git/config", key, value)
    (folder / "more.config").write_text(f"[core]\n\tfsmonitor = {program}\n")
    (folder / "a.py").write_text("def only_function():\n    return 2\n")  # so that a filter would have to look
    ran.unlink(missing_ok=True)
    return ran


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(folder.rglob("*"))}


def test_listing_runs_nothing_and_writes_nothing(folder: Path):
    ran = plant(folder)
    before = snapshot(folder)
    assert list_sources(folder) == ["a.py"]
    assert not ran.exists()
    assert snapshot(folder) == before


def test_no_key_that_git_documents_runs_anything(folder: Path):
    ran = plant(folder)
    keys = subprocess.run(["git", "help", "--config-for-completion"], capture_output=True, text=True, check=True).stdout
    lines = []
    for key in keys.split():
        section, _, name = key.replace("*", "x").replace("<", "").replace(">", "").rpartition(".")
        section, _, middle = section.partition(".")
        lines.append(f'[{section} "{middle}"]' if middle else f"[{section}]")
        lines.append(f"\t{name or 'x'} = {folder / 'marker.sh'}")
    assert len(lines) > 1000
    (folder / ".git" / "config").write_text("\n".join(lines))
    assert list_sources(folder) == ["a.py"]
    assert not ran.exists()


def test_the_program_that_is_planted_would_run(folder: Path):
    """The test above can fail: git itself runs what the repository names."""
    ran = plant(folder)
    subprocess.run(["git", "-C", folder, "status"], capture_output=True, check=False)
    assert ran.exists()


def test_looking_through_a_folder_starts_no_process(folder: Path):
    plant(folder)
    code = (
        "import sys; from pathlib import Path; from sprig_server.index.files import list_sources\n"
        "started = []\n"
        "names = ('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system', 'os.fork', 'os.forkpty', 'os.spawn')\n"
        "sys.addaudithook(lambda event, _: started.append(event) if event in names else None)\n"
        f"assert list_sources(Path({str(folder)!r})) == ['a.py']\n"
        "sys.exit(str(started) if started else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_index_and_search_run_nothing(folder: Path):
    ran = plant(folder)
    before = snapshot(folder)
    for words in (["index"], ["search", "only function", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "sprig_server", *words, "--workspace", folder], capture_output=True, check=False
        )
        assert done.returncode == 0
        assert b"only_function" in done.stdout or words == ["index"]
    assert not ran.exists()
    assert snapshot(folder) == before


@pytest.mark.parametrize("elsewhere", ["/etc", ".."])
def test_a_work_tree_elsewhere_lists_nothing_outside(folder: Path, elsewhere: str):
    write(folder.parent, "outside.py")
    write(folder, "a.py")
    git(folder, "init")
    git(folder, "add", "a.py")
    git(folder, "config", "--file", ".git/config", "core.worktree", elsewhere)
    assert list_sources(folder) == ["a.py"]


def test_a_git_file_that_points_elsewhere_lists_nothing_outside(folder: Path):
    other = folder.parent / "other"
    write(other, "secret.py", "a.py", ".gitignore")
    git(other, "init")
    git(other, "add", ".")
    write(folder, "a.py", "b.py")
    (folder / ".git").write_text(f"gitdir: {other}/.git\n")
    assert list_sources(folder) == ["a.py", "b.py"]


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CONFIG_GLOBAL", "GIT_EXEC_PATH"])
def test_the_environment_redirects_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    git(folder, "init")
    write(folder, ".gitignore", text="left.py\n")
    write(folder, "a.py", "left.py")
    monkeypatch.setenv(name, "/etc")
    assert list_sources(folder) == ["a.py"]


def test_a_repository_of_another_owner_is_listed(folder: Path):
    git(folder, "init")
    write(folder, ".gitignore", text="left.py\nkept.py\n")
    write(folder, "kept.py", "left.py")
    git(folder, "add", "--force", "kept.py")
    if os.geteuid() == 0:
        for path in (folder, folder / ".git", folder / ".git" / "index"):
            os.chown(path, 12345, 12345)
    assert list_sources(folder) == ["kept.py"]


@pytest.mark.parametrize("place", [".gitignore", "sub/.gitignore", ".git/info/exclude", ".git/index", ".git/commondir"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "endless", "loop"])
def test_what_is_no_file_stops_nothing(folder: Path, place: str, kind: str):
    git(folder, "init")
    write(folder, "a.py", "sub/b.py")
    path = folder / place
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else path.name)
    assert list_sources(folder) == ["a.py", "sub/b.py"]


@pytest.mark.parametrize(
    "what", [b"", b"DIRC", b"DIRC\0\0\0\2\xff\xff\xff\xff", b"DIRC\0\0\0\4\0\0\0\1" + b"\xff" * 200]
)
def test_a_damaged_index_stops_nothing(folder: Path, what: bytes):
    git(folder, "init")
    write(folder, "a.py")
    (folder / ".git" / "index").write_bytes(what)
    assert list_sources(folder) == ["a.py"]


@pytest.mark.parametrize(
    "patterns",
    [b"*a" * 40 + b"b\n", b"**/a/" * 30 + b"b\n", b"x\n" * 500_000, b"\0\n[\n\\\n[z-a]\n" + b"(" * 5000, b"\xff\xfe\n"],
    ids=["wildcards", "deep", "many", "nonsense", "bytes"],
)
def test_hostile_ignore_files_take_no_time(folder: Path, patterns: bytes):
    (folder / ".gitignore").write_bytes(patterns)
    write(folder, "a" * 240 + ".py", "/".join("a" * 50) + "/c.py")
    assert len(list_sources(folder)) == 2


def test_the_users_own_list_counts_wherever_it_lies(folder: Path, monkeypatch: pytest.MonkeyPatch):
    home = folder.parent / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    git(folder, "init")
    write(folder, "a.py", "scratch.py", "notes.py")
    write(home, ".config/git/ignore", text="scratch.py\n")
    assert list_sources(folder) == ["a.py", "notes.py"]
    write(
        home,
        ".gitconfig",
        text='[user]\n\tname = A "quoted" name\n[core]\n  editor = vi\n\texcludesFile = ~/mine ; so\n',
    )
    write(home, "mine", text="notes.py\n")
    assert list_sources(folder) == ["a.py", "scratch.py"]


def test_unreadable_folders_and_ignore_files_are_named(folder: Path):
    write(folder, "a.py", "closed/b.py", "sub/.gitignore", "sub/c.py", text="x = 1\n")
    code = (
        "import os, sys; from pathlib import Path; from sprig_server.index.files import list_files\n"
        "import sprig_server.code.languages, pathspec\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"  # nothing is unreadable for root
        "found = list_files(Path(sys.argv[1]))\n"
        "print(found.paths, found.unreadable)"
    )
    for path in [folder, *folder.parents][:-1]:
        if path.stat().st_uid == os.getuid() and path != Path("/tmp"):
            path.chmod(0o755)
    (folder / "closed").chmod(0)
    (folder / "sub" / ".gitignore").chmod(0)
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
    (folder / "closed").chmod(0o755)
    assert (done.stdout, done.stderr) == ("['a.py', 'sub/c.py'] ['closed/', 'sub/.gitignore']\n", "")


def test_a_cancelled_listing_stops(folder: Path):
    from sprig_server.errors import Cancelled

    with pytest.raises(Cancelled):
        list_files(folder, stop=lambda: True)
