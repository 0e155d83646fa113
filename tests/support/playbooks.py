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

# Forks a process for each order, which is one line of JSON: arguments, directory, and the file for all output.
_SERVER = """
import json, os, sys
from ansible.cli.playbook import PlaybookCLI
import ansible.executor.playbook_executor, ansible.executor.task_queue_manager
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


class Playbooks:
    """Runs plays in processes that are forked from one that has imported Ansible; ``settings`` are its environment."""

    def __init__(self, home: pathlib.Path, settings: t.Mapping[str, str]) -> None:
        self._output = home / "output"
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            env={**os.environ, "ANSIBLE_HOME": str(home), **settings},
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

    def close(self) -> None:
        self._server.communicate()
