"""NDCG@10 of `sprig search` on questions about real repositories.

    python benchmarks/repo_search.py --questions DIR --sources DIR

QUESTIONS contains one JSON file for each repository, a list of {"query", "category", "relevant", "secondary"} with file
paths. SOURCES contains the repositories' folders under the same names. NDCG is computed as in the public benchmark: the
gain is binary, a file counts at its first place in the list of definitions, and the ideal list has min(10, labelled
files) hits. A question is left out if one of its files is not in the sources.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from sprig_server.index.folder_index import FolderIndex, Mode
from sprig_server.inference.models import Models

_TOP = 10


def ndcg(ranked: list[str], relevant: set[str]) -> float:
    """NDCG@10 of a ranked list of paths, which may contain a path more than once."""
    first = {path: place for place, path in reversed(list(enumerate(ranked[:_TOP])))}
    gain = sum(1 / math.log2(first[path] + 2) for path in relevant if path in first)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(_TOP, len(relevant))))


def load_questions(path: Path, root: Path) -> list[dict[str, Any]]:
    """The questions of a repository that its sources can answer; `relevant` becomes a set of paths."""
    questions = []
    for question in json.loads(path.read_text()):
        labelled = question["relevant"] + question.get("secondary", [])
        paths = {label if isinstance(label, str) else label["path"] for label in labelled}
        if all((root / p).is_file() for p in paths):
            questions.append({**question, "relevant": paths})
    return questions


def measure(questions: Path, sources: Path, mode: Mode, models: Models) -> dict[str, list[float]]:
    """The NDCG of every question, under "all", its repository and its category."""
    scores: dict[str, list[float]] = defaultdict(list)
    for path in sorted(questions.glob("*.json")):
        root = sources / path.stem
        if not root.is_dir():
            sys.stderr.write(f"{root} is missing: its questions are left out\n")
            continue
        index = FolderIndex(root, models)
        index.update()
        for question in load_questions(path, index.root):
            hits = index.search(question["query"], _TOP, mode=mode)
            value = ndcg([hit.path for hit in hits], question["relevant"])
            for group in ("all", path.stem, question["category"]):
                scores[group].append(value)
        index.close()
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    arguments = parser.parse_args()
    models = Models((), threads=2)
    modes: tuple[Mode, ...] = ("lexical", "dense", "hybrid")
    measured = {mode: measure(arguments.questions, arguments.sources, mode, models) for mode in modes}
    sys.stdout.write(f"{'':14}{'questions':>10}" + "".join(f"{mode:>10}" for mode in modes) + "\n")
    for group in measured["hybrid"]:
        row = "".join(f"{mean(measured[mode][group]):10.3f}" for mode in modes)
        sys.stdout.write(f"{group:14}{len(measured['hybrid'][group]):10}{row}\n")


if __name__ == "__main__":
    main()
