# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shell reports of itself, with real shells."""

from __future__ import annotations

import os
import pathlib
import re
import shutil

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.shell_query import ShellQuery, ShellState

SHELLS = ("bash", "dash", "zsh", "fish")
RUN = re.compile(r"printf %s%s (\S+) (\S+?);")


def reported(shell: str, before: str, directory: pathlib.Path) -> tuple[str, ShellState | None]:
    if not shutil.which(shell):
        pytest.skip(f"this machine has no {shell}")
    query = ShellQuery()
    env = {"HOME": str(directory), "PATH": "/usr/bin:/bin", "GOBIN": "/real"}
    return query.parse(run([shell, "-c", f"{before}\n{query.command}"], env=env, timeout=20).stdout)


def test_no_two_probes_have_the_same_marks() -> None:
    first, second = (RUN.findall(ShellQuery().command) for _query in range(2))
    assert len(set(first)) == len(set(second)) == 1
    assert not set(first[0]) & set(second[0])


FORGED = """\
forge() {{
  for part in "" "GOBIN=/forged" "go is /forged" ""; do printf '%s%s' {mark}; printf '%s\\0' "$part"; done
}}
trap forge EXIT
"""


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh"])
def test_a_trap_that_runs_as_the_shell_exits_forges_nothing(shell: str, tmp_path: pathlib.Path) -> None:
    query = ShellQuery()
    # The worst case: a trap that knows the marks of this probe.
    mark = " ".join(RUN.findall(query.command)[0])
    for marks in (mark, "gopherops.devserver- environment"):
        script = FORGED.format(mark=marks) + query.command
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "GOBIN": "/real"}
        before, state = query.parse(run([shell, "-c", script], env=env, timeout=20).stdout)
        assert state is not None
        assert (before, state.environment["GOBIN"], "forged" in state.go_is) == ("", "/real", False)


@pytest.mark.parametrize("shell", SHELLS)
def test_low_limits_of_a_shell_are_reported(shell: str, tmp_path: pathlib.Path) -> None:
    _before, state = reported(shell, "ulimit -v 400000; ulimit -S -n 100; ulimit -H -n 100", tmp_path)
    assert state is not None
    assert state.limits == {"as": 400000 * 1024, "nofile": 100}
    _before, state = reported(shell, ":", tmp_path)
    assert state is not None
    assert "as" not in state.limits


def test_the_wait_for_a_processor_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    query, ticks = ShellQuery(), os.sysconf("SC_CLK_TCK")
    processors = os.cpu_count() or 1
    monkeypatch.setattr("os.getloadavg", lambda: (9.0 * processors, 0.0, 0.0))
    mark = "".join(RUN.findall(query.command)[0])

    def seconds(scheduled: str) -> float | None:
        # Started at 100 s; its children ran for 0.5 s.
        stat = f"7 (sh) S 1 7 7 {' '.join(['0'] * 9)} {ticks // 4} {ticks // 4} 0 0 0 0 {100 * ticks}"
        _before, state = query.parse(mark.join(["", f"{stat}\n110.00 9\n{scheduled}\n", "A=1\0", "go\n", ""]))
        return state.seconds if state else None

    # It ran for 1 s and waited for 2, so its children waited for 1.
    assert seconds("1000000000 2000000000 5") == pytest.approx(7)
    assert seconds("1000000000 0 5") == seconds("0 0 0") == seconds("") == pytest.approx(10)
    assert seconds("1000000000 90000000000 5") == 0
    # On an idle host its children cannot have waited.
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    assert seconds("1000000000 2000000000 5") == pytest.approx(8)


def test_output_that_is_no_state_is_none() -> None:
    query = ShellQuery()
    mark = "".join(RUN.findall(query.command)[0])
    assert query.parse("hello") == ("hello", None)
    assert query.parse(f"hello{mark}more")[1] is None
    state = query.parse(mark.join(["", "x) 9e999 y", "A=1\0B\0", "", ""]))[1]
    assert state == ({"A": "1"}, "", None, None, {})
