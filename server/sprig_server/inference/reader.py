"""What a model reads: the tokens of a text, with functions trimmed as the bundle says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from sprig_server.bundle.importance import FILE_NAME, parse_importance
from sprig_server.bundle.manifest import Trim
from sprig_server.bundle.store import Bundle
from sprig_server.code.lines import well_formed
from sprig_server.code.statements import Statements, split_statements
from sprig_server.code.text import (
    Passage,
    prompt_parts,
    prompt_passage,
    prompted,
    prompted_passage,
    summary_passage,
)
from sprig_server.errors import InvalidBundle
from sprig_server.inference.session import open_tokenizer
from sprig_server.trim.baselines import trim_tail
from sprig_server.trim.importance import Importance
from sprig_server.trim.methods import WITHOUT_STATEMENTS, WITHOUT_TABLE, Trimmer, make_trimmer
from sprig_server.trim.tokens import Indices, Tokens, kept_count, place_tokens


@dataclass(frozen=True, slots=True)
class Explanation:
    """What trimming does to a function of n tokens: which of them stay, bool [n], and the attention that each gets from
    the bundle's model, relative to the token that gets most, float64 [n] from 0 to 1.
    """

    tokens: Tokens
    kept: NDArray[np.bool_]
    importance: NDArray[np.float64]

    def pieces(self) -> Iterator[tuple[str, bool | None, float]]:
        """The code in pieces: a token, whether it stays and its importance; or text between tokens, and None."""
        code, place = self.tokens.code, 0
        columns = self.tokens.starts, self.tokens.ends, self.kept, self.importance
        for start, end, kept, importance in zip(*(column.tolist() for column in columns), strict=True):
            token = code[start:end].lstrip()  # the space before a word may be a part of its token
            start = max(place, end - len(token))
            if place < start:
                yield code[place:start], None, 0.0
                place = start
            if start < end:
                yield code[start:end], kept, importance
                place = end
        if place < len(code):
            yield code[place:], None, 0.0


class Reader:
    """The tokenizer and the trimming of a bundle. Safe to call from several threads at once."""

    def __init__(self, bundle: Bundle, trim: Trim | None = None) -> None:
        """Load the bundle's tokenizer and, if trimming needs it, its importance table.

        Args:
            trim: overrides the bundle's own trimming.

        Raises:
            InvalidBundle: a file is missing or damaged.
        """
        self.trim = bundle.manifest.trim if trim is None else trim
        self.tokenizer = open_tokenizer(bundle)
        self.name, self.task, self.window = bundle.manifest.name, bundle.manifest.task, bundle.manifest.max_tokens
        self.prompts = bundle.manifest.prompts
        decoding = bundle.manifest.decoding
        self._prompt = decoding.prompt if decoding is not None else None
        self._behind = _special_tokens_behind(self.tokenizer)
        self._importance = _open_importance(bundle, self.tokenizer.get_vocab_size())
        self._trimmer = _open_trimmer(bundle, self.trim, self._importance)

    def read(self, texts: Sequence[str | Passage], behind: int = 0) -> list[list[int]]:
        """The token ids of each text after its prompt, cut at the window. Functions, which are passages, are trimmed.

        Args:
            behind: the number of tokens of the window that are needed for what follows.
        """
        window = max(1, self.window - behind)
        texts = [self._prompted(text) for text in texts]
        plain = [well_formed(text if isinstance(text, str) else text.text) for text in texts]
        if self._trimmer is None or all(isinstance(text, str) for text in texts):
            return [self._cut(encoding.ids, window) for encoding in self.tokenizer.encode_batch_fast(plain)]
        encodings = self.tokenizer.encode_batch(plain)
        return [
            self._cut(encoding.ids if isinstance(text, str) else self._trimmed(text, encoding, window), window)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def passage(self, code: str, language: str) -> Passage:
        """What a summary bundle reads for a function: for a model that continues a prompt, the prompt up to its end."""
        if self._prompt is None:
            return summary_passage(code, language)
        return prompt_passage(self._prompt, code, language)

    def read_prompt(self, code: str, language: str) -> list[int]:
        """The token ids that a model which continues a prompt reads for a function."""
        _, after = prompt_parts(self._prompt or "", language)
        tail: list[int] = self.tokenizer.encode(well_formed(after), add_special_tokens=False).ids
        return self.read([self.passage(code, language)], len(tail))[0] + tail

    def unpooled(self, texts: Sequence[str | Passage]) -> NDArray[np.int64]:
        """The number of tokens at the beginning of each text that belong to an unpooled prompt, int64 [n]."""
        if self.prompts.pooled:
            return np.zeros(len(texts), dtype=np.int64)
        query, document = self._length(self.prompts.query), self._length(self.prompts.document)
        return np.array([query if isinstance(text, str) else document for text in texts], dtype=np.int64)

    def explain(self, passage: Passage) -> Explanation:
        """What trimming does to a function."""
        passage = prompted_passage(passage, self.prompts.document)
        statements = split_statements(passage.code, passage.language)
        tokens, stay = self._trim(passage, self.tokenizer.encode(well_formed(passage.text)), statements, self.window)
        kept = np.zeros(len(tokens), dtype=bool)
        kept[stay] = True
        if self._importance is None or not len(tokens):
            return Explanation(tokens, kept, np.ones(len(tokens)))
        attention = self._importance.backed_off()[tokens.classes, tokens.ids]
        return Explanation(tokens, kept, attention / max(float(attention.max()), 1e-12))

    def _prompted(self, text: str | Passage) -> str | Passage:
        if isinstance(text, str):
            return prompted(text, self.prompts.query)
        return prompted_passage(text, self.prompts.document)

    def _length(self, prompt: str) -> int:
        """The number of tokens of a prompt, with the special tokens before it and without those after it."""
        if not prompt:
            return 0
        special = self.tokenizer.encode(well_formed(prompt)).special_tokens_mask
        return len(special) - (special[-1] if special else 0)

    def _trim(
        self, passage: Passage, encoding: Encoding, statements: Statements | None, window: int
    ) -> tuple[Tokens, Indices]:
        """The tokens of a function's code, and which of them stay: as many as fit into the window after the text before
        the code.
        """
        tokens = place_tokens(passage, encoding.ids, encoding.offsets, statements)
        room = max(0, window - (len(encoding.ids) - len(tokens)))
        if self._trimmer is None:
            return tokens, trim_tail(tokens, room)
        chosen_from = tokens if self.trim.whole else tokens.first(room)
        count = kept_count(len(chosen_from), self.trim.ratio, self.trim.least)
        return tokens, self._trimmer(chosen_from, min(count, room))

    def _trimmed(self, passage: Passage, encoding: Encoding, window: int) -> list[int]:
        parsed = self.trim.method not in WITHOUT_STATEMENTS
        statements = split_statements(passage.code, passage.language) if parsed else None
        tokens, kept = self._trim(passage, encoding, statements, window)
        stays = np.ones(len(encoding.ids), dtype=bool)
        stays[tokens.places] = False
        stays[tokens.places[kept]] = True
        ids: list[int] = np.array(encoding.ids)[stays].tolist()
        return ids

    def _cut(self, ids: list[int], window: int) -> list[int]:
        """The tokens of a text that fit into the window, with special tokens around them."""
        if len(ids) <= window:
            return ids
        return ids[: max(0, window - self._behind)] + ids[len(ids) - self._behind :]


def _open_importance(bundle: Bundle, size: int) -> Importance | None:
    """The importance table of a bundle for a tokenizer of this size; None if it has none."""
    if FILE_NAME not in bundle.manifest.files:
        return None
    importance = parse_importance(bundle.load(FILE_NAME))
    if importance.vocabulary != size:
        raise InvalidBundle(
            f"{FILE_NAME} is of {importance.vocabulary} tokens, the tokenizer has {size}: export the bundle again"
        )
    return importance


def _open_trimmer(bundle: Bundle, trim: Trim, importance: Importance | None) -> Trimmer | None:
    if trim.method == "none":
        return None
    if importance is None and trim.method not in WITHOUT_TABLE:
        raise InvalidBundle(
            f'"{bundle.folder}" has no {FILE_NAME}, which trimming by {trim.method} needs: export the bundle again'
        )
    return make_trimmer(trim.method, importance)


def _special_tokens_behind(tokenizer: Tokenizer) -> int:
    """The number of special tokens after a text."""
    return next(
        number for number, special in enumerate([*tokenizer.encode("a").special_tokens_mask[::-1], 0]) if not special
    )
