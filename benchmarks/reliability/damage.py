"""Damaged pages: whatever bytes the index contains, a search answers correctly, or says in one line that it rebuilds
the index.
"""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from reliability.project import QUESTIONS, copy_files, hits_of, index_of, index_words, run, search_words
from reliability.results import Outcome, Watch, timed
from sprig_server.index.store import FileState, Store

_PAGE = 4096


def damage_pages(count: int, seed: int, folder: Path, jobs: int, watch: Watch) -> Outcome:
    """Damage a copy of an index and its write-ahead log `count` times, search, and search once more."""
    outcome = Outcome("damaged pages")
    lock = threading.Lock()
    silent = [0]
    with timed(outcome):
        project, whole, logged = copy_files(folder / "project"), folder / "whole", folder / "logged"
        questions = folder / "questions.txt"
        questions.write_text("\n".join(QUESTIONS), encoding="utf-8")
        run(index_words(project), whole)
        expected = hits_of(run(search_words(project, questions), whole))
        _copy_with_log(whole, logged)

        def strike(number: int) -> None:
            if watch.over():
                return
            random = Random(f"{seed} {number}")
            cache = folder / f"damaged-{number}"
            shutil.copytree(logged, cache)
            what = _damage(random, index_of(cache))
            first = run(search_words(project, questions), cache)
            again = run(search_words(project, questions), cache)
            problem = first.complaint((0, 2)) or again.complaint()
            if not problem and hits_of(again) != expected:
                problem = "other answers, without a word"
            with lock:
                outcome.tried += 1
                silent[0] += first.code == 0
                if problem:
                    outcome.fail(problem, f"--seed {seed}, damage {number}: {what}")
                watch.show(outcome.tried)
            if not problem:
                shutil.rmtree(cache)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(strike, range(count)))
    outcome.figures = {"answered at once": str(silent[0]), "refused once, then rebuilt": str(outcome.tried - silent[0])}
    return outcome


def _copy_with_log(whole: Path, logged: Path) -> None:
    """Copy an index while it is open, so that its last change is in its log alone."""
    store = Store(index_of(whole))
    path, state = sorted(store.file_states().items())[0]
    store.touch_files([(path, FileState(state.digest, state.size, state.mtime + 1))])
    shutil.copytree(whole, logged, ignore=shutil.ignore_patterns("*-shm"))
    store.close()


def _damage(random: Random, index: Path) -> str:
    """Damage the index or its log in one of the ways that disks and crashes do. Returns a description."""
    log = index.with_name(index.name + "-wal")
    path = random.choice((index, index, index, log))
    data = bytearray(path.read_bytes())
    place = random.choice((random.randrange(len(data)), random.randrange(min(len(data), _PAGE))))
    page = place - place % _PAGE
    way = random.choice(("bit", "bytes", "noise", "zeros", "cut", "pages"))
    if way == "bit":
        data[place] ^= 1 << random.randrange(8)
    elif way == "bytes":
        data[place : place + 16] = random.randbytes(len(data[place : place + 16]))
    elif way == "noise":
        data[page : page + _PAGE] = random.randbytes(len(data[page : page + _PAGE]))
    elif way == "zeros":
        data[page : page + _PAGE] = bytes(len(data[page : page + _PAGE]))
    elif way == "cut":
        del data[place:]
    else:  # a page written to the place of another
        other = random.randrange(len(data)) // _PAGE * _PAGE
        data[page : page + _PAGE], data[other : other + _PAGE] = data[other : other + _PAGE], data[page : page + _PAGE]
    path.write_bytes(data)
    return f"{way} at {place:,} of {len(data):,} in the {'log' if path == log else 'index'}"
