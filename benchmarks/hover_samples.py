"""What hovers show on 40 functions of real packages, good and bad, drawn with a seed.

    python benchmarks/hover_samples.py --document docs/results/hover-samples.md

The packages are those of `definitions.py`, and Python's standard library. The hovers come from a server over pipes, as
an editor gets them, with the default settings. A function without documentation has none if its generated sentence is
not likely right; the page then shows the sentence in brackets.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from definitions import LANGUAGES
from reliability.connection import Connection
from tables import replace_table

from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import Lines, decode
from sprig_server.code.parsed_source import name_of
from sprig_server.types import Definition

FUNCTIONS = 10  # of each language
_FEWEST_LINES, _MOST_LINES = 4, 40
_LARGEST = 200_000  # bytes of a file
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A function in its file."""

    path: Path
    text: str
    language: str
    function: Definition


def main() -> None:
    """Draw, hover and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/definitions"), help="where packages are fetched to")
    parser.add_argument("--document", type=Path, required=True, help="the page whose list is written anew")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    drawn = [one for language in LANGUAGES for one in draw(language, options.work, options.seed)]
    shown, everything = (hover_all(drawn, generate) for generate in ("likely", "always"))
    parts = [render(*found) for found in zip(drawn, shown, everything, strict=True)]
    page = options.document.read_text(encoding="utf-8")
    options.document.write_text(replace_table(page, "hovers", "\n".join(parts)), encoding="utf-8")


def draw(language: str, work: Path, seed: int) -> Iterator[Drawn]:
    """Functions of a language, each of another file."""
    sources, _ = LANGUAGES[language]
    files = sorted(path for path in sources(work) if 0 < path.stat().st_size <= _LARGEST)
    chance = random.Random(seed)
    chance.shuffle(files)
    count = 0
    for path in files:
        found, text = language_of_path(path.name), decode(path.read_bytes())
        if found is None:
            continue
        functions = parse_functions(text, name_of(found))
        fitting = [f for f in functions if _FEWEST_LINES <= len(f.code.splitlines()) <= _MOST_LINES]
        if fitting:
            yield Drawn(path, text, name_of(found), chance.choice(fitting))
            count += 1
        if count == FUNCTIONS:
            return


def hover_all(drawn: list[Drawn], generate: str) -> list[str]:
    """What a server with that setting shows; "" for no hover."""
    with Connection({}, Path.cwd()) as connection:
        connection.initialize(Path.cwd(), index=False, hover={"generate": generate})
        return [hover(connection, one) for one in drawn]


def hover(connection: Connection, one: Drawn) -> str:
    """The hover on a function's name."""
    uri = one.path.absolute().as_uri()
    document = {"uri": uri, "languageId": one.language, "version": 1, "text": one.text}
    connection.notify("textDocument/didOpen", {"textDocument": document})
    line, character = Lines(one.text).position(one.function.name_span.start, "utf-16")
    asked = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
    found = connection.request("textDocument/hover", asked, _PATIENCE_SECONDS)["result"]
    connection.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return str(found["contents"]["value"]) if found else ""


def render(one: Drawn, shown: str, everything: str) -> str:
    """One function: where it is, and its hover as a quotation."""
    said = shown or f"No hover. The sentence that is not shown: {sentence(everything)}"
    quoted = "\n".join(f"> {line}".rstrip() for line in said.splitlines())
    return f"### {one.path.name}, line {one.function.name_span.start_line + 1}\n\n{quoted}\n"


def sentence(hover: str) -> str:
    """The sentence of a hover on a function without documentation: between the signature and the note."""
    parts = hover.split("\n\n")
    return parts[-2] if len(parts) > 2 else "none"


if __name__ == "__main__":
    main()
