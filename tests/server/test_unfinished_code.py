"""Code that is being typed, and code behind macros: what is whole is found, where it stands."""

import pytest

from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import find_language
from sprig_server.code.recovery import definition_tree
from sprig_server.code.repair import repair_branches, repair_certain, repair_likely
from sprig_server.code.syntax import SyntaxTree

WHOLE = {
    "python": (
        '''\
class K:
    def meth(self):
        """Meth."""
        @
        return 1

    def ok(self):
        """Ok."""
        return 2


def fine():
    """Fine."""
    return 3
''',
        {"K.ok": "Ok.", "fine": "Fine."},
    ),
    "java": (
        """\
class K {
    /** Meth. */
    int meth() {
        @
        return 1;
    }

    /** Ok. */
    int ok() {
        return 2;
    }
}

class L {
    /** Fine. */
    void fine() { }
}
""",
        {"K.ok": "Ok.", "L.fine": "Fine."},
    ),
    "javascript": (
        """\
class K {
  /** Meth. */
  meth() {
    @
    return 1;
  }

  /** Ok. */
  ok() {
    return 2;
  }
}

/** Fine. */
export const fine = wrap(() => {
  return 3;
});
""",
        {"K.ok": "Ok.", "fine": "Fine."},
    ),
    "typescript": (
        """\
class K {
  /** Meth. */
  meth(): number {
    @
    return 1;
  }

  /** Ok. */
  ok(): void {
    run();
  }
}

/** Fine. */
function fine() {
  return 3;
}
""",
        {"K.ok": "Ok.", "fine": "Fine."},
    ),
    "cpp": (
        """\
struct K {
  /// Meth.
  int meth() {
    @
    return 1;
  }

  /// Ok.
  int ok() {
    return 2;
  }
};

/// Fine.
int fine() {
  return 3;
}
""",
        {"K::ok": "Ok.", "fine": "Fine."},
    ),
}
UNFINISHED = ("x = foo(", "if (x", "foo(bar, ", "y = [1, 2", "obj.", "x = a +", "call({a: 1,", "foo(bar(", "return (")


def check(text, language, expected):
    found = {f.qualified_name: f for f in parse_functions(text, language)}
    for name, documentation in expected.items():
        assert name in found
        assert found[name].documentation == documentation
        assert found[name].name in found[name].signature
        assert found[name].code.count(found[name].name) == 1
    for name, function in found.items():  # nothing unfinished carries what belongs to another
        if name not in expected:
            assert function.documentation in ("", "Meth.")
            assert "ok" not in function.signature
            assert "fine" not in function.signature


@pytest.mark.parametrize("language", WHOLE)
@pytest.mark.parametrize("unfinished", UNFINISHED)
def test_functions_below_an_unfinished_statement_are_found(language, unfinished):
    text, expected = WHOLE[language]
    check(text.replace("@", unfinished), language, expected)


@pytest.mark.parametrize(
    ("language", "header"),
    [
        ("python", "def meth(self, a, b="),
        ("python", "def meth(self"),
        ("java", "int meth(String a, {"),
        ("javascript", "meth(a, { if (this.x. }"),
        ("typescript", "meth(a: string, b: {"),
        ("cpp", "int meth(int a, {"),
    ],
)
def test_functions_below_an_unfinished_header_are_found(language, header):
    text, expected = WHOLE[language]
    lines = text.split("\n")
    place = next(n for n, line in enumerate(lines) if "meth" in line)
    end = next(n for n in range(place, len(lines)) if not lines[n].strip())
    indentation = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    check("\n".join([*lines[:place], indentation + header, *lines[end:]]), language, expected)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("cpp", "/// Meth.\nint one() {\n  if (x {\n}\n/// Two.\nint two() { return 2; }\n", {"two": "Two."}),
        ("python", "class K(Base\n    def ok(self):\n        '''Ok.'''\n        return 1\n", {"K.ok": "Ok."}),
        ("java", "class K extends {\n    /** Ok. */\n    int ok() { return 1; }\n}\n", {"K.ok": "Ok."}),
    ],
)
def test_unfinished_braces_and_classes_swallow_nothing(language, text, expected):
    check(text, language, expected)


@pytest.mark.parametrize("language", WHOLE)
def test_code_without_errors_is_read_as_it_stands(language):
    text = WHOLE[language][0].replace("@", "x;" if language != "python" else "x")
    assert definition_tree(text, find_language(language)).readable == text


CORRECT_CPP = [
    "class Stack final : public Base<int> { };",
    "struct Point p{1, 2};",
    "struct FILE_INFO;",
    "enum Kind kind = FIRST;",
    "DWORD count(HANDLE h) { return FOO(h); }",
    "static VALUE f(VALUE x) { return x; }",
    "#ifdef FAST\nint f() { return 1; }\n#else\nint f() { return 2; }\n#endif",
]


@pytest.mark.parametrize("text", CORRECT_CPP)
def test_macro_repairs_leave_correct_code_alone(text):
    assert repair_certain(text) == text
    tree = definition_tree(text, find_language("cpp"))
    assert tree.readable == text


@pytest.mark.parametrize("repair", [repair_certain, repair_likely, repair_branches])
@pytest.mark.parametrize(
    "text",
    [
        "class API Ärger : public B {\r\n  Q_OBJECT\r\npublic slots:\r\n  void f() NOEXCEPT { }\r\n};\r\n",
        "#if A\nvoid f(int ü) {\n#else\nvoid f() {\n#endif\n}\n",
        "BEGIN(größe)\nEXPORT void g() { }\n",
    ],
)
def test_a_repair_moves_nothing(repair, text):
    repaired = repair(text)
    assert len(repaired) == len(text)
    assert [i for i, c in enumerate(repaired) if c in "\r\n"] == [i for i, c in enumerate(text) if c in "\r\n"]


def test_places_behind_hidden_text_are_those_of_the_original():
    text = "class ÄPI_ÜX Foo : public B { int grün() { return 1; } };"
    tree = SyntaxTree(text, find_language("cpp"), text.replace("ÄPI_ÜX", "      "))
    (function,) = tree.nodes(tree.language.functions)
    assert tree.text_of(function) == "int grün() { return 1; }"
