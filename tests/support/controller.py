# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real plays over "hosts" that are directories of this machine."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors

from tests.support.playbooks import Playbooks

_COLLECTIONS = pathlib.Path(errors.__file__).parents[6]
_CALLBACK = """
import json
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "stdout", "lines"

    def v2_runner_on_ok(self, result, **_options):
        print(json.dumps([result._host.get_name(), result._result]))

    v2_runner_on_failed = v2_runner_on_unreachable = v2_runner_on_ok
"""


def start_playbooks(home: pathlib.Path, code: pathlib.Path, actions: t.Sequence[str]) -> Playbooks:
    """Return what runs the plays of controllers."""
    (home / "lines.py").write_text(_CALLBACK)
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(_COLLECTIONS),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_CALLBACK_PLUGINS": str(home),
        "ANSIBLE_DIFF_ALWAYS": "True",
        "ANSIBLE_STDOUT_CALLBACK": "lines",
        # The checksum database does not contain the modules of tests.
        "GONOSUMDB": "example.com",
        "LC_ALL": "C.UTF-8",
    }
    return Playbooks(home, code, settings, actions)


class Controller:
    """A directory with hosts, the cache of tools, and a Python that counts the modules that it runs."""

    def __init__(self, directory: pathlib.Path, playbooks: Playbooks) -> None:
        self.directory = directory
        self.cache = directory / "cache"
        self._playbooks = playbooks
        self._calls = self.log("calls")
        self.script("python", f'echo >>{self._calls}\nexec {sys.executable} "$@"')

    def log(self, name: str) -> pathlib.Path:
        """Return an empty file that every account can write to."""
        path = self.directory / name
        path.touch()
        path.chmod(0o666)
        return path

    def script(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    @property
    def calls(self) -> int:
        return len(self._calls.read_text().splitlines())

    def play_task(self, hosts: str, task: t.Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
        """Return the result of the task on each host."""
        play = self.directory / "play.yml"
        play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        variables = {"ansible_connection": "local", "ansible_python_interpreter": str(self.directory / "python")}
        arguments = ["--forks", "2", "-i", f"{hosts},", "-e", json.dumps(variables), str(play)]
        _code, output = self._playbooks.run(*arguments, *(["--check"] if check else []), directory=self.directory)
        results = dict(json.loads(line) for line in output.splitlines() if line.startswith('["'))
        assert sorted(results) == sorted(hosts.split(",")), output
        return results

    def leftovers(self) -> list[pathlib.Path]:
        return self._playbooks.leftovers()
