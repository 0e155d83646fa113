# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: folder_texts
short_description: Reads a small folder of texts on the controller, as a dictionary of its files
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Lets a module have a folder of sources in its arguments, where copying file by file would cost a round trip each.
options:
  _terms:
    description: Folders, each absolute.
    required: true
"""

EXAMPLES = r"""
- name: Show which files a sample has
  ansible.builtin.debug:
    msg: "{{ lookup('gopherops.devserver.folder_texts', role_path ~ '/files/service') | list }}"
"""

RETURN = r"""
_raw:
  description: For each folder the text of every file, by its path below the folder.
  type: list
  elements: dict
"""

import pathlib
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """The lookup."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, str]]:
        """Return the texts of each folder."""
        return [texts_below(pathlib.Path(term)) for term in terms]


def texts_below(folder: pathlib.Path) -> dict[str, str]:
    """Return the text of every file, by its path below ``folder``; raise AnsibleError where there is none."""
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        texts = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleError(f"the texts in {folder} cannot be read: {error}") from error
    if not texts:
        raise AnsibleError(f"there is no file in {folder}; name a folder of texts")
    return texts
