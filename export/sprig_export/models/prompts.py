"""Prompts that make a decoder-only model write a summary: the function, and the beginning of a comment below it."""

from __future__ import annotations

from collections.abc import Callable

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_server.code.languages import find_language
from sprig_server.code.text import prompt_parts
from sprig_server.errors import InvalidInput

_SUMMARY = "Summary:"


def default_prompt(language: str) -> str:
    """The default prompt of a language: `{code}`, then the beginning of a comment."""
    mark = "#" if find_language(language).name == "python" else "//"
    return f"{{code}}\n\n{mark} {_SUMMARY}"


def check_prompt(prompt: str) -> str:
    """The prompt, if it is valid.

    Raises:
        InvalidInput: it has no place for the function, or more than one.
    """
    if prompt.count("{code}") != 1:
        raise InvalidInput(f"the prompt {prompt!r} must hold {{code}} once, where the function goes")
    return prompt


def fill_prompt(prompt: str, code: str, language: str) -> str:
    """The prompt with a function and its language filled in."""
    before, after = prompt_parts(prompt, language)
    return before + code.strip("\n") + after


def encoder_of(tokenizer: PreTrainedTokenizerBase) -> Callable[[str, bool], list[int]]:
    """A function that returns the tokens of a text, uncut, for `prompt_ids`."""
    return lambda text, special: list(tokenizer(text, add_special_tokens=special, truncation=False)["input_ids"])


def stop_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The tokens that end a summary because they contain a line end, ascending."""
    texts = tokenizer.batch_decode([[index] for index in range(len(tokenizer))])
    return tuple(index for index, text in enumerate(texts) if "\n" in text)


def end_tokens(model: PreTrainedModel) -> list[int]:
    """The end tokens of a model, as `load_summarizer` found them."""
    ends = model.generation_config.eos_token_id
    return list(ends) if isinstance(ends, list) else [ends]
