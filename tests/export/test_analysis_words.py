"""What `sprig analyze` asks a model about: the words, their classes, their sub-tokens and their activations."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.families import LAYERS, UNITS, WIDTH, make_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, AutoTokenizer

from sprig_export.analysis.activations import load_encoder, read_states, read_units
from sprig_export.analysis.passages import Passages, cut_passages
from sprig_export.analysis.split import Sizes, draw_sample, split_types
from sprig_export.analysis.token_classes import label_words
from sprig_export.config.request import Example
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

CODE = {
    "python": (
        "async def f(self, a: List[int] = None) -> str:\n    # two words\n    x = a[0] + 2.5 if not a else -1\n"
        '    return f"hello {x!r} w\\n orld" + g(*a, **b)',
        {
            "KEYWORD": "def None if not else return",
            "IDENTIFIER": "f self a x a a x g a b",
            "NUMBER": "0 2.5 1",
            "STRING": "hello w orld",
            "TYPE": "List int str",
            "MODIFIER": "async",
            "OPERATOR": "= -> = + - +",
            "COMMENT": "two words",
        },
    ),
    "java": (
        "public static final int f(final Map<String, T> b) throws E {\n  /* in a block */ boolean t = b.n() >= 0x1F;\n"
        "  for (var q : b) { x += this.y ? 1.5f : 'c'; }\n"
        '  return A::new == null ? "tell\\nme" : super.f(); // end\n}',
        {
            "KEYWORD": "throws for this return new null super",
            "IDENTIFIER": "f b t b n q b x y A f",
            "NUMBER": "0x1F 1.5f",
            "STRING": "tell me",
            "TYPE": "int Map String T E boolean var",
            "MODIFIER": "public static final final",
            "OPERATOR": "= >= += ? == ?",
            "COMMENT": "in a block end",
        },
    ),
    "javascript": (
        "static async run(a, ...rest) { // go on\n  const x = `say ${a}`, r = /a+b/g;\n"
        "  for (const q of rest) this.x = q => q ** 2n;\n  return x === 'it is' ? <b id={x}>text</b> : undefined; }",
        {
            "KEYWORD": "const for const of this return",
            "IDENTIFIER": "run a rest x a r q rest x q q x b id x b undefined",
            "NUMBER": "2n",
            "STRING": "say it is",
            "MODIFIER": "static async",
            "OPERATOR": "= = = => ** === ? =",
            "COMMENT": "go on",
        },
    ),
    "typescript": (
        "private async f(readonly a: string, b?: Array<T>): Promise<void> { const z = a as any; return b! > 3; }",
        {
            "KEYWORD": "const as return",
            "IDENTIFIER": "f a b z a b",
            "NUMBER": "3",
            "TYPE": "string Array T Promise void any",
            "MODIFIER": "private async readonly",
            "OPERATOR": "= ! >",
        },
    ),
    "cpp": (
        "template <typename T> static inline std::vector<T>& A::f(const int* p, unsigned long n, auto&& q) const "
        "noexcept { // to do\n  if (p == nullptr && !n) return R\"(raw text)\" + L\"wide\";\n"
        "  std::cout << 1.5f << q->v;"
        "  T* x = new T[3]; volatile size_t m = sizeof(x); return *x; }",
        {
            "KEYWORD": "template typename if nullptr return new sizeof return",
            "IDENTIFIER": "std A f p n q p n std cout q v x m x x",
            "NUMBER": "1.5f 3",
            "STRING": "raw text wide",
            "TYPE": "T vector T int unsigned long auto T T size_t",
            "MODIFIER": "static inline const const noexcept volatile",
            "OPERATOR": "== && ! + << << -> = = *",
            "COMMENT": "to do",
        },
    ),
}  # fmt: skip


def by_class(code: str, language: str) -> dict[str, str]:
    found = defaultdict(list)
    for word in label_words(code, language):
        found[word.label].append(word.text)
    return {label: " ".join(words) for label, words in found.items()}


@pytest.mark.parametrize("language", CODE)
def test_every_word_gets_the_class_that_the_syntax_tree_gives_it(language: str):
    code, expected = CODE[language]
    assert by_class(code, language) == expected


def test_a_word_stands_where_it_says_whatever_characters_come_before_it():
    code = 'def f():\n    s = "grüße 😀 welt"  # größe\n    return s'
    words = label_words(code, "python")
    assert [code[word.start : word.end] for word in words] == [word.text for word in words]
    assert [word.text for word in words if word.label in ("STRING", "COMMENT")] == ["grüße", "welt", "größe"]


def test_code_that_is_valid_only_inside_a_type_is_read_there_and_broken_code_is_not_read():
    assert by_class("public Foo(int a) { this.a = a; }", "java")["IDENTIFIER"] == "Foo a a a"
    assert by_class("get x() { return 1 }", "javascript")["MODIFIER"] == "get"
    assert label_words("public int f( { return }", "java") == ()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 24), st.sampled_from("ABC")), min_size=90, max_size=140),
    st.integers(0, 3),
)
def test_no_word_type_is_in_two_splits_and_every_split_is_balanced(words: list[tuple[int, str]], seed: int):
    types, labels = [f"w{number}" for number, _ in words], [label for _, label in words]
    try:
        sample = draw_sample(types, labels, "ABC", Sizes(8, 2, 2), seed)
    except InvalidInput:
        return
    parts = {"train": sample.train, "seen": sample.seen, "dev": sample.dev, "test": sample.test}
    kinds = {name: {types[row] for row in rows} for name, rows in parts.items()}
    assert kinds["seen"] <= kinds["train"]
    assert not kinds["train"] & kinds["dev"]
    assert not kinds["train"] & kinds["test"]
    assert not kinds["dev"] & kinds["test"]
    for rows in parts.values():
        assert len(set(rows.tolist())) == len(rows)
        counts = Counter(labels[row] for row in rows)
        assert len(rows) == 0 or (len(set(counts.values())) == 1 and set(counts) == set(sample.classes))
    assert not set(sample.train.tolist()) & set(sample.seen.tolist())
    assert set(sample.classes) | set(sample.left_out) == set("ABC")


def test_classes_with_too_few_words_are_left_out_and_said_to_be():
    words = [(f"{label}{number % 40}", label) for label in "AB" for number in range(200)]
    words += [("rare", "C")] * 100 + [(f"D{number}", "D") for number in range(3)]
    sample = draw_sample(*map(list, zip(*words, strict=True)), "ABCDE", Sizes(50, 10, 10), 0)
    assert sample.classes == ("A", "B")
    assert sample.left_out == {
        "C": "too few words: 0 of 10 for dev, 0 of 10 for test",
        "D": "too few words: 1 of 50 for train, 1 of 10 for dev, 1 of 10 for test",
        "E": "no such word",
    }
    assert (len(sample.train), len(sample.seen), len(sample.dev), len(sample.test)) == (100, 20, 20, 20)
    with pytest.raises(InvalidInput, match="too few words to tell classes apart: A: "):
        draw_sample(["a", "b"], ["A", "B"], "AB", Sizes(50, 10, 10), 0)


def test_frequent_words_are_dealt_out_to_every_split():
    types = [f"w{number}" for number in range(10) for _ in range(100 - number)]
    for seed in range(5):
        split_of = split_types(types, ["A"] * len(types), seed)
        for five in (range(5), range(5, 10)):
            assert Counter(split_of[f"w{number}"] for number in five) == {"train": 3, "dev": 1, "test": 1}


def passages_of(folder: Path, functions: list[str], window: int = 60) -> Passages:
    task: Task = "search" if "bert" in folder.name else "summarize"
    return cut_passages(functions, "python", task, AutoTokenizer.from_pretrained(folder).backend_tokenizer, window)


@pytest.fixture(params=["bert", "bart"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_the_sub_tokens_of_a_word_spell_it(folder: Path, examples: list[Example]):
    functions = [example.code for example in examples[:8]]
    passages = passages_of(folder, functions)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(passages.words) == sum(len(label_words(code, "python")) for code in functions)
    for word, (function, first, last) in zip(passages.words, passages.places.tolist(), strict=True):
        spelled = tokenizer.decode(passages.tokens[function][first:last]).replace(" ", "")
        assert spelled.lower() == word.text.lower()
    indented = functions[0].replace("    ", "\t   \t")  # a summary model reads no indentation
    assert len(passages_of(folder, [indented]).words) == len(label_words(functions[0], "python"))


def test_words_beyond_the_window_or_in_one_sub_token_with_others_have_no_activations():
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    code = "x = y=1\nlong = 2"
    assert [word.text for word in cut_passages([code], "python", "search", tokenizer, 9).words] == [
        "x",
        "=",
        "long",
        "=",
        "2",
    ]
    passages = cut_passages([code], "python", "search", tokenizer, 5)
    assert [word.text for word in passages.words] == ["x", "=", "long", "="]
    assert passages.places.tolist() == [[0, 0, 1], [0, 1, 2], [0, 3, 4], [0, 4, 5]]


def ignore(done: int) -> None:
    """Nobody is told."""


def test_states_are_those_of_the_model_averaged_over_sub_tokens(folder: Path, examples: list[Example]):
    encoder = load_encoder(open_checkpoint(str(folder)))
    passages = passages_of(folder, [example.code for example in examples[:40]])
    rows = np.arange(len(passages.words))[::3]
    told: list[int] = []
    states = read_states(encoder, passages, rows, {}, told.append)
    assert states.words.shape == (len(rows), 3, 32)
    assert told == [32, 40]
    for place in range(0, len(rows), 7):
        function, first, last = passages.places[rows[place]]
        ids = torch.tensor([passages.tokens[function]])
        with torch.no_grad():
            hidden = encoder.model(input_ids=ids, output_hidden_states=True).hidden_states
        expected = torch.stack([layer[0, first:last].mean(dim=0) for layer in hidden])
        np.testing.assert_allclose(states.words[place], expected.numpy(), atol=1e-5)
    with torch.no_grad():
        outputs = [encoder.model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(0) for row in passages.tokens]
    by_length = sorted(range(40), key=lambda number: len(passages.tokens[number]))
    np.testing.assert_allclose(states.pooled, torch.stack([outputs[n] for n in by_length]).numpy(), atol=1e-5)


def test_a_neuron_is_held_at_zero_at_its_layer_and_what_is_below_does_not_notice(folder: Path, examples: list[Example]):
    encoder = load_encoder(open_checkpoint(str(folder)))
    passages = passages_of(folder, [example.code for example in examples[:4]])
    rows = np.arange(len(passages.words))
    before = read_states(encoder, passages, rows, {}, ignore).words
    for layer in range(3):
        after = read_states(encoder, passages, rows, {layer: np.array([3, 7])}, ignore).words
        assert np.abs(before[:, layer, [3, 7]]).min() > 0
        assert not after[:, layer, [3, 7]].any()
        np.testing.assert_array_equal(after[:, :layer], before[:, :layer])
        others = np.delete(np.arange(32), [3, 7])
        np.testing.assert_array_equal(after[:, layer][:, others], before[:, layer][:, others])
        if layer < 2:
            assert np.abs(after[:, layer + 1] - before[:, layer + 1]).max() > 1e-4
    np.testing.assert_array_equal(read_states(encoder, passages, rows, {}, ignore).words, before)


def test_a_model_cut_above_a_layer_gives_that_layer_bit_for_bit(folder: Path, examples: list[Example]):
    encoder = load_encoder(open_checkpoint(str(folder)))
    ids = torch.tensor([passages_of(folder, [examples[0].code]).tokens[0]])
    with torch.no_grad():
        hidden = encoder.model(input_ids=ids, output_hidden_states=True).hidden_states
        for layers in (1, 0):
            if hasattr(encoder.model, "encoder"):
                encoder.model.encoder.layer = encoder.model.encoder.layer[:layers]
            else:
                encoder.model.layers = encoder.model.layers[:layers]
            assert torch.equal(encoder.model(input_ids=ids).last_hidden_state, hidden[layers])


def test_feed_forward_units_are_read_behind_their_activation_and_without_padding(folder: Path, examples: list[Example]):
    encoder = load_encoder(open_checkpoint(str(folder)))
    passages = passages_of(folder, [example.code for example in examples[:5]])
    units = read_units(encoder, passages, [0, 1, 4])
    count = sum(len(passages.tokens[number]) for number in (0, 1, 4))
    assert [layer.shape for layer in units] == [(count, 64)] * 2
    for layer in units:
        assert -0.18 < layer.min() < 0 < layer.max()  # where GELU has its minimum


def test_random_weights_are_those_of_the_seed_and_of_no_training(folder: Path):
    checkpoint = open_checkpoint(str(folder))
    before = torch.get_rng_state()
    trained, one, same, other = (load_encoder(checkpoint, seed) for seed in (None, 1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    vectors = [torch.cat([p.flatten() for p in encoder.model.parameters()]) for encoder in (trained, one, same, other)]
    assert torch.equal(vectors[1], vectors[2])
    for a, b in ((0, 1), (1, 3)):
        assert vectors[a].shape == vectors[b].shape
        assert not torch.equal(vectors[a], vectors[b])
    whole = AutoModel.from_pretrained(folder)
    assert (one.depth, one.width) == (2, 32)
    assert len(list(one.model.parameters())) < len(list(whole.parameters()))  # neither decoder nor pooling layer


def test_a_model_of_a_family_that_is_not_known_is_refused(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"of the family xlnet cannot be analysed: only bart, bert"):
        load_encoder(Checkpoint(tmp_path, "x", "", "unknown", {"model_type": "xlnet"}))


@pytest.mark.parametrize("family", ["roberta", "t5", "llama", "qwen2", "gemma", "gpt2"])
def test_other_families_are_read_alike(family: str, bart: Path, examples: list[Example], tmp_path: Path):
    model, tokenizer = make_model(family), AutoTokenizer.from_pretrained(bart)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    encoder = load_encoder(open_checkpoint(str(tmp_path)))
    passages = passages_of(tmp_path, [example.code for example in examples[:4]], 40)
    rows = np.arange(len(passages.words))
    before = read_states(encoder, passages, rows, {}, ignore)
    assert before.words.shape == (len(rows), LAYERS + 1, WIDTH)
    with torch.no_grad():
        last = [encoder.model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(0) for row in passages.tokens]
    by_length = sorted(range(4), key=lambda number: len(passages.tokens[number]))
    np.testing.assert_allclose(before.pooled, torch.stack([last[n] for n in by_length]).numpy(), atol=1e-4)
    for layer in range(LAYERS + 1):
        after = read_states(encoder, passages, rows, {layer: np.array([3, 7])}, ignore).words
        assert not after[:, layer, [3, 7]].any()
        np.testing.assert_array_equal(after[:, :layer], before.words[:, :layer])
        if layer < LAYERS:
            assert np.abs(after[:, layer + 1] - before.words[:, layer + 1]).max() > 1e-5
    units = read_units(encoder, passages, [0, 1])
    assert [found.shape for found in units] == [(sum(len(passages.tokens[n]) for n in (0, 1)), UNITS)] * LAYERS
