"""The sections of Python's docstrings, in the styles of Google, NumPy, Sphinx and Epytext."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ENTRIES = {
    "Parameters": "args arguments parameters params param",
    "Other parameters": "other parameters",
    "Keyword arguments": "keyword args keyword arguments kwargs keyword keywords",
    "Attributes": "attributes attrs variables",
    "Methods": "methods",
    "Raises": "raises raise exceptions exception throws except",
    "Warns": "warns",
    "Returns": "returns return",
    "Yields": "yields yield",
    "Receives": "receives",
    "See also": "see also",
}
_TITLES = {
    name: title for title, names in _ENTRIES.items() for name in re.findall(r"(?:other |keyword |see )?\w+", names)
}
_FIELDS = {
    **dict.fromkeys(("param", "parameter", "arg", "argument"), "Parameters"),
    **dict.fromkeys(("key", "keyword", "kwarg"), "Keyword arguments"),
    **dict.fromkeys(("ivar", "cvar", "var"), "Attributes"),
    **dict.fromkeys(("raise", "raises", "except", "exception"), "Raises"),
    **dict.fromkeys(("return", "returns"), "Returns"),
    **dict.fromkeys(("yield", "yields"), "Yields"),
    **dict.fromkeys(("type", "rtype", "ytype", "vartype"), "type"),
    **{name: name.capitalize() for name in ("deprecated", "since", "version", "author", "note", "warning", "todo")},
    "see": "See also",
    "meta": "",
}
_GOOGLE = re.compile(r"([A-Z][A-Za-z]*(?: [A-Za-z]+)?):[ \t]*$|((?:Example|Note|Usage)s?)::[ \t]*$")
_UNDERLINE = re.compile(r"(?:-{3,}|={3,})\s*$")
_FIELD = re.compile(r"[:@](\w+)(?:[ \t]+([^:\n]+?))?[ \t]*:(?=\s|$)[ \t]*(.*)")
_HEAD = re.compile(r"([^\s:(][^:(\n]*?)\s*(?:\(((?:[^()\n]|\([^()\n]*\))*)\))?\s*:(?=\s|$)\s*(.*)")
_NAMES = re.compile(r"\*{0,2}[\w.\ue000\ue001`]+(?:\s*[,/]\s*\*{0,2}[\w.`]+)*$")
_TYPE = re.compile(r"[\w.`~]+(?:\[[^\n]*\])?(?:\s*(?:\||or)\s*[\w.`~]+(?:\[[^\n]*\])?)*$")
_NUMPY_HEAD = re.compile(r"(\S.*?)(?:\s+:\s*|:\s+|:$)(.*)$")


@dataclass(slots=True)
class Item:
    """An entry of a section as it is written."""

    name: str
    kind: str
    text: str


@dataclass(slots=True)
class Part:
    """A section as it is written: items, or a text. One without a title is the text between sections."""

    title: str
    items: list[Item]
    text: str = ""
    is_code: bool = False


def split_sections(text: str) -> tuple[str, list[Part]]:
    """The text before the sections of a docstring without common indentation, and its sections."""
    body: list[str] = []
    parts: list[Part] = []
    lines, place = text.split("\n"), 0
    while place < len(lines):
        line = lines[place]
        following = lines[place + 1] if place + 1 < len(lines) else ""
        field = _FIELD.match(line)
        if line[:1].strip() and _UNDERLINE.match(following) and _is_title(line) and len(following.strip()) >= 3:
            end = _numpy_end(lines, place + 2)
            parts.append(_numpy(line.strip(), lines[place + 2 : end]))
        elif _GOOGLE.match(line) and _next_is_deeper(lines, place + 1):
            end = _deeper_end(lines, place + 1)
            parts.append(_google(line.rstrip(), _dedented(lines[place + 1 : end])))
        elif field is not None and field[1].lower() in _FIELDS:
            end = _field_end(lines, place + 1)
            _put_field(parts, field, lines[place + 1 : end])
        else:
            end = place + 1
            if parts and (parts[-1].title or parts[-1].items):  # goes on after a section
                parts.append(Part("", []))
            if parts:
                parts[-1].text += f"{line}\n"
            else:
                body.append(line)
        place = end
    return "\n".join(body).strip("\n"), parts


def _is_title(line: str) -> bool:
    return re.match(r"[A-Z][\w /-]{1,40}\s*$", line) is not None


def _numpy_end(lines: list[str], place: int) -> int:
    while place < len(lines) and not (
        lines[place][:1].strip()
        and _is_title(lines[place])
        and place + 1 < len(lines)
        and _UNDERLINE.match(lines[place + 1])
    ):
        place += 1
    return place


def _next_is_deeper(lines: list[str], place: int) -> bool:
    following = next((line for line in lines[place:] if line.strip()), "")
    return following.startswith((" ", "\t"))


def _deeper_end(lines: list[str], place: int) -> int:
    while place < len(lines) and (not lines[place].strip() or lines[place][:1] in " \t"):
        place += 1
    return place


def _field_end(lines: list[str], place: int) -> int:
    """A field ends at the next one, or where the text goes on at the margin after a blank line."""
    while place < len(lines):
        field = _FIELD.match(lines[place])
        if field is not None and field[1].lower() in _FIELDS:
            return place
        if lines[place][:1].strip() and not lines[place - 1].strip():
            return place
        place += 1
    return place


def _dedented(lines: list[str]) -> list[str]:
    margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


def _numpy(title: str, lines: list[str]) -> Part:
    known = _TITLES.get(title.lower())
    if known is None:
        return Part(_sentence(title), [], "\n".join(lines).strip("\n"))
    items = []
    for head, text in _headed(lines):
        named = _NUMPY_HEAD.match(head)
        name, kind = (named[1], named[2]) if named is not None else (head, "")
        if known == "See also":
            kind, text = "", f"{kind}\n{text}".strip("\n")
        items.append(Item(name, kind, text))
    is_prose = known == "See also" and any(" " in item.name.replace(", ", ",") for item in items)
    is_prose |= any("\ue002" in item.name for item in items)
    if is_prose or (known in ("Returns", "Yields") and not any(item.text for item in items)):
        return Part(known, [], "\n".join(lines).strip("\n"))
    return Part(known, items)


def _headed(lines: list[str]) -> Iterator[tuple[str, str]]:
    """The lines at the margin, each with the text below it."""
    head, text = "", list[str]()
    for line in lines:
        if line[:1].strip():
            if head:
                yield head, "\n".join(_dedented(text)).strip("\n")
            head, text = line.strip(), []
        else:
            text.append(line)
    if head:
        yield head, "\n".join(_dedented(text)).strip("\n")


def _google(header: str, lines: list[str]) -> Part:
    title = header.rstrip(":")
    known = _TITLES.get(title.lower())
    text = "\n".join(lines).strip("\n")
    if known is None:
        return Part(_sentence(title), [], text, is_code=header.endswith("::") and "\ue002" not in text)
    if known in ("Returns", "Yields", "Receives"):
        return _returned(known, text)
    items: list[Item] = []
    for head, below in _headed(lines):
        named = _HEAD.match(head)
        if named is not None and _NAMES.match(named[1]):
            items.append(Item(named[1], named[2] or "", f"{named[3]}\n{below}".strip("\n")))
        elif items and known != "Raises":
            items[-1].text += f"\n{head}\n{below}".rstrip("\n")
        else:
            return Part(known, [], text)
    return Part(known, items)


def _returned(title: str, text: str) -> Part:
    """What is returned: a text, which may begin with its type."""
    first, colon, rest = text.partition(":")
    if colon and rest[:1].isspace() and len(first) <= 60 and _TYPE.match(first):
        return Part(title, [Item("", first, "\n".join([rest.strip("\n").lstrip(" ")]))])
    return Part(title, [], text)


def _put_field(parts: list[Part], field: re.Match[str], below: list[str]) -> None:
    """Adds a field of Sphinx or Epytext to the sections."""
    title, argument = _FIELDS[field[1].lower()], (field[2] or "").strip()
    text = "\n".join([field[3], *_dedented(below)]).strip("\n")
    if title == "type":
        _put_type(parts, field[1].lower(), argument, text)
    elif title in ("Parameters", "Keyword arguments", "Attributes", "Raises"):
        kind, _, name = argument.rpartition(" ") if title != "Raises" else ("", "", argument)
        _part(parts, title).items.append(Item(name, kind, text))
    elif title in ("Returns", "Yields"):
        returned = _returned_of(parts, title)
        returned.kind = argument or returned.kind
        returned.text = f"{returned.text}\n{text}".strip("\n")
    elif title:
        parts.append(Part(title, [], f"{argument} {text}".strip()))


def _put_type(parts: list[Part], tag: str, name: str, kind: str) -> None:
    if tag in ("rtype", "ytype"):
        _returned_of(parts, "Returns" if tag == "rtype" else "Yields").kind = kind
        return
    known = [item for part in parts for item in part.items if item.name == name and name]
    if not known:
        known = [Item(name, "", "")]
        _part(parts, "Attributes" if tag == "vartype" else "Parameters").items += known
    known[0].kind = kind


def _part(parts: list[Part], title: str) -> Part:
    """The section of a title, at the end if it is new."""
    found = next((part for part in parts if part.title == title and not part.text), None)
    if found is None:
        found = Part(title, [])
        parts.append(found)
    return found


def _returned_of(parts: list[Part], title: str) -> Item:
    part = _part(parts, title)
    if not part.items:
        part.items.append(Item("", "", ""))
    return part.items[0]


def _sentence(title: str) -> str:
    return title if title.isupper() else title.capitalize()
