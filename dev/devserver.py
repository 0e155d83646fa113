# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make devserver`: from nothing to a provisioned and checked dev server, and how to reach it."""

from __future__ import annotations

import getpass
import json
import re
import sys
import typing as t
from pathlib import Path

from dev import apt, docker_engine, galaxy, host, images, python_env
from dev.checkout import ROOT, Failure
from dev.command import Completed, run, tail
from dev.console import show
from dev.phases import Phases

SUITE = "bookworm"
RECAP = re.compile(r"^\S+ +: (ok=\d+ .*)$", re.MULTILINE)
NEEDS_PASSWORD = "Missing sudo password"


def up(destination: str, *, ask_become_pass: bool = False) -> None:
    """Provision and check ``destination`` (user@host), or the embedded dev server where that is empty."""
    password = read_password(sys.stdin) if ask_become_pass else ""
    phases = Phases()
    prepare(phases)
    if destination:
        target = host.own(destination)
    else:
        image = prepare_docker(phases)
        with phases.phase("Dev server") as log:
            target = host.embedded(image, log)
    with phases.phase("Provision") as log:
        _provision(target, password, log)
    with phases.phase("Drift check") as log:
        report = _check(target, password, log)
    show(f"\n{summary(report)}\n\n{target.connect}\n\n{phases.table()}")
    if report["findings"]:
        raise Failure(f"{target.name} drifts: the findings are above")


def prepare(phases: Phases) -> None:
    """Make ansible and the tools ready."""
    with phases.phase("Python environment") as log:
        python_env.ensure(log)
    with phases.phase("Collections") as log:
        galaxy.ensure(log)


def prepare_docker(phases: Phases) -> str:
    """Make Docker and the image ready; return the image's tag."""
    with phases.phase("Docker engine") as log:
        docker_engine.ensure(log)
        apt.require({"ssh-keygen": "openssh-client"}, log)
    with phases.phase("Image") as log:
        return images.ensure(SUITE, log)


def playbook(target: host.Target, path: Path) -> list[str | Path]:
    """Return the command that runs a playbook against a target."""
    return [python_env.BIN / "ansible-playbook", "-i", target.inventory, path]


def read_password(stdin: t.TextIO) -> str:
    """Return the password of sudo on the host: prompted for, or the first line of the input in a script."""
    password = getpass.getpass("BECOME password: ") if stdin.isatty() else stdin.readline().rstrip("\n")
    if not password:
        raise Failure("ASK_BECOME_PASS=1, and no password was given. To fix this: type it, or pipe it to make")
    return password


def _play(target: host.Target, name: str, password: str, log: Path, *extra: str) -> Completed:
    """Run a playbook; ansible reads the password from its standard input."""
    argv: list[str | Path] = [*playbook(target, ROOT / "playbooks" / name), *extra]
    if password:
        argv += ["--become-password-file", "-"]
    return run(argv, log=log, env=python_env.tool_environment(), check=False, stdin=password)


def _provision(target: host.Target, password: str, log: Path) -> None:
    completed = _play(target, "site.yml", password, log)
    if NEEDS_PASSWORD in completed.output and not password:
        raise Failure(
            f"sudo on {target.name} needs a password. To fix this: add ASK_BECOME_PASS=1 to the command\n{tail(log)}"
        )
    if not completed.ok:
        raise Failure(f"playbooks/site.yml failed (code {completed.returncode})\n{tail(log)}")
    for recap in RECAP.findall(completed.output):
        show(f"    {target.name}: {' '.join(recap.split())}")


def _check(target: host.Target, password: str, log: Path) -> dict[str, t.Any]:
    """Return the drift report; raises Failure where none was written."""
    directory = target.directory / "drift"
    directory.mkdir(exist_ok=True)
    file = directory / f"{target.name}.json"
    file.unlink(missing_ok=True)
    variables = json.dumps({"drift_report_dir": str(directory), "drift_fail_on": "warning"})
    completed = _play(target, "drift.yml", password, log, "-e", variables)
    report: dict[str, t.Any] = json.loads(file.read_text()) if file.exists() else {}
    # Findings make the playbook fail too, and those are reported from the file; anything else is an error.
    if not report or (not completed.ok and not report["findings"]):
        raise Failure(f"playbooks/drift.yml wrote no usable report (code {completed.returncode})\n{tail(log)}")
    return report


def summary(report: t.Mapping[str, t.Any]) -> str:
    """Return what is on the dev server and what drifts there, for a person."""
    toolchain = report["toolchain"]
    rows = [("Go", toolchain["version"], toolchain["path"])]
    rows += [(tool["name"], tool["version"], tool["path"]) for tool in report["tools"]]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"  {name:<{widths[0]}}  {version:<{widths[1]}}  {path}" for name, version, path in rows]
    findings = [_finding(finding) for finding in report["findings"]] or ["no drift"]
    return "\n".join(["On the dev server:", *lines, "", *findings])


def _finding(finding: t.Mapping[str, t.Any]) -> str:
    users = finding.get("user") or ", ".join(finding.get("users", ()))
    place = " ".join([users, *(finding.get(key, "") for key in ("context", "variable"))]).strip()
    remedy = (finding.get("remedy") or {}).get("text", "")
    head = f"{finding['severity']} {finding['rule_id']}{f' ({place})' if place else ''}: {finding['cause']}"
    return f"{head}\n    {remedy}" if remedy else head
