"""Code that was commented out is no documentation, and no wall between a documentation and its function."""

import time

import pytest

from sprig_server.code.functions import parse_functions

CODE = {
    "java": [
        "// close();",
        "// if (open) {\n//     close();\n// }",
        "// @Override\n// public void g() {\n//     super.g();\n// }",
        "/* public abstract void g(String name) throws IOException; */",
        "/*\n * int before = 1;\n * return before;\n */",
        "// Not yet:\n// this.first = first;\n// this.second = second;\n// notifyAll();",
        "// int size = count(); // see below",
    ],
    "javascript": [
        "// console.log(a, b);",
        "// const a = load();\n// show(a)",
        "// return cache.get(key)",
        "/*\nasync g(name) {\n  return await this.load(name);\n}\n*/",
        "// g(name: string): void {\n//   this.name = name;\n// }",
    ],
    "typescript": ["// export const g = (a: number): number => a + 1;", "// private name: string = '';"],
    "cpp": [
        '// printf("%d\\n", n);',
        "/*\nvoid set(const T& value)\n{\n    m_value = value;\n}\n*/",
        "// inline void set(float value) { m_value[3] = value; }",
        "// for (auto& item : items)\n// {\n//     item->close();\n// }",
        '// #include "door.hpp"\n// static Door door;',
    ],
}
PROSE = [
    "// Closes it; then opens it again.",
    "// return the number of doors",
    "// Returns {a, b}.",
    "// if open: closes it",
    "// Done;",
    "// the size of the heap;",
    "// Gives x = a + b;\n// which may be 0.",
    "// Use it so:\n// load(a);",
    "// See also: close(), open()",
    "// load(name)",
    "// a.k.a. the (old) way",
    "/* Example: door.close(); */",
    "/**\n * close();\n */",
    "/// close();",
    "// 1. foo;\n// 2. bar;",
    "// e.g. {}",
    "// for all doors {a, b};",
]
HEAD = {
    "java": ("class A {\n", "void f() { run(); }", "}\n", "A.f"),
    "javascript": ("", "function f() { run(); }", "", "f"),
    "typescript": ("", "export function f(): void { run(); }", "", "f"),
    "cpp": ("", "int f() { return run(); }", "", "f"),
}
CASES = [(language, code) for language, codes in CODE.items() for code in codes]


def check(language, comments, is_documentation):
    before, function, after, name = HEAD[language]
    text = f"{before}{comments}\n{function}\n{after}"
    (found,) = (f for f in parse_functions(text, language) if f.qualified_name == name)
    assert (found.documentation != "") == is_documentation, found.documentation
    return found.documentation


@pytest.mark.parametrize(("language", "code"), CASES)
def test_code_is_no_documentation(language, code):
    check(language, code, False)


@pytest.mark.parametrize("language", HEAD)
@pytest.mark.parametrize("prose", PROSE)
def test_prose_with_signs_of_code_stays(language, prose):
    check(language, prose, True)


@pytest.mark.parametrize(("language", "code"), CASES)
@pytest.mark.parametrize("real", ["/** Real text. */", "/// Real text."])
def test_code_does_not_part_a_documentation_from_its_function(language, code, real):
    assert check(language, f"{real}\n{code}", True) == "Real text."
    assert check(language, f"{code}\n{real}", True) == "Real text."


@pytest.mark.parametrize("language", HEAD)
def test_much_of_it_takes_no_time(language):
    before = time.thread_time()
    check(language, "\n".join(["/* close(); */"] * 3000), False)
    check(language, "\n".join(["// x = {{{{[[[((;"] * 3000), True)
    assert time.thread_time() - before < 5.0
