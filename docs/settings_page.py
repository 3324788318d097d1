"""The page of all settings, written from the types that the server reads them into.

python docs/settings_page.py        # writes docs/settings.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from sprig_server.settings import SECTION, Settings

PAGE = Path(__file__).with_name("settings.md")

_TEXT = """# Settings

<!-- Written by docs/settings_page.py from the settings of the server; `make docs` writes it again. -->

The server reads its settings from `initializationOptions` first. Then it asks the client for the section `sprig` of
`workspace/configuration`, or takes what `workspace/didChangeConfiguration` sends if the client cannot be asked.

A setting that is not set has its default. Unknown settings and values that cannot be used are named in one message, and
the defaults are used for these alone.

{table}

Neovim, for example:

```lua
settings = {{ sprig = {{ limit = 20, hover = {{ generate = "never" }} }} }}
```

VS Code's `settings.json` and other clients with dotted keys:

```json
{{ "sprig.limit": 20, "sprig.hover.generate": "never" }}
```

On the command line, `--bundle` and `--threads` do what `sprig.bundles` and `sprig.threads` do in an editor.

Two environment variables say where indexes are kept and how large they may grow: `SPRIG_CACHE_DIR` and
`SPRIG_CACHE_LIMIT`. See [the index and privacy](indexing.md#where-it-is-and-how-large-it-may-grow).
"""


def render_settings() -> str:
    """The page, as Markdown."""
    rows = ["| setting | default | values | meaning |", "|---|---|---|---|"]
    rows += [f"| `{name}` | `{default}` | {wanted} | {meaning} |" for name, default, wanted, meaning in _rows(Settings)]
    return _TEXT.format(table="\n".join(rows))


def _rows(kind: type[Any], path: str = SECTION) -> Iterator[tuple[str, str, str, str]]:
    for setting in fields(kind):
        head, *tail = setting.name.split("_")
        name = f"{path}.{head}{''.join(part.capitalize() for part in tail)}"
        if setting.default_factory is not MISSING:
            yield from _rows(setting.default_factory, name)  # type: ignore[arg-type]  # a group of settings
        else:
            yield name, json.dumps(setting.default), setting.metadata["wanted"], setting.metadata["meaning"]


if __name__ == "__main__":
    PAGE.write_text(render_settings(), encoding="utf-8")
