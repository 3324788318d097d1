"""Statements and their classes: the 21 of LeanCode, and "none"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.code.languages import NAMES
from sprig_server.code.lines import Lines
from sprig_server.code.statements import CLASSES, split_statements
from sprig_server.errors import InvalidInput

# One statement a line; the class stands before the bar. What has two statements on a line has two classes.
TABLES = {
    "python": """
        method      | @cache
        method      | def f(a: int) -> int:
        annotation  |     # a remark
        try         |     try:
        variable    |         x = 1
        variable    |         a, b = 1, 2
        variable    |         y: int = 3
        expression  |         x += 1
        expression  |         x //= 2
        logger      |         log.info("a")
        logger      |         print(x)
        logger      |         logging.getLogger("a").debug(x)
        catch       |     except ValueError as error:
        throw       |         raise Bad from error
        finally     |     finally:
        function    |         close()
        for         |     for i in range(3):
        if          |         if i > 1:
        break       |             break
        if          |         elif i:
        continue    |             continue
        if          |         else:
        setter      |             self.set_name(i)
        while       |     while True:
        getter      |         x.get_name()
        getter      |         d.get("key")
        function    |         await run(1)
        switch      |     match x:
        case        |         case 1:
        none        |             pass
        case        |         case _:
        none        |             yield x
        none        |     with open(x) as stream:
        none        |         assert stream
        method      |     def inner():
        return      |         return x
        method      |     class Local:
        variable    |         z = 1
        function    |     catalog.add(x)
        function    |     settle(x)
        variable    |     log = make()
        return      |     return lambda: 1
    """,
    "java": """
        method      | public int f(int a) throws Bad {
        annotation  |   // a remark
        annotation  |   /* another */
        try         |   try (Reader r = open()) {
        variable    |     int x = 1;
        variable    |     final List<A> l = new A();
        variable    |     this.x = 2;
        expression  |     x += 2;
        expression  |     x++;
        logger      |     log.info("a");
        logger      |     System.out.println(x);
        none catch  |   } catch (Bad e) {
        throw       |     throw new Worse(e);
        none finally|   } finally {
        function    |     close();
        none        |   }
        for         |   for (int i = 0; i < 3; i++) {
        if          |     if (i > 1) {
        break       |       break;
        none if     |     } else {
        continue    |       continue;
        none        |     }
        none        |   }
        for         |   for (A a : list) {
        setter      |     this.setName(i);
        none        |   }
        while       |   while (true) {
        getter      |     other.getName();
        none        |   }
        while       |   do {
        function    |     run();
        none while  |   } while (x > 0);
        switch      |   switch (x) {
        case        |     case 1:
        getter      |       map.get("key");
        break       |       break;
        case        |     default:
        function    |       new Thing(1);
        none        |   }
        synchronized|   synchronized (this) {
        none        |     assert x > 0;
        none        |   }
        return      |   return x;
        none        | }
    """,
    "javascript": """
        method      | async function f(a) {
        annotation  |   // a remark
        try         |   try {
        variable    |     const x = 1, y = 2;
        variable    |     let z;
        variable    |     a.b = 2;
        expression  |     x += 2;
        expression  |     i++;
        logger      |     console.log("a");
        logger      |     logger.warn(x);
        none catch  |   } catch (e) {
        throw       |     throw new Bad(e);
        none finally|   } finally {
        function    |     close();
        none        |   }
        for         |   for (let i = 0; i < 3; i++) {
        if          |     if (i > 1) {
        break       |       break;
        none if     |     } else {
        continue    |       continue;
        none        |     }
        none        |   }
        for         |   for (const a of list) {
        setter      |     this.setName(i);
        none        |   }
        for         |   for (const k in object) {
        function    |     await run(k);
        none        |   }
        while       |   while (true) {
        getter      |     other.getName();
        none        |   }
        while       |   do {
        function    |     run();
        none while  |   } while (x > 0);
        switch      |   switch (x) {
        case        |     case 1:
        getter      |       map.get("key");
        break       |       break;
        case        |     default:
        function    |       new Thing(1);
        none        |   }
        method      |   function inner() {
        return      |     return x;
        none        |   }
        return      |   return x;
        none        | }
    """,
    "cpp": """
        method      | int A::f(int a) {
        annotation  |   // a remark
        try         |   try {
        variable    |     int x = 1;
        variable    |     auto p = std::make_unique<A>();
        variable    |     std::vector<int> v;
        variable    |     this->x = 2;
        expression  |     x += 2;
        expression  |     x++;
        logger      |     log.info("a");
        logger      |     std::cout << x << std::endl;
        logger      |     printf("a");
        none catch  |   } catch (const E &e) {
        throw       |     throw Bad(e);
        none        |   }
        for         |   for (int i = 0; i < 3; i++) {
        if          |     if (i > 1) {
        break       |       break;
        none if     |     } else {
        continue    |       continue;
        none        |     }
        none        |   }
        for         |   for (auto &a : list) {
        setter      |     this->setName(i);
        none        |   }
        while       |   while (true) {
        getter      |     other.getName();
        none        |   }
        while       |   do {
        function    |     run();
        none while  |   } while (x > 0);
        switch      |   switch (x) {
        case        |     case 1:
        getter      |       map->get("key");
        break       |       break;
        case        |     default:
        none        |       delete p;
        none        |   }
        break       |   goto end;
        return      |   return x;
        none        | }
    """,
}
TABLES["typescript"] = TABLES["javascript"].replace("let z;", "let z: number | undefined;")
TABLES["tsx"] = TABLES["typescript"]

# What a language has no syntax for.
LACKING = {
    "python": {"synchronized"},
    "java": set(),
    "javascript": {"synchronized"},
    "typescript": {"synchronized"},
    "tsx": {"synchronized"},
    "cpp": {"synchronized", "finally"},
}


def rows(table):
    for line in table.splitlines():
        if "|" in line:
            classes, _, code = line.partition("|")
            yield classes.split(), code[1:]


def classes_of(text, language):
    return split_statements(text, language).categories()


def spans_of(text, language):
    found = split_statements(text, language)
    return list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))


def texts_of(text, language):
    return [text[start:end] for start, end in spans_of(text, language)]


def lines_of(text, language):
    lines = Lines(text)
    return [(lines.line_of(start), lines.line_of(end - 1)) for start, end in spans_of(text, language)]


def check(language, table):
    lines = list(rows(table))
    text = "\n".join(code for _, code in lines) + "\n"
    found = [[] for _ in lines]
    for category, (first, last) in zip(classes_of(text, language), lines_of(text, language), strict=True):
        assert first == last
        found[first].append(category)
    assert [(*f, code) for f, (_, code) in zip(found, lines, strict=True)] == [(*c, code) for c, code in lines]


@pytest.mark.parametrize("language", TABLES)
def test_the_class_of_each_statement(language):
    check(language, TABLES[language])


@pytest.mark.parametrize("language", TABLES)
def test_the_tables_show_every_class_that_a_language_has(language):
    shown = {name for classes, _ in rows(TABLES[language]) for name in classes}
    assert shown == set(CLASSES) - LACKING[language]


def test_there_are_tables_for_all_languages_and_21_classes_and_none():
    assert set(TABLES) == {*NAMES, "tsx"}
    assert len(set(CLASSES)) == len(CLASSES) == 22
    assert CLASSES[-1] == "none"


@pytest.mark.parametrize(
    ("language", "statement", "category"),
    [
        ("python", "returned = 1", "variable"),
        ("python", "try_lock()", "function"),
        ("python", "format(x)", "function"),
        ("python", "self._logger.info(x)", "logger"),
        ("python", "_log.warning(x)", "logger"),
        ("python", "settings(x)", "function"),
        ("python", "get(x)", "getter"),
        ("python", "getattr(x, y)", "function"),
        ("java", "returnValue = null;", "variable"),
        ("java", "lock.tryLock();", "function"),
        ("java", 'map.set("key", 1);', "setter"),
        ("java", "dialog.show();", "function"),
        ("javascript", 'map.set("key", 1);', "setter"),
        ("javascript", "x ||= 1;", "expression"),
        ("javascript", "--i;", "expression"),
        ("typescript", "(await settle(x));", "function"),
        ("cpp", "catalog(x);", "function"),
        ("cpp", "x << 3;", "none"),
        ("cpp", "LOG(INFO) << x;", "logger"),
        ("cpp", "x |= 3;", "expression"),
    ],
)
def test_classes_come_from_syntax_and_not_from_prefixes(language, statement, category):
    text = f"class A {{ void f() {{ {statement} }} }}" if language == "java" else statement
    text = f"void f() {{ {statement} }}" if language == "cpp" else text
    found = dict(zip(texts_of(text, language), classes_of(text, language), strict=True))
    assert found[statement] == category


@pytest.mark.parametrize(
    ("language", "function", "statement"),
    [
        ("python", "def f():\n    {}\n", "type Pair = tuple"),
        ("java", "class A {{ void f() {{ run(); {} }} }}", ";"),
        ("java", "class A {{ void f() {{ run(); {} }} }}", "again: { }"),
        ("javascript", "function f() {{ run(); {} }}", "debugger;"),
        ("typescript", "function f() {{ run(); {} }}", "type Pair = [A, B];"),
        ("cpp", "void f() {{ run(); {} }}", "using namespace std;"),
        ("cpp", "void f() {{ run(); {} }}", 'static_assert(true, "");'),
    ],
)
def test_a_statement_without_a_class_is_not_taken_for_the_header_of_its_function(language, function, statement):
    text = function.format(statement)
    start = text.rindex(statement)
    found = zip(classes_of(text, language), spans_of(text, language), strict=True)
    assert [category for category, (first, end) in found if first <= start < end] == ["none"]


def test_preprocessor_lines_in_a_body_are_not_taken_for_the_header_of_their_function():
    text = "int f() {\n#ifdef FAST\n  run();\n#endif\n  return 1;\n}\n"
    assert classes_of(text, "cpp") == ["method", "none", "function", "none", "return", "none"]


def test_the_header_of_a_loop_is_one_statement():
    assert texts_of("for (let i = 0, n = f(); i < n; i++) run(i);", "javascript") == [
        "for (let i = 0, n = f(); i < n; i++)",
        "run(i);",
    ]


def test_a_statement_may_span_lines():
    text = "def f(a,\n      b):\n    return call(a,\n                b)\n"
    assert classes_of(text, "python") == ["method", "return"]
    assert lines_of(text, "python") == [(0, 1), (2, 3)]


def test_a_function_inside_of_a_statement_has_its_own_statements():
    text = "items.forEach((item) => {\n  use(item);\n});\n"
    assert list(zip(classes_of(text, "javascript"), texts_of(text, "javascript"), strict=True)) == [
        ("function", "items.forEach("),
        ("method", "(item) => {"),
        ("function", "use(item);"),
        ("none", "}"),
        ("function", ");"),
    ]


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t"])
def test_blank_text_has_no_statements(text):
    assert len(split_statements(text, "python")) == 0


def test_an_unknown_language_is_refused():
    with pytest.raises(InvalidInput, match="cobol"):
        split_statements("", "cobol")


PIECES = {language: [code for _, code in rows(table)] for language, table in TABLES.items()}


@given(st.data())
def test_every_character_that_is_not_blank_is_in_exactly_one_statement(data):
    language = data.draw(st.sampled_from(sorted(TABLES)))
    piece = st.one_of(
        st.sampled_from(PIECES[language]), st.sampled_from(["\r", "\f", "}", ")", "'", "𝄞 ", "\0", "\ud800"])
    )
    text = "\n".join(data.draw(st.lists(piece, max_size=12)))
    check_coverage(text, split_statements(text, language))


def check_coverage(text, statements):
    position = 0
    for start, end in zip(statements.starts.tolist(), statements.ends.tolist(), strict=True):
        assert position <= start < end
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()
    assert len(statements.categories()) == len(statements)
