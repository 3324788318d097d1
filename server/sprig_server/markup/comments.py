"""Documentation comments as Markdown: Javadoc, JSDoc, TSDoc, Doxygen, and comments without any markup."""

from __future__ import annotations

import re

from sprig_server.markup import hypertext
from sprig_server.markup.block_tags import SEE_ALSO, Part, split_tags
from sprig_server.markup.entries import braced, named, without_dash
from sprig_server.markup.escape import escape_markdown
from sprig_server.markup.inline_tags import keep_commands, keep_inline_tags, reference
from sprig_server.markup.prose import escaped, keep_code, keep_names, keep_spans, laid_out, plain_markdown
from sprig_server.markup.sections import Entry, Kept, Section, composed, without_margin

_EXAMPLE = re.compile(r"^([ \t]*@example[ \t]*)(?:<caption>(.*?)</caption>)?(.*?)(?=^[ \t]*@[a-z]|\Z)", re.M | re.S)
_NAMED = re.compile(r"\A[\w$.:~<>]*#?[\w$:~]+(?:\([^()]*\))?\Z")
_JAVA_REFERENCE = re.compile(r"\A\s*([\w$.]*#[\w$]+(?:\([^()]*\))?|[\w$.]*[A-Z][\w$]*)(?:\s+(\S.*))?\s*\Z", re.DOTALL)
_MISREAD = re.compile(
    r"(?<=\w)\*(?=\w)|(?<=['\"(])[*_](?=['\")])"  # a product, a mark in quotes
    r"|^>(?! )"  # a comparison
    r"|(?<=\w)\[|\[(?=[^\[\]\n]*\]\((?![^()\s]*[/.#:][^()\s]*\)))",  # an index, a lambda
    re.MULTILINE,
)
_OPENING = re.compile(r"\A\s*(?=[#>][\s])")


def comment_markdown(documentation: str, language: str) -> str:
    """The text of a documentation comment as Markdown.

    Args:
        documentation: the text without comment marks, as `Definition.documentation`.
        language: the name of the language of its function.
    """
    return _Comment(language).markdown(documentation)


class _Comment:
    """One comment while it is read."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.kept = Kept()
        self.is_doxygen = language == "cpp"
        self.is_script = language in ("javascript", "typescript")

    def markdown(self, text: str) -> str:
        text = keep_code(text, self.kept, self.language)
        if self.is_script:
            text = _EXAMPLE.sub(self._example, text)
        text = hypertext.keep_examples(text, self.kept, self.language)
        text = keep_inline_tags(keep_spans(text, self.kept), self.kept, self.language)
        if self.is_doxygen:
            text = keep_commands(text, self.kept, self.language)
        body, parts = split_tags(text, self.is_doxygen)
        sections = sorted(map(self._section, _together(parts)), key=lambda section: section.title != "Deprecated")
        return self.kept.restore(composed(self.prose(body), sections))

    def prose(self, text: str) -> str:
        """A text with its tags as Markdown, in which nothing that the style does not know is markup."""
        text = hypertext.as_markdown(without_margin(text), self.kept)
        if self.language == "java":
            return plain_markdown(hypertext.unescaped(text), self.kept)
        return laid_out(text, self.kept, lambda part: keep_names(_MISREAD.sub(r"\\\g<0>", part), self.kept))

    def _said(self, text: str) -> str:
        """What a tag says, which is no heading and no quotation."""
        return self.prose(_OPENING.sub(r"\\", text) if self.language != "java" else text)

    def _example(self, match: re.Match[str]) -> str:
        caption, code = match[2] or "", match[3]
        if "\ue002" not in code:
            code = self.kept.block(code, self.language)
        return f"{match[1]}{caption.strip()}\n{code}\n"

    def _section(self, parts: list[Part]) -> Section:
        """The section of parts that stand together."""
        part = parts[0]
        if part.has_entries:
            return Section(part.title, tuple(map(self._entry, parts)))
        if part.title == SEE_ALSO:
            return Section(part.title, text=", ".join(filter(None, map(self._seen, parts))))
        if not part.title:
            return Section(part.tag, text=self.prose(part.text).strip())
        kind, text = braced(part.text) if self.is_script else ("", part.text)
        title, text = part.title, without_dash(text)
        if title == "Section":  # of Doxygen, which names itself
            title, _, text = text.partition("\n")
        return Section(escape_markdown(title.strip()) or "Note", text=self._said(text).strip(), kind=kind)

    def _seen(self, part: Part) -> str:
        """What a reader is sent to."""
        text = part.text.strip()
        java = _JAVA_REFERENCE.match(text) if self.language == "java" else None
        if java is not None:
            return reference(text, self.kept) if java[2] is None else escaped(java[2].strip())
        names = [name.strip() for name in text.split(",")]
        if all(_NAMED.match(name) for name in names):
            return ", ".join(reference(name, self.kept) for name in names)
        return self.prose(text).strip()

    def _entry(self, part: Part) -> Entry:
        found = named(part, self.is_script)
        return Entry(found.name, found.kind, self._said(found.rest))


def _together(parts: list[Part]) -> list[list[Part]]:
    """The parts in text order. Those with entries of one kind are together, and so are references."""
    groups: list[list[Part]] = []
    known: dict[str, list[Part]] = {}
    for part in parts:
        is_one_of_several = part.has_entries or part.title == SEE_ALSO
        if is_one_of_several and part.title in known:
            known[part.title].append(part)
        else:
            known[part.title] = [part]
            groups.append(known[part.title])
    return groups
