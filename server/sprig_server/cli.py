"""The command `sprig`. Heavy modules are imported only when their command is run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import TypeAlias

from sprig_server import __version__

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_EXPORTER = ("export", "analyze", "compare-languages", "evaluate", "corpus", "train")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 for success, 1 if a check failed or a client left without shutdown, 2 for input that cannot be used, 130 after
        Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.stdout is None or sys.stderr is None:  # closed by the parent process: nobody reads the output
        nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # print a replacement for characters that the terminal lacks
            stream.reconfigure(errors="replace")
    if words and words[0] in _EXPORTER:
        return _run(lambda: _delegate(words))
    arguments = _parser().parse_args(words)
    if arguments.command == "serve":
        from sprig_server.app import serve

        return _run(lambda: serve(arguments.tcp, arguments.verbose))
    command = import_module(f"sprig_server.commands.{arguments.command}")
    return _run(lambda: int(command.run(arguments)))


def _delegate(words: list[str]) -> int:
    from sprig_server.errors import InvalidInput

    try:
        return int(import_module("sprig_export.cli").run(words))
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f'"sprig {words[0]}" needs the exporter, which is not installed (no module "{error.name}"): '
            'pip install "sprig-lsp[export]"'
        ) from None


def _run(command: Callable[[], int]) -> int:
    from sprig_server.errors import SprigError

    try:
        return command()
    except SprigError as error:
        sys.stderr.write(f"sprig: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("sprig: stopped\n")
        return 130
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _threads(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sprig",
        description="Semantic code search and hover summaries, on the CPU, offline.",
        epilog='The exporter adds "sprig export", "sprig evaluate", "sprig analyze", "sprig compare-languages", '
        '"sprig corpus" and "sprig train"; see their --help.',
    )
    parser.add_argument("--version", action="version", version=f"sprig {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    bundles = argparse.ArgumentParser(add_help=False)
    bundles.add_argument(
        "--bundle",
        type=Path,
        action="append",
        default=[],
        metavar="DIR_OR_NAME",
        help="use this bundle before the others: a folder, or a name that sprig models shows",
    )
    bundles.add_argument(
        "--threads", type=_threads, default=_default_threads(), help="CPU threads of one inference (default: all)"
    )
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON")

    serve = commands.add_parser("serve", help="run the language server")
    serve.add_argument("--stdio", action="store_true", help="use stdin and stdout (the default)")
    serve.add_argument("--tcp", type=int, metavar="PORT", help="listen on this port of 127.0.0.1, for debugging")
    serve.add_argument("--verbose", action="store_true", help="log more")
    _add_folder_commands(commands, [bundles, as_json])
    _add_function_commands(commands, bundles, as_json)
    commands.add_parser("models", parents=[bundles, as_json], help="list the installed bundles")
    commands.add_parser("doctor", parents=[bundles], help="check that everything works on this machine")
    return parser


def _add_folder_commands(commands: _Commands, shared: list[argparse.ArgumentParser]) -> None:
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--workspace", type=Path, default=Path(), metavar="DIR", help="the folder (default: this one)")

    search = commands.add_parser("search", parents=[*shared, folder], help="search a folder by meaning and by name")
    search.add_argument("query", nargs="*", metavar="QUERY", help="a question in words, or a name")
    search.add_argument("--queries", type=Path, metavar="FILE", help="a file with one query a line; - is stdin")
    search.add_argument("-k", type=int, default=10, metavar="N", help="the number of hits (default: 10)")
    search.add_argument("--language", metavar="L", help="only definitions in this language")
    only = search.add_mutually_exclusive_group()
    only.add_argument("--dense-only", action="store_true", help="use vectors alone, for measuring")
    only.add_argument("--lexical-only", action="store_true", help="use full text alone, for measuring")

    explanation = "build or refresh the index of a folder; list or remove indexes"
    index = commands.add_parser("index", parents=[*shared, folder], help=explanation)
    instead = index.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="list the indexes of all folders")
    instead.add_argument("--prune", action="store_true", help="remove the indexes of folders that no longer exist")
    index.add_argument(
        "--older-than", type=float, metavar="DAYS", help="with --prune: also indexes not used for this long"
    )
    index.add_argument(
        "--max-size", metavar="SIZE", help="with --prune: also the least recently used beyond this size (500M)"
    )


def _add_function_commands(
    commands: _Commands, bundles: argparse.ArgumentParser, as_json: argparse.ArgumentParser
) -> None:
    shared = [bundles, as_json]
    summarize = commands.add_parser("summarize", parents=shared, help="write a sentence for each function")
    summarize.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a source file")
    summarize.add_argument("--line", type=int, metavar="N", help="only the function that covers this line")
    summarize.add_argument("--jsonl", type=Path, metavar="FILE", help='JSON lines with "id", "language", "code"')

    trim = commands.add_parser("trim", parents=shared, help="show which tokens of a function a model reads")
    trim.add_argument("file", type=Path, metavar="FILE", help="a source file")
    trim.add_argument("--line", type=int, required=True, metavar="N", help="a line of the function")
    trim.add_argument("--task", choices=("search", "summarize"), default="search", help="which model (default: search)")
    trim.add_argument("--ratio", type=float, metavar="R", help="the share to leave out, of short functions too")
    trim.add_argument("--method", metavar="METHOD", help="the method: novelty, lean, diet, slim, tail or random")
    trim.add_argument("--html", type=Path, metavar="FILE", help="write an HTML page instead")

    embed = commands.add_parser("embed", parents=[bundles], help="write vectors of functions and questions")
    embed.add_argument(
        "--jsonl", type=Path, required=True, metavar="FILE", help='JSON lines with "code" and "language", or "query"'
    )
    embed.add_argument("--output", type=Path, required=True, metavar="FILE", help="the .npy file to write")


def _default_threads() -> int:
    """All processors that this process may use, because the user waits for a command."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
