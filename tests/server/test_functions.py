"""What is found in source code. The expectations lie beside the sources in `tests/data/code`, one file each.

To see what a change of the code does to them, run with SPRIG_UPDATE_GOLDENS=1 and read the difference.
"""

import json
import os
from pathlib import Path

import pytest

from sprig_server.code.functions import enclosing_function, function_at_line, parse_functions
from sprig_server.code.languages import LANGUAGES, NAMES, find_language, language_of_path
from sprig_server.code.outline import parse_outline
from sprig_server.code.parsed_source import parse_source
from sprig_server.errors import InvalidInput

DATA = Path(__file__).resolve().parent.parent / "data" / "code"
CASES = sorted(path for path in DATA.glob("*/*.*") if path.suffix != ".json")
UPDATE = os.environ.get("SPRIG_UPDATE_GOLDENS") == "1"


def language_name(path):
    return "tsx" if path.suffix == ".tsx" else language_of_path(path.name).name


def describe(definition):
    return {
        "name": definition.name,
        "qualified_name": definition.qualified_name,
        "kind": definition.kind,
        "signature": definition.signature,
        "documentation": definition.documentation,
        "start_line": definition.span.start_line + 1,
        "end_line": definition.span.end_line + 1,
        "first_line": definition.code.split("\n", 1)[0],
    }


def check(path):
    text = path.read_text(encoding="utf-8")
    functions = parse_functions(text, language_name(path))
    outline = parse_outline(text, language_name(path), path.stem)
    found = {
        "functions": [describe(d) for d in functions],
        "classes": [describe(d) for d in outline if d.kind == "class"],
    }
    golden = path.with_suffix(".json")
    if UPDATE:
        golden.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    expected = json.loads(golden.read_text(encoding="utf-8"))
    for what in ("functions", "classes"):
        assert [d["qualified_name"] for d in found[what]] == [d["qualified_name"] for d in expected[what]]
        for actual, wanted in zip(found[what], expected[what], strict=True):
            assert actual == wanted
    # The outline gives the same functions first, each once.
    assert outline[: len(functions)] == functions


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_definitions_of_a_file(path):
    check(path)


def test_every_language_has_test_data():
    assert {language_name(path) for path in CASES} == {*NAMES, "tsx"}


def test_every_golden_has_its_source():
    sources = {path.with_suffix("") for path in CASES}
    assert {path.with_suffix("") for path in DATA.glob("*/*.json")} == sources


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.py", "python"),
        ("B.PY", "python"),
        ("types.pyi", "python"),
        ("A.java", "java"),
        ("a.mjs", "javascript"),
        ("a.jsx", "javascript"),
        ("a.cts", "typescript"),
        ("a.d.ts", "typescript"),
        ("a.tsx", "typescript"),
        ("a.h", "cpp"),
        ("a.cc", "cpp"),
        ("a.c", "cpp"),
    ],
)
def test_the_extension_tells_the_language(path, name):
    assert language_of_path(path).name == name


@pytest.mark.parametrize("path", ["README.md", "Makefile", "py", ".py", "a.py.orig", "", "a.py/b"])
def test_other_files_have_no_language(path):
    assert language_of_path(path) is None


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("Python", "python"),
        ("typescriptreact", "typescript"),
        ("javascriptreact", "javascript"),
        ("tsx", "typescript"),
        ("C++", "cpp"),
        ("c", "cpp"),
    ],
)
def test_languages_are_found_by_what_editors_call_them(alias, name):
    assert find_language(alias).name == name


def test_an_unknown_language_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match=r'"cobol".*python, java, javascript, typescript, cpp'):
        parse_functions("", "cobol")


def test_tsx_has_its_own_grammar():
    component = "const A = () => <b>{x}</b>;\nfunction f() {}\n"
    assert [f.name for f in parse_functions(component, "tsx")] == ["A", "f"]
    assert {language.grammar[1] for language in LANGUAGES if language.name == "typescript"} == {
        "language_typescript",
        "language_tsx",
    }


# Code without documentation.


def only_function(text, language="python"):
    (function,) = parse_functions(text, language)
    return function


def test_code_comes_without_its_docstring_and_without_common_indentation():
    text = 'class A:\n    def f(self):\n        """Says what."""\n        if self:\n            return 1\n'
    function = only_function(text)
    assert function.documentation == "Says what."
    assert function.code == "def f(self):\n    if self:\n        return 1"


def test_code_after_a_docstring_on_the_same_line_keeps_its_indentation():
    function = only_function('def f():\n    """Short."""; value = 3\n    return value\n')
    assert function.documentation == "Short."
    assert function.code == "def f():\n    value = 3\n    return value"


def test_a_string_that_is_no_documentation_stays_in_the_code():
    text = 'def f(name):\n    f"""Not for {name}."""\n    return name\n'
    function = only_function(text)
    assert function.documentation == ""
    assert function.code == text.rstrip()


def test_a_line_that_begins_before_its_docstring_ends_where_it_did():
    """In broken code, in which the parser drops what stands before it on its line."""
    broken = """\
f'{ @b
    def g(a: "("):
        pass
    def f(a):
     <   "Doc."
        return a
"""
    first, function = parse_functions(broken, "python")
    assert (first.name, function.name, function.documentation) == ("g", "f", "Doc.")
    assert [line.strip() for line in function.code.splitlines()] == ["def f(a):", "<", "return a"]


def test_code_of_a_documented_class_comes_without_the_docstring():
    text = 'class A(B):\n    """Says what."""\n\n    x = 1\n\n    def f(self):\n        return 1\n'
    (klass,) = (d for d in parse_outline(text, "python", "m") if d.kind == "class")
    assert klass.documentation == "Says what."
    assert klass.code.split() == ["class", "A(B):", "x", "=", "1", "def", "f(self):"]


def test_code_of_a_class_at_the_start_of_a_function():
    text = """\
def make():
    class Local:
        x = 1

        def run(self):
            return 1

    return Local
"""
    (klass,) = (d for d in parse_outline(text, "python", "m") if d.kind == "class")
    assert klass.qualified_name == "make.Local"
    assert klass.code == "class Local:\n    x = 1\n\n    def run(self):"


def test_code_of_a_class_has_no_common_indentation():
    text = "class A {\n    class B {\n        int x;\n    }\n}\n"
    inner = [d for d in parse_outline(text, "java", "A") if d.name == "B"]
    assert [d.code for d in inner] == ["class B {\n    int x;\n}"]


def test_code_of_a_documented_module_comes_without_the_docstring():
    (module,) = parse_outline('"""Says what."""\n\nvalue = 1\n', "python", "m")
    assert (module.kind, module.name, module.documentation) == ("module", "m", "Says what.")
    assert module.code.strip() == "value = 1"


def test_a_module_is_what_is_outside_of_functions_and_classes():
    text = "import os\n\ndef f():\n    return 1\n\nclass A:\n    x = 1\n\nvalue = os.sep\n"
    module = parse_outline(text, "python", "m")[-1]
    assert module.kind == "module"
    assert module.code.split("\n")[0] == "import os"
    assert module.code.rstrip().endswith("value = os.sep")
    assert "return" not in module.code
    assert "class" not in module.code


@pytest.mark.parametrize("text", ["", "\n\n", "def f():\n    return 1\n", "# -\n\ndef f(): pass\n"])
def test_a_module_without_code_of_its_own_is_not_listed(text):
    assert all(d.kind != "module" for d in parse_outline(text, "python", "m"))


def test_documentation_comments_of_definitions_are_not_the_module_s():
    text = "/** Documented thoroughly. */\nclass A {\n    int x;\n}\n"
    assert [d.kind for d in parse_outline(text, "java", "A")] == ["class"]


def test_the_signature_ends_before_the_body():
    text = "def f(a: int) -> int:  # remark\n    # comment\n    return a\n"
    assert only_function(text).signature == "def f(a: int) -> int"
    assert only_function("def f(x):\n    return x.\n").signature == "def f(x)"


def test_decorators_are_in_the_span_but_not_in_the_signature():
    function = only_function("x = 1\n@cache\n@other(1)\nasync def f(): pass\n")
    assert (function.span.start_line, function.span.end_line) == (1, 3)
    assert function.signature == "async def f()"


# Finding the function of a position.

NESTED = """\
import os

@cache
def outer(a):
    def inner(b):
        return b

    return inner

def other(): return 1
"""


def name_of(function):
    return function and function.qualified_name


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("import", None),
        ("@cache", "outer"),
        ("outer", "outer"),
        ("inner(b)", "outer.inner"),
        ("return b", "outer.inner"),
        ("return inner", "outer"),
        ("other", "other"),
        ("1", "other"),
    ],
)
def test_enclosing_function(marker, name):
    functions = parse_functions(NESTED, "python")
    assert name_of(enclosing_function(functions, NESTED.index(marker))) == name


def test_a_function_encloses_its_first_and_last_character_and_no_more():
    functions = parse_functions(NESTED, "python")
    start, end = NESTED.index("@cache"), NESTED.index("return inner") + len("return inner")
    around = [name_of(enclosing_function(functions, o)) for o in (start - 1, start, end - 1, end)]
    assert around == [None, "outer", "outer", None]
    assert enclosing_function([], 0) is None


def test_function_at_line():
    functions = parse_functions(NESTED, "python")
    expected = [
        None,
        None,
        "outer",
        "outer",
        "outer.inner",
        "outer.inner",
        "outer",
        "outer",
        None,
        "other",
        None,
    ]
    assert [name_of(function_at_line(functions, line)) for line in range(11)] == expected
    assert function_at_line(functions, -1) is None


# What is called at a position.


def called_name(text, language, offset):
    call = parse_source(text, language, "m").call_at(offset)
    return text[call.start : call.end] if call else None


@pytest.mark.parametrize(
    ("language", "text", "called"),
    [
        ("python", "self.session.send(x)", "send"),
        ("python", "x = parse(text)", "parse"),
        ("python", "await fetch(url)", "fetch"),
        ("python", "f(x)(y)", "f"),
        ("python", "f()", "f"),
        ("python", "s = '𝄞'; größe.ändern(1)", "ändern"),
        ("java", "class A { void f() { this.list.add(1); } }", "add"),
        ("java", "class A { void f() { run(); } }", "run"),
        ("java", "class A { Object f() { return new Thing(1); } }", "Thing"),
        ("javascript", "a.b.c(d)", "c"),
        ("javascript", "a?.b(c)", "b"),
        ("javascript", "new Thing(1)", "Thing"),
        ("typescript", "parse<T>(x)", "parse"),
        ("tsx", "render(<b/>)", "render"),
        ("cpp", "void f() { p->run(1); }", "run"),
        ("cpp", "void f() { geometry::area(1); }", "area"),
        ("cpp", "void f() { maximum<int>(1, 2); }", "maximum"),
        ("cpp", "void f() { auto p = new Thing(1); }", "Thing"),
    ],
)
def test_the_called_name_is_found_on_each_of_its_characters_and_right_after(language, text, called):
    found = {offset: called_name(text, language, offset) for offset in range(len(text) + 1)}
    start = text.index(called)
    assert {offset for offset, name in found.items() if name == called} == set(range(start, start + len(called) + 1))
    assert set(found.values()) <= {called, None}


@pytest.mark.parametrize(
    ("language", "text", "marker"),
    [
        ("python", "self.session.send(x)", "session"),
        ("python", "self.session.send(x)", "x"),
        ("python", "send", "send"),
        ("python", "def send(): pass", "send"),
        ("python", "call(value=1)", "value"),
        ("python", "x = 1 + 2", "1"),
        ("java", "class A { int add; }", "add"),
        ("javascript", "call(name)", "name"),
        ("cpp", "int x = geometry::area;", "area"),
        ("cpp", "void f() { geometry::area(1); }", "geometry"),
    ],
)
def test_nothing_is_called_by_an_argument_a_qualifier_or_a_mere_name(language, text, marker):
    assert called_name(text, language, text.index(marker)) is None


def test_a_called_name_is_the_name_of_the_function_it_calls():
    text = "class A {\n  #secret() { return 1; }\n  run() { return this.#secret(); }\n}\n"
    called = called_name(text, "javascript", text.rindex("#secret") + 1)
    assert called in [f.name for f in parse_functions(text, "javascript")]


@pytest.mark.parametrize("offset", [-5, 0, 3, 10**9])
def test_offsets_outside_of_the_text_call_nothing(offset):
    assert called_name("x\n", "python", offset) is None
    assert called_name("", "python", offset) is None


OVERLOADS = """\
/** Formats a date. */
export function fmt(d: Date): string;
export function fmt(d: number): string;
export function fmt(d: any): string { return String(d); }
class A {
  /** Says it. */
  say(a: string): void;
  say(a: number): void;
  say(a: any) { }
  other(a: number): void;
  quiet() { }
}
"""


def test_overloads_are_documented_by_the_first_of_them():
    found = {f.name: f.documentation for f in parse_functions(OVERLOADS, "typescript")}
    assert found == {"fmt": "Formats a date.", "say": "Says it.", "quiet": ""}
