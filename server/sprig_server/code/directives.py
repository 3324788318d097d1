"""Comments that do not document code: directives for tools, rulers between sections, and licences.

Python comments are not in the table, because no Python comment is documentation.
"""

from __future__ import annotations

import re

# The beginning of a line, without its comment marks. One word is never enough, because prose may begin with any word.
_DIRECTIVES = {
    "editors": (
        r"#region\b|#?endregion\b|region(?: [A-Z][\w -]{0,40})?$",
        r"\{\{\{|\}\}\}|[@\\][{}]$|</?editor-fold\b|GEN-(?:BEGIN|END|FIRST|LAST):",
        r"(?:tag|end)::[\w-]+\[\]|\[(?:START|END) [\w-]+\]$",
        r"-\*-.*-\*-$|(?:vim?|ex): ?(?:set? |\w+=)|(?:cspell|spell-?checker|codespell): ?\w|language=\w+$",
    ),
    "formatters": (
        r"@formatter:o(?:n|ff)\b|clang-format o(?:n|ff)\b|\*INDENT-O(?:N|FF)\*",
        r"(?:prettier|dprint|deno-fmt|biome)-ignore\b|(?:fmt|spotless|uncrustify|astyle): ?(?:on|off|skip)\b",
    ),
    "analysers": (
        r"(?:NOSONAR|NOSCAN|NOLINT\w*|nosemgrep|nosec|noqa)\b|(?:lgtm|codeql|coverity) ?\[|snyk:|deepcode ignore\b",
        r"@?noinspection [\w,]+|@?[Ss]uppress(?:Warnings)? ?\(|ReSharper (?:disable|restore)\b|ts-prune-ignore",
    ),
    "coverage": (
        r"(?:istanbul|c8|v8|nyc|node:coverage) (?:ignore|disable|enable)\b|Stryker (?:disable|restore)\b",
        r"(?:LCOV|GCOVR?)_EXCL_\w+|pragma: ?no ?cover|deno-coverage-ignore\b",
    ),
    "scripts": (
        r"eslint-(?:disable|enable|env)\b|eslint [\w/@-]+ ?:|tslint: ?(?:disable|enable)\b",
        r"js[hl]int [\w-]+ ?[:,]|jscs:",
        r"(?:deno-lint|rome|svelte|oxlint|stylelint)-(?:ignore|disable|enable)\b",
        r"@ts-(?:ignore|expect-error|check|nocheck)\b|\$Flow\w+|@(?:no)?flow\b|flowlint\b|<(?:reference|amd-\w+) ",
        r"[#@] ?source(?:Mapping)?URL=|[#@]__[A-Z_]+__|@vite-ignore\b|(?:webpack|turbopack)[A-Z]\w* ?:",
        r"@jsx\w* [\w.]+$|@(?:jest|vitest)-environment\b",
        r"(?:globals?|exported) [\w$]+(?:: ?\w+)?(?:, ?[\w$]+(?:: ?\w+)?)*$",
    ),
    "java": (r"(?:SUPPRESS |NO)?CHECKSTYLE\b|CSO(?:N|FF)\b|NOPMD\b|CPD-O(?:N|FF)\b|\$NON-NLS-\d",),
    "cpp": (
        r"clang-(?:tidy|analyzer)\b.*:|cppcheck-suppress|IWYU pragma:|codechecker_\w+|parasoft-\w+|PRQA S |OCLINT\b",
        r"-?V\d{3,4}\b|-V::|PVS-Studio\b.*-V|lint [-+!]?e\d|#?pragma (?:once|region|endregion|warning)\b",
        r"(?:ARGSUSED|NOTREACHED|LINTED|LINTLIBRARY|CONSTCOND|PRINTFLIKE|SCANFLIKE|VARARGS|FALLTHR(?:OUGH|U))\d*$",
    ),
    "keywords": (
        r"(?:\b(?:static|virtual|override|public|private|protected|package|final|const|inline|explicit|abstract|default"
        r"|async|extern|friend|readonly|synchronized|constexpr|export|internal)\b[\s-]*)+$",
        r"@(?:internal|private|public|protected|package|override|hidden|ignore|export|final|readonly|abstract|async|static)$",
        r"\{?@inherit[dD]oc\}?$|@nocollapse$|@Override$",
    ),
    "licences": (r"SPDX-[\w-]+:",),
}
_DIRECTIVE = re.compile("|".join(f"(?:{entry})" for entries in _DIRECTIVES.values() for entry in entries))

_RULER = re.compile(r"[-=*#~_+<>/\\|.!:^\s]*$")
_HEADING = re.compile(r"[-=*#~/+<>_]{3}.*[-=*#~/+<>_]{3}$|([-=*~/+])\1{3,}\s*\w")
_WORD = re.compile(r"[^\W_]")

# One such line makes the whole comment a licence.
_LICENCE = re.compile(
    r"(?:portions )?copyright\b.{0,20}(?:\d{4}|\(c\)|©)|©|\(c\) (?:copyright )?\d{4}|@(?:licen[cs]e|copyright)\b"
    r"|@preserve\b|licensed (?:to the|under)\b|permission (?:is hereby granted|to use, copy)"
    r"|redistribution and use in source"
    r"|(?:this|the) (?:file|program|library|software|source(?: code)?|code|work) is (?:part of|free software|licensed"
    r"|distributed|released|subject to)|use of this (?:source code|software|file) is |all rights reserved"
    r"|(?:distributed|released|published) under .*\b(?:licen[cs]e|terms)\b",
    re.IGNORECASE,
)


def for_people(lines: list[str]) -> list[str]:
    """The lines of one comment that document the code, without comment marks.

    Directives and rulers are removed at the beginning and the end of the comment only. Inside it they may be examples.
    """
    if any(_LICENCE.match(line.strip()) for line in lines) or not any(_WORD.search(line) for line in lines):
        return []
    told = [number for number, line in enumerate(lines) if not _is_directive(line.strip())]
    return lines[told[0] : told[-1] + 1] if told else []


def _is_directive(line: str) -> bool:
    return bool(_RULER.match(line) or _HEADING.match(line) or _DIRECTIVE.match(line))
