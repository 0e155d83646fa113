# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios run playbooks with."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import re
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


# What Go has compiled in any scenario: containers mount it, and the tests add what is new. Go finds all of it by the
# hash of its sources, compiler and flags, so that it is the same as what the user's own go compiles.
COMPILED = PLAYBOOKS.parent / ".cache/go-build"
LOAD = """
cd ~{user}/.cache/go-build
[ -e 00 ] || {{ cp -r /mnt/go-build/. . && chown -R {user}: .; }}
"""
SAVE = """
cd ~{user}/.cache/go-build
comm -23 <(find . -type f | sort) <(cd /mnt/go-build && find . -type f | sort) | tar --create --files-from -
"""
# What Ansible shows of a host: the first line of a result, and the line of the recap.
RESULT = re.compile(r"^\w+: \[(\S+?)\]")
RECAP = re.compile(r"^(\S+) +: ok=.* unreachable=0 +failed=(\d+)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Play:
    """The outcome of one run of a playbook; ``report`` is the drift report, where it wrote one.

    Of a run for several declarations it is the outcome of one, with the ``errors`` of all.
    """

    returncode: int
    output: str
    report: dict[str, t.Any] | None = None
    errors: str = ""

    @property
    def folded(self) -> str:
        """The output in one line; in YAML a long message has several, and a quote is written twice."""
        return " ".join(self.output.replace("''", "'").split())

    def expect_rejection(self, words: t.Sequence[str]) -> None:
        """The declaration was rejected by one message, which contains the words."""
        assert self.returncode == 2, self.output
        assert self.output.count("fatal:") == 1, self.output
        assert "Traceback" not in self.output + self.errors
        for word in words:
            assert word in self.folded

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
        with tempfile.TemporaryDirectory(prefix="reports-") as reports:
            if name == "drift":
                variables["drift_report_dir"] = f"{reports}/drift"
            completed = _run_playbook(name, *arguments, "-e", json.dumps(variables))
            report = next(pathlib.Path(reports).glob("drift/*.json"), None)
            output = completed.stdout + completed.stderr
            return Play(completed.returncode, output, json.loads(report.read_text()) if report else None)

    return run


@pytest.fixture(scope="module")
def play_each(host):
    """Run a playbook once for several declarations, of which none may change the host.

    Each declaration is a host of the inventory, and all of these are the scenario's host.
    """

    def run(name: str, declarations: t.Mapping[str, t.Mapping[str, t.Any]], *arguments: str) -> dict[str, Play]:
        with tempfile.TemporaryDirectory(prefix="inventory-") as directory:
            variables = {"ansible_host": host.backend.host}
            if name == "drift":
                variables["drift_report_dir"] = f"{directory}/drift"
            hosts = {f"case-{number}": {**variables, **case} for number, case in enumerate(declarations.values())}
            inventory = pathlib.Path(directory) / "inventory"
            inventory.write_text(json.dumps({"cases": {"hosts": hosts}}))
            completed = _run_playbook(name, *arguments, "-i", str(inventory), "--limit", "cases")
            outputs = _outputs_by_host(completed.stdout + completed.stderr)
            failed = dict(RECAP.findall(completed.stdout))
            assert failed.keys() == hosts.keys(), completed.stdout + completed.stderr
            runs = {}
            for case, name_of_host in zip(declarations, hosts, strict=True):
                report = pathlib.Path(directory) / "drift" / f"{name_of_host}.json"
                runs[case] = Play(
                    2 * min(1, int(failed[name_of_host])),
                    outputs[name_of_host],
                    json.loads(report.read_text()) if report.exists() else None,
                    completed.stderr,
                )
            return runs

    return run


def _run_playbook(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], PLAYBOOKS / f"{name}.yml"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def _outputs_by_host(output: str) -> dict[str, str]:
    """Return what a run has shown of each host."""
    outputs: dict[str, str] = collections.defaultdict(str)
    host = ""
    for line in output.splitlines(keepends=True):
        # A task, a warning or an error: what follows is of no host, or of all.
        if line.startswith(("PLAY", "TASK", "[")):
            host = ""
        elif match := RESULT.match(line):
            host = match[1]
        outputs[host] += line
    return outputs


@pytest.fixture(scope="module")
def snapshot(host):
    """List the files and directories of the host that provisioning may change."""
    return lambda: host.check_output(SNAPSHOT)


@pytest.fixture(scope="module")
def reject_each(snapshot, play_each):
    """Provision with declarations that are rejected; return the run of each. The host stays as it is."""

    def run(declarations: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Play]:
        before = snapshot()
        runs = play_each("site", declarations)
        assert snapshot() == before
        return runs

    return run


@pytest.fixture(scope="module")
def compile_once(host):
    """Run a command that compiles the standard library as the first user, and copy the build cache to the others."""

    def run(command: str, *users: str) -> None:
        first, *others = users
        host.check_output(LOAD.format(user=first))
        host.check_output(f"su - {first} -c {quote(command)}")
        for user in others:
            # Not the directory, which provisioning has created.
            host.check_output(f"cp -r ~{first}/.cache/go-build/* ~{user}/.cache/go-build")
            host.check_output(f"chown -R {user}: ~{user}/.cache/go-build")
        save = ["docker", "exec", host.backend.host, "bash", "-euc", SAVE.format(user=first)]
        compiled = subprocess.run(save, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "--extract", "--directory", COMPILED], input=compiled, check=True)

    return run
