"""What a hover on a name describes, beside what an engine of the language says that the name stands for.

pip install jedi
python benchmarks/hover.py --output docs/results/hover.md
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hover_engines import (
    SCRIPTS,
    Answer,
    Site,
    cpp_answers,
    java_answers,
    python_answers,
    script_answers,
)
from hover_packages import (
    LISTS,
    PYTHON,
    cpp_workspace,
    java_workspace,
    python_workspace,
    script_workspace,
)
from hover_packages import SCRIPTS as PACKAGES_OF_SCRIPTS
from tables import markdown

from sprig_export.config.toml import read_toml
from sprig_server.code.languages import can_call, find_language
from sprig_server.code.lines import Lines
from sprig_server.code.parsed_source import Call, ParsedSource, parse_source
from sprig_server.code.places import tree_of
from sprig_server.code.references import LEAVES
from sprig_server.counterparts import Target, with_documentation
from sprig_server.hover_content import name_at
from sprig_server.hover_target import find_reference, find_target
from sprig_server.index.folder_index import FolderIndex
from sprig_server.inference.models import Models
from sprig_server.source_cache import FolderSources, SourceCache

PAGE = """# Results: what a hover describes

What does a hover on a name describe, and does the engine of the language say that the name stands for the same?
`make bench-hover` writes this page. This one is of at most {calls} calls and {calls} other uses a language, drawn by
seed {seed}; in Java and C++ from {files} files that are drawn first, since their engines take seconds for a file.
The engines are jedi for Python, TypeScript's language service for JavaScript and TypeScript, jdtls for Java and clangd
for C++; they are installed for this comparison only. The packages are {packages}.
Two rules of C++ were changed after looking at these packages, so its figures are development figures. No rule was
changed for Java, and none for names that are not called in the other languages, after the first look at them.

- *Calls, by name* is the rule before: the first function of that name in the file, or the only one in the workspace.
  *Calls* is what a hover shows now. *Other uses* are drawn from all places where a name stands that some function or
  class of the files has, and that are neither calls nor definitions: imports, types, values, and all else of that name.
- *Meant here*: those of which the engine names a function, class or method of the workspace.
- *Answered*: of these, the share for which the hover shows what the engine names.
- *Shown*: those with a hover. *Checked*: those of them about which the engine says something, also that what is
  meant is not in the workspace.
- *Wrong*: of the checked ones, the share for which the engine names something else. Definitions of one name in one
  scope count as one, unless they are overloads, and so do a class and its constructor.

{table}

## Other uses

{uses}

## Wrong

{mistakes}
"""


@dataclass
class Row:
    """What came of the names of one way to answer."""

    calls: int = 0
    shown: int = 0
    wrong: int = 0
    right: int = 0
    answered: int = 0
    resolvable: int = 0
    mistakes: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


class Workspace:
    """A folder with its index, as the server has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = FolderIndex(root, Models((), threads=1))
        self.index.update(encode=False)
        self.cache = SourceCache(parse_source)

    def sources(self) -> FolderSources:
        return FolderSources(self.cache, self.root, self.index.paths_ending, {})

    def calls(self, files: Sequence[tuple[str, ParsedSource]]) -> list[Site]:
        """Every call of some files."""
        found = []
        for path, source in files:
            lines = Lines(source.text)
            for start, *_ in source.calls:
                call = source.call_at(int(start))
                if call is not None:
                    found.append(site_at(path, lines, int(start), call.expression, call))
        return found

    def references(self, files: Sequence[tuple[str, ParsedSource]]) -> list[Site]:
        """Every other use of a name that a function or class of these files has."""
        names = {d.name for _, source in files for d in source.definitions if d.kind != "module"}
        found = []
        for path, source in files:
            tree = tree_of(source.text, source.language)
            lines = Lines(source.text)
            defined = {d.name_span.end for d in source.definitions}
            called = set(source.calls[:, 0].tolist())
            for leaf in tree.nodes(LEAVES) if tree is not None else []:
                start, end = tree.start(leaf), tree.end(leaf)
                if source.text[start:end] in names and start not in called and end not in defined:
                    found.append(site_at(path, lines, start, source.text[max(0, start - 20) : end]))
        return found

    def files(self, endings: tuple[str, ...]) -> Iterator[tuple[str, ParsedSource]]:
        """The files with one of these endings, in the order of their paths."""
        for path in sorted(p for p in self.root.rglob("*") if p.suffix in endings and p.is_file()):
            source = self.cache.read(path)
            if source is not None:
                yield path.relative_to(self.root).as_posix(), source

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


def drawn(files: Sequence[tuple[str, ParsedSource]], most: int, seed: int) -> list[tuple[str, ParsedSource]]:
    """Some of the files: engines that compile them take seconds for each."""
    return sorted(random.Random(seed).sample(files, min(most, len(files))), key=lambda file: file[0])


def site_at(path: str, lines: Lines, start: int, words: str, call: Call | None = None) -> Site:
    """A place in a file."""
    line, column = lines.position(start, "utf-32")
    return Site(path, start, line, column, lines.position(start, "utf-16")[1], " ".join(words.split()), call)


def by_scope(workspace: Workspace, site: Site, language: str) -> Target | None:
    """What a hover shows."""
    sources = workspace.sources()
    source = sources.source(site.path)
    name = name_at(source, site.start) if source is not None else None
    if name is None:
        return None
    if name.definition is not None:
        return with_documentation(sources, Target(site.path, name.definition))
    if name.call is not None:
        return find_target(sources, site.path, name.call, lambda name: workspace.named(name, language))
    return find_reference(sources, site.path, name.reference) if name.reference is not None else None


def by_name(workspace: Workspace, site: Site, language: str) -> Target | None:
    """What a hover showed before it knew scopes: the first of the name in the file, or the only one of all files."""
    source = workspace.cache.read(workspace.root / site.path)
    name = source.text[site.call.start : site.call.end] if source is not None and site.call is not None else ""
    own = [d for d in (source.functions if source is not None else ()) if d.name == name]
    if own:
        return Target(site.path, own[0])
    found = workspace.named(name, language, inside=True)
    return found[0] if len(found) == 1 else None


def measure(
    workspace: Workspace,
    sites: Sequence[tuple[Site, Answer | None]],
    find: Callable[[Workspace, Site, str], Target | None],
    language: str,
) -> Row:
    """What one way to answer comes to. Of a call, only what the engine knows as a function or class is checked."""
    row = Row()
    for site, answer in sites:
        target = find(workspace, site, language)
        if answer is not None and answer.places and not answer.is_callable and site.call is not None:
            answer = None
        row.calls += 1
        is_meant = answer is not None and bool(answer.places) and answer.is_callable
        row.resolvable += is_meant
        place = f"{site.path}:{site.line + 1} `{site.words}`"
        if target is None:
            row.missed += [f"{place}: {shown(answer)}"] if is_meant else []
            continue
        row.shown += 1
        if answer is None:
            continue
        if is_of(target, answer, workspace):
            row.right += 1
            row.answered += is_meant
        else:
            row.wrong += 1
            own = f"{target.path}:{target.definition.name_span.start_line + 1} {target.definition.qualified_name}"
            row.mistakes.append(f"{place}: shown {own}, the engine says {shown(answer)}")
    return row


def shown(answer: Answer | None) -> str:
    places = sorted(answer.places) if answer is not None else []
    return ", ".join(f"{path}:{line}" for path, line in places) or "not in the workspace"


def is_of(target: Target, answer: Answer, workspace: Workspace) -> bool:
    """Whether a target is one that the engine names. A class and its constructor are one, and so are the definitions of
    a name in a scope, unless they are told apart by their arguments."""
    line = target.definition.name_span.start_line + 1
    if (target.path, line) in answer.places:
        return True
    source = workspace.cache.read(workspace.root / target.path)
    if source is None:
        return False
    is_exact = find_language(source.language).name in ("java", "cpp")
    own = owners(source, line, is_exact)
    if any(path == target.path and own & owners(source, at, is_exact) for path, at in answer.places):
        return True
    others = [(workspace.cache.read(workspace.root / path), at) for path, at in answer.places]
    return any(other is not None and is_declared(source, line, other, at) for other, at in others)


def is_declared(source: ParsedSource, line: int, other: ParsedSource, at: int) -> bool:
    """Whether one of two lines declares the function of C++ that the other defines."""
    pairs = ((a, b) for a in functions_in(source, line) for b in functions_in(other, at))
    return any(a[:2] == b[:2] and not (a[2] and b[2]) for a, b in pairs)


def functions_in(source: ParsedSource, line: int) -> list[tuple[str, int, bool]]:
    """The functions of C++ whose names stand in a line: name, most arguments, and whether they have a body."""
    lines = Lines(source.text)
    functions = (b for s in source.scopes for b in s.bindings if b.kind == "function" and source.language == "cpp")
    return [(b.name.split("::")[-1], b.most, b.has_body) for b in functions if lines.line_of(b.start) + 1 == line]


def owners(source: ParsedSource, line: int, is_exact: bool) -> set[tuple[int, str, int]]:
    """The scopes and names of what is defined in a line; the class of a constructor instead of itself."""
    lines, found = Lines(source.text), set()
    makers = {"__init__", "__new__", "constructor", "<init>"}
    for place, scope in enumerate(source.scopes):
        for binding in scope.bindings:
            if binding.kind in ("function", "class", "variable") and lines.line_of(binding.start) + 1 == line:
                is_maker = scope.kind == "class" and binding.name in (*makers, scope.name)
                exactly = line if is_exact and binding.kind == "function" and not is_maker else 0
                found.add((scope.parent, scope.name, 0) if is_maker else (place, binding.name, exactly))
    return found


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--packages", nargs="*", default=(), help="only these packages of each language")
    parser.add_argument("--calls", type=int, default=500, help="and as many other uses")
    parser.add_argument("--files", type=int, default=60, help="of Java and C++ that they are drawn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a Markdown file (stdout without it)")
    parser.add_argument("--verbose", action="store_true", help="list what is missed, too")
    options = parser.parse_args()
    rows: dict[tuple[str, str], Row] = {}
    for name in options.languages:
        oracle = LANGUAGES[name]
        with tempfile.TemporaryDirectory(prefix="sprig-hover-") as folder:
            root = Path(folder).resolve()
            oracle.fill(root, options.packages)
            workspace = Workspace(root)
            samples = []
            files = list(workspace.files(oracle.endings))
            files = drawn(files, options.files, options.seed) if oracle.are_drawn else files
            for sites in (workspace.calls(files), workspace.references(files)):
                samples.append(random.Random(options.seed).sample(sites, min(options.calls, len(sites))))
            answers = list(oracle.answers(root, [*samples[0], *samples[1]]))
            calls = list(zip(samples[0], answers, strict=False))
            rows[name, "calls, by name"] = measure(workspace, calls, by_name, name)
            rows[name, "calls"] = measure(workspace, calls, by_scope, name)
            others = list(zip(samples[1], answers[len(samples[0]) :], strict=True))
            rows[name, "other uses"] = measure(workspace, others, by_scope, name)
    page = render(rows, options)
    if options.output is None:
        sys.stdout.write(page)
    else:
        options.output.write_text(page, encoding="utf-8")
    if options.verbose:
        for (name, way), row in rows.items():
            if way != "calls, by name":
                sys.stdout.write("\n".join(["", f"{name} {way}", *row.mistakes, "", "missed", *row.missed]) + "\n")


@dataclass(frozen=True)
class Oracle:
    """A language: what fills a folder with real packages, and what knows what names stand for in them."""

    fill: Callable[[Path, Sequence[str]], None]
    endings: tuple[str, ...]
    answers: Callable[[Path, Sequence[Site]], Iterator[Answer | None]]
    are_drawn: bool = False


LANGUAGES = {
    "python": Oracle(python_workspace, (".py",), python_answers),
    "typescript": Oracle(script_workspace, SCRIPTS, script_answers),
    "java": Oracle(java_workspace, (".java",), java_answers, are_drawn=True),
    "cpp": Oracle(cpp_workspace, (".cpp", ".cc", ".cxx", ".c", ".h", ".hpp", ".hh"), cpp_answers, are_drawn=True),
}


def render(rows: dict[tuple[str, str], Row], options: argparse.Namespace) -> str:
    """The page with the tables."""
    head = ("language", "how", "names", "meant here", "answered", "shown", "checked", "wrong")
    tables: dict[bool, list[tuple[str, ...]]] = {True: [], False: []}
    for (language, way), row in rows.items():
        checked = row.right + row.wrong
        answered = f"{100 * row.answered / max(1, row.resolvable):.1f} %"
        wrong = f"{100 * row.wrong / max(1, checked):.1f} %"
        counts = (str(row.calls), str(row.resolvable), answered, str(row.shown), str(checked), wrong)
        tables[way != "other uses"].append((language, way, *counts))
    mistakes = [
        f"- {language}: {m}" for (language, way), row in rows.items() if way != "calls, by name" for m in row.mistakes
    ]
    listed = [
        entry.partition("==")[0] for path in sorted(LISTS.glob("*.toml")) for entry in read_toml(path)["packages"]
    ]
    return PAGE.format(
        calls=options.calls,
        seed=options.seed,
        files=options.files,
        packages=", ".join((*PYTHON, *PACKAGES_OF_SCRIPTS, *listed)),
        table=markdown(head, tables[True]),
        uses=markdown(head, tables[False]),
        mistakes="\n".join(mistakes) or "None.",
    )


if __name__ == "__main__":
    main()
