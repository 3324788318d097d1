"""Full-text search over split identifiers and prose."""

from __future__ import annotations

from sprig_server.code.words import STOP_WORDS, split_words
from sprig_server.index.store import Store

# A word in a name is more telling than the same word in a body; a word in a path, a little more.
_NAME_WEIGHT = 3.0
_PATH_WEIGHT = 2.0
_TEXT_WEIGHT = 1.0


def match_expression(query: str) -> str:
    """The full-text expression for a query: any of its words, without stop words unless there are no others."""
    words = list(dict.fromkeys(split_words(query)))
    telling = [word for word in words if word not in STOP_WORDS] or words
    return " OR ".join(f'"{word}"' for word in telling)


def search_lexical(store: Store, query: str, limit: int) -> list[tuple[int, float]]:
    """(definition id, BM25 score), best first; a higher score is better. Empty if the query has no words."""
    expression = match_expression(query)
    return store.match(expression, (_NAME_WEIGHT, _PATH_WEIGHT, _TEXT_WEIGHT), limit) if expression else []
