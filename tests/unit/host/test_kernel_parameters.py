# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters of the kernel, in a directory in place of its own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import kernel_parameters
from ansible_collections.gopherops.devserver.plugins.module_utils._host.kernel_parameters import apply, parameters_from

SCOPE, RETRIES = "kernel.yama.ptrace_scope", "net.ipv4.tcp_syn_retries"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can create a network namespace everywhere")
# Prints the value in the kernel, and whether the run changed anything.
REAL = f"""
import sys
from {kernel_parameters.__name__} import converge
options = {{"path": sys.argv[1], "exclusive": True, "state": "present"}}
for value in (2, 2, None):
    outcome = converge({{**options, "parameters": {{"{RETRIES}": value}}}}, check=False)
    print(open("/proc/sys/net/ipv4/tcp_syn_retries").read(), outcome.result["changed"], *outcome.warnings)
"""


class Kernel(t.NamedTuple):
    """``root`` is used as /proc/sys, with the number of retries alone; ``file`` is read at boot."""

    root: pathlib.Path
    file: pathlib.Path

    @property
    def retries(self) -> pathlib.Path:
        return self.root / "net/ipv4/tcp_syn_retries"

    def run(
        self, check: bool = False, removed: t.Container[str] = (), **parameters: t.Any
    ) -> tuple[list[str], list[str]]:
        """Return what changes, and what is skipped; an underscore in a name's place represents its dots."""
        given = {{"scope": SCOPE, "retries": RETRIES}[name]: value for name, value in parameters.items()}
        changes, skipped = apply(parameters_from(given), str(self.file), removed.__contains__, check=check)
        return [one["after_header"] for one in changes.result()["diff"]], [
            f"{one.name}: {one.reason}" for one in skipped
        ]


@pytest.fixture
def kernel(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(tmp_path / "sys", tmp_path / "sysctl.d/60-debugger.conf")
    made.retries.parent.mkdir(parents=True)
    made.retries.write_text("6\n")
    monkeypatch.setattr(kernel_parameters, "_ROOT", str(made.root))
    return made


def test_a_parameter_is_set_now_and_at_each_boot(kernel: Kernel) -> None:
    foreseen = kernel.run(check=True, retries=3)
    assert (kernel.retries.read_text(), kernel.file.exists()) == ("6\n", False)
    assert kernel.run(retries=3) == foreseen == ([str(kernel.file), RETRIES], [])
    assert kernel.retries.read_text() == "3"
    assert kernel.run(retries=3) == ([], [])
    reason, setting = kernel.file.read_text().splitlines()[-2:]
    assert "fails after" in reason and setting == f"-{RETRIES} = 3"


def test_what_was_changed_meanwhile_is_set_again(kernel: Kernel) -> None:
    kernel.run(retries=3)
    kernel.retries.write_text("5\n")
    assert kernel.run(retries=3) == ([RETRIES], [])


def test_a_parameter_that_the_kernel_lacks_is_reported_and_is_no_failure(kernel: Kernel) -> None:
    messages = [f"{SCOPE}: this kernel does not have it"]
    assert kernel.run(scope=0, retries=3) == ([str(kernel.file), RETRIES], messages)
    assert kernel.run(scope=0, retries=3) == ([], messages)


def test_and_so_is_what_a_container_must_not_set(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    class ReadOnly(t.NamedTuple):
        f_flag: int = os.ST_RDONLY

    real = os.statvfs
    monkeypatch.setattr(
        os, "statvfs", lambda path: ReadOnly() if pathlib.Path(path).is_relative_to(kernel.root) else real(path)
    )
    files, (message,) = kernel.run(retries=3)
    assert files == [str(kernel.file)] and "read-only here, as in a container" in message
    # What is right already is not to be set.
    assert kernel.run(retries=6) == ([str(kernel.file)], [])


def test_a_value_that_the_kernel_rejects_is_skipped(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    (kernel.root / "kernel/yama/ptrace_scope").mkdir(parents=True)
    monkeypatch.setattr(kernel_parameters, "_present", lambda _name: "1")
    assert kernel.run(scope=0)[1] == [f"{SCOPE}: the kernel rejected the value: Is a directory"]


def test_a_parameter_that_is_not_listed_stays(kernel: Kernel) -> None:
    kernel.run(retries=3)
    before = kernel.file.read_text()
    assert kernel.run() == ([], [])
    assert kernel.run(scope=0)[0] == [str(kernel.file)]
    assert kernel.file.read_text().startswith(before)
    assert kernel.run(scope=0, retries=3)[0] == []
    assert kernel.run(retries=3, removed=[SCOPE])[0] == [str(kernel.file)]
    assert kernel.file.read_text() == before


@pytest.mark.parametrize(("meanwhile", "restored"), [("3", "6"), ("5", "5")])
def test_without_parameters_the_own_file_goes_and_no_other(kernel: Kernel, meanwhile: str, restored: str) -> None:
    kernel.run(retries=3)
    kernel.run(retries=3)
    kernel.retries.write_text(meanwhile)
    foreseen = kernel.run(check=True, removed=[RETRIES])
    assert kernel.run(removed=[RETRIES]) == foreseen
    assert not kernel.file.exists() and kernel.retries.read_text() == restored
    kernel.file.write_text("# somebody else's\n")
    assert kernel.run(removed=[RETRIES]) == ([], [])
    assert kernel.file.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("../../etc/passwd", 1), ("retries", 1), ("a.b\nc", 1), ("a.b", "1\n2"), ("a.b", ""), ("a..b", 1)],
)
def test_what_is_no_parameter_is_rejected(name: str, value: t.Any) -> None:
    with pytest.raises(DevserverError, match="kernel parameter"):
        parameters_from({name: value})


@needs_root
def test_the_real_kernel_takes_a_parameter_and_gets_the_previous_value_back(tmp_path: pathlib.Path) -> None:
    """A network namespace has parameters of its own."""
    before = kernel_parameters._present(RETRIES)
    argv = ["unshare", "--net", sys.executable, "-c", REAL, str(tmp_path / "60-debugger.conf")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    completed = subprocess.run(argv, check=True, capture_output=True, text=True, env=env)
    assert completed.stdout.split() == ["2", "True", "2", "False", "6", "True"]
    assert kernel_parameters._present(RETRIES) == before


def test_the_real_kernel_is_read_by_the_same_names() -> None:
    assert kernel_parameters._present("kernel.ostype") == "Linux"
    assert kernel_parameters._present(RETRIES) is not None
