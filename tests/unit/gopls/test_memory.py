# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peak is read from the unit's own control group of either version, and the memory of the host."""

from __future__ import annotations

import os
import resource

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory import (
    Memory,
    read_host_memory,
    read_memory,
    read_process_peak,
)

GIB = 1024 * 1024 * 1024
UNIT = "gopls@alice.service"
STATUS = "Name:\tgopls\nVmPeak:\t  2000 kB\nVmHWM:\t    300 kB\nVmRSS:\t    200 kB\n"
V1 = "memory/system.slice/gopls@alice.service/memory."
V2 = "system.slice/gopls@alice.service/memory."
ONE = {f"{V1}max_usage_in_bytes": "1000\n", f"{V1}limit_in_bytes": "4096\n"}
TWO = {f"{V2}peak": "1000\n", f"{V2}max": "4096\n"}
GROUP_1 = f"12:cpu,cpuacct:/x\n9:memory:/system.slice/{UNIT}\n0::/system.slice/{UNIT}\n"
GROUP_2 = f"0::/system.slice/{UNIT}\n"


@pytest.fixture
def memory_of(tmp_path):
    def make(group, files, unit=UNIT):
        for name, text in {"proc/7/cgroup": group, "proc/7/status": STATUS, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return read_memory(7, unit, str(tmp_path / "proc"), str(tmp_path / "cgroups"))

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
    ids=["v1", "v2", "v1 no limit", "v2 no limit", "old kernel", "another unit", "root group", "none"],
)
def test_the_peak_is_that_of_the_units_control_group(memory_of, group, files, unit, memory):
    assert memory_of(group, {f"cgroups/{name}": text for name, text in files.items()}, unit) == memory


def test_memory_of_a_finished_process_is_unknown(tmp_path):
    assert read_memory(7, UNIT, str(tmp_path), str(tmp_path)) == Memory()


def test_the_peak_agrees_with_getrusage():
    peak = read_process_peak(os.getpid())
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak == pytest.approx(usage, rel=0.1)


@pytest.mark.parametrize(
    ("cgroup", "files", "amount"),
    [
        ("0::/init.scope\n", {}, 8 * GIB),
        ("0::/docker/x/init.scope\n", {"docker/x/memory.max": "2147483648\n"}, 2 * GIB),
        ("0::/docker/x/init.scope\n", {"docker/x/memory.max": "max\n"}, 8 * GIB),
        ("9:memory:/docker/x\n3:cpu:/y\n", {"memory/docker/x/memory.limit_in_bytes": "1073741824\n"}, GIB),
        ("0::/\n", {"memory.max": "1073741824\n"}, GIB),
        ("9:memory:/docker/x\n", {"memory/docker/x/memory.limit_in_bytes": "9223372036854771712\n"}, 8 * GIB),
    ],
)
def test_a_container_has_the_smallest_limit_of_its_cgroups(tmp_path, cgroup, files, amount):
    texts = {"proc/meminfo": "MemTotal:        8388608 kB\nMemFree: 1 kB\n", "proc/1/cgroup": cgroup}
    texts.update({f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_host_memory(str(tmp_path / "proc"), str(tmp_path / "sys/fs/cgroup")) == amount


def test_the_memory_of_this_host_is_read():
    assert read_host_memory() > 64 * 1024 * 1024
