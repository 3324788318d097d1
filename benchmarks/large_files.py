"""How long hovers take in large and deep files, and how long they delay hovers in another document.

Each case starts its own server and talks to it over pipes, as an editor does. `make bench-large` writes the table of
docs/results/large-files.md. The texts are generated here, so the figures can be reproduced.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20
OTHER = 'def other():\n    """Doc of other."""\n    return other()\n'
METHOD = '''
    def method_{0}(self, price, other=None):
        """Add a price to the basket."""
        self.prices.append(price)
        for item in self.prices:
            self.total += method_{0}(item, other)
        return self.total
'''
CLASS = "\n\nclass Basket{0}:\n    prices = []\n"


@dataclass(frozen=True, slots=True)
class Case:
    """A text, and the positions of the names that are hovered: lines and characters."""

    name: str
    language: str
    text: str
    places: list[tuple[int, int]]


def python_file(size: int) -> tuple[str, list[tuple[int, int]]]:
    """Classes with eight methods each, and the positions of the methods' names."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    length = lines = number = 0
    while length < size:
        part = (CLASS.format(number // 8) if number % 8 == 0 else "") + METHOD.format(number)
        places.append((lines + part[: part.index("def ")].count("\n"), 8))
        parts.append(part)
        length, lines, number = length + len(part), lines + part.count("\n"), number + 1
    return "".join(parts), places


def one_line(size: int) -> tuple[str, list[tuple[int, int]]]:
    """JavaScript as a minifier writes it."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    length = 0
    while length < size:
        part = f"/** Doc. */function f{len(parts)}(a,b){{return a.map(x=>x+b).filter(g)}}"
        places.append((0, length + part.index(" f") + 1))
        parts.append(part)
        length += len(part)
    return "".join(parts), places


def cases() -> list[Case]:
    sizes = {"10 kB": 10_000, "100 kB": 100_000, "1 MB": 1_000_000, "3 MB": 3_000_000, "5 MB": 5_000_000}
    nested = "/** Doc. */\n" + "".join(f"function f{n}() {{ " for n in range(3000)) + "}" * 3000
    return [
        *(Case(name, "python", *python_file(size)) for name, size in sizes.items()),
        Case("5 MB on one line", "javascript", *one_line(5_000_000)),
        Case("3,000 nested functions", "javascript", nested, [(1, 9)]),
        Case("100,000 opening brackets", "python", OTHER + "x = " + "[" * 100_000, [(0, 4)]),
    ]


@dataclass(slots=True)
class Client:
    """A client over pipes. A thread matches the replies."""

    process: subprocess.Popen[bytes]
    _waiting: dict[int, tuple[threading.Event, list[Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: int = 0

    @classmethod
    def start(cls) -> Client:
        command = [sys.executable, "-m", "sprig_server", "serve"]
        client = cls(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        threading.Thread(target=client._read, daemon=True).start()
        client.request("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": {}})
        client.send("initialized", {})
        return client

    def send(self, method: str, params: Any, **more: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        assert self.process.stdin
        with self._lock:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.process.stdin.flush()

    def request(self, method: str, params: Any) -> Any:
        with self._lock:
            self._last += 1
            number, event, reply = self._last, threading.Event(), []
            self._waiting[number] = (event, reply)
        self.send(method, params, id=number)
        if not event.wait(120):
            raise TimeoutError(f"{method} was not answered within two minutes")
        return reply[0].get("result")

    def open(self, uri: str, language: str, text: str) -> None:
        self.send(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}},
        )

    def hover(self, uri: str, place: tuple[int, int]) -> tuple[float, bool]:
        """The milliseconds that a hover takes, and whether it shows something."""
        began = time.perf_counter()
        at = {"line": place[0], "character": place[1]}
        result = self.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": at})
        return 1000 * (time.perf_counter() - began), result is not None

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream
        while header := stream.readline():
            length = 0
            while header != b"\r\n":
                name, _, value = header.partition(b": ")
                length = int(value) if name == b"Content-Length" else length
                header = stream.readline()
            message = json.loads(stream.read(length))
            if message.get("id") in self._waiting and "method" not in message:
                event, reply = self._waiting.pop(message["id"])
                reply.append(message)
                event.set()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def measure(case: Case, hovers: int, seconds: float) -> str:
    """One row: the first hover after opening; hovers in the unchanged file, and right after typed letters; and the
    longest hover in another document meanwhile.
    """
    client = Client.start()
    chosen = random.Random(SEED)
    try:
        client.open("file:///other.py", "python", OTHER)
        client.hover("file:///other.py", (0, 4))
        quiet = [client.hover("file:///other.py", (0, 4))[0] for _ in range(50)]
        delays: list[float] = []
        over = threading.Event()

        def ask_elsewhere() -> None:
            while not over.is_set():
                delays.append(client.hover("file:///other.py", (0, 4))[0])
                time.sleep(0.005)

        asking = threading.Thread(target=ask_elsewhere)
        asking.start()
        began = time.monotonic()
        uri = "file:///large"
        client.open(uri, case.language, case.text)
        first = client.hover(uri, case.places[0])[0]
        wait_until(lambda: client.hover(uri, case.places[0])[1], 20)
        still = [client.hover(uri, chosen.choice(case.places)) for _ in range(hovers)]
        typed: list[float] = []
        version = 1
        while time.monotonic() - began < seconds:
            version += 1
            edit = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
            changes = [{"range": edit, "text": " " if case.text[0] != "d" else "\n"}]
            document = {"uri": uri, "version": version}
            client.send("textDocument/didChange", {"textDocument": document, "contentChanges": changes})
            typed.append(client.hover(uri, chosen.choice(case.places))[0])
            time.sleep(0.1)
        over.set()
        asking.join()
    finally:
        client.end()
    shown = sum(found for _, found in still)
    columns = [
        f"{first:.0f}",
        *percentiles([took for took, _ in still]),
        f"{shown}/{len(still)}",
        *percentiles(typed),
        f"{max(delays):.0f}",
        f"{np.percentile(delays, 99):.0f}",
        f"{max(quiet):.0f}",
    ]
    return f"| {case.name} | " + " | ".join(columns) + " |"


def percentiles(values: list[float]) -> list[str]:
    return [f"{np.percentile(values, share):.1f}" for share in (50, 95)] if values else ["-", "-"]


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hovers", type=int, default=200, help="in each file")
    parser.add_argument("--seconds", type=float, default=20, help="for each file")
    parser.add_argument("--case", help="only those whose name has this in it")
    parser.add_argument("--output", type=Path, help="a file for the table")
    arguments = parser.parse_args()
    lines = [
        f"{os.cpu_count()} processors ({platform.machine()}), load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, seed {SEED}; milliseconds.",
        "",
        "| file | first | p50 | p95 | shown | typing p50 | p95 | elsewhere max | p99 | at rest |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    for case in cases():
        if arguments.case is None or arguments.case in case.name:
            lines.append(measure(case, arguments.hovers, arguments.seconds))
            sys.stdout.write(lines[-1] + "\n")
            sys.stdout.flush()
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
