"""How documentation is shown, style by style. The expectations lie beside the sources in `tests/data/documentation`.

To see what a change of the code does to them, run with SPRIG_UPDATE_GOLDENS=1 and read the difference.
"""

import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.markup.documentation import shortened, shown_documentation
from sprig_server.markup.escape import code_span, escape_markdown, escape_misread
from sprig_server.markup.writer import written

DATA = Path(__file__).resolve().parent.parent / "data" / "documentation"
SOURCES = sorted(path for path in DATA.iterdir() if path.suffix not in (".markdown", ".txt"))
UPDATE = os.environ.get("SPRIG_UPDATE_GOLDENS") == "1"
LANGUAGES = ["python", "java", "javascript", "typescript", "cpp"]

# A reader of Markdown that takes all that clients may take for markup.
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def check(path, suffix):
    """What is shown of each function of a file is what the file beside it says."""
    functions = parse_functions(path.read_text(encoding="utf-8"), language_of_path(path.name).name)
    assert all(function.documentation for function in functions)
    shown = "".join(
        f"# {f.qualified_name}\n\n{shown_documentation(f.documentation, f.language, as_text=suffix == '.txt')}\n\n"
        for f in functions
    )
    golden = path.with_suffix(suffix)
    if UPDATE:
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".markdown", ".txt"])
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_documentation_is_shown_as_it_is_meant(path, suffix):
    check(path, suffix)


MARKUP = [
    *("<p>", "<ul>", "<li>", "</li>", "</ul>", "<b>", "</b>", "<pre>", "</pre>", "<code>", "</code>", "<br>", "<T>"),
    *(
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "<a href='javascript:x'>",
        "<a href=http://a.b>",
        "</a>",
        "<table>",
        "<td>",
    ),
    *("{@code ", "{@link ", "{@literal ", "}", "{", "\\code", "\\endcode", "\\c ", "\\f$", "\\ref ", "%", "\\n", "\\"),
    *("\n@param ", "\n@return ", "\n\\param ", "\n@example\n", "\n@deprecated", "\n@custom ", "\n\\note ", "\n@see "),
    *(
        "```",
        "\n```\n",
        "`",
        "``",
        "~~~",
        "*",
        "**",
        "_",
        "__",
        "~~",
        "[",
        "](command:x)",
        "](x)",
        "![i](http://x)",
        "<http://x>",
    ),
    *(
        "\n",
        "\n\n",
        "\n    ",
        "\t",
        "\n- ",
        "\n1. ",
        "\n> ",
        "\n# ",
        "\n---\n",
        "\n===\n",
        "\n| a | b |\n|---|---|\n",
        "|",
        "[x]: y",
    ),
    *(
        "\nArgs:\n    x: ",
        "\n\nParameters\n----------\n",
        "\n:param x: ",
        "\n@type x: ",
        "\n.. note:: ",
        "\n\n.. code::\n\n    ",
    ),
    *(":func:`x`", "\n>>> ", "::\n\n    ", "C{", "U{http://x}", "`a <http://x>`_", "&lt;", "&#0;", "&amp;", "&#xe000;"),
    *("\ue000", "\ue0001\ue001", "\ue002", "\0", "\ud800", "\x85", "\u2028", "é", "\r\n"),
]
PIECES = st.lists(
    st.one_of(st.sampled_from(MARKUP), st.text(max_size=4), st.sampled_from(["word ", "Word. ", "a_b"])), max_size=40
)


def tokens(markdown):
    """All that a reader sees in a text."""
    for token in READER.parse(markdown):
        yield token
        yield from token.children or []


@settings(max_examples=400)
@given(st.sampled_from(LANGUAGES), PIECES)
@example("java", ["\ud800"])
def test_whatever_it_says_is_harmless(language, pieces):
    text = "".join(pieces)
    shown = shown_documentation(text, language)
    for token in tokens(shown):
        assert token.type not in ("html_block", "html_inline", "image"), shown
        if token.type == "link_open":
            assert re.match("https?:|mailto:", token.attrs["href"], re.IGNORECASE), shown
    after = READER.parse(f"{shown}\n\nAfter it.")
    assert [(t.type, t.content) for t in after[-3:-1]] == [("paragraph_open", ""), ("inline", "After it.")], shown
    assert "\ue000" not in shown + shown_documentation(text, language, as_text=True)


# Markup that loses no word: no targets of links, no names of what only tools read.
LOSSLESS = [
    *(
        "<p>",
        "<ul>",
        "<li>",
        "</ul>",
        "<b>",
        "</b>",
        "<pre>",
        "</pre>",
        "<code>",
        "</code>",
        "<br>",
        "{@code ",
        "}",
    ),
    *(
        "\\c ",
        "\\n ",
        "\n@param ",
        "\n@return ",
        "\n@throws ",
        "\n@deprecated ",
        "\n@custom ",
        "\n\\note ",
        "\n@see ",
        "\n@example\n",
    ),
    *(
        "`",
        "\n```\n",
        "*",
        "**",
        "_",
        "~~",
        "[",
        "]",
        "(",
        ")",
        "\n\n",
        "\n",
        "\n    ",
        "\n- ",
        "\n1. ",
        "\n> ",
        "\n# ",
    ),
    *(
        "\nArgs:\n    ",
        "\n\nReturns\n-------\n",
        "\n:param x: ",
        "\n:returns: ",
        "\n.. note:: ",
        "\n>>> ",
        "::\n\n    ",
        "C{",
        ": ",
    ),
]
WORDS = [f"{first}{second}" for first in ("al", "bo", "cu", "de") for second in ("gano", "hyra", "jutu", "kowe")]


@settings(max_examples=400)
@given(st.sampled_from(LANGUAGES), st.lists(st.sampled_from([*LOSSLESS, *(f"{word} " for word in WORDS)]), max_size=30))
def test_no_word_is_lost(language, pieces):
    text = "".join(pieces)
    assume(not re.search("```|~~~", text.replace("\n```\n", "")))  # it may name a language
    for as_text in (False, True):
        shown = shown_documentation(text, language, as_text=as_text)
        assert sorted(re.findall("|".join(WORDS), text)) == sorted(re.findall("|".join(WORDS), shown)), shown


@given(st.text(alphabet="<>*_`[]()#\\!|~ab 1&;:.-+=/\n", max_size=40))
@example("a*b*c _x_ <T> ]( [x]: y")
@example("![a](b)")
def test_text_is_read_as_it_stands(text):
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    shown = written("\n".join(map(escape_markdown, lines)))
    said = [token for token in READER.parse(shown) if token.type == "inline"]
    if lines:
        (inline,) = said
        assert {t.type for t in inline.children} <= {"text", "softbreak", "hardbreak"}, shown
        assert "".join(t.content or "\n" for t in inline.children) == "\n".join(lines), shown
    assert written("\n".join(map(escape_markdown, lines)), as_text=True) == "\n".join(lines)


@given(st.text(alphabet="<>*_`[]()#\\!|~ab 1&;:.-+=/\n", max_size=60))
@example("- a\n\n  b\n- c")
def test_markdown_that_is_written_again_says_the_same(text):
    assert written(written(text), as_text=True) == written(text, as_text=True)


@pytest.mark.parametrize(
    "prose",
    [
        "It's a (small) test - isn't it? Yes! 3.5 > 2, #1, a.b, snake_case, C++, {x} & [y], ~/.config, a | b, 10 * 2.",
        "Closes ~Door, int *a, **kwargs and *args: a < b.",
        "See https://example.org/a_b?c=d#e_f_g.",
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_only_what_would_be_misread_is_escaped(language, prose):
    assert shown_documentation(prose, language) == prose


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a*b*c", "a\\*b\\*c"),
        ("List<T>", "List\\<T>"),
        ("# x", "\\# x"),
        ("1. x", "1\\. x"),
        ("&lt;", "\\&lt;"),
        ("[x]: y", "\\[x]: y"),
        ("[x](y)", "[x\\](y)"),
        ("a ` b", "a \\` b"),
    ],
)
def test_what_would_be_misread_is_escaped(text, expected):
    assert escape_misread(text) == expected


@given(st.text(alphabet="a` \n", min_size=1, max_size=12).map(lambda text: " ".join(text.split(" "))))
def test_code_is_read_as_code(text):
    line = text.replace("\n", "a")
    (inline,) = [token for token in READER.parse(f"x {code_span(line)} x") if token.type == "inline"]
    if line.strip():
        assert [(t.type, t.content) for t in inline.children][1] == ("code_inline", line)


@given(st.text(alphabet="ab \n", max_size=3000), st.sampled_from(LANGUAGES))
@example("word " * 1000, "python")
@example("a" * 5000, "java")
@example("A paragraph.\n\n" * 200, "cpp")
def test_a_long_documentation_is_cut_at_a_gap_and_says_so(text, language):
    short = shortened(text)
    assert text.startswith(short)
    assert len(short) <= 2000
    if len(text) > 2000:
        assert shown_documentation(text, language).endswith("…")
        assert text[len(short)].isspace() or len(short) == 2000
    else:
        assert short == text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "unit",
    [
        *MARKUP,
        "<b",
        "<b>x",
        "[[",
        "*a **b ",
        "_a_",
        "{@code {",
        "\n  - ",
        "(((",
        "\n@param {",
        "> > ",
        "`a``b",
        "a: ",
        "'\"",
    ],
)
def test_no_text_takes_long(language, unit):
    before = time.thread_time()
    shown_documentation(unit * 30_000, language)
    shown_documentation(unit * 30_000, language, as_text=True)
    assert time.thread_time() - before < 2.0


@pytest.mark.parametrize(
    ("documentation", "expected"),
    [
        (":param : first\n:param : second", "**Parameters**\n\n- first\n- second"),
        (".. rubric::\n\nText.", "**Rubric**\n\nText."),
        (":returns int: one\n:returns: or two", "**Returns** (int): one  \nor two"),
        ("Args:\n    one\n    two", "**Parameters:** one  \ntwo"),
    ],
)
def test_fields_that_lack_a_part_lose_no_words(documentation, expected):
    assert shown_documentation(documentation, "python") == expected
