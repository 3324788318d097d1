"""docs/protocol.md says what the code does: the commands, and the fields of what they take and give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from sprig_server import protocol
from sprig_server.app import create_server
from sprig_server.logs import set_up_logging

COMMANDS = (
    *(protocol.SEARCH, protocol.STATUS, protocol.TRIM),
    *(protocol.REGENERATE, protocol.HIDE, protocol.INSERT),
)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def test_the_page_has_every_command():
    described = re.findall(r"^## `(sprig\.\w+)`", PAGE, re.MULTILINE)
    commands = create_server(set_up_logging(verbose=False)).protocol.fm.commands
    assert sorted(described) == sorted(commands) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(protocol).values() if attrs.has(kind)], ids=lambda kind: kind.__name__
)
def test_the_page_has_every_field_of_what_the_commands_take_and_give(kind: Any):
    blocks = "\n".join(re.findall(r"```typescript\n(.*?)```", PAGE, re.DOTALL))
    code = re.sub(r"//.*", "", blocks)
    for field in attrs.fields(kind):
        optional = field.default is not attrs.NOTHING
        assert re.search(rf"\b{camel(field.name)}{'[?]' if optional else ''}:", code), f"{kind.__name__}.{field.name}"
