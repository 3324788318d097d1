"""Identifiers and prose cut into words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.code.words import STOP_WORDS, identifiers, index_words, split_identifier, split_words, stem


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("parse", ["parse"]),
        ("parseText", ["parse", "text"]),
        ("ParseText", ["parse", "text"]),
        ("parse_text", ["parse", "text"]),
        ("__init__", ["init"]),
        ("MAX_BYTES", ["max", "bytes"]),
        ("parseHTTP_url2", ["parse", "http", "url", "2"]),
        ("HTTPServer", ["http", "server"]),
        ("getURL", ["get", "url"]),
        ("utf8Decoder", ["utf", "8", "decoder"]),
        ("x", ["x"]),
        ("_", []),
        ("", []),
        ("größeÄndern", ["größe", "ändern"]),
        ("读取文件", ["读取", "取文", "文件"]),
        ("读取Config", ["读取", "config"]),
        ("図", ["図"]),
        ("kebab-case", ["kebab", "case"]),
    ],
)
def test_split_identifier(identifier, words):
    assert split_identifier(identifier) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("How do I parse a URL?", ["how", "do", "i", "parse", "a", "url"]),
        ("parseHTTP(url)", ["parsehttp", "parse", "http", "url"]),
        ("os.path.join", ["os", "path", "join"]),
        ("read_file read", ["read_file", "read", "file", "read"]),
        ("a+b", ["a", "b"]),
        ("!?", []),
        ("读取 config", ["读取", "config"]),
        ("读取config", ["读取config", "读取", "config"]),
        ("パスワードの暗号化", ["パス", "スワ", "ワー", "ード", "ドの", "の暗", "暗号", "号化"]),
        ("読み込む", ["読み", "み込", "込む", "読", "込"]),  # the stems are words too
        ("파일을 읽는다", ["파일", "일을", "읽는", "는다"]),
        ("ไฟล์", ["ไฟ", "ฟล", "ล์"]),
        ("ＰＡＲＳＥ ﾊﾟｽ", ["parse", "パス"]),  # full width, half width
        ("Öffnet Datei", ["öffnet", "datei"]),
        ("O\u0308ffnet", ["öffnet"]),  # as macOS writes file names
        ("Удаляет пробелы", ["удаляет", "пробелы"]),
    ],
)
def test_split_words_gives_compounds_and_their_parts(text, words):
    assert split_words(text) == words


def test_identifiers_are_the_words_that_are_written_as_code():
    assert identifiers("how does parseURL call read_file in utf8 mode of HTTP") == [
        "parseURL",
        "read_file",
        "utf8",
    ]


@pytest.mark.parametrize(
    "family",
    [
        ("parse", "parses", "parsed", "parsing", "parser", "parsers"),
        ("encode", "encoding", "encoder", "encodes"),
        ("run", "running", "runs", "runner"),
        ("file", "files"),
        ("query", "queries"),
    ],
)
def test_forms_of_a_word_have_one_stem(family):
    assert len({stem(word) for word in family}) == 1


@pytest.mark.parametrize(
    "pair", [("parse", "print"), ("read", "write"), ("test", "text"), ("set", "see"), ("user", "use")]
)
def test_different_words_keep_different_stems(pair):
    assert stem(pair[0]) != stem(pair[1])


@pytest.mark.parametrize("word", ["is", "url", "key", "des", "bus"])
def test_short_words_are_their_own_stem(word):
    assert stem(word) == word


def test_stop_words_are_single_lower_case_words():
    assert all(split_words(word) == [word] for word in STOP_WORDS)
    assert not {"sort", "parse", "file", "test", "class", "function"} & STOP_WORDS


@given(st.text(max_size=40))
def test_words_are_lower_case_and_come_from_the_text(text):
    for word in split_words(text):
        assert word
        assert word == word.lower()
        assert word in unicodedata.normalize("NFKC", text).lower()


UNSPACED = st.text("读取配置文件図像暗号化のをパスワード파일을เปิดຂໍ", min_size=1, max_size=12)


@given(UNSPACED, st.data())
def test_whatever_part_of_a_run_is_asked_for_is_indexed(run, data):
    start = data.draw(st.integers(0, len(run) - 1))
    part = run[start : data.draw(st.integers(start + 1, len(run)))]
    assert split_words(part)
    assert set(split_words(part)) <= set(index_words(f"{run} parse(config)"))


@given(st.text(max_size=40))
def test_every_word_is_indexed(text):
    assert set(split_words(text)) <= set(index_words(text))


@given(st.text(st.characters(max_codepoint=0x24F), max_size=40))
def test_latin_text_is_indexed_by_its_words_alone(text):
    assert index_words(text) == split_words(text)


@given(st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=1, max_size=5))
def test_however_words_are_joined_they_are_found_again(words):
    snake, camel = "_".join(words), words[0] + "".join(word.capitalize() for word in words[1:])
    pascal = "".join(word.capitalize() for word in words)
    assert [split_identifier(name) for name in (snake, camel, pascal, snake.upper())] == [words] * 4


@given(st.text(max_size=30))
def test_a_stem_is_the_beginning_of_its_word(word):
    stemmed = stem(word)
    assert word.startswith(stemmed)
    assert len(stemmed) >= min(len(word), 3) - 1
