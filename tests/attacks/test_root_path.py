# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""root runs no command in a unit of a user: the variables of the unit can name any library or directory."""

from __future__ import annotations

import pathlib
import re

import pytest

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"


# "+" and "!" keep root's rights although the unit has a user. systemd changes the owner of all that is in a directory
# of the last kind, such as a link to a file of others. /run, where the sockets are, has no files that users share.
@pytest.mark.parametrize("pattern", [r"^Exec\w+=[-@:]*[+!].*", r"^Permissions.*", r"^(?:Cache|Logs|State)Directory.*"])
def test_no_unit_gives_rights_of_root_away(pattern: str) -> None:
    texts = "\n".join(path.read_text() for path in PLUGINS.rglob("*.py"))
    assert re.findall(pattern, texts, re.MULTILINE) == []
    assert re.findall(r"^ExecStart=.*", texts, re.MULTILINE)
