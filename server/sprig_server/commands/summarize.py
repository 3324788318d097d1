"""sprig summarize: write a sentence for each function."""

from __future__ import annotations

import time
from argparse import Namespace

from rich.text import Text

from sprig_server.bundle.packs import explain_missing, missing_packs
from sprig_server.code.languages import find_language
from sprig_server.commands.source import read_functions
from sprig_server.commands.terminal import messages, output, read_json_lines, write_json
from sprig_server.errors import InvalidInput
from sprig_server.inference.models import Models
from sprig_server.types import Definition, Summary


def run(arguments: Namespace) -> int:
    """Summarize the functions of a file, one of them, or the records of a file of JSON lines."""
    models = Models(arguments.bundle, arguments.threads)
    if arguments.jsonl:
        _summarize_records(models, arguments)
    elif arguments.file:
        _summarize_file(models, arguments)
    else:
        raise InvalidInput("nothing to summarize: give a source file, or --jsonl with a file of JSON lines")
    return 0


def _summarize_records(models: Models, arguments: Namespace) -> None:
    for record in read_json_lines(arguments.jsonl):
        if not isinstance(record.get("code"), str) or not isinstance(record.get("language"), str):
            raise InvalidInput(f'the record {str(record)[:60]!r} needs "id", "language" and "code"')
        started = time.perf_counter()
        summary = _summarize(models, record["code"], record["language"])
        write_json(
            {
                "id": record.get("id"),
                "summary": summary.text if summary else None,
                "confidence": round(summary.confidence, 4) if summary else None,
                "milliseconds": round(1000 * (time.perf_counter() - started), 1),
            }
        )


def _summarize_file(models: Models, arguments: Namespace) -> None:
    functions = read_functions(arguments.file, arguments.line)
    if missing := missing_packs({function.language for function in functions}, models.bundles, "summarize"):
        messages().print(explain_missing(missing), markup=False, soft_wrap=True)
    for function in functions:
        summary = _summarize(models, function.code, function.language)
        if arguments.json:
            write_json(
                {
                    "name": function.qualified_name,
                    "start_line": function.span.start_line + 1,
                    "end_line": function.span.end_line + 1,
                    "documentation": function.documentation or None,
                    "summary": summary.text if summary else None,
                    "confidence": round(summary.confidence, 4) if summary else None,
                }
            )
        else:
            output().print(_line(str(arguments.file), function, summary))


def _summarize(models: Models, code: str, language: str) -> Summary | None:
    name = find_language(language).name
    bundle = models.summary_bundle(name)
    return models.summarizer(bundle).summarize(code, name) if bundle is not None else None


def _line(path: str, function: Definition, summary: Summary | None) -> Text:
    line = Text(f"{path}:{function.span.start_line + 1} ", style="cyan")
    line.append(function.qualified_name, style="bold default")
    if summary is None:
        return line.append(f"  no bundle summarizes {function.language}", style="dim")
    line.append(f"  {summary.text}", style="default")
    return line.append(f"  ({summary.confidence:.2f})", style="dim")
