"""Which function a hover on a call describes, beside what an oracle of the language says of the same call.

pip install jedi
python benchmarks/hover.py --output docs/results/hover.md
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from definitions import FRONT_ENDS, script_sources, typescript
from tables import markdown

from sprig_server.code.languages import can_call
from sprig_server.code.lines import Lines, decode
from sprig_server.code.parsed_source import Call, ParsedSource, parse_source
from sprig_server.hover_target import Target, find_target
from sprig_server.index.folder_index import FolderIndex
from sprig_server.inference.models import Models
from sprig_server.source_cache import FolderSources, SourceCache

PACKAGES = ("requests", "pygls", "tomlkit", "joblib", "networkx", "markdown_it")
SCRIPT_PACKAGES = ("express", "lodash", "preact", "react-aria")
"""Packages that no rule was written or changed for: jinja2, rich, rxjs, query-core, redux toolkit, axios and three were
looked at for that."""

SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx")
WORK = Path("build/definitions")

PAGE = """# Results: which function a hover describes

Which function does a hover on a call describe, and does the engine of the language name the same one?
`make bench-hover` writes this page: {calls} calls a language, drawn by seed {seed} from the calls of real packages. The
engines are jedi for Python (packages from PyPI) and TypeScript's language service for JavaScript and TypeScript
(packages from npm); they are installed for this comparison only.

The packages are {packages}. No rule was written for
them, but one was mended: the first run found a wrong hover on `super` in Python (0.7 % of those checked).

- *By name* is the rule before: the first function of that name in the file, or the only one in the workspace.
  *By scope* is the rule now.
- *Callable here*: the calls of which the engine names a function, class or method of the workspace.
- *Answered*: of these, the share for which the hover shows what the engine names.
- *Shown*: the calls with a hover. *Checked*: those of them about which the engine says something, also that what is
  called is not in the workspace.
- *Wrong*: of the checked ones, the share for which the engine names something else. Definitions of one name in one
  scope count as one, and so do a class and its constructor.

{table}

## Wrong by scope

{mistakes}
"""

Answer = set[tuple[str, str, int]] | None
"""Path, name and 1-based line of what may be called; empty for what is not in the workspace, None if unknown."""


@dataclass
class Row:
    """What came of the calls of one way to answer."""

    calls: int = 0
    shown: int = 0
    wrong: int = 0
    right: int = 0
    resolvable: int = 0
    mistakes: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Site:
    """A call in a file."""

    path: str
    call: Call
    line: int
    column: int


class Workspace:
    """A folder with its index, as the server has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = FolderIndex(root, Models((), threads=1))
        self.index.update(encode=False)
        self.cache = SourceCache(parse_source)

    def sources(self) -> FolderSources:
        return FolderSources(self.cache, self.root, self.index.paths_ending, {})

    def sites(self, endings: tuple[str, ...]) -> list[Site]:
        """Every call of the files with one of these endings, in the order of their paths."""
        found = []
        for path in sorted(p for p in self.root.rglob("*") if p.suffix in endings and p.is_file()):
            source = self.cache.read(path)
            lines = Lines(source.text) if source is not None else None
            for start, *_ in source.calls if source is not None and lines is not None else ():
                assert lines is not None
                call = source.call_at(int(start))
                line, column = lines.position(int(start), "utf-32")
                if call is not None:
                    found.append(Site(path.relative_to(self.root).as_posix(), call, line, column))
        return found

    def named(self, name: str, language: str, inside: bool = False) -> list[Target]:
        """The functions of a name, by the index; those in classes only if they are asked for."""
        found = []
        for entry in self.index.find_named(name):
            if entry.name != name or entry.kind in ("class", "module") or not can_call(language, entry.language):
                continue
            if inside or entry.kind == "function":
                source = self.cache.read(self.root / entry.path)
                found += [
                    Target(entry.path, d)
                    for d in (source.functions if source is not None else ())
                    if d.span.start_line + 1 == entry.start_line and d.qualified_name == entry.qualified_name
                ]
        return found


def by_scope(workspace: Workspace, site: Site, language: str) -> Target | None:
    """What a hover shows."""
    return find_target(workspace.sources(), site.path, site.call, lambda name: workspace.named(name, language))


def by_name(workspace: Workspace, site: Site, language: str) -> Target | None:
    """What a hover showed before it knew scopes: the first of the name in the file, or the only one of all files."""
    source = workspace.cache.read(workspace.root / site.path)
    name = source.text[site.call.start : site.call.end] if source is not None else ""
    own = [d for d in (source.functions if source is not None else ()) if d.name == name]
    if own:
        return Target(site.path, own[0])
    found = workspace.named(name, language, inside=True)
    return found[0] if len(found) == 1 else None


def python_answers(root: Path, sites: Sequence[Site]) -> Iterator[Answer]:
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
            yield None
            continue
        kinds = {name.type for name in names}
        if not names or not kinds <= {"function", "class", "property"}:
            yield None
            continue
        yield {
            (Path(n.module_path).relative_to(root).as_posix(), n.name, n.line)
            for n in names
            if n.module_path is not None and Path(n.module_path).is_relative_to(root)
        }


def script_answers(root: Path, sites: Sequence[Site]) -> Iterator[Answer]:
    """By TypeScript's language service."""
    files = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*")) if p.suffix in SCRIPTS]
    places = []
    for site in sites:
        text = decode((root / site.path).read_bytes())
        places.append((site.path, len(text[: site.call.start].encode("utf-16-le")) // 2))
    given = json.dumps({"root": str(root), "files": files, "sites": places})
    compiler = typescript(WORK.resolve()) / "lib" / "typescript.js"
    command = ["node", str(FRONT_ENDS / "references.cjs"), str(compiler)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        said = json.loads(line)
        yield None if said is None else {(path, name, at) for path, name, at in said}


def measure(
    workspace: Workspace,
    sites: Sequence[tuple[Site, Answer]],
    find: Callable[[Workspace, Site, str], Target | None],
    language: str,
) -> Row:
    """What one way to answer comes to."""
    row = Row()
    for site, answer in sites:
        target = find(workspace, site, language)
        row.calls += 1
        row.resolvable += bool(answer)
        place = f"{site.path}:{site.line + 1} `{site.call.expression}`"
        if target is None:
            row.missed += [f"{place}: {shown(answer)}"] if answer else []
            continue
        row.shown += 1
        if answer is None:
            continue
        if is_of(target, answer, workspace):
            row.right += 1
        else:
            row.wrong += 1
            own = f"{target.path}:{target.definition.name_span.start_line + 1} {target.definition.qualified_name}"
            row.mistakes.append(f"{place}: shown {own}, the oracle says {shown(answer)}")
    return row


def shown(answer: Answer) -> str:
    return ", ".join(f"{path}:{line} {name}" for path, name, line in sorted(answer or ())) or "not in the workspace"


def is_of(target: Target, answer: set[tuple[str, str, int]], workspace: Workspace) -> bool:
    """Whether a target is one that the oracle names. A class and its constructor are one, and so are the definitions of
    a name in a scope, unless they are told apart by their arguments."""
    source = workspace.cache.read(workspace.root / target.path)
    if source is None:
        return False
    own = owners(source, target.definition.name_span.start_line + 1)
    return any(path == target.path and own & owners(source, line) for path, _, line in answer)


def owners(source: ParsedSource, line: int) -> set[tuple[int, str]]:
    """The scopes and names of what is defined in a line; the class of a constructor instead of itself."""
    lines, found = Lines(source.text), set()
    scopes = {scope: binding for s in source.scopes for binding in s.bindings if (scope := binding.inner) >= 0}
    for place, scope in enumerate(source.scopes):
        for binding in scope.bindings:
            if binding.kind in ("function", "class", "variable") and lines.line_of(binding.start) + 1 == line:
                is_maker = binding.name in ("__init__", "__new__", "constructor", scope.name) and place in scopes
                found.add((scope.parent, scope.name) if is_maker else (place, binding.name))
    return found


def python_workspace(root: Path, packages: Sequence[str]) -> None:
    """Installed packages of Python, without what is compiled."""
    for name in packages:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise SystemExit(f'the package "{name}" is not installed: pip install it, or name others with --packages')
        source = Path(next(iter(found.submodule_search_locations)))
        shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyc", "tests"))


def script_workspace(root: Path, packages: Sequence[str]) -> None:
    """Sources of npm's packages."""
    for path in script_sources(WORK):
        inside = path.relative_to(WORK / "javascript")
        if not packages or any(name in inside.as_posix() for name in packages):
            (root / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / inside)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--packages", nargs="*", default=(), help="only these packages of each language")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a Markdown file (stdout without it)")
    parser.add_argument("--verbose", action="store_true", help="list what is missed, too")
    options = parser.parse_args()
    rows: dict[tuple[str, str], Row] = {}
    for name in options.languages:
        oracle = LANGUAGES[name]
        with tempfile.TemporaryDirectory(prefix="sprig-hover-") as folder:
            root = Path(folder).resolve()
            oracle.fill(root, options.packages or oracle.packages)
            workspace = Workspace(root)
            sites = workspace.sites(oracle.endings)
            sample = random.Random(options.seed).sample(sites, min(options.calls, len(sites)))
            answered = list(zip(sample, oracle.answers(root, sample), strict=True))
            for way, find in WAYS.items():
                rows[name, way] = measure(workspace, answered, find, name)
    page = render(rows, options.calls, options.seed)
    if options.output is None:
        sys.stdout.write(page)
    else:
        options.output.write_text(page, encoding="utf-8")
    if options.verbose:
        for (name, way), row in rows.items():
            if way == "by scope":
                sys.stdout.write("\n".join(["", name, "mistakes", *row.mistakes, "", "missed", *row.missed]) + "\n")


@dataclass(frozen=True)
class Oracle:
    """A language: what fills a folder with real packages, and what knows which function is called in them."""

    fill: Callable[[Path, Sequence[str]], None]
    endings: tuple[str, ...]
    answers: Callable[[Path, Sequence[Site]], Iterator[Answer]]
    packages: tuple[str, ...] = ()


LANGUAGES = {
    "python": Oracle(python_workspace, (".py",), python_answers, PACKAGES),
    "typescript": Oracle(script_workspace, SCRIPTS, script_answers, SCRIPT_PACKAGES),
}
WAYS = {"by name": by_name, "by scope": by_scope}


def render(rows: dict[tuple[str, str], Row], calls: int, seed: int) -> str:
    """The page with the table."""
    head = ("language", "how", "calls", "callable here", "answered", "shown", "checked", "wrong")
    lines = []
    for (language, way), row in rows.items():
        checked = row.right + row.wrong
        answered = f"{100 * row.right / max(1, row.resolvable):.1f} %"
        wrong = f"{100 * row.wrong / max(1, checked):.1f} %"
        counts = (str(row.calls), str(row.resolvable), answered, str(row.shown), str(checked), wrong)
        lines.append((language, way, *counts))
    mistakes = [
        f"- {language}: {m}" for (language, way), row in rows.items() if way == "by scope" for m in row.mistakes
    ]
    table = markdown(head, lines)
    packages = ", ".join((*PACKAGES, *SCRIPT_PACKAGES))
    return PAGE.format(calls=calls, seed=seed, packages=packages, table=table, mistakes="\n".join(mistakes) or "None.")


if __name__ == "__main__":
    main()
