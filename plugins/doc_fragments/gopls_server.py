# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the modules that try gopls find that of a user."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  socket:
    description: Where the user's daemon listens, with V({user}) for the name.
    type: str
    default: /run/gopls/{user}/gopls.sock
  unit:
    description:
      - The service that runs the daemon, with V({user}) for the name. Its control group knows how much memory the
        daemon has had, and its state is told.
    type: str
    default: gopls@{user}.service
  gopls:
    description:
      - A gopls, or a wrapper of it, to start for each user instead of connecting to O(socket), as an editor does where
        there is no daemon. It gets the environment that VS Code's server would give it.
      - With V(/usr/local/bin/gopls-shared), which the role C(language_server) gives to editors, it is the daemon where
        there is one.
    type: str
    default: ''
"""
