"""Loaded models: the memory of a summary model is given back when nobody asks for summaries."""

from __future__ import annotations

import gc
import time
import weakref

import psutil

from sprig_server.inference.models import Models

CODE = "def area(radius):\n    return 3.14 * radius * radius"


def test_a_summary_model_is_unloaded_when_it_is_idle_and_loaded_again():
    models = Models((), 1, idle_seconds=1.0)
    bundle = models.summary_bundle("python")
    assert bundle is not None
    summarizer = models.summarizer(bundle)
    first = summarizer.summarize(CODE, "python")
    assert models.summarizer(bundle) is summarizer, "a used model stays loaded"
    used, seen = psutil.Process().memory_info().rss, weakref.ref(summarizer)
    del summarizer
    for _ in range(100):
        gc.collect()
        if seen() is None:
            break
        time.sleep(0.1)
    assert seen() is None
    time.sleep(0.5)
    assert used - psutil.Process().memory_info().rss > 100_000_000
    assert models.summarizer(bundle).summarize(CODE, "python") == first
