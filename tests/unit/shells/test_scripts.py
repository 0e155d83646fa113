# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every shell script of the collection is valid in the shell that runs it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import scripts
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.shell_query import ShellQuery

SOURCE = scripts.source_files(["/etc/profile", "/home/a b/.profile"], ["/home/a b/.bashrc"])
MARKS = {
    "NAMES": "GOPATH GOROOT",
    "GIVEN_NAMES": "GOPATH GOROOT",
    "VALUES": "${GOPATH-}\1${GOROOT-}",
    "SOURCE": SOURCE,
    "TRACE_PROMPT": "'+ '",
    "OPTIONS": "set -o posix",
    "FINISH": scripts.FINISH,
    "USERS": "/etc/gopherops/users",
    "EVERYONE": "__go_path /usr/local/go/bin",
}
BASH = {
    "BASH_PROMPT": scripts.BASH_PROMPT,
    "BASH_TRACE": scripts.fill(
        scripts.BASH_TRACE,
        {**MARKS, "START_UP": scripts.fill(scripts.BASH_TRACED_STARTUP, {**MARKS, "THEN": scripts.BASH_PROMPT})},
    ),
    "BASH_XTRACE": scripts.fill(scripts.BASH_XTRACE, {**MARKS, "THEN": scripts.BASH_PROMPT}),
}
ZSH = {
    "ZSH_PROMPT": scripts.ZSH_PROMPT,
    "ZSH_TRACE": scripts.fill(scripts.ZSH_TRACE, {**MARKS, "THEN": scripts.ZSH_PROMPT}),
    "ZSH_SOURCE_ENVIRONMENT": scripts.fill(scripts.ZSH_SOURCE_ENVIRONMENT, MARKS),
    "SH_ENVIRONMENT": scripts.fill(scripts.SH_ENVIRONMENT, MARKS),
    "ShellQuery": ShellQuery().command,
    "FINISH": scripts.FINISH,
}
FISH = {
    "FISH_PROMPT": scripts.FISH_PROMPT,
    "FISH_HOOKS": scripts.FISH_HOOKS,
    "FISH_ENVIRONMENT": scripts.fill(scripts.FISH_ENVIRONMENT, MARKS),
    "ShellQuery": ShellQuery().command,
    "FISH_TRACE": scripts.fill(scripts.FISH_TRACE, {**MARKS, "THEN": scripts.FISH_PROMPT}),
}
SH = {
    "SOURCE": SOURCE,
    "ShellQuery": ShellQuery().command,
    **{name: scripts.fill(getattr(scripts, name), MARKS) for name in dir(scripts) if name.startswith("SH_")},
}
CASES = [
    *[("bash", name, text) for name, text in [*BASH.items(), *SH.items()]],
    *[("dash", name, text) for name, text in SH.items()],
    *[("zsh", name, text) for name, text in ZSH.items()],
    *[("fish", name, text) for name, text in FISH.items()],
]


@pytest.mark.parametrize(
    ("shell", "text"), [pytest.param(shell, text, id=f"{shell} {name}") for shell, name, text in CASES]
)
def test_the_script_has_valid_syntax(shell: str, text: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    result = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_every_script_is_checked() -> None:
    names = {name for name in vars(scripts) if name.partition("_")[0] in ("BASH", "ZSH", "FISH", "SH")}
    checked = {name for _shell, name, _text in CASES}
    assert names - checked == {"BASH_TRACED_STARTUP", "FISH_HALF_TIME"}


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "fish"])
def test_the_check_finds_an_error(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    assert subprocess.run([shell, "-n"], input="if true\n", capture_output=True, text=True, check=False).returncode


def test_texts_in_the_place_of_marks_are_not_searched_for_marks() -> None:
    assert scripts.fill("A B AB", {"A": "B", "B": "A"}) == "B A AB"
