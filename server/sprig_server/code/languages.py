"""The languages, one table entry each. A new language needs an entry here and its test data.

Everything else in this package reads the table. No other module names node types of a grammar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import PurePath
from typing import Any

from tree_sitter import Language as Grammar

from sprig_server.code import extensions
from sprig_server.errors import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """What Sprig needs to know about a language.

    `functions` are the node types that define a function with a body; for anonymous ones, `named_by` says which field
    of which parent names them. `scopes` are the node types that qualify names inside them; in `types`, a subset,
    functions are methods. `wrappers` are parents that belong to the definition inside them. `calls` maps the node type
    of a call to the field of the callee, `members` that of a member access to the field of the member's name.

    `values` are functions and classes that are expressions. Each takes the name of the variable, field or property that
    it is assigned to, also through `transparent` nodes and the `arguments` of calls; the assignment belongs to the
    definition, with its `value_wrappers`. Arguments count inside functions only if the language `wraps_locally`, and
    never for `consumers`. `patterns` assign several names at once. `exports` maps a statement to the keywords with
    which a module exports one value; a value without a name gets the keyword, one of `unnamed_exports`. `binders` are
    methods that return the function they are called on; `definers` are calls that define a property by an object with
    `accessors`. `friends` contain functions that do not belong to the class around them. `docstrings` are blocks that
    may begin with a docstring. `macros`: code of this language is written for a preprocessor.

    `statements` maps node types to the statement classes of `code.statements`. A compound node has the class of its
    header.
    """

    name: str
    grammar: tuple[str, str]
    extensions: tuple[str, ...]
    functions: frozenset[str]
    scopes: frozenset[str]
    types: frozenset[str]
    statements: dict[str, str]
    calls: dict[str, str]
    aliases: tuple[str, ...] = ()
    wrappers: frozenset[str] = frozenset()
    value_wrappers: frozenset[str] = frozenset()
    named_by: dict[str, str] = field(default_factory=dict)
    anonymous: dict[str, str] = field(default_factory=dict)
    values: frozenset[str] = frozenset()
    transparent: frozenset[str] = frozenset()
    arguments: frozenset[str] = frozenset()
    members: dict[str, str] = field(default_factory=dict)
    patterns: frozenset[str] = frozenset()
    wraps_locally: bool = False
    consumers: frozenset[str] = frozenset()
    exports: dict[str, frozenset[str]] = field(default_factory=dict)
    unnamed_exports: frozenset[str] = frozenset()
    binders: frozenset[str] = frozenset()
    definers: frozenset[str] = frozenset()
    accessors: frozenset[str] = frozenset()
    constructors: frozenset[str] = frozenset()
    separator: str = "."
    docstrings: frozenset[str] = frozenset()
    friends: frozenset[str] = frozenset()
    macros: bool = False


_PYTHON = Language(
    name="python",
    grammar=("tree_sitter_python", "language"),
    extensions=extensions.PYTHON,
    aliases=("py",),
    functions=frozenset({"function_definition", "lambda"}),
    scopes=frozenset({"class_definition", "function_definition"}),
    types=frozenset({"class_definition"}),
    wrappers=frozenset({"decorated_definition"}),
    value_wrappers=frozenset({"assignment", "expression_statement"}),
    named_by={"assignment": "left", "named_expression": "name", "pair": "key"},
    values=frozenset({"lambda"}),
    transparent=frozenset({"parenthesized_expression", "conditional_expression", "boolean_operator"}),
    arguments=frozenset({"argument_list"}),
    members={"attribute": "attribute"},
    patterns=frozenset({"pattern_list", "tuple_pattern", "list_pattern"}),
    constructors=frozenset({"__init__"}),
    docstrings=frozenset({"block", "module"}),
    calls={"call": "function"},
    statements={
        "function_definition": "method",
        "decorator": "method",
        "class_definition": "method",
        "expression_statement": "expression",
        "return_statement": "return",
        "raise_statement": "throw",
        "for_statement": "for",
        "while_statement": "while",
        "if_statement": "if",
        "elif_clause": "if",
        "else_clause": "if",
        "try_statement": "try",
        "except_clause": "catch",
        "except_group_clause": "catch",
        "finally_clause": "finally",
        "break_statement": "break",
        "continue_statement": "continue",
        "match_statement": "switch",
        "case_clause": "case",
        "comment": "annotation",
        "with_statement": "none",
        "pass_statement": "none",
        "assert_statement": "none",
        "import_statement": "none",
        "import_from_statement": "none",
        "delete_statement": "none",
        "global_statement": "none",
        "nonlocal_statement": "none",
    },
)

_C_FAMILY = {
    "expression_statement": "expression",
    "return_statement": "return",
    "throw_statement": "throw",
    "for_statement": "for",
    "while_statement": "while",
    "do_statement": "while",
    "if_statement": "if",
    "else_clause": "if",
    "try_statement": "try",
    "catch_clause": "catch",
    "finally_clause": "finally",
    "break_statement": "break",
    "continue_statement": "continue",
    "switch_statement": "switch",
    "comment": "annotation",
}

_JAVA_TYPES = frozenset(
    {
        "class_declaration",
        "interface_declaration",
        "enum_declaration",
        "record_declaration",
        "annotation_type_declaration",
        "enum_constant",
        "object_creation_expression",
    }
)
_JAVA = Language(
    name="java",
    grammar=("tree_sitter_java", "language"),
    extensions=extensions.JAVA,
    functions=frozenset(
        {
            "method_declaration",
            "constructor_declaration",
            "compact_constructor_declaration",
            "lambda_expression",
        }
    ),
    value_wrappers=frozenset(
        {"field_declaration", "local_variable_declaration", "constant_declaration", "expression_statement"}
    ),
    named_by={"variable_declarator": "name", "assignment_expression": "left"},
    values=frozenset({"lambda_expression"}),
    transparent=frozenset({"parenthesized_expression", "cast_expression", "ternary_expression"}),
    arguments=frozenset({"argument_list"}),
    members={"field_access": "field"},
    scopes=_JAVA_TYPES,
    types=_JAVA_TYPES,
    anonymous={"object_creation_expression": "type"},
    calls={"method_invocation": "name", "object_creation_expression": "type"},
    statements=_C_FAMILY
    | {
        "method_declaration": "method",
        "constructor_declaration": "method",
        "compact_constructor_declaration": "method",
        "local_variable_declaration": "variable",
        "field_declaration": "variable",
        "explicit_constructor_invocation": "function",
        "enhanced_for_statement": "for",
        "try_with_resources_statement": "try",
        "switch_expression": "switch",
        "switch_block_statement_group": "case",
        "switch_rule": "case",
        "synchronized_statement": "synchronized",
        "yield_statement": "return",
        "assert_statement": "none",
        "line_comment": "annotation",
        "block_comment": "annotation",
    },
)

_SCRIPT_FUNCTIONS = frozenset(
    {
        "function_declaration",
        "generator_function_declaration",
        "method_definition",
        "arrow_function",
        "function_expression",
        "generator_function",
    }
)
_SCRIPT_TYPES = frozenset(
    {"class_declaration", "class", "abstract_class_declaration", "interface_declaration", "enum_declaration"}
)
_SCRIPT_NAMED_BY = {
    "variable_declarator": "name",
    "assignment_expression": "left",
    "pair": "key",
    "field_definition": "property",
    "public_field_definition": "name",
}
# The standard library calls these functions at once; the result of the call is not the function.
_SCRIPT_CONSUMERS = frozenset(
    {
        *("every", "filter", "find", "findIndex", "findLast", "findLastIndex", "flatMap", "forEach", "map", "reduce"),
        *("reduceRight", "some", "sort", "toSorted", "from", "fromAsync", "groupBy", "then", "catch", "finally"),
        *("replace", "replaceAll", "parse", "stringify", "Promise", "addEventListener", "queueMicrotask"),
        *("setTimeout", "setInterval", "setImmediate", "requestAnimationFrame", "requestIdleCallback"),
    }
)
_SCRIPT_NAMING: dict[str, Any] = {
    "named_by": _SCRIPT_NAMED_BY,
    "values": frozenset({"arrow_function", "function_expression", "generator_function", "class"}),
    "transparent": frozenset(
        {
            "parenthesized_expression",
            "as_expression",
            "satisfies_expression",
            "non_null_expression",
            "type_assertion",
            "await_expression",
            "ternary_expression",
            "binary_expression",
            "sequence_expression",
        }
    ),
    "arguments": frozenset({"arguments"}),
    "members": {"member_expression": "property", "subscript_expression": "index"},
    "patterns": frozenset({"object_pattern", "array_pattern"}),
    "wraps_locally": True,
    "consumers": _SCRIPT_CONSUMERS,
    "exports": {"export_statement": frozenset({"default", "export"})},
    "unnamed_exports": frozenset({"default", "export", "exports"}),
    "binders": frozenset({"bind", "call", "apply"}),
    "definers": frozenset({"Object.defineProperty", "Reflect.defineProperty"}),
    "accessors": frozenset({"get", "set", "value"}),
}
_SCRIPT_WRAPPERS = frozenset(
    {
        "export_statement",
        "variable_declarator",
        "lexical_declaration",
        "variable_declaration",
        "assignment_expression",
        "expression_statement",
        "pair",
        "field_definition",
        "public_field_definition",
    }
)
_SCRIPT_STATEMENTS = _C_FAMILY | {
    "function_declaration": "method",
    "generator_function_declaration": "method",
    "method_definition": "method",
    "arrow_function": "method",
    "function_expression": "method",
    "generator_function": "method",
    "lexical_declaration": "variable",
    "variable_declaration": "variable",
    "for_in_statement": "for",
    "switch_case": "case",
    "switch_default": "case",
}

_JAVASCRIPT = Language(
    name="javascript",
    grammar=("tree_sitter_javascript", "language"),
    extensions=extensions.JAVASCRIPT,
    aliases=("javascriptreact", "javascript.jsx", "js", "jsx"),
    functions=_SCRIPT_FUNCTIONS,
    scopes=_SCRIPT_TYPES | _SCRIPT_FUNCTIONS | {"variable_declarator", "pair"},
    types=_SCRIPT_TYPES,
    wrappers=_SCRIPT_WRAPPERS,
    **_SCRIPT_NAMING,
    constructors=frozenset({"constructor"}),
    calls={"call_expression": "function", "new_expression": "constructor"},
    statements=_SCRIPT_STATEMENTS,
)


def _typescript(function: str, endings: tuple[str, ...], aliases: tuple[str, ...]) -> Language:
    return Language(
        name="typescript",
        grammar=("tree_sitter_typescript", function),
        extensions=endings,
        aliases=aliases,
        functions=_SCRIPT_FUNCTIONS,
        scopes=_JAVASCRIPT.scopes | {"internal_module", "module"},
        types=_SCRIPT_TYPES,
        wrappers=_SCRIPT_WRAPPERS,
        **_SCRIPT_NAMING,
        constructors=frozenset({"constructor"}),
        calls=_JAVASCRIPT.calls,
        statements=_SCRIPT_STATEMENTS,
    )


_CPP_TYPES = frozenset({"class_specifier", "struct_specifier", "union_specifier", "enum_specifier"})
_CPP = Language(
    name="cpp",
    grammar=("tree_sitter_cpp", "language"),
    extensions=extensions.CPP,
    aliases=("c", "c++", "c-or-c++", "cuda", "cuda-cpp", "hip", "arduino"),
    functions=frozenset({"function_definition", "lambda_expression"}),
    scopes=_CPP_TYPES | {"namespace_definition", "function_definition"},
    types=_CPP_TYPES,
    wrappers=frozenset({"template_declaration"}),
    value_wrappers=frozenset({"declaration", "expression_statement"}),
    named_by={"init_declarator": "declarator", "field_declaration": "declarator", "assignment_expression": "left"},
    values=frozenset({"lambda_expression"}),
    transparent=frozenset({"parenthesized_expression", "cast_expression", "conditional_expression"}),
    arguments=frozenset({"argument_list", "initializer_list"}),
    members={"field_expression": "field"},
    patterns=frozenset({"structured_binding_declarator"}),
    friends=frozenset({"friend_declaration"}),
    macros=True,
    separator="::",
    calls={"call_expression": "function", "new_expression": "type"},
    statements=_C_FAMILY
    | {
        "function_definition": "method",
        "declaration": "variable",
        "field_declaration": "variable",
        "for_range_loop": "for",
        "case_statement": "case",
        "co_return_statement": "return",
        "co_yield_statement": "return",
        "goto_statement": "break",
    },
)

LANGUAGES: tuple[Language, ...] = (
    _PYTHON,
    _JAVA,
    _JAVASCRIPT,
    _typescript("language_typescript", extensions.TYPESCRIPT, ("ts",)),
    _typescript("language_tsx", extensions.TSX, ("tsx", "typescriptreact", "typescript.tsx")),
    _CPP,
)

NAMES: tuple[str, ...] = tuple(dict.fromkeys(language.name for language in LANGUAGES))

_TOGETHER = frozenset({_JAVASCRIPT.name, "typescript"})

_BY_EXTENSION = {extension: language for language in LANGUAGES for extension in language.extensions}
_BY_NAME = {name: language for language in reversed(LANGUAGES) for name in (language.name, *language.aliases)}


def language_of_path(path: str) -> Language | None:
    """The language of a file by its extension; None if Sprig has no language for it."""
    return _BY_EXTENSION.get(PurePath(path).suffix.lower())


def language_of_document(path: str, language_id: str | None) -> Language | None:
    """The language of a document in an editor: by its identifier, or by its extension if the identifier is unknown."""
    by_extension = language_of_path(path)
    language = _BY_NAME.get((language_id or "").lower(), by_extension)
    if by_extension is not None and language is not None and by_extension.name == language.name:
        return by_extension  # some editors call .tsx files "typescript"
    return language


def can_call(caller: str, called: str) -> bool:
    """Whether code in one language can call functions of another by name. Both are names in `NAMES`."""
    return caller == called or {caller, called} <= _TOGETHER


def find_language(name: str) -> Language:
    """The language with this name or editor identifier.

    Raises:
        InvalidInput: no such language.
    """
    language = _BY_NAME.get(name.lower())
    if language is None:
        raise InvalidInput(f'unknown language "{name}": use one of {", ".join(NAMES)}')
    return language


@cache
def load_grammar(module: str, function: str) -> Grammar:
    """The compiled grammar of a wheel. It is loaded at first use, so a Python workspace never loads C++."""
    return Grammar(getattr(import_module(module), function)())
