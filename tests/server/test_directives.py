"""Comments that speak to tools: no documentation, and no wall between a documentation and its function."""

import pytest

from sprig_server.code.directives import for_people
from sprig_server.code.functions import parse_functions
from sprig_server.code.outline import parse_outline

ANYWHERE = """\
// NOSONAR
// NOSONAR: known
//#region helpers
// #region Public API
//#endregion
// region Helpers
// endregion
// <editor-fold desc="Getters">
// ---------------------------------------------
// =============
//////////////////
/* ************ */
// ----- Helpers -----
//===-- helpers.h - Things ---------*- C++ -*-===//
// ---- Helpers
//{{{
// SPDX-License-Identifier: MIT
/* SPDX-License-Identifier: MIT */
// Copyright 2021 The Authors. All rights reserved.
/* Copyright (c) 2021 Somebody */
// cspell:disable
// cspell:words größe
// lgtm[js/xss]
// vim: set ts=2 :
//
/* */
/***/
"""
BY_LANGUAGE = {
    "java": """\
// @formatter:off
//noinspection unchecked
// noinspection JavaDoc,unused
// CHECKSTYLE:OFF
// CHECKSTYLE.OFF: MagicNumber
// SUPPRESS CHECKSTYLE
// CSOFF: MagicNumber
// NOPMD
// CPD-OFF
// spotless:off
//$NON-NLS-1$
// language=SQL
// tag::create[]
// [START create_topic]
/* package */
/* package-private */
/** {@inheritDoc} */
/** @hidden */
//GEN-BEGIN:initComponents
""",
    "javascript": """\
// eslint-disable-next-line complexity
/* eslint-disable no-console, no-alert */
/* eslint no-undef: "error" */
/* eslint-env node */
/* global jQuery, $ */
/* globals it: true, describe:false */
/* exported main */
/* jshint esversion: 6 */
// jscs:disable
// prettier-ignore
/* istanbul ignore next */
/* istanbul ignore next: never happens */
/* c8 ignore start */
/* v8 ignore next 3 */
/* node:coverage disable */
// @ts-check
// @flow strict
// $FlowFixMe[incompatible-type] later
// biome-ignore lint/suspicious/noExplicitAny: legacy
// deno-lint-ignore no-explicit-any
// dprint-ignore
/* webpackChunkName: "lazy" */
/* @vite-ignore */
/*#__PURE__*/
/* @__NO_SIDE_EFFECTS__ */
//# sourceMappingURL=x.js.map
//# sourceURL=x.js
// Stryker disable next-line all: slow
/** @internal */
/** @private */
/** @license MIT */
/*! Copyright 2021 Somebody */
""",
    "typescript": """\
// @ts-ignore
// @ts-expect-error -- legacy
/* @ts-nocheck */
// tslint:disable-next-line:no-any
/// <reference types="node" />
/** @jsxImportSource preact */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
/* readonly */
""",
    "cpp": """\
// NOLINT
// NOLINTNEXTLINE(readability-identifier-naming)
// NOLINTBEGIN(*)
// clang-format off
/* clang-format on */
// cppcheck-suppress unusedFunction
/* coverity[leaked_storage] */
// LCOV_EXCL_START
// GCOVR_EXCL_LINE
// IWYU pragma: keep
// -V501
//-V::730
// codechecker_suppress [all] why
/* ARGSUSED */
/*NOTREACHED*/
/*lint -e715 */
// *INDENT-OFF*
// uncrustify:off
/*static*/
/* virtual override */
// -*- C++ -*-
#pragma warning(disable: 4996)
#pragma region Helpers
""",
}
HEAD = {
    "java": ("class A {\n", "void f() { run(); }", "}\n", "A.f"),
    "javascript": ("", "function f() { run(); }", "", "f"),
    "typescript": ("", "export const f = () => run();", "", "f"),
    "cpp": ("", "int f() { return run(); }", "", "f"),
}
CASES = [(language, line) for language in HEAD for line in (ANYWHERE + BY_LANGUAGE[language]).splitlines()]
REAL = {
    "block": "/** Real text. */",
    "blank": "/** Real text. */\n",
    "run": "// Real text.",
    "slashes": "/// Real text.",
}


def check(language, comments, expected):
    before, function, after, name = HEAD[language]
    text = f"int before;\n\n{comments}\n{function}\n"
    text = before + (text if language in ("java", "cpp") else text.replace("int before", "before()")) + after
    (found,) = (f for f in parse_functions(text, language) if f.qualified_name == name)
    assert found.documentation == expected
    assert found.code == function


@pytest.mark.parametrize(("language", "directive"), CASES)
def test_a_directive_is_no_documentation(language, directive):
    check(language, directive, "")
    check(language, f"{directive}\n{directive}", "")


@pytest.mark.parametrize(("language", "directive"), CASES)
@pytest.mark.parametrize("real", REAL)
def test_a_directive_does_not_part_a_documentation_from_its_function(language, directive, real):
    if real == "run" and directive.startswith("// Copyright"):
        return  # one comment, and that of a licence
    check(language, f"{REAL[real]}\n{directive}", "Real text.")
    check(language, f"{REAL[real]}\n{directive}\n// NOSONAR", "Real text.")


@pytest.mark.parametrize(("language", "directive"), CASES)
def test_a_directive_above_a_documentation_is_not_part_of_it(language, directive):
    check(language, f"{directive}\n/** Real text. */", "Real text.")
    if "opyright" not in directive:  # it makes all of its comment a licence
        check(language, f"{directive}\n// Real text.", "Real text.")


@pytest.mark.parametrize("language", HEAD)
def test_directives_within_a_block_and_on_its_line(language):
    check(language, "/** Real text. */ /* NOSONAR */", "Real text.")
    check(language, "/**\n * ----\n * Real text.\n * ====\n */", "Real text.")
    check(language, "/**\n * SPDX-License-Identifier: MIT\n *\n * Real text.\n */", "Real text.")
    check(language, "/*\n * f.x - Runs.\n *\n * Licensed under the Apache License\n *\n * More.\n */", "")
    check(
        language, "// Copyright 2021 A\n//\n// Use of this source code is governed by B.\n/// Real text.", "Real text."
    )


PROSE = [
    "Regions are merged.",
    "region of the image that is cut out",
    "Copyright notices are removed.",
    "Global lookup table for names.",
    "global lock and what it guards",
    "Static files are served.",
    "static files are served",
    "Default.",
    "ESLint runs here.",
    "eslint is run on each file",
    "Formatter: turns values into text.",
    "The code is run twice.",
    "--verbose is the default.",
    "* a list\n* of two",
    "noinspection",
    "types: what is known",
    "Lint a file.",
    "e123 is an error code.",
    "Example:\nfoo(() => {\n});",
    "Title\n\n---\n\nText.",
    "日本語",
]


@pytest.mark.parametrize("prose", PROSE)
def test_prose_stays(prose):
    assert for_people(prose.split("\n")) == prose.split("\n")
    check("javascript", "/**\n" + "".join(f" * {line}\n" for line in prose.split("\n")) + " */", prose)


def test_what_parts_a_comment_from_its_function_still_does():
    check("javascript", "/** Of the file. */\n\n\n// NOSONAR", "")
    check("javascript", "// Of the lines above.\n\n// NOSONAR", "")
    check("javascript", "// NOSONAR\n\n", "")
    check("javascript", "before(); // Said of that.\n// NOSONAR", "")
    check("javascript", "/** Of nothing. */\nbefore();\n// NOSONAR", "")


def test_decorators_and_directives_between_them_do_not_part():
    between = "@Get()\n  // eslint-disable-next-line\n  @Auth()\n  // NOSONAR"
    text = f"class A {{\n  /** Real text. */\n  {between}\n  f() {{}}\n}}\n"
    (function,) = parse_functions(text, "typescript")
    assert function.documentation == "Real text."
    assert function.span.start == text.index("@Get")


def test_classes_and_modules():
    text = "/** Real text. */\n// eslint-disable-next-line\nclass A {}\n"
    assert [(d.kind, d.documentation) for d in parse_outline(text, "javascript", "m")] == [("class", "Real text.")]


def test_comments_of_python_neither_document_nor_hide():
    text = 'def f():  # noqa\n    # type: () -> int\n    # pylint: disable=all\n    """Real text."""\n    return 1\n'
    for directive in ("# fmt: off", "# pragma: no cover", "# region Helpers", "# mypy: ignore"):
        (function,) = parse_functions(f"{directive}\n{text}", "python")
        assert function.documentation == "Real text."
