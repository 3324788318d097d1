"""Large, deep and slow texts: time that grows with the length only, and a process that can be stopped."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future

import psutil
import pytest

from sprig_server.code.parsed_source import ParsedSource, parse_source
from sprig_server.code.repair import repair_branches, repair_certain, repair_likely
from sprig_server.concurrency import Tasks
from sprig_server.errors import Cancelled, NotParsed
from sprig_server.parse_cache import DocumentText, ParseCache
from sprig_server.parser_process import ParserProcess

SLOW = "a<" * 100_000  # takes tree-sitter minutes in Java
FUNCTION = "def f{}(x):\n    return g(x)\n\n\n"


def functions(count: int, start: int = 0) -> str:
    return "".join(FUNCTION.format(number) for number in range(start, start + count))


@pytest.mark.parametrize(
    ("language", "unit"),
    [
        ("python", "["),
        ("python", "f("),
        ("python", "x = [1, 2]; "),
        ("javascript", "["),
        ("javascript", "{"),
        ("javascript", "function f() { "),
        ("javascript", "const f = () => { "),
        ("javascript", "var f = function () { return 1 };"),
        ("javascript", "[,,,,],"),
        ("tsx", "<a>"),
        ("typescript", "a: "),
        ("java", "class A { void f() { "),
        ("java", "if(a)"),
        ("python", "@a\n"),
        ("cpp", "("),
        ("cpp", "if(a)"),
        ("cpp", "namespace a { void f() { "),
    ],
)
def test_time_grows_with_the_length_only(language: str, unit: str):
    """Twice the text may take three times as long, not four times, as the square would."""
    check_time(40_000, lambda length: unit * (length // len(unit)), lambda text: parse_source(text, language, "m"))


def check_time(length: int, text_of: Callable[[int], str], work: Callable[[str], object]) -> None:
    def seconds(text: str) -> float:
        gc.disable()  # other tests leave millions of objects, and looking through them takes longer than the work
        began = time.thread_time()
        try:
            work(text)
            return time.thread_time() - began
        finally:
            gc.enable()

    short, long = text_of(length), text_of(4 * length)
    assert min(seconds(long), seconds(long)) < 10 * max(min(seconds(short), seconds(short)), 0.02)


@pytest.mark.parametrize(
    ("before", "unit"),
    [
        ("", "class API A : "),
        ("", "struct A B : a,"),
        ("", "enum [[ "),
        ("namespace a A_MACRO", " "),
        ("", "Q_X() "),
        ("", "MACRO( int )"),
        ("a() MACRO", " "),
        ("MACRO", "\t"),
        ("MACRO(int)", " "),
        ("", "/* "),
        ("", '"'),
        ("", "#if A\n"),
        ("", "#if A\n{\n#endif\n"),
    ],
)
def test_repairs_of_macros_take_time_that_grows_with_the_length_only(before: str, unit: str):
    check_time(
        8_000,
        lambda length: before + unit * (length // len(unit)) + "x",
        lambda text: repair_branches(repair_likely(repair_certain(text)), [(0, 1)]),
    )


def test_an_error_below_deep_nesting_is_survived():
    """The parser lacks a semicolon at the end, whose parent it looks for from the root on."""
    assert parse_source("a: " * 16_000, "typescript", "m").functions == []


def test_functions_in_functions_have_no_more_code_than_fits_into_memory():
    text = "".join(f"function f{n}() {{" for n in range(3000)) + "}" * 3000
    found = parse_source(text, "javascript", "m").functions
    assert [f.name for f in found[:60]] == [f"f{n}" for n in range(60)]
    assert sum(len(f.code) for f in found) < 10_000_000


def test_after_a_stopped_text_the_next_one_is_parsed_as_ever():
    text = functions(300)
    with pytest.raises(Cancelled):
        parse_source(text, "python", "m", lambda: True)
    again = parse_source(text, "python", "m", lambda: False)
    assert again.definitions == parse_source(text, "python", "m").definitions
    assert len(again.functions) == 300


@pytest.fixture
def process():
    process = ParserProcess()
    yield process
    process.close()


def test_another_process_finds_the_same(process: ParserProcess):
    text = functions(2000) + "x = '\ud800\0𝄞'\r\n" + functions(1, start=5000)
    found = process.submit(text, "python", "m", urgent=True).result(timeout=60)
    here = parse_source(text, "python", "m")
    assert found.definitions == here.definitions
    assert (found.calls == here.calls).all()


def test_a_text_that_nobody_wants_any_more_is_given_up_at_once(process: ParserProcess):
    process.submit("x", "python", "m", urgent=True).result(timeout=60)
    job = process.submit(SLOW, "java", "m", urgent=True)
    waiting = process.submit("def f(): pass", "python", "m", urgent=True)
    _wait_until_running(job)
    process.abandon(job)
    assert len(waiting.result(timeout=30).functions) == 1
    with pytest.raises(NotParsed):
        job.result(timeout=1)


def test_a_text_that_somebody_else_wants_too_is_parsed_on(process: ParserProcess):
    text = functions(3000)
    first = process.submit(text, "python", "m", urgent=True)
    second = process.submit(text, "python", "m", urgent=False)
    process.abandon(first)
    assert len(second.result(timeout=60).functions) == 3000


def _wait_until_running(job: Future[ParsedSource]) -> None:
    deadline = time.monotonic() + 30
    while not job.running() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
@pytest.mark.parametrize("text", ["x", SLOW], ids=["idle", "busy"])
def test_the_process_ends_with_the_one_that_started_it(text: str):
    code = (
        "import sys\nfrom sprig_server import parser_process\n"
        f"process = parser_process.ParserProcess()\njob = process.submit({text[:2]!r} * {len(text) // 2 + 1}, 'java', "
        "'m', True)\n"
        "while process._process is None: pass\n"
        "print(process._process.pid, flush=True)\njob.exception()\nsys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.5)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()


def run(work) -> None:
    """Run a test with `ParseCache` on an event loop."""

    async def main() -> None:
        parse_cache = ParseCache(Tasks(lambda name, error: None))
        try:
            await asyncio.wait_for(work(parse_cache), 60)
        finally:
            parse_cache.close()

    asyncio.run(main())


def text_of(text: str, language: str = "python") -> DocumentText:
    return DocumentText("file:///m", text, language, "m")


def test_each_version_is_parsed_once():
    async def work(parse_cache: ParseCache) -> None:
        first = await parse_cache.read(text_of("def f(): pass"))
        assert await parse_cache.read(text_of("def f(): pass")) is first
        assert await parse_cache.read(text_of("def g(): pass")) is not first
        both = await asyncio.gather(parse_cache.read(text_of("x")), parse_cache.read(text_of("x")))
        assert both[0] is both[1] is not None

    run(work)


def test_the_version_before_answers_for_what_was_not_typed_at():
    async def work(parse_cache: ParseCache) -> None:
        old = functions(3000)
        before = await parse_cache.read(text_of(old))
        new = old.replace("f1500", "something_else")
        after = new.index("f2999")
        place = await parse_cache.locate(text_of(new), after)
        assert place is not None
        assert place.source is before
        assert old[place.offset : place.offset + 5] == "f2999"
        assert place.offset + place.shift == after
        place = await parse_cache.locate(text_of(new), new.index("something"))
        assert place is not None, "what is new is waited for"
        assert place.source.text == new

    run(work)


def test_a_text_that_is_too_slow_is_not_tried_for_each_letter():
    async def work(parse_cache: ParseCache) -> None:
        with pytest.raises(NotParsed):
            await parse_cache.read(text_of("x" * 10_000_001))
        assert "10000001 characters" in parse_cache.problems()["file:///m"]
        assert await parse_cache.locate(text_of("x" * 10_000_002), 0) is None
        assert await parse_cache.read(text_of("def f(): pass")) is not None
        assert parse_cache.problems() == {}

    run(work)


def test_a_short_text_that_is_slow_is_left_to_the_process():
    async def work(parse_cache: ParseCache) -> None:
        text = text_of("a<" * 6000, "java")
        assert len(text.text) < 50_000
        asked = asyncio.create_task(parse_cache.read(text))
        while not (parse_cache._process._running or asked.done()):
            await asyncio.sleep(0.01)
        parse_cache.forget(text.uri)
        with pytest.raises(asyncio.CancelledError):
            await asked

    run(work)


def test_memory_is_bounded():
    async def work(parse_cache: ParseCache) -> None:
        for number in range(100):
            await parse_cache.read(DocumentText(f"file:///{number}", f"x = {number}", "python", "m"))
        assert len(parse_cache._documents) == 64

    run(work)
