"""Lines, positions and encodings, as the Language Server Protocol counts them."""

import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.code.lines import Lines, decode, split_lines

ENCODINGS = ("utf-8", "utf-16", "utf-32")

# Rich in what goes wrong: line endings and look-alikes, characters of every width, lone surrogates.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("\n\r\t \f\v\x1c\x1d\x1e\x85\u2028\u2029\0"),
        st.sampled_from("aé€𝄞😀\ud800\udfff"),
        st.characters(),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a\n"]),
        ("a\nb", ["a\n", "b"]),
        ("a\r\nb\rc\nd", ["a\r\n", "b\r", "c\n", "d"]),
        ("\n\r\n\r", ["\n", "\r\n", "\r"]),
        ("\r\r\n\n", ["\r", "\r\n", "\n"]),
        ("a\fb\vc\x1cd\x85e\u2028f\u2029g", ["a\fb\vc\x1cd\x85e\u2028f\u2029g"]),
    ],
)
def test_a_line_ends_at_line_feed_and_carriage_return_only(text, lines):
    assert split_lines(text) == lines


@given(TEXTS)
def test_lines_join_to_the_text_again(text):
    lines = split_lines(text)
    assert "".join(lines) == text
    assert all(re.fullmatch(r"[^\r\n]*(\r\n|\r|\n)", line) for line in lines[:-1])
    assert all(re.fullmatch(r"[^\r\n]*(\r\n|\r|\n)?", line) and line for line in lines[-1:])


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("", [0]),
        ("a", [0]),
        ("a\n", [0, 2]),  # the cursor can stand on the empty line below
        ("a\nb", [0, 2]),
        ("a\r\nb\r", [0, 3, 5]),
        ("\n\n", [0, 1, 2]),
        ("a\fb\n", [0, 4]),
    ],
)
def test_line_starts(text, starts):
    lines = Lines(text)
    assert lines.starts == starts
    assert len(lines) == len(starts)


def test_a_line_is_given_without_its_ending():
    lines = Lines("first\r\nsecond\rthird\n")
    assert [lines.line(number) for number in range(-1, 5)] == ["", "first", "second", "third", "", ""]


def test_the_line_of_an_offset():
    lines = Lines("ab\r\nc\n")
    assert [lines.line_of(offset) for offset in range(7)] == [0, 0, 0, 0, 1, 1, 2]


# "a" and three characters of two, three and four bytes; the last one takes two units of UTF-16.
WIDE = "aé€𝄞z"


@pytest.mark.parametrize(
    ("encoding", "columns"),
    [("utf-8", [0, 1, 3, 6, 10, 11]), ("utf-16", [0, 1, 2, 3, 5, 6]), ("utf-32", [0, 1, 2, 3, 4, 5])],
)
def test_positions_count_in_the_units_of_the_encoding(encoding, columns):
    lines = Lines("x\n" + WIDE + "\r\ny")
    assert [lines.position(2 + index, encoding) for index in range(6)] == [(1, column) for column in columns]
    assert [lines.offset(1, column, encoding) for column in columns] == [2 + index for index in range(6)]
    encoded = [len(WIDE[:index].encode(encoding + ("-le" if encoding != "utf-8" else ""))) for index in range(6)]
    width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    assert columns == [length // width for length in encoded]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_positions_outside_of_the_text_are_clamped(encoding):
    lines = Lines("é𝄞\r\nb")
    assert lines.offset(-1, 5, encoding) == 0
    assert lines.offset(0, -3, encoding) == 0
    assert lines.offset(0, 99, encoding) == 2  # before the line ending, not on the next line
    assert lines.offset(1, 99, encoding) == 5
    assert lines.offset(99, 0, encoding) == 5
    assert lines.position(-1, encoding) == (0, 0)
    assert lines.position(99, encoding) == (1, 1)


def test_a_position_inside_of_a_character_belongs_to_the_character_after_it():
    lines = Lines("a𝄞b")
    assert [lines.offset(0, column, "utf-16") for column in (1, 2, 3)] == [1, 2, 2]
    assert [lines.offset(0, column, "utf-8") for column in (1, 2, 3, 4, 5)] == [1, 2, 2, 2, 2]


@given(TEXTS, st.sampled_from(ENCODINGS))
def test_an_offset_survives_the_way_to_a_position_and_back(text, encoding):
    lines = Lines(text)
    for offset in range(len(text) + 1):
        line, character = lines.position(offset, encoding)
        inside_line_ending = text[offset - 1 : offset + 1] == "\r\n"
        assert lines.offset(line, character, encoding) == offset - inside_line_ending


@given(TEXTS, st.sampled_from(ENCODINGS))
def test_positions_grow_with_offsets(text, encoding):
    lines = Lines(text)
    positions = [lines.position(offset, encoding) for offset in range(len(text) + 1)]
    assert positions == sorted(set(positions))
    assert {line for line, _ in positions} == set(range(len(lines)))


@given(TEXTS, st.integers(-3, 70), st.integers(-3, 70), st.sampled_from(ENCODINGS))
def test_every_position_gives_an_offset_in_the_text_on_that_line(text, line, character, encoding):
    lines = Lines(text)
    offset = lines.offset(line, character, encoding)
    assert 0 <= offset <= len(text)
    if 0 <= line < len(lines):
        assert lines.line_of(offset) == line


# Bytes to text.


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a = 1\n", "a = 1\n"),
        ("ä = '𝄞'".encode(), "ä = '𝄞'"),
        (codecs.BOM_UTF8 + "ä".encode(), "ä"),
        (codecs.BOM_UTF16_LE + "ä𝄞".encode("utf-16-le"), "ä𝄞"),
        (codecs.BOM_UTF16_BE + "ä𝄞".encode("utf-16-be"), "ä𝄞"),
        (codecs.BOM_UTF32_LE + "ä𝄞".encode("utf-32-le"), "ä𝄞"),
        (codecs.BOM_UTF32_BE + "ä𝄞".encode("utf-32-be"), "ä𝄞"),
        ("Größe".encode("latin-1"), "Größe"),
        (b"a\0b", "a\0b"),
        (b"\xff\n\xfe", "ÿ\nþ"),
    ],
)
def test_decoding(data, text):
    assert decode(data) == text


@given(st.binary(max_size=80))
def test_decoding_never_fails_and_keeps_the_lines(data):
    text = decode(data)
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # in these a line feed is two bytes
        assert text.count("\n") == data.count(b"\n")
        assert text.count("\r") == data.count(b"\r")


@given(st.binary(max_size=80))
def test_a_mark_does_not_make_broken_utf_8_lose_lines(data):
    text = decode(codecs.BOM_UTF8 + data)
    assert text.count("\n") == data.count(b"\n")


@given(st.text(max_size=60))
def test_valid_text_comes_back_as_it_was(text):
    assert decode(codecs.BOM_UTF8 + text.encode()) == text
    assert decode(text.encode()) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("# -*- coding: cp1251 -*-\n", "cp1251"),
        ("#!/usr/bin/python\n# vim: set fileencoding=koi8-r :\n", "koi8-r"),
        ("/* -*- mode: c++; coding: koi8-r -*- */\n", "koi8-r"),
        ("# coding: latin-1\r\n", "latin-1"),
        ("# coding: shift_jis\n", "shift_jis"),
    ],
)
def test_a_file_says_its_encoding_in_its_first_lines(head: str, encoding: str):
    word = {"latin-1": "Größe", "shift_jis": "大きさ"}.get(encoding, "размер")
    text = head + f"def f():\n    return '{word}'\n"
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "told", ["", "# coding: rot13\n", "# coding: nothing\n", "# coding: undefined\n", "# coding: utf-16\n"]
)
def test_what_says_nothing_sensible_is_latin_1(told: str):
    assert decode(told.encode() + b"caf\xe9\n") == told + "café\n"


def test_valid_utf_8_is_read_as_such_whatever_it_says():
    assert decode("# coding: cp1251\nгод\n".encode()) == "# coding: cp1251\nгод\n"
