# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host is spoilt in every way of the table, one at a time and all at once, and exactly that is found."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess

import pytest
import yaml
from poisons import BEFORE, CONTEXTS, CONTEXTS_OF, GO, POISONS, SETTINGS

TOOLS_DEFAULTS = pathlib.Path(__file__).parents[3] / "roles/tools/defaults/main.yml"
SNAPSHOT = "find /etc /home /srv /root /usr/local /var/lib /var/spool /opt -printf '%p %m %u %s %T@ %C@\\n' | sort"
SAVED = "/root/saved"
TOGETHER = [name for name, poison in POISONS.items() if not poison.alone]
OF_ENVIRONMENT = ("GD1", "GD2")


@pytest.fixture(scope="module")
def drift():
    """Ask the module itself, which takes a second, where the play of the same name takes several."""
    asked = {
        "users": "{{ environment_users }}",
        "variables": "{{ environment_variables }}",
        "go_version": "1.22.12",
        "tools": yaml.safe_load(TOOLS_DEFAULTS.read_text())["tools_list"],
    }
    # Without that it would leave a folder in root's home.
    environment = os.environ | {"ANSIBLE_PIPELINING": "1"}
    module = "gopherops.devserver.go_env_drift"
    command = ["ansible", "all", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-o", "-m", module, "-a"]

    def run(**changes):
        arguments = [*command, json.dumps(asked | changes)]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
        assert " | SUCCESS => " in done.stdout, done.stdout + done.stderr
        assert "secret" not in done.stdout
        return json.loads(done.stdout.partition(" => ")[2])["report"]

    return run


def spoil(host, *names):
    """Do what the poisons do; their files are saved first."""
    for file in {POISONS[name].file for name in names} - {""}:
        host.check_output(f"mkdir -p {SAVED}; [ ! -e {file} ] || cp -a --parents {file} {SAVED}")
    for name in names:
        if name in BEFORE:
            host.check_output(f"printf {shlex.quote(GO)} | {BEFORE[name]}")
        host.check_output(POISONS[name].do)
    settle(host, names)


def cure(host, *names):
    """Put everything back as it was."""
    for name in reversed(names):
        host.check_output(POISONS[name].undo)
    for file in sorted({POISONS[name].file for name in names} - {""}):
        host.check_output(f"rm -f {file}; [ ! -e {SAVED}{file} ] || cp -a {SAVED}{file} {file}")
    host.check_output(f"rm -rf {SAVED}")
    settle(host, names)


def settle(host, names):
    """Let the users' running managers read what concerns them; that they have not is a poison of its own."""
    files = {POISONS[name].file for name in names}
    if any(file == SETTINGS or "/environment.d/" in file for file in files):
        host.check_output("systemctl restart 'user@*'")


def findings(report):
    return {(found["rule_id"], found["user"], found["context"], found["variable"]) for found in report["findings"]}


def lines(host, report):
    """Return the text of every line that a finding names."""
    places = {(found["source"]["file"], found["source"]["line"]) for found in report["findings"] if found["source"]}
    read = {host.run("sed -n %sp %s", str(line), file).stdout_bytes for file, line in places if line}
    return {text.decode("utf-8", "replace").rstrip("\n") for text in read}


def test_a_provisioned_host_has_none_and_looking_changes_nothing(host, drift):
    before = host.check_output(SNAPSHOT)
    report = drift()
    assert findings(report) == set()
    assert {cell["status"] for cell in report["cells"]} <= {"ok", "unmanaged"}
    asked = {(cell["user"], cell["context"]) for cell in report["cells"]}
    assert asked == {(user, context) for user, contexts in CONTEXTS_OF.items() for context in contexts}
    assert host.check_output(SNAPSHOT) == before


def test_there_are_enough_of_them_and_each_context_has_one():
    assert len(POISONS) >= 40
    found = {one for poison in POISONS.values() for one in poison.found}
    assert {context for _rule, _user, context, _variable in found} >= set(CONTEXTS)


@pytest.mark.parametrize("name", POISONS)
def test_one_at_a_time(host, drift, name):
    poison = POISONS[name]
    try:
        spoil(host, name)
        report = drift(**poison.asked)
        assert findings(report) == poison.found, json.dumps(report["findings"], indent=1)
        if poison.line:
            assert lines(host, report) == {poison.line}
    finally:
        cure(host, name)


def test_all_at_once_and_what_provisioning_repairs(host, drift, play):
    try:
        spoil(host, *TOGETHER)
        expected = {one for name in TOGETHER for one in POISONS[name].found}
        assert findings(drift()) == expected
        repaired = play("site")
        assert repaired.returncode == 0, repaired.output
        left = {one for name in TOGETHER if not POISONS[name].managed for one in POISONS[name].found}
        assert findings(drift()) == left
    finally:
        cure(host, *TOGETHER)


@pytest.mark.parametrize("name", [name for name, poison in POISONS.items() if poison.managed and poison.alone])
def test_what_is_managed_and_stands_alone_is_repaired_too(host, drift, play, name):
    try:
        spoil(host, name)
        repaired = play("site", "--tags", "environment")
        assert repaired.returncode == 0, repaired.output
        assert findings(drift()) == set()
    finally:
        cure(host, name)


def test_the_environment_alone_touches_nothing_else(host, play):
    """A tool is spoilt as well, and a user's own file: neither is the environment's."""
    spoilt = ("a link to something else", "a variable in an own start-up file", "go env -w by hand")
    try:
        spoil(host, *spoilt)
        watched = "stat -c '%n %Y %Z %N' /home/bob/.profile /usr/local/bin/dlv; cat /home/bob/.profile"
        before = host.check_output(watched)
        repaired = play("site", "--tags", "environment")
        assert repaired.returncode == 0, repaired.output
        assert host.check_output(watched) == before
        told = play("drift")
        assert told.findings == {("GD401", "", "", "dlv")} | POISONS[spoilt[1]].found
    finally:
        cure(host, *spoilt)


@pytest.mark.parametrize(("severity", "code"), [("error", 0), ("warning", 2), ("note", 2)])
def test_the_play_fails_from_a_severity_on(host, play, severity, code):
    try:
        spoil(host, "a start-up that prints")
        told = play("drift", drift_fail_on=severity)
        assert (told.returncode, told.findings) == (code, POISONS["a start-up that prints"].found), told.output
        assert "GD701" in told.output and "/home/bob/.profile" not in told.output.partition("GD701")[0]
    finally:
        cure(host, "a start-up that prints")


def test_nobodys_start_up_is_run_by_another(host, drift):
    """Who looks is root, and root's rights must not reach a user's files."""
    note = "id -u >> /tmp/who-ran"
    files = {"alice": ".bashrc", "bob": ".profile", "zoe": ".zshenv", "finn": ".config/fish/config.fish"}
    host.check_output("touch /tmp/who-ran && chmod 666 /tmp/who-ran && cp -a ~alice/.bashrc ~bob/.profile /root/")
    for user, file in files.items():
        host.check_output(
            f'runuser -u {user} -- sh -c \'cd ~{user}; mkdir -p .config/fish; printf "%s\\n" "{note}" >> {file}\''
        )
    try:
        drift()
        ran = set(host.check_output("cat /tmp/who-ran").split())
    finally:
        host.check_output(
            "mv /root/.bashrc ~alice/ && mv /root/.profile ~bob/ && rm -r ~zoe/.zshenv ~finn/.config/fish"
        )
        host.check_output("rmdir ~alice/.config/fish ~bob/.config/fish ~zoe/.config/fish; rm /tmp/who-ran")
    assert ran == {host.check_output(f"id -u {user}") for user in files}


def test_in_the_end_nothing_is_left_of_it(drift):
    assert findings(drift()) == set()
