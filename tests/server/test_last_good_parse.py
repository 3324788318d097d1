"""While a function is being typed, its neighbours keep what is known of them; what is deleted goes at once."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from sprig_server.code.languages import find_language, language_of_path
from sprig_server.code.last_good_parse import keep_last_good
from sprig_server.code.parsed_source import ParsedSource, name_of, parse_source
from sprig_server.hover_content import name_at
from sprig_server.index.entries import Item, parse_file
from sprig_server.index.store import FileState, Store
from sprig_server.types import Definition

DATA = Path(__file__).resolve().parent.parent / "data" / "code"
FILES = {
    f"{path.parent.name}-{path.name}": (name_of(language), path.read_text(encoding="utf-8"))
    for path in sorted(DATA.glob("*/*.*"))
    if (language := language_of_path(path.name)) is not None and not path.stem.lower().startswith("unfinished")
}
BLOCKS = {
    "python": '''\
class {N}(Base):
    """A {n}."""

    def open_{n}(self, path, *, mode="r"):
        """Open {n}."""
        with open(path, mode) as file:
            return [line for line in file if {{"{n}": 1}}.get(line)]

    @property
    def size_{n}(self):
        return len(self.items)


def load_{n}(first, second=(1, 2)):
    """Load {n}."""
    if first:
        return {N}(first).open_{n}(second)
    return load_{n}(second, [first])
''',
    "java": """\
class {N} extends Base<String> {{
    /** Opens {n}. */
    @Override
    public List<String> open_{n}(String path, int mode) throws IOException {{
        for (String line : read(path)) {{
            if (line.equals("{n}")) {{ return List.of(line); }}
        }}
        return size_{n}(path);
    }}

    /** Sizes {n}. */
    static List<String> size_{n}(String path) {{
        Runnable later_{n} = () -> open("a{n}", 2);
        return Map.of("a", path).values().stream().map(x -> x + 1).toList();
    }}
}}
""",
    "javascript": """\
export class {N} extends Base {{
  /** Opens {n}. */
  async open_{n}(path, {{ mode = "r" }} = {{}}) {{
    for (const line of await read(path)) {{
      if (line === `{n} ${{mode}}`) return [line, size_{n}(line)];
    }}
    return this.items.map((item) => item.size);
  }}
}}

/** Sizes {n}. */
export const size_{n} = memo((path) => {{
  return load_{n}(path, {{ a: [1, 2] }});
}});

function load_{n}(first, second) {{
  switch (first) {{
    case 1: return size_{n}(second);
    default: return /{n}+/.test(second);
  }}
}}
""",
    "cpp": """\
template <typename T>
class {N} : public Base<T> {{
 public:
  /// Opens {n}.
  std::vector<T> open_{n}(const std::string& path, int mode = 0) const {{
    for (const auto& line : read(path)) {{
      if (line == "{n}") {{ return {{line, size_{n}(mode)}}; }}
    }}
    return {{}};
  }}

 private:
  int size_ = 0;
}};

/// Sizes {n}.
static int size_{n}(int mode) {{
  switch (mode) {{
    case 1: return load_{n}(mode);
    default: return std::max<int>(mode, 2);
  }}
}}

int load_{n}(int first) {{ return first ? size_{n}(first - 1) : 0; }}
""",
}
BLOCKS["typescript"] = BLOCKS["javascript"].replace(
    "memo((path)", "memo((path: string, {{ a }}: Options = {{}}): number"
)
BLOCKS["tsx"] = BLOCKS["javascript"].replace("item.size", "<Item {{...item}} key={{item.id}}>text</Item>")
for _name, _block in BLOCKS.items():
    _words = ("alpha", "beta", "gamma", "delta", "omega", "kappa", "sigma", "theta", "zeta", "iota")
    FILES[f"generated-{_name}"] = (
        _name,
        "\n".join(_block.format(n=word, N=word.capitalize()) for word in _words),
    )
TYPED = ("", "", "(", "{", "[", '"', "foo(", "if (x", "x = ", "return {", "obj.", "`")


def key(function: Definition, shift: int = 0) -> tuple[object, ...]:
    return function.qualified_name, function.kind, function.documentation, function.code, function.span.start + shift


def cut(whole: ParsedSource, rng: random.Random) -> tuple[int, int, str]:
    """Somewhere within a function: what of it is gone, and what is typed there instead."""
    function = rng.choice(whole.functions)
    start = rng.randrange(function.span.start + 1, function.span.end)
    end = rng.choice([function.span.end, start, min(function.span.end, start + rng.randrange(1, 40))])
    return start, end, rng.choice(TYPED)


def check_kept(whole: ParsedSource, now: ParsedSource, start: int, end: int) -> tuple[int, int]:
    """How many of the neighbours of a cut have kept their entry and their hovers, and how many there are."""
    shift = len(now.text) - len(whole.text)
    entries = {key(function) for function in now.functions}
    good = count = 0
    for function in whole.functions:
        if not (function.span.end <= start or function.span.start >= end):
            continue
        by = shift if function.span.start >= end else 0
        places = [function.name_span.end]
        called = [s for s, e, *_ in whole.calls.tolist() if whole.text[s:e] == function.name]
        places += [s for s in called if not start - 40 < s < end]
        names = [name_at(now, place + (shift if place >= end else 0)) for place in places]
        shown = {n and (n.definition.name if n.definition else now.text[n.start : n.end]) for n in names}
        is_shown = shown == {function.name}
        good += is_shown and key(function, by) in entries
        count += 1
    return good, count


@pytest.mark.parametrize("file", FILES)
def test_neighbours_of_a_function_that_is_being_typed_stay(file: str):
    language, text = FILES[file]
    whole = parse_source(text, language, "m")
    assert whole.whole
    rng = random.Random(file)
    good = count = 0
    for _ in range(25):
        start, end, typed = cut(whole, rng)
        now = parse_source(text[:start] + typed + text[end:], language, "m")
        if now.whole:  # then the parse alone decides
            assert keep_last_good(whole, now) is now
            continue
        kept = check_kept(whole, keep_last_good(whole, now), start, end)
        good, count = good + kept[0], count + kept[1]
    assert good >= 0.99 * count


def owners(source: ParsedSource) -> dict[int, tuple[str, ...]]:
    """The classes and functions around each name that is bound to a function, by where it stands."""
    found = {}
    for scope in source.scopes:
        around, names = scope, []
        while around.parent >= 0:
            names.append(around.name)
            around = source.scopes[around.parent]
        for binding in scope.bindings:
            if binding.kind == "function":
                found[binding.start] = tuple(names)
                inner = source.scopes[binding.inner] if binding.inner >= 0 else scope
                assert binding.inner < 0 or inner.start <= binding.start < inner.end
                assert binding.inner < 0 or source.scopes[inner.parent] is scope
    return found


@pytest.mark.parametrize("file", FILES)
def test_a_method_stays_one_of_its_class_while_a_neighbour_is_typed(file: str):
    language, text = FILES[file]
    whole = parse_source(text, language, "m")
    before = owners(whole)
    rng = random.Random(file)
    good = count = 0
    for _ in range(25):
        start, end, typed = cut(whole, rng)
        now = keep_last_good(whole, parse_source(text[:start] + typed + text[end:], language, "m"))
        after, shift = owners(now), len(now.text) - len(text)
        for place in {d.name_span.start for d in now.kept} & set(after):
            good += before.get(place - (shift if place > start else 0)) == after[place]
        lost = {d.name_span.start for d in now.kept if d.kind == "method"} - set(after)
        assert not {place - (shift if place > start else 0) for place in lost} & set(before)
        count += len({d.name_span.start for d in now.kept} & set(after))
    assert good >= 0.99 * count


def test_a_class_that_the_parser_loses_has_its_methods():
    text = "class Reader {\n  size() { return this.count(); }\n\n  count() { return 1; }\n}\n"
    whole, now = parse_source(text, "javascript", "m"), parse_source(f"x = {{\n{text}", "javascript", "m")
    assert "Reader" not in {scope.name for scope in now.scopes}
    now = keep_last_good(whole, now)
    (reader,) = (scope for scope in now.scopes if scope.kind == "class")
    assert [binding.name for binding in reader.bindings] == ["size", "count"]
    assert [binding.name for binding in now.scopes[0].bindings if binding.kind == "class"] == ["Reader"]


def names(source: ParsedSource) -> list[str]:
    return [function.qualified_name for function in source.functions]


@pytest.mark.parametrize("language", BLOCKS)
def test_deleted_functions_go_at_once(language: str):
    """Also while another function is unfinished."""
    _, text = FILES[f"generated-{language}"]
    whole = parse_source(text, language, "m")
    rng = random.Random(language)
    unfinished = 0
    for _ in range(30):
        half, gone = rng.sample([f for f in whole.functions if f.documentation], 2)
        holes = sorted([(half.span.end - 5, half.span.end, "foo(["), (gone.span.start, gone.span.end, "")])
        new = text
        for start, end, typed in holes[::-1]:
            new = new[:start] + typed + new[end:]
        now = keep_last_good(whole, parse_source(new, language, "m"))
        unfinished += not now.whole
        assert gone.qualified_name not in names(now)
        others = [f for f in whole.functions if not _overlap(f, gone) and not _overlap(f, half)]
        kept = {key(function)[:-1] for function in now.functions}
        assert sum(key(function)[:-1] in kept for function in others) >= 0.99 * len(others)
    assert unfinished > 20


def _overlap(one: Definition, other: Definition) -> bool:
    return one.span.start < other.span.end and other.span.start < one.span.end


@pytest.mark.parametrize("file", FILES)
def test_a_function_that_is_typed_piece_by_piece_takes_nothing_from_the_others(file: str):
    """It is deleted from its end on, and typed again; in the end, all is as if it had been parsed at once."""
    language, text = FILES[file]
    whole = last = parse_source(text, language, "m")
    rng = random.Random(file)
    function = rng.choice(whole.functions)
    start, end = function.span.start, function.span.end
    expected = {f.qualified_name for f in whole.functions if not _overlap(f, function)}
    stops = [*sorted(rng.sample(range(start + 1, end), min(8, end - start - 1)), reverse=True)]
    for stop in [*stops, *stops[::-1], end]:
        now = keep_last_good(last, parse_source(text[:stop] + text[end:], language, "m"))
        if now.whole:  # `export const f =` above a class may give it another name
            expected = {f.qualified_name for f in now.functions if f.span.start >= stop or f.span.end <= start}
        assert expected <= set(names(now))
        last = now
    assert [key(f) for f in last.functions] == [key(f) for f in whole.functions]
    assert last.calls.tolist() == whole.calls.tolist()


PYTHON = """\
def one():
    '''One.'''
    return two()


class K:
    '''K.'''
    def two(self):
        '''Two.'''
        return 2


def three():
    '''Three.'''
    return one()
"""


def after(new: str, old: str = PYTHON, language: str = "python") -> ParsedSource:
    return keep_last_good(parse_source(old, language, "m"), parse_source(new, language, "m"))


def test_what_has_changed_is_as_it_was_parsed():
    unfinished = PYTHON.replace("return two()", "return two(")
    now = after(unfinished.replace("'''Three.'''", "'''Changed.'''"))
    assert not now.whole
    assert {f.qualified_name: f.documentation for f in now.functions}["three"] == "Changed."
    assert "three" not in names(after(unfinished.replace("def three", "def four")))


def test_a_whole_text_takes_nothing_over():
    assert names(after(PYTHON.replace("def one", "def other"))) == ["other", "K.two", "three"]
    assert names(after("")) == []


def test_nothing_is_taken_over_from_a_text_that_was_never_whole():
    unfinished = PYTHON.replace("return two()", "return two(")
    assert after(unfinished + "x = (\n", unfinished).kept == ()


@pytest.mark.parametrize("language", ["javascript", "typescript", "java", "cpp"])
def test_what_stands_in_a_comment_now_is_gone(language: str):
    head = "int" if language in ("java", "cpp") else "function"
    functions = [f"{head} f{n}() {{ return {n}; }}" for n in range(4)]
    before, behind = ("class A {\n", "\n}\n") if language == "java" else ("", "")
    whole = before + "\n".join(functions) + behind
    for comment in (f"/* {functions[1]} */", f"// {functions[1]}", f"/*\n{functions[1]}\n{functions[2]}\n*/"):
        gone = [n for n in (1, 2) if functions[n] in comment]
        new = whole.replace("\n".join(functions[n] for n in gone), comment).replace("return 0; }", "return (0")
        now = after(new, whole, language)
        assert not now.whole
        assert {f.name for f in now.functions} - {"f0"} == {f"f{n}" for n in (1, 2, 3) if n not in gone}


def test_of_some_that_are_alike_the_one_that_was_deleted_goes():
    klass = "class {} {{\n  run() {{ return go(1); }}\n}}\n"
    old = "function typed() { return 1; }\n" + klass.format("A") + klass.format("B") + klass.format("C")
    for gone in "ABC":
        new = old.replace(klass.format(gone), "")
        last = after(new, old, "javascript")
        now = keep_last_good(last, parse_source(new.replace("return 1", "return ("), "javascript", "m"))
        assert not now.whole
        assert set(names(now)) - {"typed"} == {f"{c}.run" for c in "ABC" if c != gone}


def test_the_documentation_above_may_change_beside_what_is_unfinished():
    old = "/** Old. */\nfunction f() { return 1; }\nfunction typed() { return 2; }\n"
    now = after(old.replace("Old", "New").replace("return 2;", "return (2"), old, "javascript")
    assert {f.name: f.documentation for f in now.functions}["f"] == "New."


def test_places_are_those_of_the_new_text():
    now = after("import os\nx = (\n" + PYTHON)
    assert not now.whole
    for function in now.functions:
        span, name = function.span, function.name_span
        assert now.text[name.start : name.end] == function.name
        assert now.text.count("\n", 0, span.start) == span.start_line
        assert now.text.count("\n", 0, span.end) == span.end_line
    assert names(now) == ["one", "K.two", "three"]
    assert [now.text[s:e] for s, e, *_ in now.calls.tolist()] == ["two", "one"]
    assert [d.name for d in now.definitions if d.kind == "class"] == ["K"]


def test_calls_keep_their_order():
    rng = random.Random(0)
    for language, text in FILES.values():
        whole = parse_source(text, language, "m")
        start, end, typed = cut(whole, rng)
        now = keep_last_good(whole, parse_source(text[:start] + typed + text[end:], language, "m"))
        assert all(one[1] <= other[0] for one, other in pairwise(now.calls.tolist()))


def known_as(items: list[Item]) -> set[tuple[object, ...]]:
    """Everything that a search or a call finds of a file's functions and classes."""
    return {
        (e.qualified_name, e.kind, e.content, e.start_line, e.name_line, e.name_column)
        + ((e.end_line,) if e.kind != "class" else ())  # nothing says where one ends that is unfinished
        for e, _ in items
        if e.kind != "module"
    }


@pytest.mark.parametrize("file", FILES)
def test_the_index_knows_of_an_unfinished_file_what_a_hover_knows(file: str, tmp_path: Path):
    """Though all that it keeps of the last whole version is in its file on disk."""
    language, text = FILES[file]
    path = f"m{find_language(language).extensions[0]}"
    whole = last = parse_source(text, language, "m")
    rng = random.Random(file)
    store = Store(tmp_path / "folder" / "index.sqlite3")
    store.put_files([(path, FileState("whole", 1, 1), parse_file(path, text.encode()))])
    for _ in range(8):
        start, end, typed = cut(whole, rng)
        now = text[:start] + typed + text[end:]
        last = keep_last_good(last, parse_source(now, language, "m"))
        items = parse_file(path, now.encode(), known=lambda: store.items_in_file(path))
        assert known_as(items) == known_as(parse_file(path, now.encode(), lambda *_, last=last: last))
        store.put_files([(path, FileState(now, 1, 1), items)])
    store.close()
