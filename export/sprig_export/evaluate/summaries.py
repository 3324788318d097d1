"""Summary quality: the output of a bundle or a model against reference sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.evaluate.metrics import rouge_l, sentence_bleu
from sprig_export.models.prompts import default_prompt, encoder_of, end_tokens, stop_tokens
from sprig_server.code.text import prompt_ids, summary_input


def score_summaries(summaries: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean smoothed BLEU-4 and ROUGE-L (0 to 100), the share that repeat a word three times in a row, and mean
    words.
    """
    pairs = list(zip(summaries, references, strict=True))
    return {
        "bleu": sum(sentence_bleu(s, r) for s, r in pairs) / len(pairs),
        "rouge_l": sum(rouge_l(s, r) for s, r in pairs) / len(pairs),
        "repeats": sum(map(repeats, summaries)) / len(pairs),
        "words": sum(len(summary.split()) for summary in summaries) / len(pairs),
    }


def repeats(summary: str) -> bool:
    """Whether a word occurs three times in a row."""
    words = summary.lower().split()
    return any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False))


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """How a model writes summaries.

    Attributes:
        max_tokens: of a function that it reads.
        max_new_tokens: the most tokens to write.
        min_new_tokens: the fewest tokens to write.
        beams: of the search; 1 is greedy.
        no_repeat: the length of runs of tokens that are not repeated; 0 for no limit.
        prompt: of a decoder-only model; empty for the default one.
    """

    max_tokens: int
    max_new_tokens: int
    min_new_tokens: int = 0
    beams: int = 1
    no_repeat: int = 0
    prompt: str = ""


def summarize_with_torch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[tuple[str, str]],
    settings: SummarySettings,
) -> list[str]:
    """Summaries from the unexported model. `examples` are (code, language).

    A decoder-only model continues its prompt up to the end of a line. It may repeat itself, because with that rule
    PyTorch would not let it repeat the function's code either.
    """
    two_halves = model.config.is_encoder_decoder
    ends = [*end_tokens(model), *(() if two_halves else stop_tokens(tokenizer))]
    summaries = []
    for code, language in examples:
        if two_halves:
            text = summary_input(code, language)
            ids = tokenizer(text, truncation=True, max_length=settings.max_tokens, return_tensors="pt")["input_ids"]
        else:
            asked = settings.prompt or default_prompt(language)
            ids = torch.tensor([prompt_ids(encoder_of(tokenizer), asked, code, language, settings.max_tokens)])
        with torch.inference_mode():
            output = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                min_new_tokens=settings.min_new_tokens,
                max_new_tokens=settings.max_new_tokens,
                num_beams=settings.beams,
                no_repeat_ngram_size=settings.no_repeat if two_halves else 0,
                do_sample=False,
                eos_token_id=ends,
            )
        written = output[0, 1 if two_halves else ids.shape[1] :].tolist()
        until = next((place for place, token in enumerate(written) if token in ends), len(written))
        summaries.append(tokenizer.decode(written[:until], skip_special_tokens=True).strip())
    return summaries
