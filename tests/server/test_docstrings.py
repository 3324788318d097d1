"""Docstrings say what Python takes them for: `ast` is the oracle, but for what nobody can see."""

import ast
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.cli import main
from sprig_server.code.docstrings import string_value
from sprig_server.code.functions import parse_functions
from sprig_server.code.outline import parse_outline

LITERALS = [
    '"""\\\n    Joins a and b.\n    """',
    '"First half, " "second half."',
    '("First part, "\n     "second part.")',
    '("First part, "  # why\n     # and how\n     "second part.")',
    '(("Twice."))',
    '"First half, " \\\n    "second half."',
    '"""Says \\"hi\\" there."""',
    "'It\\'s here.'",
    "'''Says \"hi\".'''",
    r'r"""Matches \d+."""',
    r'"""Matches \d+, as \\d+."""',
    r'R"C:\new"' + r" 'and\n' " + r"'more'",
    'u"""Größe."""',
    'U"Plain."',
    '"""One.\\nTwo.\\n\\n    Three."""',
    '"""Goes \\\n    on."""',
    '"""\\N{EM DASH} \\u00e9\\xe9\\351 \\U0001d11e \\8."""',
    '"""Ends in a quote: \\""""',
    '"""Backslash: \\\\"""',
    '"""\n    First.\n\n      Deeper.\n    Back.\n    """',
    '"Doc."; other = "no"',
    'b"Bytes."',
    'rb"Bytes."',
    'f"Formatted."',
    '"Half " f"formatted."',
    '"a", "b"',
    '"a" + "b"',
    '("a", "b")',
    '("a" "b",)',
    '"a".strip()',
    '("a")("b")',
    '""',
    '"""   """',
    "...",
]


def documented(literal):
    return f"def f():\n    {literal}\n    return 1\n"


def oracle(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (ast.get_docstring(ast.parse(text).body[0]) or "").strip()


def check(text, expected):
    (function,) = parse_functions(text, "python")
    assert function.documentation == expected
    in_code = [line for line in function.code.split("\n") if line.strip()]
    if expected:
        assert in_code[0] == "def f():"
        assert in_code[-1] == "    return 1"
        assert len(in_code) == (3 if "other" in text else 2)


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_docstring_says_what_python_reads(literal, line_end):
    text = documented(literal)
    check(text.replace("\n", line_end), oracle(text))


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ('"""Splits at \\r\\n."""', "Splits at \n."),
        ('"""Ends with \\0, rings \\a, \\x1b[31m, \\ud800."""', "Ends with \\0, rings \\a, \\x1b[31m, \\ud800."),
        ('"""Bad \\x1 \\u12 \\U00110000 \\N{nope}."""', "Bad \\x1 \\u12 \\U00110000 \\N{nope}."),
        ('"""Says \\"hi\\"\\tthere."""', 'Says "hi"\tthere.'),
        ('"""A\\tB\n\tC."""', "A\tB\nC."),
    ],
)
def test_what_cannot_be_seen_or_is_wrong_stays_as_it_is_written(literal, expected):
    check(documented(literal), expected)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40))
def test_any_text_comes_back_from_its_literal(text):
    assert string_value(repr(text)) == text
    assert string_value('"""' + text.replace("\\", "\\\\").replace('"', '\\"') + '"""') == text


def test_classes_and_modules_are_documented_alike():
    text = '("Says "\n "\\"module\\".")\n\nclass K:\n    ("Says " "\\"class\\".")\n    x = 1\n\nvalue = K()\n'
    found = {d.kind: d for d in parse_outline(text, "python", "m")}
    assert found["class"].documentation == 'Says "class".'
    assert found["module"].documentation == 'Says "module".'
    assert "Says" not in found["class"].code
    assert "Says" not in found["module"].code


def test_comments_before_a_docstring_hide_nothing():
    (function,) = parse_functions('def f():  # noqa\n    # type: () -> int\n    """Doc."""\n    return 1\n', "python")
    assert function.documentation == "Doc."


def test_the_command_line_shows_no_backslashes(tmp_path, capsys):
    path = tmp_path / "p.py"
    path.write_text('def f():\n    """\\\n    Says \\"hi\\".\n    """\n    return 1\n', encoding="utf-8")
    assert main(["summarize", f"{path}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert 'Says "hi".' in told.values()
