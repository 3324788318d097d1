"""`make demo`: three questions and three hover summaries about a real package, with the models of the language packs.

The package is a dependency of Sprig, so it is installed. Nothing was tuned on it.
"""

from __future__ import annotations

import time
from pathlib import Path

import pygls
from rich.console import Console
from rich.text import Text

from sprig_server.code.functions import parse_functions
from sprig_server.commands.search import show_hits
from sprig_server.commands.terminal import progress
from sprig_server.hover_content import summarize
from sprig_server.index.build import Control
from sprig_server.index.folder_index import FolderIndex
from sprig_server.inference.models import Models
from sprig_server.inference.session import default_threads

QUESTIONS = (
    "how is a position converted between encodings",
    "cancel a request that is still running",
    "where are documents closed and forgotten",
)
HOVERS = (
    ("workspace/text_document.py", "_apply_full_change"),
    ("uris.py", "from_fs_path"),
    ("feature_manager.py", "has_ls_param_or_annotation"),
)


def main() -> None:
    console = Console(soft_wrap=True, highlight=False)
    root = Path(pygls.__file__).parent
    models = Models((), max(2, default_threads()))
    index = FolderIndex(root, models)
    started = time.perf_counter()
    with progress() as report:
        index.update(control=Control(report))
    counted = index.statistics()
    seconds = time.perf_counter() - started
    console.print(
        f"\nIndexed [bold]{root.name}[/bold]: {counted.functions} functions, {counted.files} files, {seconds:.0f} s.\n"
    )
    for question in QUESTIONS:
        console.print(Text(f"> {question}", style="bold green"))
        show_hits(index.root, question, index.search(question, 2))
        console.print()
    for path, name in HOVERS:
        text = (root / path).read_text(encoding="utf-8")
        function = next(f for f in parse_functions(text, "python") if f.name == name)
        summary = summarize(function, models, index.store, lambda: False)
        console.print(Text(f"hover {function.signature}", style="bold green"))
        if function.documentation:
            console.print(Text(f"  its author wrote:  {function.documentation.splitlines()[0]}"))
        if summary is not None:
            sure = "probably right" if summary.is_likely else "a guess"
            console.print(Text(f"  the model writes:  {summary.text}  ({sure})"))
    console.print(
        '\nNow your own code:  [bold]sprig search "what you look for" --workspace DIR[/bold]'
        "   (editors: docs/editors.md)"
    )
    index.close()


if __name__ == "__main__":
    main()
