# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stranger does: clone, `make devserver` twice, connect as printed, `make clean`; nothing may be left."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import tempfile
from pathlib import Path

from dev import python_env
from dev.checkout import ROOT, Failure
from dev.command import run
from dev.console import show
from dev.docker_engine import docker


def check(log: Path) -> None:
    """Go the whole way in a fresh clone of HEAD."""
    with tempfile.TemporaryDirectory(prefix="devserver-") as folder:
        clone = Path(folder).resolve() / "clone"
        run(["git", "clone", "--quiet", ROOT, clone], log=log)
        try:
            _use(clone, log)
        finally:
            _make(clone, "clean", log)
        _expect_nothing_left(clone)


def _use(clone: Path, log: Path) -> None:
    _make(clone, "devserver", log)
    second = _make(clone, "devserver", log)
    _expect_no_change("the second make devserver", second)
    if "no drift" not in second:
        raise Failure("the second make devserver does not say 'no drift'")
    command = re.search(r"^  (ssh -F .*)$", second, re.MULTILINE)
    if not command:
        raise Failure("make devserver does not say how to connect")
    answer = run([*shlex.split(command[1]), "go version"], log=log, cwd=clone).output
    show(f"    over ssh: {answer.strip()}")
    _provision_with_oldest_core(clone, log)


def _provision_with_oldest_core(clone: Path, log: Path) -> None:
    show("    ansible-core 2.16")
    python_env.ensure_core(log)
    env = python_env.tool_environment() | {
        "ANSIBLE_CONFIG": str(clone / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(clone / ".cache" / "collections"),
    }
    inventory = clone / ".devserver" / "inventory.yml"
    command = python_env.CORE_VENV / "bin" / "ansible-playbook"
    done = run([command, "-i", inventory, clone / "playbooks" / "site.yml"], log=log, cwd=clone, env=env)
    _expect_no_change("ansible-core 2.16", done.output)


def _expect_no_change(who: str, output: str) -> None:
    recaps = re.findall(r"\bok=.*", output)
    if not recaps or not all(re.search(r"\bchanged=0\b", recap) for recap in recaps):
        raise Failure(f"{who} changed something: {', '.join(recaps)}")


def _make(clone: Path, target: str, log: Path) -> str:
    show(f"    make {target}")
    # Downloads are shared with this checkout; nothing else is.
    caches = {name: python_env.tool_environment()[name] for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR")}
    # A make above this one speaks to those below by variables; a stranger's has none above.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return run(["make", "--no-print-directory", target], log=log, cwd=clone, env=inherited | caches).output


def _expect_nothing_left(clone: Path) -> None:
    identity = hashlib.sha256(str(clone).encode()).hexdigest()[:8]
    containers = docker("ps", "--all", "--quiet", "--filter", f"label=gopherops.devserver.checkout={identity}")
    folders = [str(path) for path in (clone / ".cache", clone / ".devserver") if path.exists()]
    if containers or folders:
        raise Failure(f"make clean left {containers} {' '.join(folders)}")
