"""Speed of the server beside the unpruned models through PyTorch, in the same run, on a named package.

    python benchmarks/speed.py --search-base DIR --summary-recipe export/sprig_export/recipes/summary.toml

Everything except the baseline is measured with a real server process over stdio. The package is `rich`, a dependency of
Sprig. Absolute times depend on the machine; compare the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rich
import torch
from transformers import AutoModel, AutoTokenizer

from sprig_export.config.recipe import read_recipe
from sprig_export.evaluate.search import EncodingSettings, encode_with_torch
from sprig_export.evaluate.summaries import SummarySettings, summarize_with_torch
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_server.code.functions import parse_functions
from sprig_server.index.entries import parse_file
from sprig_server.types import Definition

PACKAGE = Path(rich.__file__).parent
THREADS = 2
QUESTIONS = [
    "how is markup turned into styled text", "wrap long lines", "measure the width of a cell", "draw a progress bar",
    "detect the terminal size", "pretty print nested data", "render a traceback", "parse a colour name",
    "export the console as html", "split a string into words", "live display refresh", "emoji replacement",
]  # fmt: skip


class Client:
    """A minimal LSP client for timing a server."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sprig_server", "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
        )
        self._id = 0

    def send(self, method: str, params: Any, request: bool = True) -> Any:
        """Send a message; the result of a request."""
        assert self.process.stdin and self.process.stdout
        self._id += request
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": self._id} if request else {})
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()
        while request:
            length = 0
            while (line := self.process.stdout.readline()) != b"\r\n":
                if line.startswith(b"Content-Length"):
                    length = int(line.split(b":")[1])
            reply = json.loads(self.process.stdout.read(length))
            if reply.get("id") == self._id and "method" not in reply:
                return reply.get("result")
        return None

    def command(self, name: str, *arguments: Any) -> Any:
        return self.send("workspace/executeCommand", {"command": name, "arguments": list(arguments)})


Figure = str | float | tuple[float, float]
"""In a pair, the first value is the median and the second the 95th percentile, in milliseconds."""


def percentiles(seconds: list[float]) -> tuple[float, float]:
    p50, p95 = 1000 * np.percentile(seconds, [50, 95])
    return float(p50), float(p95)


def shown(figure: Figure) -> str:
    if isinstance(figure, tuple):
        return "{:.0f} / {:.0f} ms".format(*figure)
    return f"{figure:.1f}" if isinstance(figure, float) else str(figure)


def timed(work: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def undocumented(count: int) -> list[tuple[Path, Definition]]:
    """Functions of the package without documentation, of at least four lines, in path order."""
    found = (
        (path, function)
        for path in sorted(PACKAGE.rglob("*.py"))
        for function in parse_functions(path.read_text(encoding="utf-8"), "python")
        if not function.documentation and function.code.count("\n") >= 4 and not function.name.startswith("__")
    )
    return list(islice(found, count))


def hover_all(client: Client, functions: list[tuple[Path, Definition]]) -> list[float]:
    times = []
    for path, function in functions:
        text = path.read_text(encoding="utf-8")
        before = text[: function.name_span.start]
        place = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        params = {"textDocument": {"uri": path.as_uri()}, "position": place}
        times.append(timed(lambda p=params: client.send("textDocument/hover", p))[0])
    return times


def measure_server(functions: list[tuple[Path, Definition]], bundles: Sequence[Path] = ()) -> dict[str, Figure]:
    """Start a server on the package with an empty cache and time what a user waits for. `bundles` come before the
    installed ones.
    """
    figures: dict[str, Figure] = {}
    settings = {"threads": THREADS, "hover": {"generate": "always"}, "bundles": list(map(str, bundles))}
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        client = Client({"SPRIG_CACHE_DIR": cache})
        client.send(
            "initialize",
            {"processId": None, "rootUri": PACKAGE.as_uri(), "capabilities": {}, "initializationOptions": settings},
        )
        figures["start to initialize reply"] = f"{1000 * (time.perf_counter() - started):.0f} ms"
        started = time.perf_counter()
        client.send("initialized", {}, request=False)
        while True:
            (folder,) = client.command("sprig.status")["folders"] or [{"indexing": True, "definitions": 0}]
            if not folder["indexing"] and folder["definitions"] and folder["encoded"] == folder["definitions"]:
                break
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        figures["functions"] = folder["functions"]
        figures["definitions"] = folder["definitions"]
        figures["definitions a second"] = folder["definitions"] / seconds
        client.command("sprig.search", {"query": "warm up"})
        queries = [timed(lambda q=q: client.command("sprig.search", {"query": q}))[0] for q in QUESTIONS * 5]
        figures["query p50 / p95"] = percentiles(queries)
        figures["hover p50 / p95, uncached"] = percentiles(hover_all(client, functions)[1:])
        figures["hover p50 / p95, cached"] = percentiles(hover_all(client, functions)[1:])
        figures["resident memory"] = f"{psutil.Process(client.process.pid).memory_info().rss / 1e6:.0f} MB"
        client.send("shutdown", None)
        client.send("exit", None, request=False)
        client.process.wait(10)
    return figures


def measure_torch(
    search_base: Path, summary_recipe: Path | None, functions: list[tuple[Path, Definition]]
) -> dict[str, Figure]:
    """The same work with the unpruned fp32 models in PyTorch."""
    torch.set_num_threads(THREADS)
    checkpoint = open_checkpoint(str(search_base))
    model, tokenizer = AutoModel.from_pretrained(search_base).eval(), AutoTokenizer.from_pretrained(search_base)

    def encode(texts: list[str]) -> None:
        encode_with_torch(model, tokenizer, texts, EncodingSettings(checkpoint.pooling, checkpoint.max_tokens))

    texts = [
        passage.text
        for path in sorted(PACKAGE.rglob("*.py"))
        for _, passage in parse_file(path.relative_to(PACKAGE).as_posix(), path.read_bytes())
    ]
    sample = texts[:: max(1, len(texts) // 300)]
    encode(sample[:8])
    figures: dict[str, Figure] = {"definitions a second": len(sample) / timed(lambda: encode(sample))[0]}
    figures["query p50 / p95"] = percentiles([timed(lambda q=q: encode([q]))[0] for q in QUESTIONS * 2])
    if summary_recipe is not None:
        recipe = read_recipe(summary_recipe)
        base = open_checkpoint(recipe.model, recipe.adapter)
        network, words = load_model(base, "summarize"), load_tokenizer(base)
        settings = SummarySettings(
            recipe.summary_tokens, recipe.max_new_tokens, beams=recipe.beams, prompt=recipe.prompt
        )

        def summarize(function: Definition) -> None:
            summarize_with_torch(network, words, [(function.code, "python")], settings)

        times = [timed(lambda f=f: summarize(f))[0] for _, f in functions]
        figures["hover p50 / p95, uncached"] = percentiles(times[1:])
    figures["resident memory"] = f"{psutil.Process().memory_info().rss / 1e6:.0f} MB"
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search-base", type=Path, required=True)
    parser.add_argument("--summary-recipe", type=Path, metavar="FILE", help="of the summary bundle, for its base")
    arguments = parser.parse_args()
    functions = undocumented(40)
    sprig = measure_server(functions)
    base = measure_torch(arguments.search_base, arguments.summary_recipe, functions)
    sys.stdout.write(
        f"rich {version('rich')}, {THREADS} threads, {len(functions)} hovers, {len(QUESTIONS)} questions\n\n"
    )
    sys.stdout.write("| | Sprig | unpruned fp32, PyTorch |\n|---|---|---|\n")
    for name, value in sprig.items():
        sys.stdout.write(f"| {name} | {shown(value)} | {shown(base.get(name, ''))} |\n")
    rates = [figures["definitions a second"] for figures in (sprig, base)]
    assert isinstance(rates[0], float)
    assert isinstance(rates[1], float)
    ratio = rates[0] / rates[1]
    sys.stdout.write(f"\nEncoding: {ratio:.1f} times the definitions a second of the unpruned model.\n")


if __name__ == "__main__":
    main()
