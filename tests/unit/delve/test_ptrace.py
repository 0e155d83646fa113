# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process may trace another one, by real attempts, and the meaning of the errors."""

from __future__ import annotations

import getpass
import os
import pathlib
import re
import sys

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import ptrace
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.ptrace import (
    PtraceAccess,
    interpret_errors,
    probe_ptrace,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def test_the_user_of_this_machine_may_debug() -> None:
    yama = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    scope = yama.read_text().strip() if yama.exists() else "0"
    access = probe_ptrace(find_account(getpass.getuser()))
    assert access.launch == "ok"
    # A privileged user may attach with any scope.
    allowed = {"ok"} if scope == "0" else {"ok", f"denied by Yama, whose ptrace_scope is {scope}"}
    assert access.attach.partition(". To")[0] in allowed


@needs_root
def test_an_unprivileged_user_may_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert probe_ptrace(find_account("nobody")).launch == "ok"


@needs_root
def test_a_python_that_only_root_can_run_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert probe_ptrace(find_account("nobody")).launch.startswith("unknown: cannot run")


def test_a_denied_call_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid ptrace request replaces one that a filter denies."""
    monkeypatch.setattr(
        ptrace, "_PROBE_SCRIPT", ptrace._PROBE_SCRIPT.replace("TRACEME, ATTACH = 0, 16", "TRACEME, ATTACH = 999, 999")
    )
    access = probe_ptrace(find_account(getpass.getuser()))
    assert access.launch.startswith("denied") and access.attach.startswith("denied")


def test_a_failing_python_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ptrace, "_PROBE_SCRIPT", "raise SystemExit('no python here')")
    assert probe_ptrace(find_account(getpass.getuser())).launch == "unknown: no python here"


@pytest.mark.parametrize(
    ("launch", "attach", "scope", "filtered", "expected"),
    [
        (0, 0, "", False, ("ok", "ok")),
        (0, 0, "1", False, ("ok", "ok")),
        (1, 1, "", True, ("--cap-add=SYS_PTRACE", "seccomp")),
        (1, 1, "", False, ("deny_ptrace", "deny_ptrace")),
        (0, 1, "1", False, ("ok", "ptrace_scope is 1.*kernel_parameters")),
        (0, 1, "0", False, ("ok", r"denied \(error 1\)")),
        (0, 3, "", True, ("ok", r"denied \(error 3\)")),
    ],
)
def test_meaning_of_errors(launch: int, attach: int, scope: str, filtered: bool, expected: PtraceAccess) -> None:
    access = interpret_errors(launch, attach, scope=scope, filtered=filtered)
    for text, pattern in zip(access, expected, strict=True):
        assert text == "ok" if pattern == "ok" else re.search(pattern, text)
