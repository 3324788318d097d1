"""The share of the functions found by compilers' front ends in real code that Sprig finds too.

Python's `ast`, TypeScript's compiler, `javac` and libclang read the same files as Sprig. A function counts if it has a
body and a name that a person would look for. Anonymous callbacks belong to the call they are passed to.

    python benchmarks/definitions.py --output docs/results/definitions.md
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sprig_export.corpus.packages import fetch
from sprig_export.corpus.registries import download_npm
from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import decode

FRONT_ENDS = Path(__file__).parent / "front_ends"
TYPESCRIPT = "5.9.3"
LARGEST = 300_000  # bytes of a file
JAVA_PACKAGES = ("java.base/java/util/", "java.base/java/lang/", "java.base/java/time/", "java.desktop/javax/swing/")

Found = tuple[str, int]
"""A bare name and its 1-based line."""


@dataclass
class Row:
    """The comparison in one language."""

    files: int = 0
    functions: int = 0
    found: int = 0
    same_line: int = 0
    own: int = 0
    spurious: int = 0
    seconds: float = 0.0
    missed: list[str] = field(default_factory=list)
    extra: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Compare all languages and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/definitions"), help="where packages are fetched to")
    parser.add_argument("--output", type=Path, help="a Markdown file (stdout without it)")
    parser.add_argument("--functions", type=int, default=3000, help="a language, at least")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = {name: compare(name, options) for name in ("python", "typescript", "java", "cpp")}
    page = render(rows, options.seed)
    if options.output is None:
        sys.stdout.write(page)
    else:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(page, encoding="utf-8")


def compare(name: str, options: argparse.Namespace) -> Row:
    """Compare both views of the files of a language, drawn with the seed until there are enough functions."""
    sources, front_end = LANGUAGES[name]
    files = sorted(path for path in sources(options.work) if 0 < path.stat().st_size <= LARGEST)
    random.Random(options.seed).shuffle(files)
    row = Row()
    for start in range(0, len(files), 50):
        batch = files[start : start + 50]
        for path, expected in zip(batch, front_end(batch, options.work), strict=True):
            if expected is not None:
                add(row, path, expected)
        if row.functions >= options.functions:
            break
    return row


def add(row: Row, path: Path, expected: list[Found]) -> None:
    """Count what one file adds."""
    language = language_of_path(path.name)
    assert language is not None
    text = decode(path.read_bytes())
    name = language.aliases[0] if language.extensions == (".tsx",) else language.name
    start = time.process_time()
    functions = parse_functions(text, name)
    row.seconds += time.process_time() - start
    own = Counter((bare(f.name), f.name_span.start_line + 1) for f in functions)
    row.files += 1
    row.functions += len(expected)
    row.own += len(functions)
    missing: list[Found] = []
    for found in expected:
        if own[found] > 0:
            own[found] -= 1
            row.found += 1
            row.same_line += 1
        else:
            missing.append(found)
    rest = Counter({key[0]: 0 for key in own})
    for key, count in own.items():
        rest[key[0]] += count
    for function, line in missing:
        if rest[function] > 0:  # there, but on another line
            rest[function] -= 1
            row.found += 1
        else:
            row.missed.append(f"{path.name}:{line} {function}")
    row.spurious += sum(rest.values())
    row.extra.update(f"{path.name} {function}" for function, count in rest.items() if count)


def bare(name: str) -> str:
    """A name without template arguments and spaces."""
    return "".join(name.split("<")[0].split()) if not name.startswith("operator") else "".join(name.split())


def python_sources(_: Path) -> Iterator[Path]:
    """The standard library of this Python, without its tests."""
    library = Path(sysconfig.get_paths()["stdlib"])
    return (p for p in library.rglob("*.py") if not {"test", "tests", "site-packages", "lib2to3"} & set(p.parts))


def python_functions(paths: Sequence[Path], _: Path) -> Iterator[list[Found] | None]:
    """By `ast`: definitions, and lambdas that are assigned to a name."""
    for path in paths:
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            yield None
            continue
        found: list[Found] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((node.name, node.lineno))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
                target = node.targets[-1]
                name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", None)
                if name is not None:
                    found.append((name, node.lineno))
        yield found


def fetched(language: str, work: Path) -> Iterator[Path]:
    """The sources of the packages that are listed for a language."""
    folder = work / language
    fetch(FRONT_ENDS / f"{language}.toml", folder)
    return (
        p for p in folder.rglob("*") if p.is_file() and language_of_path(p.name) is not None and ".apt" not in p.parts
    )


def script_sources(work: Path) -> Iterator[Path]:
    """Sources of the packages in JavaScript and TypeScript, without bundles and declarations."""
    built = {"dist", "build", "umd", "_esm5", "_esm2015", "esm", "esm5", "examples", "node_modules"}
    for path in fetched("javascript", work):
        if (
            not built & set(path.relative_to(work).parts)
            and ".min." not in path.name
            and not path.name.endswith(".d.ts")
        ):
            yield path


def script_functions(paths: Sequence[Path], work: Path) -> Iterator[list[Found]]:
    """By TypeScript's compiler."""
    library = typescript(work.resolve()) / "lib" / "typescript.js"
    return answers(["node", str(FRONT_ENDS / "functions.cjs"), str(library)], paths)


def typescript(work: Path) -> Path:
    """The folder of TypeScript's compiler, fetched if it is not there yet."""
    compiler = work / f"typescript-{TYPESCRIPT}"
    if not compiler.is_dir():
        (archive,) = download_npm("typescript", TYPESCRIPT, work)
        with tarfile.open(archive) as packed:
            packed.extractall(compiler, filter="data")
    return compiler / "package"


def java_sources(work: Path) -> Iterator[Path]:
    """Packages of the newest installed JDK that includes its sources."""
    archives = sorted(Path("/usr/lib/jvm").glob("*/lib/src.zip"), key=lambda p: p.exists() and p.stat().st_mtime)
    folder = work / "java"
    if not folder.is_dir() and archives:
        with zipfile.ZipFile(archives[-1]) as zipped:
            names = [n for n in zipped.namelist() if n.startswith(JAVA_PACKAGES) and n.endswith(".java")]
            zipped.extractall(folder, names)
    return folder.rglob("*.java")


def java_functions(paths: Sequence[Path], _: Path) -> Iterator[list[Found]]:
    """By javac's parser."""
    newest = max(Path("/usr/lib/jvm").glob("*/bin/java"), key=lambda path: (path.parents[1] / "lib/src.zip").exists())
    exports = [f"jdk.compiler/com.sun.tools.javac.{part}=ALL-UNNAMED" for part in ("tree", "util")]
    return answers([str(newest), *(f"--add-exports={e}" for e in exports), str(FRONT_ENDS / "Functions.java")], paths)


def answers(command: list[str], paths: Sequence[Path]) -> Iterator[list[Found]]:
    """The output of another program for files that it gets on stdin."""
    given = "".join(f"{path}\n" for path in paths)
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return ([(bare(str(name)), int(line)) for name, line in json.loads(text)] for text in done.stdout.splitlines())


def cpp_functions(paths: Sequence[Path], work: Path) -> Iterator[list[Found]]:
    """By libclang, in one branch of each `#if`. Functions that a macro expands to have no name in the text."""
    from clang import cindex  # pip install libclang

    kinds = {getattr(cindex.CursorKind, kind) for kind in ("FUNCTION_DECL", "CXX_METHOD", "CONSTRUCTOR", "DESTRUCTOR")}
    kinds |= {cindex.CursorKind.CONVERSION_FUNCTION, cindex.CursorKind.FUNCTION_TEMPLATE}
    bodies = {cindex.CursorKind.COMPOUND_STMT, cindex.CursorKind.CXX_TRY_STMT}
    folders = {p for p in (work / "cpp").rglob("include") if p.is_dir()} | {p.parent for p in paths}
    index = cindex.Index.create()
    for path in paths:
        standard = ["-x", "c"] if path.suffix == ".c" else ["-x", "c++", "-std=c++20"]
        unit = index.parse(
            str(path), args=[*standard, "-ferror-limit=0", *(f"-I{folder}" for folder in sorted(folders))]
        )
        lines = decode(path.read_bytes()).split("\n")
        found: set[Found] = set()
        pending = list(unit.cursor.get_children())
        while pending:
            cursor = pending.pop()
            if cursor.location.file is not None and cursor.location.file.name != str(path):
                continue
            pending.extend(cursor.get_children())
            if cursor.kind in kinds and any(child.kind in bodies for child in cursor.get_children()):
                name, line = bare(cursor.spelling), lines[cursor.location.line - 1]
                # A name in capitals is a macro whose header is missing, such as TEST.
                if name in "".join(line.split()) and not name.isupper() and not re.search(r"=\s*default\b", line):
                    found.add((name, cursor.location.line))
        yield sorted(found)


Sources = Callable[[Path], Iterator[Path]]
FrontEnd = Callable[[Sequence[Path], Path], Iterator[list[Found] | None]]
LANGUAGES: dict[str, tuple[Sources, FrontEnd]] = {
    "python": (python_sources, python_functions),
    "typescript": (script_sources, script_functions),  # type: ignore[dict-item]
    "java": (java_sources, java_functions),  # type: ignore[dict-item]
    "cpp": (lambda work: fetched("cpp", work), cpp_functions),  # type: ignore[dict-item]
}


def render(rows: dict[str, Row], seed: int) -> str:
    """The page with the table and the missed functions."""
    lines = [
        "# Results: functions found, beside the front ends of compilers",
        "",
        "Which share of the functions that a compiler's front end reports does Sprig find too?",
        f"`make bench-definitions` (seed {seed}) writes this page. The front ends are Python's `ast`",
        f"(standard library), TypeScript's compiler {TYPESCRIPT} (JavaScript and TypeScript packages), `javac`",
        "(sources of the JDK) and libclang (C and C++ packages). Functions with a body and a name count.",
        "",
        "- *Same line*: of the functions found, the share whose name is on the line that the front end reports.",
        "- *Only Sprig*: functions that the front end does not report. For C and C++ it sees only one branch of",
        "  each `#if` and gives up if a header is missing, so this column says little there.",
        "",
        "| | files | functions | found | same line | only Sprig | functions a CPU second |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row.files} | {row.functions} | {100 * row.found / max(1, row.functions):.2f} % "
            f"| {100 * row.same_line / max(1, row.found):.2f} % | {100 * row.spurious / max(1, row.own):.1f} % "
            f"| {row.own / max(row.seconds, 1e-9):.0f} |"
        )
    for name, row in rows.items():
        lines += ["", f"## {name}: {len(row.missed)} missed, {row.spurious} only in Sprig", ""]
        lines += [f"- missed: `{entry}`" for entry in row.missed[:25]]
        lines += [f"- only Sprig: `{entry}`" for entry, _ in row.extra.most_common(10)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
