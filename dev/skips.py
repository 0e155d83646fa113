# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests were skipped, and whether tests/skips.toml allows that: a test that never runs proves nothing."""

from __future__ import annotations

import re
import tomllib
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

from dev.checkout import ROOT

LIST = ROOT / "tests" / "skips.toml"


class Skip(t.NamedTuple):
    """``test`` did not run; ``message`` is what it gave as the cause."""

    test: str
    message: str


def report_of(log: Path) -> Path:
    """Return where the JUnit report of the check with this log is."""
    return log.with_suffix(".xml")


def write(report: Path, skips: t.Iterable[Skip]) -> None:
    """Write a JUnit report of skips, for a check that is no run of pytest."""
    suite = ET.Element("testsuite")
    for skip in skips:
        ET.SubElement(ET.SubElement(suite, "testcase", name=skip.test), "skipped", message=skip.message)
    ET.ElementTree(suite).write(report, encoding="utf-8")


def read(report: Path) -> list[Skip]:
    """Return the skipped tests of a JUnit report; none where no report was written."""
    if not report.exists():
        return []
    # Written by pytest on this machine.
    return [
        Skip(f"{case.get('classname', '')}.{case.get('name', '')}".strip("."), skipped.get("message", ""))
        for case in ET.parse(report).iter("testcase")
        for skipped in case.iter("skipped")
    ]


def allowed(file: Path = LIST) -> dict[str, str]:
    """Return the listed messages, as regular expressions, with their reasons."""
    return {entry["message"]: entry["reason"] for entry in tomllib.loads(file.read_text())["skip"]}


def reason(skip: Skip, reasons: t.Mapping[str, str]) -> str:
    """Return why this skip is allowed; empty where it is not on the list."""
    return next((text for message, text in reasons.items() if re.fullmatch(message, skip.message, re.DOTALL)), "")


def summary(skips: t.Sequence[Skip], reasons: t.Mapping[str, str]) -> str:
    """Return how many tests were skipped, and for each reason the tests."""
    lines = [f"{len(skips)} skipped"]
    for text in sorted({reason(skip, reasons) for skip in skips}):
        lines.append(f"  {text or 'not on the list in tests/skips.toml'}:")
        lines += [f"    {skip.test}: {skip.message}" for skip in skips if reason(skip, reasons) == text]
    return "\n".join(lines)
