"""The invariants of ARCHITECTURE.md that are about which module may know what; each test is named after one."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "server" / "sprig_server"
EXPORTER = ROOT / "export" / "sprig_export"
HEAVY = {"torch", "transformers", "optimum", "onnx", "sprig_export"}
LSP = {"pygls", "lsprotocol"}
LSP_ALLOWED = ("server.py", "app.py", "connection.py", "documents.py", "protocol.py", "logs.py", "features/")


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant))


def modules(package: Path) -> list[Path]:
    found = sorted(package.rglob("*.py"))
    assert len(found) > 10
    return found


def offenders(package: Path, forbidden: set[str], allowed: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(package)} imports {name}"
        for path in modules(package)
        if not path.relative_to(package).as_posix().startswith(allowed or ("\0",))
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]


def test_the_server_never_imports_the_heavy_packages():
    found = offenders(SERVER, HEAVY)
    # The command line hands `sprig export` over by name, and only then.
    assert found == ["cli.py imports sprig_export.cli"]


def test_the_server_runs_without_loading_a_heavy_package():
    code = (
        "import sys, sprig_server.app, sprig_server.commands.search, sprig_server.commands.summarize\n"
        f"heavy = {sorted(HEAVY)!r}\n"
        "sys.exit(', '.join(name for name in heavy if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bundle_is_measured_without_loading_a_heavy_package():
    """A process is started for every measurement, and waiting for torch would be most of its time."""
    code = (
        "import sys, sprig_export.evaluate.throughput\n"
        "sys.exit(', '.join(name for name in ('torch', 'transformers', 'onnx') if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_exporter_uses_only_the_shared_parts_of_the_server():
    shared = {"bundle", "code", "trim", "types", "errors"}
    for path in modules(EXPORTER):
        measuring = path.parent.name == "evaluate" or path.relative_to(EXPORTER).as_posix() == "trimming/measure.py"
        may = shared | ({"inference"} if measuring else set())
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "sprig_server" and len(parts) > 1:
                assert parts[1] in may, f"{path.name} imports {name}"


@pytest.mark.parametrize("package", ["code", "markup", "trim"])
def test_code_markup_and_trim_do_no_io_and_know_no_lsp(package: str):
    io = {"os", "pathlib", "subprocess", "socket", "sqlite3", "urllib", "http", "tempfile", "shutil", "io"}
    for path in sorted((SERVER / package).rglob("*.py")):
        for name in imports(path):
            if name in ("pathlib.PurePath", "pathlib.PurePosixPath") or name == "pathlib":
                continue
            assert name.split(".")[0] not in io | LSP, f"{path.name} imports {name}"
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not [c for c in calls if getattr(c.func, "id", "") == "open"], path.name


def test_only_the_lsp_modules_know_lsp():
    assert offenders(SERVER, LSP, LSP_ALLOWED) == []


def test_only_inference_imports_the_runtime():
    assert offenders(SERVER, {"onnxruntime", "tokenizers"}, ("inference/",)) == []


def test_nothing_in_the_server_can_reach_a_network():
    network = {
        "socket",
        "http",
        "urllib",
        "requests",
        "httpx",
        "aiohttp",
        "huggingface_hub",
        "ftplib",
        "smtplib",
    }
    reading_names = "imports urllib.parse"  # which takes URIs apart, and reaches nothing
    assert [found for found in offenders(SERVER, network) if reading_names not in found] == []


def test_no_model_work_on_the_threads_of_pygls():
    for path in modules(SERVER):
        source = path.read_text(encoding="utf-8")
        assert ".thread()" not in source, path.name
        assert "thread_pool" not in source, path.name


def test_line_arithmetic_lives_in_one_module():
    for path in modules(SERVER):
        source = path.read_text()
        if path.parent.name != "code":
            assert '.count("\\n"' not in source, f"{path.name} counts lines itself"
            assert "splitlines(keepends" not in source, f"{path.name} splits lines itself"


def test_files_stay_readable():
    for package in (SERVER, EXPORTER):
        for path in modules(package):
            assert len(path.read_text().splitlines()) <= 400, f"{path.name} is too long: split it"


def test_the_version_is_answered_without_a_heavy_import():
    code = (
        "import sys\nfrom sprig_server.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "heavy = ('numpy', 'onnxruntime', 'pygls', 'lsprotocol', 'rich')\n"
        "sys.exit(', '.join(n for n in heavy if n in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sprig ")
