"""Writing summaries of functions with a summary bundle."""

from __future__ import annotations

from collections.abc import Callable

from sprig_server.bundle.store import Bundle
from sprig_server.errors import InvalidBundle
from sprig_server.inference.beam import BeamSettings, beam_search
from sprig_server.inference.decoders import open_decoder
from sprig_server.types import Summary


class Summarizer:
    """A loaded summary bundle. Safe to call from several threads at once."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the bundle.

        Raises:
            InvalidBundle: a file is missing or damaged, or the bundle is for another task.
        """
        decoding = bundle.manifest.decoding
        if bundle.manifest.task != "summarize" or decoding is None:
            raise InvalidBundle(f'"{bundle.folder}" is a bundle for {bundle.manifest.task}: give one for summarize')
        self.bundle = bundle
        self._decoding = decoding
        self._decoder = open_decoder(bundle, decoding, threads)

    def summarize(
        self, code: str, language: str, stop: Callable[[], bool] = lambda: False, beams: int | None = None
    ) -> Summary:
        """One sentence about a function.

        Args:
            code: the function without its documentation.
            language: the name of its language.
            stop: called between two steps.
            beams: the number of hypotheses; None for the bundle's own number, 1 for greedy decoding.

        Raises:
            Cancelled: `stop` returned True.
        """
        read, step = self._decoder.begin(code, language)
        decoding = self._decoding
        settings = BeamSettings(
            frozenset({decoding.end_token, *decoding.stop_tokens}),
            decoding.max_new_tokens,
            beams or decoding.beams,
            decoding.no_repeat,
            decoding.rules,
        )
        best = beam_search(step, read, settings, stop)
        return Summary(self._decoder.decode(list(best.tokens)).strip(), best.score, best.lowest)
