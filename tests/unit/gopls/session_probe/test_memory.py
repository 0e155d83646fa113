# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory is read from the unit's own control group of either version, and from nobody else's."""

from __future__ import annotations

import os
import resource

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.memory import (
    Memory,
    memory_of,
    peak_of_process,
)

UNIT = "gopls@alice.service"
STATUS = "Name:\tgopls\nVmPeak:\t  2000 kB\nVmHWM:\t    300 kB\nVmRSS:\t    200 kB\n"
V1 = "memory/system.slice/gopls@alice.service/memory."
V2 = "system.slice/gopls@alice.service/memory."
ONE = {f"{V1}max_usage_in_bytes": "1000\n", f"{V1}limit_in_bytes": "4096\n"}
TWO = {f"{V2}peak": "1000\n", f"{V2}max": "4096\n"}
GROUP_1 = f"12:cpu,cpuacct:/x\n9:memory:/system.slice/{UNIT}\n0::/system.slice/{UNIT}\n"
GROUP_2 = f"0::/system.slice/{UNIT}\n"


@pytest.fixture
def host(tmp_path):
    def make(group, files, unit=UNIT):
        for name, text in {"proc/7/cgroup": group, "proc/7/status": STATUS, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return memory_of(7, unit, str(tmp_path / "proc"), str(tmp_path / "cgroups"))

    return make


@pytest.mark.parametrize(
    ("group", "files", "unit", "memory"),
    [
        (GROUP_1, ONE, UNIT, Memory(1000, "cgroup", 4096)),
        (GROUP_2, TWO, UNIT, Memory(1000, "cgroup", 4096)),
        (GROUP_1, {**ONE, f"{V1}limit_in_bytes": "9223372036854771712\n"}, UNIT, Memory(1000, "cgroup", None)),
        (GROUP_2, {**TWO, f"{V2}max": "max\n"}, UNIT, Memory(1000, "cgroup", None)),
        (GROUP_2, {f"{V2}max": "4096\n"}, UNIT, Memory(300 * 1024, "process", None)),
        (GROUP_1, ONE, "gopls@bob.service", Memory(300 * 1024, "process", None)),
        ("9:memory:/\n0::/\n", {"memory/memory.max_usage_in_bytes": "9\n"}, "", Memory(300 * 1024, "process", None)),
        ("", {}, UNIT, Memory(300 * 1024, "process", None)),
    ],
    ids=["v1", "v2", "v1 no limit", "v2 no limit", "old kernel", "another's", "root of all", "none"],
)
def test_the_peak_is_that_of_the_units_own_group(host, group, files, unit, memory):
    assert host(group, {f"cgroups/{name}": text for name, text in files.items()}, unit) == memory


def test_of_who_is_gone_nothing_is_known(tmp_path):
    assert memory_of(7, UNIT, str(tmp_path), str(tmp_path)) == Memory()


def test_agrees_with_what_the_kernel_tells_a_process_of_itself():
    peak = peak_of_process(os.getpid())
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak == pytest.approx(usage, rel=0.1)
