"""The page of `sprig trim --html`: a heat map of a function, in one file without scripts."""

from __future__ import annotations

from html import escape

from sprig_server.inference.reader import Explanation

_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #ffffff; --gone: #8c959f; --heat: 207 34 46; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --page: #0d1117; --gone: #6e7681; --heat: 248 81 73; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: var(--text);
       background: var(--page); }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
pre { font: 14px/1.6 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
s { color: var(--gone); }
b { font-weight: inherit; border-radius: 3px; background: rgb(var(--heat) / calc(var(--i) * 60%)); }
"""


def render_trim(explanation: Explanation, name: str, heading: str) -> str:
    """The page of one function.

    Args:
        name: the name of the function.
        heading: how many tokens stay, and by which method.
    """
    pieces = "".join(map(_render_piece, explanation.pieces()))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(name)}, trimmed</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f"<h1>{escape(name)}</h1>\n<p>{escape(heading)}. Struck-out tokens are not read. The redder a token, the more "
        f"the model attends to it.</p>\n<pre>{pieces}</pre>\n</body>\n</html>\n"
    )


def _render_piece(piece: tuple[str, bool | None, float]) -> str:
    text, kept, importance = piece
    if kept is None:
        return escape(text)
    return f'<b style="--i: {importance:.2f}">{escape(text)}</b>' if kept else f"<s>{escape(text)}</s>"
