# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process may trace another one: really tried, and what the answers mean."""

from __future__ import annotations

import getpass
import os
import pathlib
import re
import sys

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import ptrace
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.ptrace import Ptrace, judged, try_ptrace
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def test_this_machine_lets_its_user_debug() -> None:
    yama = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    scope = yama.read_text().strip() if yama.exists() else "0"
    tried = try_ptrace(find_account(getpass.getuser()))
    assert tried.launch == "ok"
    # Privileges may let a user attach whatever the scope is.
    allowed = {"ok"} if scope == "0" else {"ok", f"refused by Yama, whose ptrace_scope is {scope}"}
    assert tried.attach.partition(":")[0] in allowed


@needs_root
def test_and_one_without_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert try_ptrace(find_account("nobody")).launch == "ok"


@needs_root
def test_a_python_that_is_roots_alone_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert try_ptrace(find_account("nobody")).launch.startswith("not known: cannot run")


def test_a_call_that_is_refused_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that no kernel knows stands in for one that a filter refuses."""
    monkeypatch.setattr(ptrace, "_TRY", ptrace._TRY.replace("TRACEME, ATTACH = 0, 16", "TRACEME, ATTACH = 999, 999"))
    tried = try_ptrace(find_account(getpass.getuser()))
    assert tried.launch.startswith("refused") and tried.attach.startswith("refused")


def test_a_python_that_does_not_answer_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ptrace, "_TRY", "raise SystemExit('no python here')")
    assert try_ptrace(find_account(getpass.getuser())).launch == "not known: no python here"


@pytest.mark.parametrize(
    ("launch", "attach", "scope", "filtered", "told"),
    [
        (0, 0, "", False, ("ok", "ok")),
        (0, 0, "1", False, ("ok", "ok")),
        (1, 1, "", True, ("--cap-add=SYS_PTRACE", "seccomp")),
        (1, 1, "", False, ("deny_ptrace", "deny_ptrace")),
        (0, 1, "1", False, ("ok", "ptrace_scope is 1.*kernel_parameters")),
        (0, 1, "0", False, ("ok", r"refused \(error 1\)")),
        (0, 3, "", True, ("ok", r"refused \(error 3\)")),
    ],
)
def test_what_an_answer_means(launch: int, attach: int, scope: str, filtered: bool, told: Ptrace) -> None:
    found = judged(launch, attach, scope=scope, filtered=filtered)
    for words, wanted in zip(found, told, strict=True):
        assert words == "ok" if wanted == "ok" else re.search(wanted, words)
