"""Broken source files: real ones with random but repeatable mutations. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_ODD = (
    "\0", "\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\u2029", "\r", "\r\n", "\ufeff", "\u202e", "\u200d", "\ud800",
    "\udfff", "\U0001f468\u200d\U0001f469", "e\u0301", "\u540d\u524d", "\u01c5", "\U00010000", "\x7f", "\x1b[31m",
)  # fmt: skip
_OPENERS = ("(", "[", "{", "<", '"', "'", "`", "/*", '"""', "f'{", "${", "#if 0\n", 'R"(', "<A>", "//", "\\\n", "@")
_NESTS = {
    ".py": ("(", "[", "f(lambda: ", "if x:\n ", "not ", "a.b(", "-", "x if y else "),
    ".java": ("{", "(", "class A { ", "if (x) ", "a.b(", "() -> {", "new A() { void f() { ", "!", "A<"),
    ".js": ("{", "(", "[", "function f() { ", "() => { ", "a(b, () => ", "`${", "<div>", "!", "x ? y : "),
    ".ts": ("{", "(", "namespace A { ", "function f() { ", "a(b, () => ", "A<", "typeof ", "x as "),
    ".cpp": ("{", "(", "namespace a { ", "struct A { ", "A<", "if (x) ", "[&] { ", "*", "#if A\n", "extern \"C\" { "),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A file to begin with: the end of its name, and its text."""

    suffix: str
    text: str


def mutate(random: Random, sources: Sequence[Source]) -> tuple[str, bytes]:
    """A name and what the file holds: a source with one to three things done to it."""
    source = random.choice(sources)
    text = source.text
    for _ in range(random.choice((1, 1, 2, 3))):
        text = random.choice(_CHANGES)(random, text, source, sources)
    suffix = source.suffix if random.random() < 0.95 else random.choice(sources).suffix
    data = text.encode("utf-8", errors="surrogatepass")
    if random.random() < 0.15:
        data = random.choice(_ENCODINGS)(random, text, data)
    return f"fuzzed{suffix}", data


def _cut(random: Random, text: str) -> tuple[int, int]:
    """A piece of a text, most often a short one."""
    start = random.randrange(len(text) + 1)
    return start, min(len(text), start + int(random.paretovariate(0.7) * 5))


def _delete_tokens(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    share = random.choice((0.002, 0.02, 0.2))
    return "".join(token for token in _TOKEN.findall(text) if random.random() >= share)


def _swap_tokens(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    tokens = _TOKEN.findall(text)
    for _ in range(random.randrange(1, 20) if tokens else 0):
        a, b = random.randrange(len(tokens)), random.randrange(len(tokens))
        tokens[a], tokens[b] = tokens[b], tokens[a]
    return "".join(tokens)


def _delete_piece(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    start, end = _cut(random, text)
    return text[:start] + text[end:]


def _repeat_lines(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    lines = text.split("\n")
    start = random.randrange(len(lines))
    piece = lines[start : start + random.randrange(1, 8)] * random.choice((1, 2, 50))
    return "\n".join(lines[:start] + piece + lines[start:])


def _truncate(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    return text[: random.randrange(len(text) + 1)]


def _splice(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    other = random.choice(sources).text
    start, _ = _cut(random, other)
    place = random.randrange(len(text) + 1)
    return text[:place] + other[start : start + random.randrange(1, 2000)] + text[place:]


def _insert_odd(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    for _ in range(random.choice((1, 5, 50))):
        place = random.randrange(len(text) + 1)
        text = text[:place] + random.choice((*_ODD, *_OPENERS)) + text[place:]
    return text


def _line_ends(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    ends = random.choice((("\r\n",), ("\r",), ("\r\n", "\n", "\r"), ("\n\f",), ("\u2028",), (" ",)))
    return "".join(line + random.choice(ends) for line in text.split("\n"))


def _noise(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + random.randbytes(random.randrange(1, 300)).decode("latin-1") + text[place:]


def _nest(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    pieces: Mapping[str, Sequence[str]] = _NESTS
    opener = random.choice(pieces.get(source.suffix, pieces[".js"]))
    place = random.randrange(len(text) + 1)
    return text[:place] + opener * random.choice((20, 200, 2000)) + text[place:]


def _indent(random: Random, text: str, source: Source, sources: Sequence[Source]) -> str:
    indents = ("", " ", "\t", "    ", "\u00a0", "\x0c", " " * 200)
    return "\n".join((random.choice(indents) if random.random() < 0.1 else "") + line for line in text.split("\n"))


_CHANGES: tuple[Callable[[Random, str, Source, Sequence[Source]], str], ...] = (
    _delete_tokens, _swap_tokens, _delete_piece, _repeat_lines, _truncate, _splice, _insert_odd, _line_ends, _noise,
    _nest, _indent,
)  # fmt: skip


def _flip(random: Random, text: str, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 20)) if data else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


_ENCODINGS: tuple[Callable[[Random, str, bytes], bytes], ...] = (
    _flip,
    lambda random, text, data: text.encode("utf-16", errors="replace"),
    lambda random, text, data: text.encode("latin-1", errors="replace"),
    lambda random, text, data: b"\xef\xbb\xbf" + data,
    lambda random, text, data: random.randbytes(random.randrange(2000)),
)
