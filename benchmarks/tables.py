"""Tables of a document that benchmarks write. Each is between two marks with its name, and is replaced as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_table(text: str, name: str, table: str) -> str:
    """The text with everything between the marks of a name replaced.

    Raises:
        SystemExit: the text has no such marks.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marks.search(text):
        raise SystemExit(f"the document has no marks <!-- {name} --> and <!-- /{name} --> to write between")
    return marks.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)
