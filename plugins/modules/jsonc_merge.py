#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jsonc_merge
short_description: Set and remove keys in a file of JSON with comments
version_added: 0.1.0
description:
  - Edits settings of VS Code, C(launch.json), C(devcontainer.json) and similar files in place. Comments, trailing
    commas, indentation, line ends, a byte order mark and the order of keys are kept, as are the file's owner and mode.
  - A file that already has the requested values is not changed, in any style of writing.
  - Comments are never lost. A comment inside of a replaced or removed value is kept in the place of that value.
  - If an object has a key several times, the last one counts. It is the one that is changed; a removal removes all.
  - The module fails for a file that is not JSON with comments, reports line and column, and does not change the file.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
options:
  path:
    description: Path of the file. A link is followed.
    type: path
    required: true
  values:
    description:
      - The expected values, as nested dictionaries. Other keys are not changed; lists and scalars are set as a whole.
      - Keys are literal names; dots in them have no meaning.
      - A V(null) in the place of a dictionary is replaced. The module fails if a text, a number or a list is in the
        place of a dictionary.
    type: dict
    default: {}
  remove:
    description:
      - Paths to remove, each a list of names and, in arrays, of indexes that count from 0. They are removed one after
        the other, before O(values) are set.
      - A missing path is no error.
    type: list
    elements: list
    default: []
  user:
    description:
      - The account whose rights are used to access the file. Set it for a file in a user's home directory, so that a
        link there cannot redirect root.
      - The user must own the file, or be able to create it.
      - Without it, root changes only files in directories that no other user can change.
    type: str
  create:
    description: Whether to create a missing file and its parent directories. Otherwise a missing file is an error.
    type: bool
    default: false
  mode:
    description:
      - Permissions of a new file, in octal and in quotes. An existing file keeps its mode.
      - The module rejects a value without quotes, because YAML may have parsed it as another number.
    type: raw
    default: '0644'
notes:
  - With C(--diff) the difference contains the whole file, up to 102 KiB. Set C(diff=false) for the task if the file
    contains secrets; only what has the name or form of a secret is masked.
"""

EXAMPLES = r"""
- name: Keep VS Code's Go extension from updating pinned tools
  gopherops.devserver.jsonc_merge:
    path: /home/alice/.vscode-server/data/Machine/settings.json
    user: alice
    create: true
    values:
      go.toolsManagement.autoUpdate: false
      go.toolsEnvVars:
        GOTOOLCHAIN: local
    remove:
      - [go.gopath]
      - [go.toolsEnvVars, GOROOT]
  become: true
"""

RETURN = r"""
path:
  description: Path of the file.
  returned: success
  type: str
  sample: /home/alice/.vscode-server/data/Machine/settings.json
"""

import os
import re
import typing as t

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.result import Outcome, run
from ..module_utils._host.accounts import find_account
from ..module_utils._host.files import Changes
from ..module_utils._host.managed_files import ManagedFile, plan_edits, write_all
from ..module_utils._host.trusted_paths import shared_directory
from ..module_utils._jsonc.editor import Edit, Merge, Remove, apply_edits

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "values": {"type": "dict", "default": {}},
    "remove": {"type": "list", "elements": "list", "default": []},
    "user": {"type": "str"},
    "create": {"type": "bool", "default": False},
    "mode": {"type": "raw", "default": "0644"},
}


def main() -> None:
    run(ARGUMENT_SPEC, _converge)


def _converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    path = params["path"]
    edits: list[Edit] = [*(Remove(_parse_path(entry)) for entry in params["remove"]), Merge(params["values"])]
    mode = _parse_mode(params["mode"]) if params["create"] else None
    owner = find_account(params["user"]) if params["user"] else None
    if owner is None:
        _reject_shared(path)

    def edited(text: str | None) -> str | None:
        if text is None and mode is None:
            remedy = "create it, or set create: true"
            raise DevserverError(f"{path} is missing", expected="a file", remedy=remedy, path=path)
        return apply_edits(text or "", edits, path=path) or text

    changes = Changes()
    pending = plan_edits([ManagedFile(path, edited, whole=False, mode=mode or 0o644, owner=owner, as_owner=True)])
    for edit in pending:
        edit.add_to(changes)
    if not check:
        write_all(pending)
    return Outcome({"path": path, **changes.result()})


def _reject_shared(path: str) -> None:
    """Raise DevserverError if this process is root's and another user could redirect it to another file."""
    shared = shared_directory(path) if os.geteuid() == 0 else ""
    if shared:
        raise DevserverError(
            f"{path} is not written with root's rights: other users than root can change {shared}",
            expected="a file in directories that only root can change, or the option user",
            remedy="set user to the owner of the file",
            path=path,
        )


def _parse_path(words: list[t.Any]) -> list[str | int]:
    if not words or not all(isinstance(word, (str, int)) and not isinstance(word, bool) for word in words):
        raise DevserverError(
            f"remove contains {words!r}, which is not a path",
            expected="a list of names and indexes, such as [go.toolsEnvVars, GOROOT]",
            remedy="correct the entry",
        )
    return words


def _parse_mode(value: t.Any) -> int:
    # A number is ambiguous: YAML parses 0644 as 420, but 644 as 644.
    if not isinstance(value, str) or not re.fullmatch("0?[0-7]{3,4}", value):
        raise DevserverError(
            f"mode is {value!r}", expected="octal digits in quotes, such as '0644'", remedy="put mode in quotes"
        )
    return int(value, 8)


if __name__ == "__main__":
    main()
