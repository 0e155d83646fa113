# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the modules that probe gopls reach the server of a user."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  socket:
    description: The socket of the user's daemon, with V({user}) for the name of the user.
    type: str
    default: /run/gopls/{user}/gopls.sock
  unit:
    description:
      - The service of the daemon, with V({user}) for the name of the user. Its cgroup provides the peak memory of the
        daemon, and its state is part of the result.
    type: str
    default: gopls@{user}.service
  gopls:
    description:
      - A gopls, or a wrapper of it, to start for each user instead of connecting to O(socket), as an editor does
        without a daemon. Its environment is that of VS Code's server.
      - V(/usr/local/bin/gopls-shared), which the role C(language_server) installs for editors, uses the daemon if there
        is one.
    type: str
    default: ''
"""
