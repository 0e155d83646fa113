# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contexts of all POSIX shells share: one script, which each of them sources from its own start-up file."""

from __future__ import annotations

import os
import shlex
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import ManagedFile
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration

SCRIPT = "/etc/gopherops/go-environment.sh"
SOURCE_SCRIPT = f"[ ! -r {SCRIPT} ] || . {SCRIPT}\n"

_HEAD = """\
# Managed by gopherops.devserver (go_env); changes made here are lost.
# Puts the declared directories first in PATH, once each, and exports the user's Go variables.
__go_path() {
  __go_first=
  __go_rest=":$PATH:"
  for __go_dir in "$@"; do
    __go_first="$__go_first:$__go_dir"
    while :; do
      case "$__go_rest" in
        *":$__go_dir:"*) __go_rest="${__go_rest%%":$__go_dir:"*}:${__go_rest#*":$__go_dir:"}" ;;
        *) break ;;
      esac
    done
  done
  __go_rest="${__go_rest#:}"
  __go_rest="${__go_rest%:}"
  export PATH="${__go_first#:}${__go_rest:+:$__go_rest}"
  unset __go_first __go_rest __go_dir
}
case "$(id -un)" in
"""
_TAIL = "esac\nunset -f __go_path\n"


def script_file(declaration: Declaration) -> ManagedFile:
    """Return the script with one branch a declared user, and PATH alone for all others."""
    branches = [_branch(shlex.quote(user.account.name), user.path, user.variables) for user in declaration.users]
    text = _HEAD + "".join(branches) + _branch("*", declaration.path, {}) + _TAIL
    return ManagedFile(SCRIPT, lambda _text: text)


def _branch(pattern: str, path: t.Sequence[str], variables: t.Mapping[str, str]) -> str:
    lines = ["  __go_path {}".format(" ".join(map(shlex.quote, path)))] if path else []
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "{})\n{}\n  ;;\n".format(pattern, "\n".join(lines or ["  :"]))


def readable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)
