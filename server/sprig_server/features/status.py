"""The command `sprig.status`: what is indexed, with which bundles."""

from __future__ import annotations

from sprig_server import __version__
from sprig_server.protocol import STATUS, BundleStatus, FolderStatus, StatusResult
from sprig_server.server import Folder, SprigServer


def register(server: SprigServer) -> None:
    """Register the command."""

    @server.command(STATUS)
    async def status(ls: SprigServer) -> StatusResult:
        folders = list(ls.folders.values())
        found = await ls.questions.run(lambda stop: [_folder_status(folder) for folder in folders])
        bundles = [
            BundleStatus(
                name=bundle.manifest.name,
                task=bundle.manifest.task,
                languages=list(bundle.manifest.languages),
                digest=bundle.manifest.digest,
            )
            for bundle in ls.models.bundles
        ]
        return StatusResult(version=__version__, folders=found, bundles=bundles)


def _folder_status(folder: Folder) -> FolderStatus:
    counted = folder.workspace.statistics()
    return FolderStatus(
        uri=folder.uri,
        files=counted.files,
        functions=counted.functions,
        definitions=counted.definitions,
        encoded=counted.encoded,
        indexing=folder.indexing,
        error=folder.error,
    )
