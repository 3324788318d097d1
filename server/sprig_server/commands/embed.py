"""sprig embed: write vectors of functions and questions, for use elsewhere."""

from __future__ import annotations

from argparse import Namespace
from io import BytesIO

import numpy as np

from sprig_server.code.languages import find_language
from sprig_server.code.text import Passage, search_passage
from sprig_server.commands.terminal import messages, progress, read_json_lines, write_whole
from sprig_server.errors import InvalidInput
from sprig_server.inference.models import Models


def run(arguments: Namespace) -> int:
    """Write float32 [n, d], L2-normalised, one row for each record, in their order."""
    texts: list[str | Passage] = []
    languages: list[str] = []
    for record in read_json_lines(arguments.jsonl):
        code, query = record.get("code"), record.get("query")
        if isinstance(code, str):
            languages.append(find_language(str(record.get("language"))).name)
            texts.append(search_passage(code, 0, languages[-1]))
        elif isinstance(query, str):
            texts.append(query)
        else:
            raise InvalidInput(f'the record {str(record)[:60]!r} needs "code" with "language", or "query"')
    models = Models(arguments.bundle, arguments.threads)
    bundle = models.search_bundle(languages[0] if languages else "python")
    if bundle is None:
        raise InvalidInput("no bundle for search is installed: name one with --bundle")
    encoder = models.encoder(bundle)
    vectors = np.zeros((len(texts), encoder.dimensions), dtype=np.float32)
    done = 0
    with progress() as report:
        for rows, batch in encoder.encode_batches(texts):
            vectors[rows] = batch
            done += len(rows)
            report("encoding", done, len(texts))
    stream = BytesIO()
    np.save(stream, vectors)
    write_whole(arguments.output, stream.getvalue())
    messages().print(f"{len(texts)} vectors of {encoder.dimensions} dimensions in {arguments.output}", markup=False)
    return 0
