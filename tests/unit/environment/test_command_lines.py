# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No value that a user's processes get is in a command line, which every user of the host can read."""

from __future__ import annotations

import contextlib
import getpass
import glob
import os
import pathlib
import shutil
import threading
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import observations
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import vscode_server
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import ContextKind
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.bash import BashContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.fish import FishContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.shell import (
    probe_startup,
    trace_startup,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.zsh import ZshContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import session_environment
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import blame
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup

SECRET = "horse-battery-staple"
PROXY = f"https://alice:{SECRET}@proxy.example"
# Each shell's options and prompt, and the startup file in which it sets the variable once more.
SHELLS = {
    "bash": (["-i"], True, ".bashrc"),
    "dash": (["-l"], False, ".profile"),
    "zsh": (["-i"], True, ".zshrc"),
    "fish": (["-i"], True, ".config/fish/config.fish"),
}
# The sleep is long enough to read all processes many times. The output makes the search trace the startup too.
START_UP = f"export GOPROXY='{PROXY}'\nexport GOFLAGS=-x\nsleep 0.2\necho unexpected\n"
GO = """\
#!/bin/sh
sleep 0.2
printf '{"GOPROXY": "%s", "GOROOT": "/go", "GOVERSION": "go1.22.12", "GOENV": "off"}' "$GOPROXY"
"""


@pytest.fixture(params=SHELLS)
def start_up(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Startup:
    """A startup of each shell, which gets the secret and also sets it itself."""
    name = request.param
    shell = shutil.which(name)
    if not shell:
        pytest.skip(f"this machine has no {name}")
    options, prompts, file = SHELLS[name]
    for path in (file, ".profile"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(START_UP)
    (tmp_path / ".local/share/fish").mkdir(parents=True)
    account = find_account(getpass.getuser())._replace(home=str(tmp_path), shell=shell)
    env = {**session_environment(account), "GOPROXY": PROXY}
    return Startup(account, options, env, [str(tmp_path / file)], prompts=prompts)


class CommandLines(t.NamedTuple):
    """What a thread reads over and over: the command lines of this process's descendants."""

    read: set[str]

    @property
    def leaking(self) -> list[str]:
        return [line for line in self.read if SECRET in line]


@contextlib.contextmanager
def reading_command_lines() -> t.Iterator[CommandLines]:
    lines, done = CommandLines(set()), threading.Event()

    def read() -> None:
        while not done.wait(0.005):
            lines.read.update(_command_lines())

    # A daemon thread, because the process acts as other users meanwhile.
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        done.set()
        reader.join()


def _command_lines() -> t.Iterator[str]:
    known = {os.getpid()}
    # In the order of their numbers a parent mostly comes before its children; the next look finds the others.
    for directory in sorted(glob.glob("/proc/[0-9]*"), key=lambda path: int(path[6:])):
        with contextlib.suppress(OSError, IndexError):
            stat = pathlib.Path(directory, "stat").read_text(errors="replace")
            if int(stat.rpartition(")")[2].split()[1]) in known:
                known.add(int(directory[6:]))
                yield pathlib.Path(directory, "cmdline").read_text(errors="replace")


def test_a_probe_and_a_trace_keep_values_out_of_command_lines(start_up: Startup) -> None:
    with reading_command_lines() as lines:
        environment = probe_startup(start_up, 20).environment or {}
        found = trace_startup(start_up, 20)
    assert environment["GOPROXY"] == PROXY
    # The value was traced, and the shell that did it was seen.
    assert PROXY in [item.value for item in found if item.name == "GOPROXY"]
    assert any("__go_" in line or "__trace_" in line for line in lines.read)
    assert lines.leaking == []


def test_the_search_for_a_line_keeps_values_out_of_command_lines(start_up: Startup) -> None:
    with reading_command_lines() as lines:
        blame.find_printing_line(start_up, "unexpected", 20)
        blame.find_slowest_line(start_up, 20)
        blame.find_last_line(start_up, 2)
    assert lines.read
    assert lines.leaking == []


def test_a_drift_run_keeps_values_out_of_command_lines(
    start_up: Startup, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[ContextKind] = [LoginContext(), BashContext(), ZshContext(), FishContext(), VscodeServerKind()]
    monkeypatch.setattr(vscode_server.SshContext, "applies_to", lambda _self, _account: False)
    # As PAM gives it to all that comes over ssh.
    given = [Assignment("GOPROXY", PROXY, Source("file", "/etc/environment", 1))]
    monkeypatch.setattr(vscode_server, "variables_over_ssh", lambda _account, _timeout: given)
    go = tmp_path / "go/bin/go"
    go.parent.mkdir(parents=True)
    go.write_text(GO)
    go.chmod(0o755)
    for path in sorted({".profile", SHELLS[start_up.shell][2]}):
        with open(tmp_path / path, "a") as file:
            file.write(f'export PATH="{go.parent}:$PATH"\n')
    user = UserEnvironment(start_up.account, {"GOPROXY": PROXY}, [str(go.parent)], [], [])
    with reading_command_lines() as lines:
        declaration = Declaration([user], str(tmp_path / "go"), [])
        seen = observations.observe(declaration, ["gopls"], timeout=20, kinds=contexts)
    assert PROXY in [(one.environment or {}).get("GOPROXY") for one in seen]
    assert any("env\0-json" in line for line in lines.read)
    assert lines.leaking == []
