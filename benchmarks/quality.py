"""Quality of the built-in bundles beside the models they came from and beside simple floors.

    python benchmarks/quality.py --data DIR --search-base DIR

DATA holds `cosqa.valid`, `cosqa.corpus`, `cosqa_summarize.train` and `cosqa_summarize.valid` as .jsonl.gz (one record a
line). SEARCH_BASE is the folder of all-MiniLM-L6-v2, the unpruned base, run in fp32 through PyTorch. Code is shown
without its documentation, vectors are used alone (no full text, no ranking rules).
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from sprig_export.checkpoints import open_checkpoint
from sprig_export.evaluate.search import encode_with_torch, reciprocal_ranks
from sprig_export.evaluate.summaries import score_summaries
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.models import Models
from sprig_server.types import Vectors


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def encode_base(folder: Path, texts: list[str]) -> Vectors:
    """Vectors of the unpruned base, fp32, through PyTorch."""
    checkpoint = open_checkpoint(str(folder))
    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return encode_with_torch(model, tokenizer, texts, checkpoint.pooling, checkpoint.max_tokens)


def search_quality(data: Path, encoder: Encoder, base: Path | None) -> dict[str, float]:
    """CoSQA valid, body only, dense only: MRR over the whole pool."""
    corpus, valid = read(data / "cosqa.corpus.jsonl.gz"), read(data / "cosqa.valid.jsonl.gz")
    row = {record["id"]: number for number, record in enumerate(corpus)}
    code, queries = [record["code"] for record in corpus], [record["query"] for record in valid]
    relevant = [row[record["code_id"]] for record in valid]
    figures = {"bundle MRR": float(reciprocal_ranks(encoder.encode(queries), encoder.encode(code), relevant).mean())}
    if base is not None:
        ranks = reciprocal_ranks(encode_base(base, queries), encode_base(base, code), relevant)
        figures["base MRR"] = float(ranks.mean())
        figures["bundle / base"] = figures["bundle MRR"] / figures["base MRR"]
    return figures


def summary_quality(data: Path, models: Models, encoder: Encoder) -> dict[str, dict[str, float]]:
    """Smoothed sentence BLEU-4 and ROUGE-L on cosqa_summarize.valid, and of the nearest neighbour's sentence."""
    train, valid = read(data / "cosqa_summarize.train.jsonl.gz"), read(data / "cosqa_summarize.valid.jsonl.gz")
    references = [record["docstring"] for record in valid]
    vectors = encoder.encode([record["code"] for record in valid])
    nearest = (vectors @ encoder.encode([record["code"] for record in train]).T).argmax(axis=1)
    figures = {"nearest neighbour": score_summaries([train[i]["docstring"] for i in nearest], references)}
    bundle = models.summary_bundle("python")
    if bundle is not None:
        summarizer = models.summarizer(bundle)
        started = time.perf_counter()
        made = [summarizer.summarize(record["code"], "python") for record in valid]
        figures["bundle"] = score_summaries([summary.text for summary in made], references)
        figures["bundle"]["ms"] = 1000 * (time.perf_counter() - started) / len(valid)
        sure = np.argsort([-summary.confidence for summary in made])[: len(made) // 2]
        figures["bundle, surer half"] = score_summaries([made[i].text for i in sure], [references[i] for i in sure])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--search-base", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    models = Models((), threads=2)
    bundle = models.search_bundle("python")
    assert bundle is not None, "the built-in search bundle is missing"
    encoder = models.encoder(bundle)
    for name, scores in summary_quality(arguments.data, models, encoder).items():
        row = "  ".join(f"{key} {value:.2f}" for key, value in scores.items())
        sys.stdout.write(f"cosqa_summarize.valid  {name:20} {row}\n")
        sys.stdout.flush()
    for name, value in search_quality(arguments.data, encoder, arguments.search_base).items():
        sys.stdout.write(f"cosqa.valid            {name:20} {value:.4f}\n")


if __name__ == "__main__":
    main()
