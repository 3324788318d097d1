"""Text that nobody would write and every editor sends: no exception, and functions where there are any."""

import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sprig_server.code.functions import enclosing_function, function_at_line, parse_functions
from sprig_server.code.languages import LANGUAGES, language_of_path
from sprig_server.code.lines import Lines, decode
from sprig_server.code.outline import parse_outline
from sprig_server.code.parsed_source import parse_source
from sprig_server.code.statements import split_statements
from sprig_server.hover_content import name_at
from sprig_server.hover_target import find_reference
from sprig_server.source_cache import FolderSources, SourceCache

DATA = Path(__file__).resolve().parent.parent / "data" / "code"
DIALECTS = [language.aliases[0] if language.extensions == (".tsx",) else language.name for language in LANGUAGES]
SOURCES = [
    ("tsx" if path.suffix == ".tsx" else language_of_path(path.name).name, path.read_text(encoding="utf-8"))
    for path in sorted(DATA.glob("*/*.*"))
    if path.suffix != ".json"
]
NASTY = [
    "\0",
    "\r",
    "\r\n",
    "\f",
    "\v",
    "\x85",
    "\u2028",
    "\ufeff",
    "\ud800",
    "\udfff",
    "𝄞",
    "é",
    "\\",
    "'",
    '"',
    '"""',
]
NASTY += [
    "/*",
    "*/",
    "//",
    "#",
    "{",
    "}",
    "(",
    ")",
    "[",
    "<",
    ">",
    ";",
    ":",
    "=>",
    "@",
    "`",
    "${",
    "\t",
    "\n",
    "def ",
    "class ",
]


def check(text, language):
    """Everything that holds for any text at all; gives the functions."""
    lines = Lines(text)
    functions = parse_functions(text, language)
    outline = parse_outline(text, language, "module")
    assert outline[: len(functions)] == functions
    for definition in outline:
        span, name_span = definition.span, definition.name_span
        assert 0 <= span.start <= span.end <= len(text)
        assert span.start_line == lines.line_of(span.start)
        assert 0 <= span.start_line <= span.end_line < len(lines)
        assert definition.name
        assert definition.qualified_name.endswith(definition.name)
        if definition.kind == "module":
            continue
        source = text[span.start : span.end]
        assert source.strip()
        assert span.end_line == lines.line_of(span.end - 1)
        assert span.start <= name_span.start < name_span.end <= span.end
        written = "".join(text[name_span.start : name_span.end].split())
        assert "".join(definition.name.split()) in written
        assert name_span.start_line == lines.line_of(name_span.start)
    for function in functions:
        source = text[function.span.start : function.span.end]
        assert function.code.split()[:1] == source.split()[:1]
        assert function == enclosing_function([function], function.span.start)
        assert function == function_at_line([function], function.span.end_line)
        assert "\n" not in function.signature
    position = 0
    statements = split_statements(text, language)
    for start, end in zip(statements.starts.tolist(), statements.ends.tolist(), strict=True):
        assert position <= start < end
        assert not text[position:start].strip()
        position = end
    assert not text[position:].strip()
    parsed = parse_source(text, language, "module")
    assert parsed.definitions == outline
    for start, end, first, _ in parsed.calls.tolist():
        call = parsed.call_at(start)
        assert call is not None
        assert (call.start, call.end, call.expression) == (start, end, text[first:end])
        assert text[start:end].strip()
    check_names(parsed)
    return functions


def check_names(parsed):
    """A name holds the place that it was asked for at, and whatever it stands for is found or not, without an error."""
    sources = FolderSources(SourceCache(parse_source), None, lambda tail: [], {})
    sources.put("file", parsed)
    for offset in range(0, len(parsed.text) + 1, 1 + len(parsed.text) // 20):
        name = name_at(parsed, offset)
        if name is None:
            continue
        assert name.start <= offset <= name.end
        if name.reference is not None:
            target = find_reference(sources, "file", name.reference)
            assert target is None or target.definition.name


def names(text, language):
    return [function.qualified_name for function in check(text, language)]


@given(st.sampled_from(DIALECTS), st.text(max_size=80))
@example("python", "\ud800")
@example("cpp", "\0")
@example("javascript", "\ufeff")
def test_arbitrary_text(language, text):
    check(text, language)


@given(st.sampled_from(DIALECTS), st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=4)), max_size=30))
def test_arbitrary_punctuation(language, pieces):
    check("".join(pieces), language)


@given(st.data())
def test_real_code_that_is_cut_spliced_and_sprinkled(data):
    language, text = data.draw(st.sampled_from(SOURCES))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 200)))
        _, other = data.draw(st.sampled_from(SOURCES))
        other_start = data.draw(st.integers(0, len(other)))
        replacement = data.draw(
            st.one_of(
                st.just(""),
                st.sampled_from(NASTY),
                st.just(other[other_start : other_start + 100]),
                st.just(text[start:end] * 2),
            )
        )
        text = text[:start] + replacement + text[end:]
    check(text, language)


@given(st.data())
def test_code_that_is_being_typed(data):
    language, text = data.draw(st.sampled_from(SOURCES))
    check(text[: data.draw(st.integers(0, len(text)))], language)


@given(st.sampled_from(DIALECTS), st.binary(max_size=100))
def test_arbitrary_bytes(language, data):
    check(decode(data), language)


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
@pytest.mark.parametrize(("language", "text"), SOURCES, ids=[str(number) for number in range(len(SOURCES))])
def test_line_endings_change_nothing(language, text, ending):
    def plain(outline):
        return [
            (
                d.qualified_name,
                d.kind,
                d.signature,
                d.documentation,
                d.code,
                d.span.start_line,
                d.span.end_line,
            )
            for d in outline
        ]

    changed = text.replace("\n", ending)
    assert plain(parse_outline(changed, language, "m")) == plain(parse_outline(text, language, "m"))
    check(changed, language)


def test_mixed_line_endings_keep_line_numbers():
    text = "x = 1\r\ny = 2\rdef f():\n    return 1\r\n\rdef g():\r    return 2\n"
    functions = check(text, "python")
    assert [(f.name, f.span.start_line, f.span.end_line) for f in functions] == [("f", 2, 3), ("g", 5, 6)]


def test_a_form_feed_is_no_line():
    text = "import os\n\f\ndef f():\n    return 1\n\x0cdef g():\n    return 2\n"
    functions = check(text, "python")
    assert [(f.name, f.span.start_line, f.code.split("\n")[0]) for f in functions] == [
        ("f", 2, "def f():"),
        ("g", 4, "def g():"),
    ]


def test_offsets_are_in_characters_whatever_stands_before():
    text = "s = 'é€𝄞😀' * 3\ndef größe(maß):\n    '''Über 𝄞.'''\n    return '😀'\n\ndef g(): return 1\n"
    f, g = check(text, "python")
    assert text[f.span.start : f.span.end].startswith("def größe(maß):")
    assert text[f.span.start : f.span.end].endswith("return '😀'")
    assert (f.name, f.documentation) == ("größe", "Über 𝄞.")
    assert text[g.span.start : g.span.end] == "def g(): return 1"


@pytest.mark.parametrize(
    ("language", "function"),
    [
        ("python", "def f(a):\n    return a\n"),
        ("java", "class A { int f(int a) { return a; } }\n"),
        ("javascript", "function f(a) { return a; }\n"),
        ("typescript", "function f(a: number) { return a; }\n"),
        ("tsx", "function f(a: number) { return <b>{a}</b>; }\n"),
        ("cpp", "int f(int a) { return a; }\n"),
    ],
)
class TestOneFunction:
    def test_after_a_byte_order_mark(self, language, function):
        assert [f.name for f in check("\ufeff" + function, language)] == ["f"]
        assert [f.name for f in check(decode(b"\xef\xbb\xbf" + function.encode()), language)] == ["f"]

    def test_with_nul_characters(self, language, function):
        assert [f.name for f in check(function.replace(" a", " \0a") + "\0\0", language)] == ["f"]

    def test_with_lone_surrogates_in_comments(self, language, function):
        mark = "#" if language == "python" else "//"
        assert [f.name for f in check(f"{mark} \ud800 \udfff\n{function}", language)] == ["f"]

    def test_in_latin_1(self, language, function):
        mark = "#" if language == "python" else "//"
        assert [f.name for f in check(decode(f"{mark} Größe\n{function}".encode("latin-1")), language)] == ["f"]

    def test_after_a_line_of_50000_characters(self, language, function):
        mark = "#" if language == "python" else "//"
        assert [f.name for f in check(f"{mark} {'x' * 50_000}\n{function}", language)] == ["f"]

    def test_after_an_expression_of_50000_characters(self, language, function):
        values = "1, " * 16_600
        line = {"java": f"class X {{ int[] x = {{ {values} }}; }}", "cpp": f"int x[] = {{ {values} }};"}
        text = line.get(language, f"x = [{values}]") + "\n" + function
        assert [f.name for f in check(text, language)] == ["f"]

    def test_after_a_closed_broken_statement(self, language, function):
        broken = {"java": "class X { int x = ; }", "python": "x =", "cpp": "x = ;"}.get(language, "if (x > ) { }")
        assert [f.name for f in check(f"{broken}\n\n{function}", language)] == ["f"]


DEEP = {
    "parentheses": ("python", "x = " + "(" * 1000 + "1" + ")" * 1000),
    "open parentheses": ("javascript", "f(" * 1000),
    "open brackets": ("python", "[" * 1000),
    "braces": ("java", "class A { void f() " + "{" * 1000 + "}" * 1000 + " }"),
    "open braces": ("cpp", "{" * 1000),
    "arrows": ("javascript", "x = " + "() => " * 1000 + "1"),
    "else if": ("java", "class A { void f() { " + "if (a) b(); else " * 1000 + "c(); } }"),
    "calls in a row": ("javascript", "a" + ".b()" * 1000),
    "indentation": ("python", "".join(" " * n + f"def f{n}():\n" for n in range(200)) + " " * 200 + "pass"),
    "functions": ("javascript", "function f() {" * 600 + "}" * 600),
    "classes": ("java", "class A {" * 600 + "}" * 600),
    "namespaces": ("cpp", "namespace a {" * 600 + "int f() { return 1; }" + "}" * 600),
    "templates": ("cpp", "int f(" + "A<" * 300 + "int" + ">" * 300 + " a) { return 1; }"),
}


@pytest.mark.parametrize("shape", DEEP)
def test_deep_nesting_takes_no_time(shape):
    language, text = DEEP[shape]
    before = time.thread_time()
    parse_outline(text, language, "m")
    split_statements(text, language)
    parse_source(text, language, "m")
    assert time.thread_time() - before < 5.0


def test_deeply_nested_functions_are_all_found():
    text = "".join(" " * n + f"def f{n}():\n" for n in range(60)) + " " * 60 + "pass\n"
    functions = parse_functions(text, "python")
    assert len(functions) == 60
    assert functions[-1].qualified_name == ".".join(f"f{n}" for n in range(60))


def test_functions_of_broken_code_are_in_the_order_of_the_text():
    starts = [f.span.start for f in parse_functions(" b=e(s class {r(r{}d,function(){)", "javascript")]
    assert len(starts) > 1
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("text", "language"),
    [("f(a.());", "java"), ("int f() { return m->(x); }", "cpp"), ("x = a.()", "python"), ("a.();", "javascript")],
)
def test_a_call_that_misses_its_name_is_none(text: str, language: str):
    assert all(start < end for start, end, *_ in parse_source(text, language, "m").calls.tolist())
