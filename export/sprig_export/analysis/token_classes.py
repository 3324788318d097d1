"""Words of code with their class from the syntax tree, which the probes predict (paper (a), RQ1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from sprig_server.code.languages import find_language
from sprig_server.code.syntax import SyntaxTree

CLASSES = ("KEYWORD", "IDENTIFIER", "NUMBER", "STRING", "TYPE", "MODIFIER", "OPERATOR", "COMMENT")

# Brackets, separators and quotes; "." and "::" separate too (Java Language Specification 3.11).
_SEPARATORS = frozenset("()[]{},;:.@\"'`") | {"...", "::", '"""', "${", "</", "/>"}
_SYMBOLS = re.compile(r"[^\w\s#\"']+")  # parts of quotes and preprocessor lines are not operators
_PROSE = re.compile(r"[^\W\d]\w*")  # a string or a comment gives each of its words


@dataclass(frozen=True, slots=True)
class Word:
    """A word without white space at the characters [start, end) of the code, and its class."""

    text: str
    label: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Grammar:
    """How a grammar's leaves are classified.

    `leaves` gives the class of named nodes, whatever is inside them; `within` that of keywords inside such a parent,
    `tokens` that of keywords anywhere. Inside `types` an identifier is a type; symbols inside `no_operators` belong to
    something else. `member` is what code needs around it that is only valid inside a type.
    """

    leaves: dict[str, str]
    within: dict[str, str]
    tokens: frozenset[str]
    types: frozenset[str]
    no_operators: frozenset[str]
    member: tuple[str, str] | None


def _leaves(**names: str) -> dict[str, str]:
    return {name: label.upper() for label, words in names.items() for name in words.split()}


_PYTHON = _Grammar(
    leaves=_leaves(
        identifier="identifier",
        number="integer float",
        string="string_content",
        comment="comment",
        keyword="none true false",
    ),
    within={},
    tokens=frozenset({"async"}),
    types=frozenset({"type"}),
    no_operators=frozenset({"list_splat", "list_splat_pattern", "dictionary_splat", "dictionary_splat_pattern"}),
    member=None,
)
_JAVA = _Grammar(
    leaves=_leaves(
        identifier="identifier",
        number="decimal_integer_literal hex_integer_literal octal_integer_literal binary_integer_literal "
        "decimal_floating_point_literal hex_floating_point_literal",
        string="string_fragment multiline_string_fragment",
        type="type_identifier void_type boolean_type",
        comment="line_comment block_comment",
        keyword="this super true false null_literal",
    ),
    within={"modifiers": "MODIFIER", "integral_type": "TYPE", "floating_point_type": "TYPE"},
    tokens=frozenset(),
    types=frozenset(),
    no_operators=frozenset({"type_arguments", "type_parameters", "wildcard", "annotated_type"}),
    member=("class _ { ", "\n}"),
)
_SCRIPT = _Grammar(
    leaves=_leaves(
        identifier="identifier property_identifier shorthand_property_identifier private_property_identifier "
        "shorthand_property_identifier_pattern statement_identifier undefined",
        number="number",
        string="string_fragment",
        type="type_identifier",
        comment="comment html_comment",
        keyword="this super true false null",
    ),
    within={"predefined_type": "TYPE", "accessibility_modifier": "MODIFIER", "override_modifier": "MODIFIER"},
    tokens=frozenset({"async", "static", "get", "set", "readonly", "abstract", "declare"}),
    types=frozenset(),
    no_operators=frozenset(
        {
            "regex",
            "type_arguments",
            "type_parameters",
            "optional_parameter",
            "jsx_opening_element",
            "jsx_closing_element",
            "jsx_self_closing_element",
            "generator_function",
            "generator_function_declaration",
            "method_definition",
        }
    ),
    member=("class _ { ", "\n}"),
)
_CPP = _Grammar(
    leaves=_leaves(
        identifier="identifier field_identifier namespace_identifier statement_identifier",
        number="number_literal",
        string="string_content raw_string_content",
        type="type_identifier primitive_type auto",
        comment="comment",
        keyword="this true false",
    ),
    within={
        "sized_type_specifier": "TYPE",
        "type_qualifier": "MODIFIER",
        "storage_class_specifier": "MODIFIER",
        "virtual_specifier": "MODIFIER",
        "explicit_function_specifier": "MODIFIER",
        "access_specifier": "MODIFIER",
        "noexcept": "MODIFIER",
    },
    tokens=frozenset({"virtual"}),
    types=frozenset(),
    no_operators=frozenset(
        {
            "template_argument_list",
            "template_parameter_list",
            "pointer_declarator",
            "abstract_pointer_declarator",
            "reference_declarator",
            "abstract_reference_declarator",
            "lambda_default_capture",
            "destructor_name",
            "operator_name",
        }
    ),
    member=None,  # the grammar accepts members at the top of a file
)
_GRAMMARS = {"python": _PYTHON, "java": _JAVA, "javascript": _SCRIPT, "typescript": _SCRIPT, "cpp": _CPP}


def label_words(code: str, language: str) -> tuple[Word, ...]:
    """The words of a function with one of `CLASSES` each, in the order of the text.

    A name, number, keyword or operator is one word. A string or a comment gives each of its words. Brackets, separators
    and escapes have no class. Code with syntax errors, even as a member of a type, gives no words, because the classes
    in its tree are unreliable.

    Args:
        code: the source of a function.
        language: a name or alias of a language.

    Raises:
        InvalidInput: unknown language.
    """
    known = find_language(language)
    grammar = _GRAMMARS[known.name]
    tree, shift = SyntaxTree(code, known), 0
    if tree.root.has_error and grammar.member is not None:
        before, after = grammar.member
        tree, shift = SyntaxTree(before + code + after, known), len(before)
    if tree.root.has_error:
        return ()
    inside = range(shift, shift + len(code))
    found = (word for node, parent, typed in _ends(tree.root, grammar) for word in _words(tree, node, parent, typed))
    return tuple(Word(w.text, w.label, w.start - shift, w.end - shift) for w in found if w.start in inside)


def _ends(root: Node, grammar: _Grammar) -> Iterator[tuple[Node, str, bool]]:
    """The nodes that are classified, each with its parent's type and whether it stands inside a type annotation."""
    stack = [(root, "", False)]
    while stack:
        node, parent, typed = stack.pop()
        if node.type in grammar.leaves or not node.child_count:
            yield node, parent, typed
        else:
            typed = typed or node.type in grammar.types
            stack.extend((child, node.type, typed) for child in reversed(node.children))


def _words(tree: SyntaxTree, node: Node, parent: str, typed: bool) -> Iterator[Word]:
    label = _label(_GRAMMARS[tree.language.name], node, parent, typed)
    if label is None:
        return
    text, start = tree.text_of(node), tree.start(node)
    if label not in ("STRING", "COMMENT"):
        if text and not any(character.isspace() for character in text):
            yield Word(text, label, start, start + len(text))
        return
    escapes = [range(tree.start(child), tree.end(child)) for child in node.children]
    for match in _PROSE.finditer(text):
        place = start + match.start()
        if not any(place in escape or escape.start in range(place, start + match.end()) for escape in escapes):
            yield Word(match.group(), label, place, start + match.end())


def _label(grammar: _Grammar, node: Node, parent: str, typed: bool) -> str | None:
    if node.is_named:
        label = grammar.leaves.get(node.type)
        return "TYPE" if typed and label == "IDENTIFIER" else label
    if node.type.isidentifier():
        return grammar.within.get(parent) or ("MODIFIER" if node.type in grammar.tokens else "KEYWORD")
    if node.type in _SEPARATORS or parent in grammar.no_operators or not _SYMBOLS.fullmatch(node.type):
        return None
    return "OPERATOR"
