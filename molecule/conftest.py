# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios run playbooks with."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile
import typing as t
from shlex import quote

import pytest

PLAYBOOKS = pathlib.Path(__file__).parents[1] / "playbooks"
# Directories without their times: a temporary file that was created and removed is no trace.
SNAPSHOT = (
    "find /etc /home /srv /opt /usr/local /var/lib -type d -printf '%p %m %u\\n' -o -printf '%p %m %u %s %T@\\n' | sort"
)


@dataclasses.dataclass(frozen=True)
class Play:
    """The outcome of one run of a playbook; ``report`` is the drift report, where it wrote one."""

    returncode: int
    output: str
    report: dict[str, t.Any] | None = None

    @property
    def every(self) -> list[dict[str, t.Any]]:
        """All findings, also those that follow from others; of a finding about several users, those of each."""
        findings = (self.report or {})["findings"]
        return [entry for one in findings for entry in ([] if one["users"] else [one]) + one["follows"]]

    @property
    def findings(self) -> set[tuple[str, str, str, str]]:
        return {(f["rule_id"], f["user"], f["context"], f["variable"]) for f in self.every}

    @property
    def lines(self) -> set[tuple[str, int]]:
        """The files and lines that findings name."""
        sources = [finding["source"] for finding in self.every]
        return {(source["file"], source["line"]) for source in sources if source and source["line"]}


@pytest.fixture(scope="session")
def play():
    """Run a playbook of the collection against the scenario's host."""

    def run(name: str, *arguments: str, **variables: t.Any) -> Play:
        command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], PLAYBOOKS / f"{name}.yml"]
        with tempfile.TemporaryDirectory(prefix="reports-") as reports:
            if name == "drift":
                variables["drift_report_dir"] = f"{reports}/drift"
            command += [*arguments, "-e", json.dumps(variables)]
            completed = subprocess.run(command, capture_output=True, text=True, check=False)
            report = next(pathlib.Path(reports).glob("drift/*.json"), None)
            output = completed.stdout + completed.stderr
            return Play(completed.returncode, output, json.loads(report.read_text()) if report else None)

    return run


@pytest.fixture
def snapshot(host):
    """List the files and directories of the host that provisioning may change."""
    return lambda: host.check_output(SNAPSHOT)


@pytest.fixture
def expect_rejection(snapshot, play):
    """Provision with variables that are rejected: one message contains the words, and the host stays as it is."""

    def run(words: t.Sequence[str], **variables: t.Any) -> None:
        before = snapshot()
        completed = play("site", **variables)
        assert completed.returncode == 2, completed.output
        assert completed.output.count("fatal:") == 1
        assert "Traceback" not in completed.output
        folded = " ".join(completed.output.split())
        for word in words:
            assert word in folded, completed.output
        assert snapshot() == before

    return run


@pytest.fixture(scope="module")
def compile_once(host):
    """Run a command that compiles the standard library as the first user, and copy the build cache to the others."""

    def run(command: str, *users: str) -> None:
        first, *others = users
        host.check_output(f"su - {first} -c {quote(command)}")
        for user in others:
            # Not the directory, which provisioning has created.
            host.check_output(f"cp -r ~{first}/.cache/go-build/* ~{user}/.cache/go-build")
            host.check_output(f"chown -R {user}: ~{user}/.cache/go-build")

    return run
