"""Reading the functions of a source file that a command was given."""

from __future__ import annotations

from pathlib import Path

from sprig_server.code.functions import function_at_line, parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import decode
from sprig_server.errors import InvalidInput
from sprig_server.types import Definition


def read_functions(path: Path, line: int | None = None) -> tuple[Definition, ...]:
    """All functions of a file, or the one that covers a line (counted from 1).

    Raises:
        InvalidInput: the file cannot be read, its language is not known, or no function covers the line.
    """
    language = language_of_path(str(path))
    if language is None:
        raise InvalidInput(f'"{path}" is not of a language that Sprig knows (judged by its extension)')
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f'cannot read "{path}" ({error.strerror}): give a source file') from None
    functions = parse_functions(text, (*language.aliases, language.name)[0])
    if line is None:
        return functions
    chosen = function_at_line(functions, line - 1)
    if chosen is None:
        raise InvalidInput(f'no function covers line {line} of "{path}"')
    return (chosen,)
