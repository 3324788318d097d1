"""sprig trim: show which tokens of a function a model reads, and how important each token is to it."""

from __future__ import annotations

from argparse import Namespace

from rich.text import Text

from sprig_server.commands.source import read_functions
from sprig_server.commands.terminal import messages, output, write_json, write_whole
from sprig_server.commands.trim_page import render_trim
from sprig_server.inference.models import Models
from sprig_server.inference.reader import Explanation, Reader
from sprig_server.trim_view import explain, open_reader

_DARKEST = 120  # of 255: the background of the most important token; light text stays readable on it


def run(arguments: Namespace) -> int:
    """Show one function in the terminal, or write it as a page."""
    (function,) = read_functions(arguments.file, arguments.line)
    chosen = arguments.task, function.language, arguments.method, arguments.ratio
    reader = open_reader(Models(arguments.bundle, arguments.threads), *chosen)
    explanation = explain(reader, function)
    if arguments.html is not None:
        page = render_trim(explanation, function.qualified_name, _heading(reader, explanation))
        write_whole(arguments.html, page.encode("utf-8"))
        messages().print(f"wrote {arguments.html}", markup=False)
    elif arguments.json:
        tokens, kept = explanation.tokens, explanation.kept.tolist()
        spans = zip(tokens.starts.tolist(), tokens.ends.tolist(), kept, explanation.importance.tolist(), strict=True)
        write_json(
            {
                "name": function.qualified_name,
                "method": reader.trim.method,
                "ratio": reader.trim.ratio,
                "least": reader.trim.least,
                "code": tokens.code,
                "tokens": [
                    {"start": start, "end": end, "kept": stays, "importance": round(weight, 4)}
                    for start, end, stays, weight in spans
                ],
            }
        )
    else:
        output().print(Text(_heading(reader, explanation), style="dim"))
        output().print(_heat(explanation))
    return 0


def _heading(reader: Reader, explanation: Explanation) -> str:
    n, kept = len(explanation.kept), int(explanation.kept.sum())
    share = f"{kept / n:.0%}" if n else "none"
    trim = reader.trim
    least = f", at least {trim.least}" if trim.least > 1 else ""
    return f"{kept} of {n} tokens stay ({share}): {reader.name}, {trim.method}, ratio {trim.ratio:g}{least}"


def _heat(explanation: Explanation) -> Text:
    """The code: the more important a token, the stronger its background. Removed tokens are struck out in grey."""
    text = Text()
    for piece, kept, importance in explanation.pieces():
        if kept is None:
            text.append(piece)
        elif kept:
            text.append(piece, style=f"white on rgb({round(_DARKEST * importance)},30,30)")
        else:
            text.append(piece, style="bright_black strike")
    return text
