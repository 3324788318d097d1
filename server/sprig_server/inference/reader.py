"""What a model reads: texts as the tokens of its bundle, functions without what the bundle leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding, Tokenizer

from sprig_server.bundle.importance import FILE_NAME, parse_importance
from sprig_server.bundle.manifest import Trim
from sprig_server.bundle.store import Bundle
from sprig_server.code.statements import split_statements
from sprig_server.code.text import Passage
from sprig_server.errors import InvalidBundle
from sprig_server.inference.session import open_tokenizer
from sprig_server.trim.methods import WITHOUT_TABLE, Trimmer, make_trimmer
from sprig_server.trim.tokens import Indices, Tokens, kept_count, place_tokens


class Reader:
    """The tokenizer of a bundle, and how it trims. Safe to call from several threads at once."""

    def __init__(self, bundle: Bundle, trim: Trim | None = None) -> None:
        """Load the bundle's tokenizer and, where it trims by them, its importances.

        Args:
            trim: how to trim instead of as the bundle says.

        Raises:
            InvalidBundle: a file is missing or damaged.
        """
        self.trim = bundle.manifest.trim if trim is None else trim
        self.tokenizer = open_tokenizer(bundle)
        self.window = bundle.manifest.max_tokens
        self._head, self._tail = _special_tokens(self.tokenizer)
        self._trimmer = _open_trimmer(bundle, self.trim, self.tokenizer)

    def read(self, texts: Sequence[str | Passage]) -> list[list[int]]:
        """The token ids of each text, cut at the window; functions, which are passages, are trimmed before."""
        plain = [text if isinstance(text, str) else text.text for text in texts]
        if self._trimmer is None or all(isinstance(text, str) for text in texts):
            return [self._cut(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(plain)]
        encodings = self.tokenizer.encode_batch(plain)
        return [
            self._cut(encoding.ids if isinstance(text, str) else self._trimmed(text, encoding))
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def place(self, passage: Passage, encoding: Encoding) -> tuple[Tokens, Indices]:
        """The tokens of a function's code, and which of them stay.

        What stands before the code stays, so that the window may have less room for it than the ratio leaves.
        """
        statements = split_statements(passage.code, passage.language)
        tokens = place_tokens(passage, encoding.ids, encoding.offsets, statements)
        n, room = len(tokens), self.window - (len(encoding.ids) - len(tokens))
        count = max(0, min(kept_count(n, self.trim.ratio), room))
        trimmer: Trimmer = self._trimmer or (lambda tokens, _: np.arange(len(tokens)))
        return tokens, trimmer(tokens, count)

    def _trimmed(self, passage: Passage, encoding: Encoding) -> list[int]:
        tokens, kept = self.place(passage, encoding)
        stays = np.ones(len(encoding.ids), dtype=bool)
        stays[tokens.places] = False
        stays[tokens.places[kept]] = True
        ids: list[int] = np.array(encoding.ids)[stays].tolist()
        return ids

    def _cut(self, ids: list[int]) -> list[int]:
        """A text's tokens without those that the window has no room for; special ones stay around them."""
        if len(ids) <= self.window:
            return ids
        return ids[: self.window - self._tail] + ids[len(ids) - self._tail :]


def _open_trimmer(bundle: Bundle, trim: Trim, tokenizer: Tokenizer) -> Trimmer | None:
    if trim.method == "none":
        return None
    if trim.method in WITHOUT_TABLE:
        return make_trimmer(trim.method, None, ())
    if FILE_NAME not in bundle.manifest.files:
        raise InvalidBundle(f'"{bundle.folder}" trims by importance and has no {FILE_NAME}: export the bundle again')
    importance = parse_importance(bundle.load(FILE_NAME))
    size = tokenizer.get_vocab_size()
    if importance.vocabulary != size:
        raise InvalidBundle(
            f"{FILE_NAME} is of {importance.vocabulary} tokens, the tokenizer has {size}: export the bundle again"
        )
    return make_trimmer(trim.method, importance, [tokenizer.id_to_token(number) or "" for number in range(size)])


def _special_tokens(tokenizer: Tokenizer) -> tuple[int, int]:
    """How many special tokens stand before and behind any text."""
    special = tokenizer.encode("a").special_tokens_mask
    inside = [place for place, flag in enumerate(special) if not flag]
    if not inside:
        return len(special), 0
    return inside[0], len(special) - 1 - inside[-1]
