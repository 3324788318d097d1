"""Bundles on disk: reading and checking a bundle, and choosing one for a task and a language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sprig_server.bundle.manifest import FILE_NAME, Manifest, describe_file, parse_manifest
from sprig_server.errors import InvalidBundle
from sprig_server.types import Task


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose manifest has been read. Its other files are checked when they are loaded."""

    folder: Path
    manifest: Manifest

    def load(self, name: str) -> bytes:
        """The bytes of one file of the bundle.

        Raises:
            InvalidBundle: the file is missing, or does not match the manifest.
        """
        path = self.folder / name
        expected = self.manifest.files.get(name)
        if expected is None:
            raise InvalidBundle(f'the manifest of "{self.folder}" lists no file "{name}": export the bundle again')
        try:
            found = describe_file(path)
            data = path.read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise InvalidBundle(f'cannot read "{path}" ({reason}): export the bundle again') from None
        if found != expected or len(data) != expected.size:
            raise InvalidBundle(
                f'"{path}" does not match its hash in the manifest (damaged or half copied): export the bundle again'
            )
        return data


def open_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`.

    Raises:
        InvalidBundle: no such folder, no manifest, or a manifest that this version cannot read.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        what = "is not a bundle (it has no manifest.json)" if folder.is_dir() else "does not exist"
        raise InvalidBundle(f'"{folder}" {what}: give a folder that sprig export wrote') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidBundle(f'cannot read "{path}" ({error}): export the bundle again') from None
    return Bundle(folder, parse_manifest(text, path))


def find_bundle(folder: Path, installed: Iterable[Bundle]) -> Bundle:
    """The bundle in `folder`, or the installed bundle with that name.

    Raises:
        InvalidBundle: there is neither, or this version cannot read its manifest.
    """
    if len(folder.parts) == 1 and not folder.exists():
        for bundle in installed:
            if bundle.folder.name == folder.name:
                return bundle
    return open_bundle(folder)


def choose_bundle(bundles: Iterable[Bundle], task: Task, language: str) -> Bundle | None:
    """The first bundle for a task that serves the language, or None.

    A model is never used for other languages: its vectors would be unreliable and its sentences wrong.
    """
    return next((b for b in bundles if b.manifest.task == task and language in b.manifest.languages), None)
