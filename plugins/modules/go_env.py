#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_env
short_description: Renders one declaration of the Go environment into every context
version_added: 0.1.0
description:
  - Makes login shells, interactive bash, zsh, fish, commands over ssh, cron jobs, units of systemd and every process
    that runs C(go) meet the same C(GOPATH), C(GOMODCACHE), C(GOBIN), C(GOCACHE), C(GOTOOLCHAIN) and C(PATH), for each
    user in the list.
  - VS Code's machine settings carry the same values where they are there. Settings, launch configurations and dev
    containers in a workspace do so where O(users[].workspaces) lists them in C(manage).
  - Creates the directories that those variables name, with the user's own rights.
  - A listed user whose home is missing, as before a first login, is a warning and does not affect other users. Files
    outside of the home are written; the rest is written by the next run.
  - In files that belong to somebody else only a managed block, or the declared names, are touched.
  - A file or directory of one user that cannot be used, such as settings with a syntax error or a file with the wrong
    owner, is skipped. The module writes everything else, fails at the end, and lists such files in RV(skipped_files).
    Invalid options are reported before the first write.
  - A host stays reachable. If files are to change that logins, C(sudo) or C(cron) read, the action plugin of this name
    first opens a new connection beside the one of the play, and uses the play's C(become) there. If that fails, the
    task fails with the reason and nothing is changed. It does the same after the change. If that fails, the previous
    files of the host are restored and the task fails with the reason; a timer on the host does so if the controller
    cannot. The message names the files of users that stay changed.
notes:
  - The task cannot run asynchronously.
  - Sessions that are open already keep the environment they were started with. A user's systemd manager that runs
    reloads its files, which restarts nothing.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.declaration
  - gopherops.devserver.declaration.users
options:
  state:
    description:
      - V(absent) removes everything that earlier runs have written, for all users, and needs no other option. Blocks
        leave the files of PAM before the files that they include are removed.
      - It finds the paths and values of earlier declarations in a record on the host. O(users), O(vscode_settings) and
        O(vscode_tools) may add others, such as users of a first run that was killed.
      - Directories such as GOPATH, own lines and changed values of users stay, and files of workspaces.
    type: str
    choices: [present, absent]
    default: present
  rollback_after:
    description:
      - The time limit in seconds for the proof that a new connection and C(become) work after files of the host have
        changed. Thereafter the host restores the previous files by itself.
      - Raise it for hosts where logins are slow. V(0) changes the files without a proof, such as where each new
        connection needs input at the terminal.
    type: int
    default: 60
  _access:
    description: Reserved for the action plugin of this name. Do not set it.
    type: dict
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
      - gopherops.devserver.declaration
seealso:
  - module: gopherops.devserver.go_env_drift
"""

EXAMPLES = r"""
- name: Give two developers the same Go environment in every context
  gopherops.devserver.go_env:
    users:
      - name: alice
        workspaces:
          - "{home}/service"
          - path: "{home}/shop"
            manage: [launch, devcontainer]
      - name: bob
        variables:
          GOPATH: /srv/bob/go
    variables:
      GOPROXY: [https://goproxy.example.com, direct]
      GOPRIVATE: [git.example.com/*]
  become: true
"""

RETURN = r"""
access_problem:
  description:
    - Why a new connection with C(become) failed. If that was before the first change, nothing was changed; otherwise
      the previous files of the host are restored.
  returned: if that failed
  type: str
  sample: "sudo: pam_open_session: Permission denied"
users:
  description: What each listed user's processes now get.
  returned: always, unless an option is invalid
  type: list
  elements: dict
  sample:
    - name: alice
      path: [/usr/local/go/bin, /usr/local/bin, /home/alice/go/bin]
      variables: {GOPATH: /home/alice/go, GOTOOLCHAIN: local}
users_without_home:
  description: The listed users whose home is missing, in which nothing was written therefore; each is a warning too.
  returned: always, unless an option is invalid
  type: list
  elements: str
  sample: []
skipped_files:
  description:
    - The files and directories of users that were left as they are, in the order of their users. With an entry the
      module fails, after it has written everything else. Files of users who are not listed cause only warnings.
  returned: always, unless an option is invalid
  type: list
  elements: dict
  contains:
    user:
      description: Name of the account.
      type: str
    file:
      description: Path of the file or directory.
      type: str
    line:
      description: Line of the error, counted from 1. None for an error of the whole file.
      type: int
    column:
      description: Column of the error, counted from 1. None for an error of the whole line or file.
      type: int
    reason:
      description: The error, the expected state, and how to fix it.
      type: str
  sample: []
"""

from ..module_utils._core.result import run
from ..module_utils._environment.go_env import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
