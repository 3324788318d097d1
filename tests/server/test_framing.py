"""Streams of bytes as clients send them, and the messages and faults in them."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.framing import MAX_LENGTH, Fault, Framing, Parsed, parse_json


def message(body: bytes, length: int | None = None) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body) if length is None else length, body)


def read(*pieces: bytes) -> list[object]:
    """The values of the messages, "fault" for each fault and "answer" for each that is to be answered."""
    framing = Framing()
    found = [item for piece in pieces for item in framing.feed(piece)]
    return [item.value if isinstance(item, Parsed) else "answer" if item.answer else "fault" for item in found]


NEXT = message(b'{"next":1}')
THEN = {"next": 1}


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(message(b"[1]"), [[1]], id="a message"),
        pytest.param(b"Content-Type: x; charset=utf-8\r\n" + message(b"1"), [1], id="with a type"),
        pytest.param(b'Content-Type: x; charset="UTF8"\r\n' + message(b"1"), [1], id="with a quoted type"),
        pytest.param(b"X-Trace: a:b, c\r\n" + message(b"1"), [1], id="with a field of another name"),
        pytest.param(b"\r\n\n" + message(b"1"), [1], id="after empty lines"),
        pytest.param(b"Content-Length:1\r\n\r\n1", [1], id="no blank after the colon"),
        pytest.param(message(b"\xef\xbb\xbf1"), [1], id="a byte order mark"),
        pytest.param(message(b"{}" + b"\r\n"), [{}], id="JSON with a line end behind it"),
        pytest.param(b"CONTENT-LENGTH: 1\r\n\r\n1", ["fault", 1], id="upper case is read, and told once"),
        pytest.param(b"content-length: 1\r\n\r\n1" * 3, ["fault", 1, 1, 1], id="lower case too"),
        pytest.param(b"Content-Length: 1\n\n1", ["fault", 1], id="line ends without a carriage return"),
        pytest.param(b"Content-Length: -1\r\n\r\n1", ["fault"], id="negative"),
        pytest.param(b"Content-Length: one\r\n\r\n1", ["fault"], id="not a number"),
        pytest.param(b"Content-Length: 1.0\r\n\r\n1", ["fault"], id="not a whole number"),
        pytest.param(b"Content-Length: \r\n\r\n1", ["fault"], id="an empty length"),
        pytest.param(message(b"1", 2_147_483_648), ["fault"], id="2 GB"),
        pytest.param(message(b"1", MAX_LENGTH + 1), ["fault"], id="too much"),
        pytest.param(message(b"1", 10**30), ["fault"], id="an endless number"),
        pytest.param(b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n1", ["fault"], id="two lengths"),
        pytest.param(b"Content-Type: x\r\n\r\n{}", ["fault"], id="no length"),
        pytest.param(b"{}", ["fault"], id="no header"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", ["fault"], id="not this protocol"),
        pytest.param(b"a" * 100_000, ["fault"], id="an endless line"),
        pytest.param(b"A: b\r\n" * 10_000, ["fault"], id="an endless header"),
        pytest.param(b"Content-Type: x; charset=utf-16\r\n" + message(b"1"), ["answer"], id="another character set"),
        pytest.param(message(b"{"), ["answer"], id="broken JSON"),
        pytest.param(message(b""), ["answer"], id="empty"),
        pytest.param(message(b"NaN"), ["answer"], id="a constant that is not JSON"),
        pytest.param(message(b'"\xff"'), ["answer"], id="not UTF-8"),
        pytest.param(message(b"[" * 100_000), ["answer"], id="nested too deeply"),
        pytest.param(message(b"9" * 10_000), ["answer"], id="a number too long"),
        pytest.param(message(b'{"a":1}', 3), ["answer"], id="too short"),
        pytest.param(message(b'{"a":1}', 10), ["answer"], id="a little too long"),
        pytest.param(message(b'{"a":1}', 7 + 17), ["answer"], id="too long by the beginning of the next header"),
        pytest.param(message(b'{"a":1}', 1_000_000), ["answer"], id="much too long"),
    ],
)
def test_after_whatever_comes_the_next_message_is_read(stream: bytes, expected: list[object]):
    assert read(stream + NEXT) == [*expected, THEN]
    assert read(stream, NEXT) == [*expected, THEN]
    if len(stream) < 1000:
        assert read(*(bytes([byte]) for byte in stream + NEXT)) == [*expected, THEN]


def test_a_fault_holds_nothing_of_what_was_sent():
    for stream in (b"s3cr3t", message(b"s3cr3t"), b"Content-Length: s3cr3t\r\n", message(b'"s3cr3t"', 3)):
        framing = Framing()
        found = list(framing.feed(stream + NEXT))
        assert any(isinstance(item, Fault) for item in found)
        assert "s3cr3t" not in repr(found)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'"a\ud800b"', "a\ufffdb"),
        (rb'"\uDC00"', "\ufffd"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\ud800"', "\\ud800"),
        (b'"\xed\xa0\x80"', "\ufffd"),
    ],
)
def test_lone_surrogates_are_replaced(body: bytes, text: str):
    assert parse_json(body) == text


def test_a_lone_surrogate_in_a_key_too():
    assert parse_json(rb'{"\ud800": ["\ud800"], "x": [1, null, true, 1.5]}') == {
        "\ufffd": ["\ufffd"],
        "x": [1, None, True, 1.5],
    }


@given(
    st.lists(st.binary(max_size=30) | st.sampled_from([b"Content-Length: ", b"\r\n", b"\n", b"5", b"{}"]), max_size=20),
    st.lists(st.integers(0, 400), max_size=5),
)
def test_any_bytes_in_any_pieces_are_no_exception_and_lose_no_later_message(noise: list[bytes], cuts: list[int]):
    """A noise may end in the middle of a header; from the second message behind it on nothing is lost."""
    stream = b"".join(noise) + NEXT * 3
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    whole, pieces = read(stream), read(*(stream[a:b] for a, b in itertools.pairwise(places)))
    assert [item for item in whole if item == THEN] == [item for item in pieces if item == THEN]
    assert whole[-2:] == [THEN, THEN]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_every_message_is_read_as_it_was_written(value: object):
    assert read(message(json.dumps(value).encode())) == [value]
    assert read(message(json.dumps(value, ensure_ascii=False).encode())) == [value]
