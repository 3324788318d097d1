"""Writing summaries of functions with a summary bundle."""

from __future__ import annotations

from collections.abc import Callable

from sprig_server.bundle.store import Bundle
from sprig_server.errors import InvalidBundle
from sprig_server.inference.beam import BeamSettings, beam_candidates
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
        """The sentence about a function that the model prefers.

        Args:
            code: the function without its documentation.
            language: the name of its language.
            stop: called between two steps.
            beams: the number of hypotheses; None for the bundle's own number, 1 for greedy decoding.

        Raises:
            Cancelled: `stop` returned True.
        """
        return self.candidates(code, language, stop, beams)[0]

    def candidates(
        self, code: str, language: str, stop: Callable[[], bool] = lambda: False, beams: int | None = None
    ) -> list[Summary]:
        """The sentences about a function that the search finished, the preferred one first: at most one for each beam.
        The arguments and errors are those of `summarize`.
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
        found = beam_candidates(step, read, settings, stop)
        return [Summary(self._decoder.decode(list(one.tokens)).strip(), one.score, one.lowest) for one in found]
