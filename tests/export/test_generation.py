"""What a model's settings say of how it writes is honoured or refused: transformers' own `generate` is the measure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from sprig_export.bundles.graphs import build_unchecked, decoding_for
from sprig_export.config.recipe import Recipe, whole_recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.data.calibration import InputFormat, read_calibration
from sprig_export.evaluate.summaries import SummarySettings, summarize_with_torch
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.generation import read_generation
from sprig_export.models.inspection import fit_lengths, inspect_model
from sprig_export.models.loading import load_summarizer
from sprig_export.models.prompts import default_prompt, encoder_of, stop_tokens
from sprig_export.pipeline import export
from sprig_export.pruning.cut import prune_vocabulary
from sprig_export.report.stages import StageLog
from sprig_export.training.batches import make_batches
from sprig_server.bundle.manifest import FILE_NAME, render_manifest
from sprig_server.bundle.store import open_bundle
from sprig_server.cli import main
from sprig_server.code.text import prompt_ids, summary_input
from sprig_server.errors import InvalidInput
from sprig_server.inference.beam import BeamSettings, beam_search
from sprig_server.inference.decoders import open_decoder
from sprig_server.inference.summarizer import Summarizer

NEW = 10  # tokens
SHAPE = {"layers": 2, "attention_heads": 4, "ffn_dim": 48}
CODE = [
    "def open_file(list):\n    result = list.open(file)\n    return result",
    "def merge(table):\n    return table",
    "def send_socket(tree):\n    result = tree.send(socket)\n    return result",
]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """A tiny model, its bundle in 32 bits, and what it writes when nothing is asked for."""

    folder: Path
    bundle: Path
    free: tuple[tuple[int, ...], ...]


def make_network(family: str, size: int) -> PreTrainedModel:
    """A model of one layer or two whose every weight counts, so that what it writes depends on what it reads."""
    tokens = {"vocab_size": size, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    network: PreTrainedModel
    if family == "bart":
        halves = {f"{half}_{name}": n for half in ("encoder", "decoder") for name, n in SHAPE.items()}
        two = {"max_position_embeddings": 128, "forced_eos_token_id": None, "decoder_start_token_id": 0}
        network = BartForConditionalGeneration(BartConfig(d_model=32, scale_embedding=True, **halves, **two, **tokens))
        network.final_logits_bias.copy_(torch.randn(1, size))
    elif family == "llama":
        shape = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48}
        network = LlamaForCausalLM(LlamaConfig(**shape, **tokens))
    else:
        shape = {"d_model": 32, "d_kv": 8, "num_heads": 4, "num_layers": 2, "d_ff": 48, "decoder_start_token_id": 0}
        network = T5ForConditionalGeneration(T5Config(tie_word_embeddings=family == "t5", **shape, **tokens))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.randn_like(parameter) * (0.5 if len(parameter) == size else 1.0))
    return network


@pytest.fixture(scope="module", params=["t5", "untied", "bart", "llama"])
def model(request: pytest.FixtureRequest, bart: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    place = tmp_path_factory.mktemp("written")
    folder = place / request.param
    tokenizer = PreTrainedTokenizerFast.from_pretrained(bart)
    if request.param == "llama":  # no end between the function and what is said of it
        tokenizer.backend_tokenizer.post_processor = None
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    make_network(request.param, len(tokenizer)).save_pretrained(folder)
    bundle = build_unchecked(recipe(folder), open_checkpoint(str(folder)), place / "bundle")
    made = Model(folder, bundle, tuple(tuple(tokens) for tokens in oracle(folder)))
    assert len({token for tokens in made.free for token in tokens}) > 6, (
        "it must say something for this to mean something"
    )
    return made


def recipe(folder: Path) -> Recipe:
    return replace(whole_recipe(Recipe("summarize", str(folder), "python")), max_new_tokens=NEW, beams=1, no_repeat=0)


def variant(
    model: Model, place: Path, settings: Mapping[str, Any] | None, config: Mapping[str, Any] | None = None
) -> Path:
    """A copy of the model with other settings: a new generation_config.json (None: without one), changes of config.json
    (a None takes the key out)."""
    folder = place / "model"
    shutil.copytree(model.folder, folder)
    (folder / "generation_config.json").unlink()
    if settings is not None:
        (folder / "generation_config.json").write_text(json.dumps(settings))
    values = json.loads((folder / "config.json").read_text()) | dict(config or {})
    values = {name: value for name, value in values.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def oracle(folder: Path, **asked: Any) -> list[list[int]]:
    """What transformers writes greedily of every function: the tokens up to the first that ends a text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    only = open_checkpoint(str(folder)).decoder_only
    network = (AutoModelForCausalLM if only else AutoModelForSeq2SeqLM).from_pretrained(folder).eval()
    ends = network.generation_config.eos_token_id
    ends = [*(ends if isinstance(ends, list) else [ends]), *(stop_tokens(tokenizer) if only else ())]
    written = []
    for code in CODE:
        if only:
            ids = prompt_ids(encoder_of(tokenizer), default_prompt("python"), code, "python", 256)
        else:
            ids = tokenizer(summary_input(code, "python"))["input_ids"]
        read = torch.tensor([ids])
        search = {"max_new_tokens": NEW, "do_sample": False, "num_beams": 1, "eos_token_id": ends} | asked
        with torch.inference_mode():
            found = network.generate(read, attention_mask=torch.ones_like(read), **search)[0].tolist()
        tokens = found[len(ids) if only else 1 :]
        written.append(tokens[: next((place for place, token in enumerate(tokens) if token in ends), len(tokens))])
    return written


def served(model: Model, folder: Path) -> list[list[int]]:
    """What the bundle of a variant writes: its graphs are the model's."""
    checkpoint, bundle = open_checkpoint(str(folder)), folder.parent / "bundle"
    decoding = decoding_for(recipe(folder), checkpoint, load_summarizer(folder))
    shutil.copytree(model.bundle, bundle)
    manifest = replace(open_bundle(bundle).manifest, decoding=decoding)
    (bundle / FILE_NAME).write_text(render_manifest(manifest))
    opened = open_bundle(bundle)
    assert opened.manifest.decoding == decoding
    decoder, summarizer, written = open_decoder(opened, decoding, 1), Summarizer(opened, 1), []
    for code in CODE:
        read, step = decoder.begin(code, "python")
        ends = {decoding.end_token, *decoding.stop_tokens}
        found = beam_search(step, read, BeamSettings(ends, NEW, rules=decoding.rules))
        assert summarizer.summarize(code, "python").text == decoder.decode(list(found.tokens)).strip()
        written.append(list(found.tokens))
    return written


def check_same(model: Model, folder: Path) -> list[list[int]]:
    expected = oracle(folder)
    assert served(model, folder) == expected
    network, tokenizer = load_summarizer(folder), AutoTokenizer.from_pretrained(folder)
    texts = [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in expected]
    pairs = [(code, "python") for code in CODE]
    assert summarize_with_torch(network, tokenizer, pairs, SummarySettings(256, NEW)) == texts, (
        "the base is to be measured alike"
    )
    return expected


def check_refused(folder: Path, *said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        inspect_model(open_checkpoint(str(folder)), "summarize")
    message = str(caught.value)
    assert all(words in message for words in said), message
    assert "\n" not in message


BEGUN = {"decoder_start_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
HONOURED: dict[str, Callable[[tuple[tuple[int, ...], ...]], Settings]] = {
    "nothing": lambda free: {},
    "several ends": lambda free: {"eos_token_id": [1, free[0][3], free[1][2]]},
    "another start": lambda free: {"decoder_start_token_id": 9},
    "a first token": lambda free: {"forced_bos_token_id": 7},
    "a last token": lambda free: {"forced_eos_token_id": 1},
    "suppressed": lambda free: {"suppress_tokens": [free[0][1], free[1][2]]},
    "suppressed first": lambda free: {"begin_suppress_tokens": [free[0][0], free[1][0]]},
    "suppressed behind the first": lambda free: {
        "begin_suppress_tokens": list(range(20, 120)),
        "forced_bos_token_id": 7,
    },
    "bad words": lambda free: {"bad_words_ids": [[free[0][0]], list(free[1][0:2]), list(free[2][1:4]), [1]]},
    "penalized": lambda free: {"repetition_penalty": 1.8},
    "encouraged": lambda free: {"repetition_penalty": 0.5},
    "all of it": lambda free: {
        "eos_token_id": [1, free[2][3]],
        "forced_bos_token_id": 7,
        "forced_eos_token_id": 1,
        "suppress_tokens": [free[0][2]],
        "bad_words_ids": [[7, free[0][0]]],
        "repetition_penalty": 1.3,
    },
}


@pytest.mark.parametrize("name", HONOURED)
def test_what_is_honoured_is_written_token_by_token(model: Model, tmp_path: Path, name: str) -> None:
    folder = variant(model, tmp_path, BEGUN | HONOURED[name](model.free))
    written = check_same(model, folder)
    of_two_halves = name in ("another start", "a first token")
    changes = name != "nothing" and not (of_two_halves and "llama" in str(model.folder))
    assert (written != [list(tokens) for tokens in model.free]) == changes


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        (None, {"decoder_start_token_id": 9}),
        ({"eos_token_id": 1, "pad_token_id": 0, "decoder_start_token_id": 9}, {"decoder_start_token_id": None}),
        ({"eos_token_id": 1, "pad_token_id": 0, "bos_token_id": 9}, {"decoder_start_token_id": None}),
        (None, {"eos_token_id": [1, 20, 30], "suppress_tokens": [40, 50], "forced_bos_token_id": 7}),
    ],
)
def test_either_file_names_what_a_summary_begins_and_ends_with(
    model: Model, tmp_path: Path, settings: Settings | None, config: Settings
) -> None:
    if model.folder.name == "bart" and settings and "bos_token_id" in settings:
        return  # its configuration has a start token of its own, with which it was trained
    check_same(model, variant(model, tmp_path, settings, config))


def test_what_generation_config_leaves_out_is_taken_from_config(model: Model, tmp_path: Path) -> None:
    folder = variant(model, tmp_path, {"bos_token_id": 2}, {"eos_token_id": [1, 5], "decoder_start_token_id": 9})
    found = read_generation(folder)
    assert (found.start, found.ends) == (None if "llama" in str(model.folder) else 9, (1, 5))


def test_a_start_or_an_end_that_nothing_names_is_missed(model: Model, tmp_path: Path) -> None:
    nothing = {"decoder_start_token_id": None, "bos_token_id": None, "eos_token_id": None}
    folder = variant(model, tmp_path / "end", {"decoder_start_token_id": 0}, nothing)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": None}))
    check_refused(folder, "names an eos_token_id")
    if model.folder.name != "llama":
        folder = variant(model, tmp_path / "start", {"eos_token_id": 1}, nothing)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"decoder_start_token_id": None}))
        check_refused(folder, "names a decoder_start_token_id")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"encoder_no_repeat_ngram_size": 3}, "3 for encoder_no_repeat_ngram_size"),
        ({"encoder_repetition_penalty": 1.2}, "encoder_repetition_penalty"),
        ({"sequence_bias": [[[5], -2.0]]}, "sequence_bias"),
        ({"stop_strings": ["."]}, "stop_strings"),
        ({"exponential_decay_length_penalty": [5, 1.1]}, "exponential_decay_length_penalty"),
        ({"guidance_scale": 1.5}, "guidance_scale"),
        ({"force_words_ids": [[5]]}, "force_words_ids"),
        ({"forced_eos_token_id": [1, 5]}, "[1, 5]"),
        ({"suppress_tokens": ["x"]}, "['x'] for suppress_tokens"),
        ({"suppress_tokens": [-1]}, "[-1]"),
        ({"bad_words_ids": [5]}, "bad_words_ids"),
        ({"bad_words_ids": [[True]]}, "bad_words_ids"),
        ({"eos_token_id": "</s>"}, "eos_token_id"),
        ({"repetition_penalty": "1.2"}, "'1.2' for repetition_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ([], "holds a list"),
    ],
)
def test_what_cannot_be_honoured_is_refused(model: Model, tmp_path: Path, settings: object, said: str) -> None:
    folder = variant(model, tmp_path, BEGUN | settings if isinstance(settings, dict) else settings)
    check_refused(folder, "generation_config.json", said)


@pytest.mark.parametrize(
    "settings", [{"eos_token_id": 148}, {"suppress_tokens": [5, 148]}, {"bad_words_ids": [[5, 148]]}]
)
def test_tokens_that_the_model_does_not_have_are_refused(model: Model, tmp_path: Path, settings: Settings) -> None:
    check_refused(variant(model, tmp_path, BEGUN | settings), "name the token 148, and it has 148 embeddings")


def test_a_prefix_is_refused(model: Model, tmp_path: Path) -> None:
    check_refused(variant(model, tmp_path, None, {"prefix": "summarize: "}), "'summarize: '", "(prefix)")


def test_how_to_search_is_the_recipe_s_to_say_and_an_export_says_so(model: Model, tmp_path: Path) -> None:
    search = {
        "num_beams": 4,
        "length_penalty": 2.0,
        "min_length": 6,
        "do_sample": True,
        "temperature": 0.7,
        "max_length": 40,
    }
    folder = variant(model, tmp_path, BEGUN | search, {"task_specific_params": {"summarization": {"num_beams": 2}}})
    (said,) = inspect_model(open_checkpoint(str(folder)), "summarize").values()
    assert {*said.split(", ")} == {
        "num_beams 4",
        "length_penalty 2.0",
        "min_length 6",
        "do_sample True",
        "temperature 0.7",
        "max_length 40",
        "task_specific_params",
    }
    network, tokenizer = load_summarizer(folder), AutoTokenizer.from_pretrained(folder)
    expected = [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in model.free]
    assert (
        summarize_with_torch(network, tokenizer, [(code, "python") for code in CODE], SummarySettings(256, NEW))
        == expected
    )


def test_a_trimmed_vocabulary_keeps_what_the_settings_name(model: Model, tmp_path: Path, repository: Path) -> None:
    settings = {
        "eos_token_id": [1, 20],
        "forced_bos_token_id": 7,
        "suppress_tokens": [30, 147],
        "bad_words_ids": [[31, 7]],
    }
    folder = variant(model, tmp_path, BEGUN | settings)
    whole = AutoTokenizer.from_pretrained(folder)
    checkpoint = open_checkpoint(str(folder))
    wanted = replace(recipe(folder), vocabulary=60)
    calibration = read_calibration(repository, InputFormat("summarize", "python"), 64, 0)
    trimmed = prune_vocabulary(checkpoint, wanted, calibration, tmp_path / "trimmed", {})
    smaller, found = AutoTokenizer.from_pretrained(trimmed.folder), read_generation(trimmed.folder)
    assert len(smaller) < len(whole)
    assert smaller.convert_ids_to_tokens(list(found.ends)) == whole.convert_ids_to_tokens([1, 20])
    if found.rules.first is not None:
        assert smaller.convert_ids_to_tokens(found.rules.first) == whole.convert_ids_to_tokens(7)
    forbidden = smaller.convert_ids_to_tokens(list(found.rules.never))
    assert forbidden == [token for token in whole.convert_ids_to_tokens([30, 147]) if token in smaller.get_vocab()]


def test_a_refused_model_leaves_no_bundle(model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = variant(model, tmp_path, BEGUN | {"stop_strings": ["."]})
    words = [
        "--task",
        "summarize",
        "--model",
        str(folder),
        "--language",
        "python",
        "--output",
        str(tmp_path / "bundle"),
    ]
    assert main(["export", *words]) == 2
    assert "stop_strings" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# --- positions


LONG = Example(
    "python", "def total(numbers):\n" + "    result = numbers.read(file)\n" * 60, "Read the numbers of a file."
)


def test_texts_are_no_longer_than_the_positions(model: Model, tmp_path: Path) -> None:
    positions = {"llama": 100, "bart": 128}.get(model.folder.name)
    folder = variant(model, tmp_path, BEGUN, {"max_position_embeddings": positions})
    checkpoint, said = open_checkpoint(str(folder)), list[str]()
    asked = Recipe("summarize", str(folder), "python", max_new_tokens=40)
    fitted = fit_lengths(asked, checkpoint, said.append)
    # A decoder-only model reads and writes one text; T5 has no table of positions.
    expected = {"llama": 60, "bart": 128}.get(model.folder.name, 256)
    assert (fitted.summary_tokens, fitted.max_new_tokens) == (expected, 40)
    changed = f"summary_tokens is {expected} instead of 256: the model has positions for {positions} tokens"
    assert said == ([changed] if positions else [])
    assert fit_lengths(fitted, checkpoint, said.append) == fitted
    batches = make_batches(
        "summarize", load_summarizer(folder), AutoTokenizer.from_pretrained(folder), [(LONG.code, LONG.code)] * 2, 0
    )
    assert max(batch.ids.shape[1] for batch in batches) <= (positions or 160)


def test_a_summary_is_no_longer_than_the_positions(model: Model, tmp_path: Path) -> None:
    folder = variant(model, tmp_path, BEGUN, {"max_position_embeddings": 50})
    asked = Recipe("summarize", str(folder), "python", max_new_tokens=60)
    if model.folder.name == "llama":
        with pytest.raises(InvalidInput, match="has positions for 50 tokens, 50 of them for the summary"):
            fit_lengths(asked, open_checkpoint(str(folder)))
    elif model.folder.name == "bart":
        fitted = fit_lengths(asked, open_checkpoint(str(folder)))
        assert (fitted.summary_tokens, fitted.max_new_tokens) == (50, 50)


def test_a_model_with_few_positions_summarizes_long_functions(
    model: Model, tmp_path: Path, examples: list[Example]
) -> None:
    if model.folder.name != "bart":
        return
    torch.manual_seed(0)
    folder = variant(model, tmp_path, BEGUN)
    config = BartConfig.from_pretrained(folder, max_position_embeddings=24)
    BartForConditionalGeneration(config).save_pretrained(folder)
    said: list[str] = []
    loose = {"min_agreement": 0.0, "max_loss": 100.0, "trim": "none", "max_new_tokens": 30, "speed_sample": 2}
    recipe = Recipe("summarize", str(folder), "python", **loose)
    manifest = export(
        ExportRequest(recipe, tmp_path / "bundle", examples=(*examples[:6], LONG)), StageLog(say=said.append)
    )
    assert manifest.decoding is not None
    assert (manifest.max_tokens, manifest.decoding.max_new_tokens) == (24, 24)
    assert sum("instead of" in line for line in said) == 2
    Summarizer(open_bundle(tmp_path / "bundle"), 1).summarize(LONG.code, "python")
