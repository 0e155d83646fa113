# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fish, in terminals and scripts: the probe is one in a terminal, which reads all files of a script's fish."""

from __future__ import annotations

import glob
import os
import shutil
import typing as t

from ..._host.accounts import Account, can_log_in
from ..._host.command import session_environment
from ..._host.managed_files import ManagedFile, whole_file
from ..._shells.startup import Startup
from ..declaration import Declaration, UserEnvironment
from ..paths import USERS
from .previous import known_account
from .shell import ShellContext

# Late in the order of the directory, so that files of other packages do not win over the declaration.
HOOK = "/etc/fish/conf.d/zz-gopherops-go.fish"

# Not every fish sets SHLVL; one that finds it set and is neither for a login nor a terminal runs a script in a session.
_SCRIPT = """\
# Puts the declared directories first in PATH, once each. Every user has a file that only that user can read.
function __go_path
    set -l rest
    for entry in $PATH
        contains -- $entry $argv; or set -a rest $entry
    end
    set -gx PATH $argv $rest
end
# A script inside a session keeps what it was given there.
if status is-interactive; or status is-login; or not set -q SHLVL
    set -l file USERS/(/usr/bin/id -un).fish
    if test -r $file
        source $file
    else
        EVERYONE
    end
end
functions -e __go_path
"""


class FishContext(ShellContext):
    """``fish -i`` in a terminal, with the system's and the user's files."""

    name = "fish"
    in_terminal = True

    def applies_to(self, account: Account) -> bool:
        return shutil.which("fish") is not None and can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if shutil.which("fish") is None:
            return []
        script = _SCRIPT.replace("USERS", quoted(USERS)).replace("EVERYONE", _path(declaration.path) or "true")
        users = {_user_file(user.account.name): user for user in declaration.users}
        stale = sorted(set(glob.glob(_user_file("*"))) - set(users))
        return [
            # A user's variables may hold a proxy's password.
            *(whole_file(path, _render(user), mode=0o400, owner=user.account) for path, user in users.items()),
            whole_file(HOOK, script),
            *(whole_file(path, None, owner=known_account(_user_of(path))) for path in stale),
        ]

    def start_up(self, account: Account, timeout: float) -> Startup:
        return Startup(account._replace(shell="fish"), ["-i"], session_environment(account), prompts=True)


def _user_file(name: str) -> str:
    return os.path.join(USERS, name + ".fish")


def _user_of(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _render(user: UserEnvironment) -> str:
    exports = [f"set -gx {name} {quoted(value)}" for name, value in user.variables.items()]
    return "".join(line + "\n" for line in (_path(user.path), *exports) if line)


def _path(directories: t.Sequence[str]) -> str:
    return " ".join(["__go_path", *map(quoted, directories)]) if directories else ""


def quoted(word: str) -> str:
    """Return ``word`` in fish's single quotes, where a backslash keeps its power over two characters."""
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"
