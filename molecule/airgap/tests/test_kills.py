# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the whole site that are killed in every role: the next run brings everything to the declared state."""

from __future__ import annotations

import os
import pathlib
import random
import shlex
import subprocess
import threading
import typing as t

from tests.support.killing import kill_tree

PLAYBOOKS = pathlib.Path(__file__).parents[3] / "playbooks"
# What each module has to make again: a command that removes it. Without it the role would have nothing to do.
MODULES = {
    "go_bundle_unpack": "find /usr/local/lib/go-bundle/modules -name '*.zip' -delete",
    "ca_trust": "rm -f /usr/local/share/ca-certificates/gopherops-*.crt",
    "go_toolchain": "rm -rf /usr/local/lib/go/1.22.12 /usr/local/lib/go/1.22.12.json",
    "go_tool": "rm -rf /usr/local/lib/go-tools/*/* /usr/local/bin/gopls",
    "go_env": "rm -rf /etc/gopherops/go-environment.sh /etc/gopherops/users ~alice/.config/go ~bob/.config/go",
    "gopls_service": "rm -rf /etc/systemd/system/gopls* /etc/gopherops/language_server",
    "kernel_parameters": "rm -f /etc/sysctl.d/60-gopherops-debugger.conf",
    "dlv_service": "rm -f /etc/sysctl.d/60-gopherops-debugger.conf",
}
# Waits until the module runs, and for a part of a second; then kills its process, or the next one, or only returns.
WATCH = """
import glob, os, signal, sys, time

def kill():
    killed = False
    for directory in glob.glob("/proc/[0-9]*"):
        try:
            with open(directory + "/cmdline") as file:
                words = file.read().split("\\0")[:-1]
        except OSError:
            continue
        # The process of a module has no arguments.
        if len(words) == 1 and os.path.basename(words[0]).startswith("python3"):
            os.kill(int(os.path.basename(directory)), signal.SIGKILL)
            killed = True
    return killed

module, pause, victim = sys.argv[1], float(sys.argv[2]), sys.argv[3]
deadline = time.monotonic() + 300
while not glob.glob(f"/tmp/ansible_*{module}_payload_*/*.zip"):
    if time.monotonic() > deadline:
        sys.exit(1)
    time.sleep(0.01)
time.sleep(pause)
while victim == "module" and not kill():
    time.sleep(0.01)
"""
# Ansible pipes a module into a Python without arguments.
MODULE_PROCESS = "'[^ ]*python3[.0-9]*'"
# Temporary files of this collection, wherever they are.
LITTER = (
    r"find /etc /home /opt /root /run /srv /tmp /usr/local /var -xdev"
    r" \( -name '*.unfinished-*' -o -name '*.rollback' -o -name '.build-*' -o -name '.staging-*' -o -name 'access.json'"
    r" -o -name '.*.????????' -newer {stamp} \) -print"
)
# The names of all files and directories that provisioning makes.
NAMES = "find /etc /usr/local /var/lib /var/spool /srv /opt -xdev -not -path '*/.cache/*' | sort"


class Site:
    """Runs of the playbook site against one host, each of which is killed when a module runs there."""

    def __init__(self, host: t.Any) -> None:
        self.host = host
        self._command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(PLAYBOOKS / "site.yml")]

    def kill(self, module: str, victim: str, pause: float) -> None:
        """Make the role of ``module`` necessary, and kill a run of the site while that module runs."""
        self.host.check_output(MODULES[module])
        watching = self._watch(module, pause, victim)
        with subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True) as process:
            shown: list[str] = []
            reader = threading.Thread(target=lambda: shown.extend(process.stdout))
            reader.start()
            watching.wait()
            if victim == "controller":
                kill_tree(process)
                # As a module ends when its connection closes, which the Docker engine keeps open.
                self.host.run(f"pkill --signal TERM --exact --full {MODULE_PROCESS}")
            reader.join()
        assert (watching.returncode, process.returncode != 0) == (0, True), "".join(shown)
        self.host.check_output(
            f'timeout 60 sh -c "while pgrep --exact --full {MODULE_PROCESS} >&2; do sleep 0.1; done"'
        )

    def _watch(self, module: str, pause: float, victim: str) -> subprocess.Popen[bytes]:
        inside = f"exec python3 -c {shlex.quote(WATCH)} {module} {pause} {victim}"
        command = ["docker", "exec", self.host.check_output("hostname"), "sh", "-c", inside]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_the_site_converges_after_kills_in_every_role(host, play):
    assert play("site").returncode == 0
    names = host.check_output(NAMES)
    stamp = "/run/before-kills"
    host.check_output(f"rm -rf /tmp/ansible_*_payload_*; touch {stamp}")
    site, chance = Site(host), random.Random(12)
    for module in MODULES:
        for victim in ("controller", "module"):
            site.kill(module, victim, chance.uniform(0, 0.4))
            host.check_output("rm -rf /tmp/ansible_*_payload_*")
    completed = play("site")
    assert completed.returncode == 0, completed.output
    again = play("site")
    assert (again.returncode, "changed=0" in again.output) == (0, True), again.output
    assert host.check_output(NAMES) == names
    assert host.check_output(LITTER.format(stamp=stamp)) == ""
    drift = play("drift", drift_fail_on="note")
    assert drift.returncode == 0, drift.output
