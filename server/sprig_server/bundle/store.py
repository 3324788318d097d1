"""Bundles on disk: reading one, checking it, and choosing the one for a task and a language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sprig_server.bundle.manifest import FILE_NAME, Manifest, describe_file, parse_manifest
from sprig_server.errors import InvalidBundle
from sprig_server.types import Task

BUILT_IN = Path(__file__).resolve().parent.parent / "bundles"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose manifest was read; its other files are checked when they are loaded."""

    folder: Path
    manifest: Manifest

    def load(self, name: str) -> bytes:
        """The bytes of one file of the bundle.

        Raises:
            InvalidBundle: the file is missing, or is not the one that the manifest describes.
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
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        what = "is not a bundle (it has no manifest.json)" if folder.is_dir() else "does not exist"
        raise InvalidBundle(f'"{folder}" {what}: give a folder that sprig export wrote') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidBundle(f'cannot read "{path}" ({error}): export the bundle again') from None
    return Bundle(folder, parse_manifest(text, path))


def find_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, or the built-in one of that name.

    Raises:
        InvalidBundle: neither of them, or a manifest that this version cannot read.
    """
    built_in = BUILT_IN / folder.name
    named = len(folder.parts) == 1 and not folder.exists() and (built_in / FILE_NAME).is_file()
    return open_bundle(built_in if named else folder)


def built_in_bundles() -> tuple[Bundle, ...]:
    """The bundles that come with Sprig, sorted by name."""
    folders = sorted(path.parent for path in BUILT_IN.glob(f"*/{FILE_NAME}"))
    return tuple(open_bundle(folder) for folder in folders)


def choose_bundle(bundles: Iterable[Bundle], task: Task, language: str) -> Bundle | None:
    """The bundle for a task and a language, or None.

    Search falls back to the first bundle for any language, since every encoder can rank any text a little; a summary
    in a language the model never saw would be worse than none.
    """
    of_task: Sequence[Bundle] = [bundle for bundle in bundles if bundle.manifest.task == task]
    for bundle in of_task:
        if language in bundle.manifest.languages:
            return bundle
    return of_task[0] if of_task and task == "search" else None
