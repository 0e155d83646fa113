# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""root runs no program from a directory of a user, although the PATH of the user's units begins with these."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import host_files, paths
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.back_off import START_DELAY

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
# Commands of units that keep root's rights by a "+" although the unit has a user: all must be attacked here.
AS_ROOT = {"/bin/sh -c 'test", "/bin/sh -c '{_RECORD}'", "{paths.CRASH} %i"}


def test_all_commands_of_units_with_roots_rights_are_known() -> None:
    texts = "\n".join(path.read_text() for path in PLUGINS.rglob("*.py"))
    found = re.findall(r"^Exec\w+=[-@:]*[+!]+[-@:+!]*(\S+(?: -c)? \S+)", texts, re.MULTILINE)
    assert set(found) == AS_ROOT


def test_a_failure_is_recorded_with_a_path_of_roots() -> None:
    (assignment,) = re.findall(r"^ExecStopPost=-\+/bin/sh -c '([^;]*);", START_DELAY, re.MULTILINE)
    assert assignment == f"PATH={SYSTEM_PATH}"


@pytest.mark.parametrize("log", [True, False], ids=["file", "journal"])
def test_a_failed_gopls_lets_root_run_no_program_of_its_user(tmp_path, monkeypatch, log: bool) -> None:
    monkeypatch.setattr(paths, "LOG_DIR", str(tmp_path))
    programs, trace = tmp_path / "bin", tmp_path / "trace"
    programs.mkdir()
    script = host_files.render_crash_script(log)
    for name in set(re.findall(r"[a-z]+", script)):
        program = programs / name
        program.write_text(f"#!/bin/sh\necho {name} >>{trace}\n")
        program.chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin", "SERVICE_RESULT": "core-dump", "EXIT_CODE": "killed"}
    subprocess.run(["/bin/sh", "-c", script, "gopls-crash", "root"], env=env, check=True, capture_output=True)
    assert not trace.exists(), trace.read_text()
    assert list((tmp_path / "crashes/root").iterdir())
