"""A sentence becomes the documentation of a function, in the style of its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.parsed_source import name_of
from sprig_server.code.written_documentation import write_documentation

DATA = Path(__file__).resolve().parent.parent / "data" / "code"
FILES = [path for path in sorted(DATA.glob("*/*.*")) if language_of_path(path.name) is not None]
SENTENCE = "Reads a table of `names` from the path."

CASES: dict[str, tuple[str, str, str | None]] = {
    "python, double quotes": ("python", "def f(a):\n    return a\n", 'def f(a):\n    """S."""\n    return a\n'),
    "python, the file's quotes": (
        "python",
        "def g():\n    '''Doc.'''\n\n\ndef f(a):\n    return a\n",
        "def g():\n    '''Doc.'''\n\n\ndef f(a):\n    '''S.'''\n    return a\n",
    ),
    "python, a comment first": (
        "python",
        "class A:\n\tdef f(self):  # noqa\n\t\t# why\n\t\treturn 1\n",
        'class A:\n\tdef f(self):  # noqa\n\t\t"""S."""\n\t\t# why\n\t\treturn 1\n',
    ),
    "python, on several lines, decorated": (
        "python",
        "@b\ndef f(\n    a,\n):\n    return a\n",
        '@b\ndef f(\n    a,\n):\n    """S."""\n    return a\n',
    ),
    "python, on one line": ("python", "def f(a): return a\n", None),
    "java": (
        "java",
        "class A {\n  @Override\n  int f() { return 1; }\n}\n",
        "class A {\n  /**\n   * S.\n   */\n  @Override\n  int f() { return 1; }\n}\n",
    ),
    "java, with other short comments": (
        "java",
        "class A {\n  /** One. */\n  int g() { return 1; }\n  int f() { return 1; }\n}\n",
        "class A {\n  /** One. */\n  int g() { return 1; }\n  /** S. */\n  int f() { return 1; }\n}\n",
    ),
    "javascript": ("javascript", "export const f = (a) => a;\n", "/** S. */\nexport const f = (a) => a;\n"),
    "typescript, CRLF": (
        "typescript",
        "class A {\r\n\tf(): number {\r\n\t\treturn 1;\r\n\t}\r\n}\r\n",
        "class A {\r\n\t/** S. */\r\n\tf(): number {\r\n\t\treturn 1;\r\n\t}\r\n}\r\n",
    ),
    "cpp": (
        "cpp",
        "template <class T>\nint f(T a) { return 1; }\n",
        "/// S.\ntemplate <class T>\nint f(T a) { return 1; }\n",
    ),
    "cpp, with blocks": (
        "cpp",
        "/**\n * One.\n */\nint g() { return 1; }\nint f() { return 1; }\n",
        "/**\n * One.\n */\nint g() { return 1; }\n/**\n * S.\n */\nint f() { return 1; }\n",
    ),
    "cpp, behind other code": ("cpp", "int a; int f() { return 1; }\n", None),
}
SENTENCES = ('Ends with """', "A \\ backslash \\n.", "Closes */ a comment.", 'Says "so"', "A '''quoted''' word.")


@pytest.mark.parametrize("case", CASES)
def test_a_sentence_is_written_as_the_file_writes(case: str):
    language, text, expected = CASES[case]
    function = next(f for f in parse_functions(text, language) if f.name == "f")
    found = write_documentation(text, language, function, "S.")
    assert (found and text[: found.offset] + found.text + text[found.offset :]) == expected


def test_what_is_written_is_read_as_the_documentation_and_changes_nothing_else():
    written = 0
    for path in FILES:
        text, language = path.read_text(encoding="utf-8"), language_of_path(path.name)
        assert language is not None
        before = parse_functions(text, name_of(language))
        for place, function in enumerate(before):
            found = write_documentation(text, name_of(language), function, SENTENCE)
            if found is None or function.documentation:
                continue
            after = parse_functions(text[: found.offset] + found.text + text[found.offset :], name_of(language))
            assert [f.qualified_name for f in after] == [f.qualified_name for f in before], path.name
            assert SENTENCE in after[place].documentation, path.name
            assert after[place].code == function.code, path.name
            written += 1
    assert written > 100


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("case", ["python, double quotes", "python, the file's quotes", "java", "javascript", "cpp"])
def test_no_sentence_breaks_the_code(case: str, sentence: str):
    language, text, _ = CASES[case]
    function = next(f for f in parse_functions(text, language) if f.name == "f")
    found = write_documentation(text, language, function, sentence)
    assert found is not None
    after = parse_functions(text[: found.offset] + found.text + text[found.offset :], language)
    assert [f.code for f in after] == [f.code for f in parse_functions(text, language)]
    assert next(f for f in after if f.name == "f").documentation
