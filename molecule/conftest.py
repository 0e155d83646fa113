# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios run playbooks with."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import typing as t

import pytest

PLAYBOOKS = pathlib.Path(__file__).parents[1] / "playbooks"


@dataclasses.dataclass(frozen=True)
class Play:
    """The outcome of one run of a playbook; ``report`` is the drift report, where it wrote one."""

    returncode: int
    output: str
    report: dict[str, t.Any] | None = None

    @property
    def findings(self) -> set[tuple[str, str, str, str]]:
        found = (self.report or {})["findings"]
        return {(f["rule_id"], f["user"], f["context"], f["variable"]) for f in found}

    @property
    def lines(self) -> set[tuple[str, int]]:
        """The files and lines that findings name."""
        sources = [finding["source"] for finding in (self.report or {})["findings"]]
        return {(source["file"], source["line"]) for source in sources if source and source["line"]}


@pytest.fixture
def play(tmp_path):
    """Run a playbook of the collection against the scenario's host."""

    def run(name: str, *arguments: str, **variables: t.Any) -> Play:
        if name == "drift":
            variables["drift_report_dir"] = str(tmp_path / "drift/reports")
        command = [
            "ansible-playbook",
            "-i",
            os.environ["MOLECULE_INVENTORY_FILE"],
            PLAYBOOKS / f"{name}.yml",
            *arguments,
        ]
        done = subprocess.run([*command, "-e", json.dumps(variables)], capture_output=True, text=True, check=False)
        report = next(tmp_path.glob("drift/reports/*.json"), None)
        return Play(done.returncode, done.stdout + done.stderr, json.loads(report.read_text()) if report else None)

    return run
