# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook for tests with many short plays: imported once, with one archive of each module for all of them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

# Forks a process for each order, which is one line of JSON: arguments, directory, and the file for all output. What all
# plays import is imported before, the action plugins named as arguments too.
_SERVER = """
import gc, importlib, json, os, sys
from ansible.cli.playbook import PlaybookCLI
from ansible import cli
from ansible.plugins.loader import init_plugin_loader
import ansible.executor.playbook_executor, ansible.executor.process.worker, ansible.executor.task_executor
import ansible.executor.task_queue_manager, ansible.plugins.callback.default, ansible.plugins.connection.local
import ansible.plugins.inventory.host_list, ansible.plugins.shell.sh, ansible.plugins.strategy.linear
init_plugin_loader()
cli.init_plugin_loader = lambda *_paths: None
for name in sys.argv[1:]:
    importlib.import_module(f"ansible_collections.gopherops.devserver.plugins.action.{name}")
gc.freeze()
for line in sys.stdin:
    arguments, directory, output = json.loads(line)
    child = os.fork()
    if child:
        _pid, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    code = 250
    try:
        os.chdir(directory)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        os.dup2(1, 2)
        PlaybookCLI.cli_executor(["ansible-playbook", *arguments])
        code = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What is done at exit would remove the temporary directory that all of them share.
        os._exit(code)
"""
_COMPILED = pathlib.Path(__file__).parent / "compiled"


class Playbooks:
    """Runs plays in processes that are forked from one that has imported Ansible; ``settings`` are its environment.

    ``actions`` are the action plugins of the collection that the plays use. The modules keep their compiled code in the
    directory ``code``.
    """

    def __init__(
        self, home: pathlib.Path, code: pathlib.Path, settings: t.Mapping[str, str], actions: t.Sequence[str] = ()
    ) -> None:
        self.home = home
        self._output = home / "output"
        path = os.pathsep.join(filter(None, [str(_COMPILED), os.environ.get("PYTHONPATH")]))
        configuration = home / "ansible.cfg"
        configuration.touch()
        own = {
            "ANSIBLE_CONFIG": str(configuration),
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_REMOTE_TEMP": str(home / "tmp/hosts"),
            "PYTHONPATH": path,
            "DEVSERVER_TEST_CODE": str(code),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, *actions],
            env={**os.environ, **own, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, directory: pathlib.Path) -> tuple[int, str]:
        """Run ansible-playbook; return its exit code, and its standard output and error."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps([arguments, str(directory), str(self._output)]) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return code, self._output.read_text()

    def leftovers(self) -> list[pathlib.Path]:
        """Return what plays have left in the temporary directories of the controller and the hosts.

        The archives of modules stay for the next play.
        """
        return [path for path in self.home.glob("tmp/*/*") if path.name != "ansiballz_cache"]

    def close(self) -> None:
        self._server.communicate()
