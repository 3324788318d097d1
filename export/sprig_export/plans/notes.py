"""What was measured so far, in a file: whatever is interrupted does not measure it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Notes:
    """Measurements by name, as JSON; every one is written as soon as it is made, at once or not at all."""

    def __init__(self, path: Path, made_by: str = "") -> None:
        """Read what is at `path`, unless it was made by something else."""
        self._path = path
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self._found: dict[str, Any] = found if found.get("made by") == made_by else {"made by": made_by}

    def take(self, name: str, measure: Callable[[], Any]) -> Any:
        """The measurement of that name; it is made where there is none."""
        if name not in self._found:
            self._found[name] = measure()
            temporary = self._path.with_suffix(".part")
            temporary.write_text(json.dumps(self._found, indent=2) + "\n", encoding="utf-8")
            temporary.replace(self._path)
        return self._found[name]
