"""The command `sprig.status`: what is indexed, which bundles are used, and what fails."""

from __future__ import annotations

from contextlib import suppress

from sprig_server import __version__
from sprig_server.bundle.packs import missing_packs
from sprig_server.errors import SprigError
from sprig_server.folder import Folder
from sprig_server.index.store import Statistics
from sprig_server.protocol import STATUS, BundleStatus, DocumentStatus, FolderStatus, PackStatus, StatusResult
from sprig_server.server import SprigServer
from sprig_server.types import TASKS


def register(server: SprigServer) -> None:
    """Register the command."""

    @server.command(STATUS)
    async def status(ls: SprigServer) -> StatusResult:
        folders = list(ls.folders.values())
        found, languages = await ls.questions.run(
            lambda stop: (
                [_folder_status(folder) for folder in folders],
                [language for folder in folders for language in _languages(folder)],
            )
        )
        bundles = [
            BundleStatus(
                name=bundle.manifest.name,
                task=bundle.manifest.task,
                languages=list(bundle.manifest.languages),
                digest=bundle.manifest.digest,
            )
            for bundle in ls.models.bundles
        ]
        packs = [
            PackStatus(name=pack.distribution, version=pack.version, problems=list(pack.problems))
            for pack in ls.models.packs
        ]
        missing = [pack for task in TASKS for pack in missing_packs(languages, ls.models.bundles, task)]
        documents = [DocumentStatus(uri=uri, problem=problem) for uri, problem in ls.parse_cache.problems().items()]
        return StatusResult(
            version=__version__,
            folders=found,
            bundles=bundles,
            packs=packs,
            failures=list(ls.failures.values()),
            missing_packs=missing,
            documents=documents,
        )


def _languages(folder: Folder) -> list[str]:
    with suppress(SprigError):  # its status reports it
        return folder.index.store.languages()
    return []


def _folder_status(folder: Folder) -> FolderStatus:
    error = folder.error
    try:
        counted = folder.index.statistics()
    except SprigError as problem:  # it must not hide the rest
        counted, error = Statistics(0, 0, 0, 0), str(problem)
    return FolderStatus(
        uri=folder.uri,
        files=counted.files,
        functions=counted.functions,
        definitions=counted.definitions,
        encoded=counted.encoded,
        generated=folder.left_out.generated,
        too_large=folder.left_out.too_large,
        unreadable=len(folder.left_out.unreadable),
        indexing=folder.indexing,
        complete=folder.incomplete is None,
        message=folder.incomplete,
        error=error,
    )
