# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module on the managed host as Ansible does, in one second where a play takes several."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
import subprocess
import tarfile
import typing as t

import ansible

HERE = pathlib.Path(__file__).parent
COLLECTION = HERE.parents[2]
# In memory, and in none of the directories that tests watch.
PLACE = "/run/gopherops-tests"

# Rule, user, context and variable.
Finding = tuple[str, str, str, str]


class Place(t.NamedTuple):
    """The place of a finding's cause: a file and the text of its line, or the file alone.

    What is no file is called by its kind: ``process`` or ``built-in``.
    """

    file: str
    line: str | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """``lines`` holds the text of each line that a finding of the ``report`` names, by file and number."""

    report: dict[str, t.Any]
    lines: dict[tuple[str, int], str]

    @property
    def places(self) -> dict[Finding, set[Place | None]]:
        """Return the places of all findings; there are several where findings differ only in the workspace."""
        places: dict[Finding, set[Place | None]] = {}
        for finding in self.every:
            key = (finding["rule_id"], finding["user"], finding["context"], finding["variable"])
            places.setdefault(key, set()).add(self._place(finding["source"]))
        return places

    @property
    def every(self) -> list[dict[str, t.Any]]:
        """All findings, also those that follow from others; of a finding about several users, those of each."""
        return [entry for one in self.report["findings"] for entry in ([] if one["users"] else [one]) + one["follows"]]

    @property
    def remedied(self) -> set[str]:
        """Return the rules of which a finding's remedy is to provision the host again."""
        return {finding["rule_id"] for finding in self.report["findings"] if "provision" in _without_negation(finding)}

    def _place(self, source: dict[str, t.Any] | None) -> Place | None:
        if not source:
            return None
        line = self.lines[(source["file"], source["line"])] if source["line"] else None
        return Place(source["file"] or source["kind"], line)


def _without_negation(finding: dict[str, t.Any]) -> str:
    text: str = finding["remedy"]["text"]
    return text.replace("which provisioning leaves alone", "")


class Host:
    """A managed host that is a container, with what the module needs to run there."""

    def __init__(self, container: str) -> None:
        execute = ["docker", "exec", "--interactive", container]
        self._inside = [*execute, "python3", f"{PLACE}/inside.py"]
        command = [*execute, "sh", "-euc", f"mkdir -p {PLACE}; tar --extract --directory {PLACE}"]
        subprocess.run(command, input=_module(), check=True)

    def run_module(self, arguments: t.Mapping[str, t.Any], *, inject: str = "", revert: str = "") -> Result:
        """Run ``inject``, then the module with ``arguments``, and ``revert`` in any case."""
        returned, lines = self._call({"inject": inject, "arguments": arguments, "revert": revert})
        assert "secret" not in json.dumps(returned)
        return Result(returned["report"], {(file, number): text for file, number, text in lines})

    def run(self, script: str) -> None:
        """Run a script of sh, which must succeed."""
        self._call({"inject": script, "arguments": None, "revert": ""})

    def _call(self, order: dict[str, t.Any]) -> t.Any:
        completed = subprocess.run(self._inside, input=json.dumps(order), capture_output=True, text=True, check=False)
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return json.loads(completed.stdout)


def _module() -> bytes:
    """Return an archive of what a module is made of where it runs, and of what starts it there."""
    core = pathlib.Path(ansible.__file__).parent
    plugins = COLLECTION / "plugins"
    parts = {HERE / "inside.py": "inside.py", core / "module_utils": "ansible/module_utils"}
    for name in ("modules", "module_utils"):
        parts[plugins / name] = f"ansible_collections/gopherops/devserver/plugins/{name}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for source, name in parts.items():
            archive.add(source, name, filter=_source)
        # As Ansible's own archive of a module has it.
        archive.addfile(tarfile.TarInfo("ansible/__init__.py"))
    return packed.getvalue()


def _source(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member
