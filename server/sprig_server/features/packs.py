"""Messages about language packs: missing ones, and those that cannot be used."""

from __future__ import annotations

from sprig_server.bundle.packs import explain_missing, missing_packs
from sprig_server.folder import Folder
from sprig_server.server import SprigServer
from sprig_server.types import TASKS


async def tell_about_packs(server: SprigServer, folder: Folder) -> None:
    """Show the problems of installed packs, and the packs that a folder lacks; each message once."""
    models = server.models
    languages = await server.questions.run(lambda stop: folder.index.store.languages())
    texts = [problem for pack in models.packs for problem in pack.problems]
    for task in TASKS:
        if missing := missing_packs(languages, models.bundles, task):
            texts.append(explain_missing(missing))
    for text in texts:
        if text not in server.told_about_packs:
            server.told_about_packs.add(text)
            server.show_problem(text)
