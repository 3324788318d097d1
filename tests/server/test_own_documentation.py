"""Whose words a hover on a call shows: those that the author wrote, wherever they stand."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from sprig_server.code.languages import language_of_path
from sprig_server.code.parsed_source import name_of, parse_source
from sprig_server.hover_target import find_target
from sprig_server.markup.documentation import shown_documentation
from sprig_server.source_cache import FolderSources, SourceCache

OVERLOADS_PY = '''
    from typing import overload

    @overload
    def parse(x: int) -> int: ...
    @overload
    def parse(x: str) -> str: ...
    def parse(x):
        """Parse a number or a text."""
        return x

    try:
        import fast
        def speed(x):
            return fast.speed(x)
    except ImportError:
        def speed(x):
            """Measure the speed slowly."""
            return x

    class Third:
        @classmethod
        def build(cls):
            ("Build a "
             "\\"third\\".")
            return cls()

    parse(3), speed(2), Third.build()
'''
OVERLOADS_TS = """
    /** Formats a date. */
    // eslint-disable-next-line
    export function fmt(d: Date): string;
    export function fmt(d: number): string;
    export function fmt(d: any): string { return String(d); }

    // const old = fmt(2);
    // return old;
    export function raw(): string { return fmt(1); }

    //#region Rooms
    /**
     * Opens a {@link Room} for `n` people.
     * @param n - how many
     */
    // old(n);
    export function room(n: number) { return raw(); }
    //#endregion
    room(2);
"""
HEADER = """
    class Door {
    public:
        /// \\brief Opens the door unless \\p key is wrong.
        bool open(int key);
        bool shut();
    };
    /* Counts the doors. */
    int count_doors();
"""
SOURCE = """
    #include "door.hpp"
    // NOLINTNEXTLINE
    bool Door::open(int key) { return key > 1; }
    // Closes it softly.
    bool Door::shut() { return true; }
    // SPDX-License-Identifier: MIT
    int count_doors() { return 1; }
    void use(Door d) { d.open(2); d.shut(); count_doors(); }
"""
JAVA = """
    interface Store {
        /** Saves the <i>item</i>.
         *  @return its id */
        int save(String item);
    }
    class Use {
        // -----------------------------
        // region Saving
        void go(Store s) { s.save("x"); step(); }
        // return 1;
        int step() { return 1; }
    }
"""
CALLS = [
    ("a.py", "parse(3)", "Parse a number or a text."),
    ("a.py", "speed(2)", "Measure the speed slowly."),
    ("a.py", "build()", 'Build a "third".'),
    ("f.ts", "fmt(1)", "Formats a date."),
    ("f.ts", "raw();", ""),
    ("f.ts", "room(2)", "Opens a `Room` for `n` people.\n\n**Parameters**\n\n- `n`: how many"),
    ("door.cpp", "open(2)", "Opens the door unless `key` is wrong."),
    ("door.cpp", "shut();", "Closes it softly."),
    ("door.cpp", "count_doors();", "Counts the doors."),
    ("Use.java", 'save("x")', "Saves the *item*.\n\n**Returns:** its id"),
    ("Use.java", "step();", ""),
]
FILES = {"a.py": OVERLOADS_PY, "f.ts": OVERLOADS_TS, "door.hpp": HEADER, "door.cpp": SOURCE, "Use.java": JAVA}


def check(root: Path, path: str, call: str, expected: str) -> None:
    """What is shown of the documentation of the function that a call means."""
    for name, text in FILES.items():
        (root / name).write_text(dedent(text), encoding="utf-8")
    sources = FolderSources(SourceCache(parse_source), root, lambda tail: [n for n in FILES if n == tail], {})
    language = language_of_path(path)
    assert language is not None
    source = parse_source(dedent(FILES[path]), name_of(language), Path(path).stem)
    sources.put(path, source)
    found = source.call_at(source.text.rindex(call))
    assert found is not None
    target = find_target(sources, path, found, lambda name: [])
    assert target is not None
    assert shown_documentation(target.definition.documentation, target.definition.language) == expected


@pytest.mark.parametrize(("path", "call", "expected"), CALLS)
def test_the_authors_words_are_shown(tmp_path: Path, path: str, call: str, expected: str) -> None:
    check(tmp_path, path, call, expected)
