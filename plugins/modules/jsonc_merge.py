#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: jsonc_merge
short_description: Sets and removes keys in a file of JSON with comments
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Edits settings of VS Code, C(launch.json), C(devcontainer.json) and the like where they stand. Comments, trailing
    commas, indentation, line ends, a byte order mark, and the order of keys stay; so do the file's owner and mode.
  - A file that already says what is asked for is left alone, however it is written.
  - A comment is never lost. One that stands inside a value that is replaced or removed stays in that value's place.
  - Of a key that stands several times in an object the last one counts. It is the one that is changed; all of them are
    removed.
  - A file that is no JSON with comments is refused, with line and column, and left as it is.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
options:
  path:
    description: The file. A link is followed.
    type: path
    required: true
  values:
    description:
      - What the file shall say, as nested dictionaries. Keys that are not named stay as they are; lists and everything
        else are set as a whole.
      - A key is a name as it stands, dots in it mean nothing.
      - Where a dictionary is to be merged into a V(null), that is replaced; where it meets text, a number or a list,
        the file is refused.
    type: dict
    default: {}
  remove:
    description:
      - Paths to take away, each a list of names and, in arrays, of indexes that count from 0. They are taken away one
        after the other, before O(values) are set.
      - What is not there is no error.
    type: list
    elements: list
    default: []
  user:
    description:
      - The account with whose rights the file is reached. Name it for a file in a user's home, so that a link there
        cannot lead root astray.
      - The user must own the file, or be able to create it.
      - Root without it changes only files in directories that no other user can change.
    type: str
  create:
    description: Whether a missing file is made, with the folders above it. Without it a missing file is an error.
    type: bool
    default: false
  mode:
    description:
      - Permissions of a new file, in octal and in quotes. One that is there keeps its own.
      - Without quotes it is refused, because YAML may have read another number.
    type: raw
    default: '0644'
notes:
  - With C(--diff) the difference holds the whole file. Give the task C(diff=false) where that holds secrets;
    credentials in URLs are left out in any case.
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
  description: The file.
  returned: success
  type: str
  sample: /home/alice/.vscode-server/data/Machine/settings.json
"""

import os
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.trusted_paths import shared_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.editor import Edit, Merge, Remove
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.file import edit_file

ARGUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "values": {"type": "dict", "default": {}},
    "remove": {"type": "list", "elements": "list", "default": []},
    "user": {"type": "str"},
    "create": {"type": "bool", "default": False},
    "mode": {"type": "raw", "default": "0644"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), _converge)


def _converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    edits: list[Edit] = [Remove(_path(path)) for path in params["remove"]]
    edits.append(Merge(params["values"]))
    mode = _mode(params["mode"]) if params["create"] else None
    if not params["user"]:
        _reject_shared(params["path"])
    with acting_as(find_account(params["user"]) if params["user"] else None):
        changes = edit_file(params["path"], edits, mode=mode, check=check)
    return Outcome({"path": params["path"], **changes.result()})


def _reject_shared(path: str) -> None:
    """Raise DevserverError where this process is root, and another user could lead it to any other file."""
    shared = shared_directory(path) if os.geteuid() == 0 else ""
    if shared:
        raise DevserverError(
            f"{path} is not written with root's rights: other users than root can change {shared}",
            expected="a file in directories that root alone can change, or the name of its user",
            remedy="name the user in user",
            path=path,
        )


def _path(words: list[t.Any]) -> list[str | int]:
    if not words or not all(isinstance(word, (str, int)) and not isinstance(word, bool) for word in words):
        raise DevserverError(
            f"remove has {words!r}, which is no path",
            expected="a list of names and indexes, such as [go.toolsEnvVars, GOROOT]",
            remedy="correct the entry",
        )
    return words


def _mode(given: t.Any) -> int:
    # A number is no help: 0644 has come as 420 by then, but 644 as itself.
    if not isinstance(given, str) or not re.fullmatch("0?[0-7]{3,4}", given):
        raise DevserverError(
            f"mode is {given!r}", expected="octal digits in quotes, such as '0644'", remedy="put mode in quotes"
        )
    return int(given, 8)


if __name__ == "__main__":
    main()
