# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: directory_texts
short_description: Read a small directory of text files on the controller as a dictionary
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Passes a directory of sources to a module in its arguments. Copying would cost a round trip for each file.
options:
  _terms:
    description: Absolute paths of directories.
    required: true
"""

EXAMPLES = r"""
- name: Show the files of a sample
  ansible.builtin.debug:
    msg: "{{ lookup('gopherops.devserver.directory_texts', role_path ~ '/files/service') | list }}"
"""

RETURN = r"""
_raw:
  description: For each directory, the text of every file by its relative path.
  type: list
  elements: dict
"""

import pathlib
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """Reads directories of text files."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, str]]:
        """Return the texts of each directory."""
        return [texts_below(pathlib.Path(term)) for term in terms]


def texts_below(directory: pathlib.Path) -> dict[str, str]:
    """Return the text of every file by its relative path. Raises AnsibleError for a directory without files."""
    try:
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        texts = {str(path.relative_to(directory)): path.read_text(encoding="utf-8") for path in files}
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleError(f"cannot read the texts in {directory}: {error}") from error
    if not texts:
        raise AnsibleError(f"{directory} contains no file. To fix this: use the path of a directory with text files")
    return texts
