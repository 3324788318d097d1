"""Summary quality: what a bundle or a model writes, against reference sentences."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.evaluate.text_metrics import rouge_l, sentence_bleu
from sprig_server.code.text import summary_input


def score_summaries(summaries: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean smoothed BLEU-4 and ROUGE-L (0 to 100), the share that repeat a word three times running, and mean words."""
    pairs = list(zip(summaries, references, strict=True))
    return {
        "bleu": sum(sentence_bleu(s, r) for s, r in pairs) / len(pairs),
        "rouge_l": sum(rouge_l(s, r) for s, r in pairs) / len(pairs),
        "repeats": sum(map(repeats, summaries)) / len(pairs),
        "words": sum(len(summary.split()) for summary in summaries) / len(pairs),
    }


def repeats(summary: str) -> bool:
    """Whether some word stands three times in a row."""
    words = summary.lower().split()
    return any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False))


def summarize_with_torch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[tuple[str, str]],
    max_tokens: int,
    max_new_tokens: int,
    beams: int = 1,
    no_repeat: int = 0,
) -> list[str]:
    """Summaries from the unexported model; `examples` are (code, language)."""
    summaries = []
    for code, language in examples:
        inputs = tokenizer(summary_input(code, language), truncation=True, max_length=max_tokens, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=max_new_tokens,
                num_beams=beams,
                no_repeat_ngram_size=no_repeat,
                do_sample=False,
            )
        summaries.append(tokenizer.decode(output[0], skip_special_tokens=True).strip())
    return summaries
