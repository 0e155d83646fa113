# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units, verified by systemd, and their builds, by a real go."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import units
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import DebugService
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import read_build_info
from hypothesis import given
from hypothesis import strategies as st

from .samples import attached, service

GO = shutil.which("go") or ""
PROGRAMS = units.Programs("/bin/true", GO or "/bin/true", True)
ARGUMENTS = ["--name", "", "a b", 'print "hi"', "50%h", "$HOME", "${HOME}", "c:\\n", ";", "'", "é"]
MODES: dict[str, dict[str, t.Any]] = {
    "exec": {"args": ARGUMENTS, "environment": {"A": "b"}, "log": ["dap"]},
    "test": {"mode": "test", "listen": "[::1]:2346"},
    "attach": attached(listen="/run/dlv/api/dlv.sock"),
}


def render(declared: DebugService, **programs: t.Any) -> str:
    return units.render_unit(declared, PROGRAMS._replace(**programs), [])


def words(line: str) -> list[str]:
    """Return the words of a command line as systemd reads it; every percent and dollar sign must be doubled."""
    return [re.sub(r"([%$])(.?)", _single, word) for word in shlex.split(line)]


def _single(match: re.Match[str]) -> str:
    assert match.group(1) == match.group(2), match.string
    return match.group(1)


def command(unit: str, key: str) -> list[str]:
    *_checks, line = re.findall(rf"^{key}=([^-].*)$", unit, re.MULTILINE)
    return words(line)


@pytest.mark.parametrize("mode", MODES)
def test_systemd_accepts_every_line(mode: str, workspace: pathlib.Path, tmp_path: pathlib.Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    declared = service(**{"workspace": str(workspace), **MODES[mode]})
    unit = tmp_path / declared.unit
    unit.write_text(render(declared))
    # systemd needs the unit that dlv attaches to.
    (tmp_path / "shop.service").write_text("[Service]\nExecStart=/bin/true\n")
    completed = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit, tmp_path / "shop.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert declared.unit not in completed.stderr and str(tmp_path) not in completed.stderr, completed.stderr


@given(st.lists(st.text(st.sampled_from("a%$\\\"' ;")) | st.text(st.characters(blacklist_categories=["Cc", "Cs"]))))
def test_arguments_survive_the_quoting_of_systemd(args: list[str]) -> None:
    assert command(render(service(args=args)), "ExecStart")[-len(args) - 1 :] == ["--", *args]


@pytest.mark.parametrize(
    ("mode", "there", "missing"),
    [
        ("exec", {"exec", "--accept-multiclient", "--continue"}, {"--log"}),
        # dlv exits with its first client: the next client of a test gets a new run.
        ("test", {"exec"}, {"--accept-multiclient", "--continue"}),
        ("attach", {"attach", "--accept-multiclient", "--continue"}, set()),
    ],
)
def test_dlv_gets_the_options_of_its_mode(mode: str, there: set[str], missing: set[str]) -> None:
    given_words = set(command(render(service(**{**MODES[mode], "log": []})), "ExecStart"))
    assert there | {"--headless", "--api-version=2", "--only-same-user=true"} <= given_words
    assert not missing & given_words


def test_continue_false_waits_for_a_client() -> None:
    assert "--continue" not in command(render(service(**{"continue": False})), "ExecStart")
    log = command(render(service(log=["dap", "rpc"])), "ExecStart")
    assert {"--log", "--log-output=dap,rpc"} <= set(log)


@pytest.mark.parametrize("mode", MODES)
def test_no_privileges_are_granted(mode: str) -> None:
    unit = render(service(**MODES[mode]))
    assert "\nCapabilityBoundingSet=\n" in unit and "\nNoNewPrivileges=yes\n" in unit
    assert "AmbientCapabilities" not in unit and "PrivateUsers" not in unit


@pytest.mark.skipif(not GO, reason="no go command on PATH")
@pytest.mark.parametrize(("mode", "output"), [("exec", "hello\n"), ("test", "hello\nPASS\n")])
def test_builds_can_be_debugged_with_any_goflags(
    mode: str,
    output: str,
    workspace: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(units, "STATE_DIR", str(tmp_path))
    declared = service(mode=mode, workspace=str(workspace), build_flags=["-tags=x"])
    binary = units.debuggee_path(declared.name)
    flags = "-trimpath -ldflags=-s -gcflags=-l"
    build = command(render(declared), "ExecStartPre")
    assert build[0] == GO
    env = {**os.environ, "GOFLAGS": flags, "GOWORK": "off"}
    subprocess.run(build, cwd="/", env=env, check=True)
    settings = read_build_info(binary).settings
    assert settings["-gcflags"].strip('"') == "all=-N -l" and settings["-tags"] == "x"
    assert "-trimpath" not in settings and "-ldflags" not in settings
    completed = subprocess.run([binary], capture_output=True, text=True, check=True)
    assert completed.stderr + completed.stdout == output
    # The workspace is unchanged: the program is not written to it.
    assert {path.suffix for path in workspace.rglob("*") if path.is_file()} == {".go", ".mod"}


@pytest.mark.skipif(not GO, reason="no go command on PATH")
@pytest.mark.parametrize("mode", ["exec", "test"])
def test_without_its_workspace_a_service_fails_by_its_build_which_names_it(mode: str, tmp_path: pathlib.Path) -> None:
    """Where systemd itself cannot change to the directory, no command of the unit runs, such as that of the delay."""
    unit = render(service(mode=mode, workspace=str(tmp_path / "gone")))
    assert f"\nWorkingDirectory=-{tmp_path}/gone" in unit
    build = subprocess.run(command(unit, "ExecStartPre"), cwd="/", capture_output=True, text=True, check=False)
    assert build.returncode and str(tmp_path / "gone") in build.stderr


def test_the_environment_has_a_separate_file() -> None:
    declared = service(environment={"A": 'it\'s "5$"', "B": 1})
    assert units.render_environment(declared) == units.HEADER + 'A="it\'s \\"5$\\""\nB="1"\n'
    assert "it's" not in render(declared)
    assert units.render_environment(service()) is None
    assert "/etc/gopherops/debug" not in render(service())


def test_a_unit_contains_the_path_of_its_launch_configuration() -> None:
    files = [
        units.LaunchFile(service().account.name, "/src/acme/.vscode/launch.json"),
        units.LaunchFile("gone", "/src/other/.vscode/launch.json"),
    ]
    assert units.launch_files_of(units.render_unit(service(), PROGRAMS, files)) == files
    assert units.launch_files_of(render(service())) == []
