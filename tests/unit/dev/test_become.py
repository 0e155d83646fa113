# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of sudo: where `make devserver` reads it, and how it passes it on."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess

import pytest

from dev.checkout import ROOT, Failure
from dev.command import run
from dev.devserver import read_password


def test_a_script_passes_the_password_as_the_first_line() -> None:
    assert read_password(io.StringIO(" with spaces \nrest\n")) == " with spaces "


def test_a_missing_password_is_rejected() -> None:
    with pytest.raises(Failure, match="no password was given"):
        read_password(io.StringIO(""))


def test_a_command_reads_its_standard_input_and_the_log_does_not_contain_it(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    assert run(["sh", "-c", "wc -c; cat"], log=log, stdin="secret").output == "6\n"
    assert "secret" not in log.read_text()


def test_a_command_that_does_not_read_its_input_succeeds(tmp_path: pathlib.Path) -> None:
    assert run(["true"], log=tmp_path / "log", stdin="secret").ok


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (["HOST=ada@build7"], False),
        (["HOST=ada@build7", "ASK_BECOME_PASS=1"], True),
        (["HOST=ada@build7", "ASK_BECOME_PASS=0"], False),
    ],
)
def test_make_passes_the_option_where_the_variable_is_set(variables: list[str], expected: bool) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    argv = ["make", "--dry-run", "devserver", *variables]
    printed = subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout
    assert ("--ask-become-pass" in printed) is expected
