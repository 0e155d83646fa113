# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host is spoilt in every way of the table, one at a time and all at once, and exactly that is found."""

from __future__ import annotations

import pathlib
import re
from shlex import quote

import pytest
import yaml
from asking import Host
from poisons import CONTEXTS, CONTEXTS_OF, EVERYONE, OF_WORKSPACES, POISONS, SETTINGS, batches

RULE_PAGES = pathlib.Path(__file__).parents[3] / "docs/rules"
TOOLS_DEFAULTS = pathlib.Path(__file__).parents[3] / "roles/common/defaults/main.yml"
WATCHED = "/etc /home /srv /root /usr/local /var/lib /var/spool /opt"
LOOKS = "'%p %m %u %s %T@ %C@\\n'"
# In the last two temporary files come and go, after which the folders themselves have another time; by those of fish
# its processes tell each other that they are there.
PASSING = f"find /tmp /dev/shm -mindepth 1 -path '/tmp/fish.*' -prune -o -printf {LOOKS}"
# A user's manager notes in two folders what it runs, also the unit that asks what a unit gets, and the bus by which it
# is asked; that they are made gives the folder around them another time.
RUNTIME = (
    "find /run/user -maxdepth 1 -printf '%p %m %u\\n';"
    f" find /run/user -mindepth 2 -regex '/run/user/[0-9]*/\\(systemd\\|dbus-1\\)' -prune -o -printf {LOOKS}"
)
SNAPSHOT = f"{{ find {WATCHED} -printf {LOOKS}; {PASSING}; {RUNTIME}; }} | sort"
SAVED = "/root/saved"
KEPT = "/root/kept"
TOGETHER = [name for name, poison in POISONS.items() if not poison.alone]
BATCHES = batches()
# As in molecule.yml.
DECLARED = {
    "variables": {"GOFLAGS": ["-mod=readonly"]},
    "go_version": "1.22.12",
    # However busy the machine is.
    "timeout": 30,
    "tools": yaml.safe_load(TOOLS_DEFAULTS.read_text())["devserver_tools"],
}
OF_BOB = {"GOPATH": "/srv/bob/go"}


@pytest.fixture(scope="module")
def inside(host):
    return Host(host.backend.host)


@pytest.fixture(scope="module")
def drift(inside):
    """Ask the module itself about users who are declared as the poisons of the given names have it."""

    def run(*names, users=EVERYONE, spoil="", cure="", **changes):
        return inside.ask({"users": declared(users, names), **DECLARED, **changes}, spoil=spoil, cure=cure)

    return run


def declared(users, names):
    """Return the users as molecule.yml declares them, with what poisons add to that."""
    added = [item for name in names for item in POISONS[name].declared.items()]
    listed = dict.fromkeys([*users, *(user for user, _more in added)])
    entries = {user: {"name": user, "variables": {}, "workspaces": []} for user in listed}
    for user, more in added:
        entries[user]["variables"].update(more.get("variables", {}))
        entries[user]["workspaces"] += more.get("workspaces", [])
    if "bob" in entries:
        entries["bob"]["variables"].update(OF_BOB)
    return list(entries.values())


def spoiling(*names):
    """Return what does what the poisons do; their files are saved first."""
    files = quoted_files(names)
    saved = [f"mkdir -p {SAVED}", *(f"[ ! -e {file} ] || cp -a --parents {file} {SAVED}" for file in files)]
    return "\n".join([*saved, *(POISONS[name].do for name in names), *settling(names)])


def curing(*names):
    """Return what puts everything back as it was, as far as it can, also where spoiling it stopped half-way."""
    files = quoted_files(names)
    undone = [f"( {POISONS[name].undo} ) || bad=1" for name in reversed(names)]
    restored = [f"rm -f {file}; [ ! -e {SAVED}{file} ] || mv {SAVED}{file} {file}" for file in files]
    return "\n".join(["bad=0", *undone, *restored, *settling(names), "exit $bad"])


def quoted_files(names):
    return sorted({quote(POISONS[name].file) for name in names if POISONS[name].file})


def settling(names):
    """Let the users' running managers read what concerns them; that they have not is a poison of its own."""
    files = {POISONS[name].file for name in names}
    if any(file == SETTINGS or "/environment.d/" in file for file in files):
        # They are started again more often than systemd holds for sane.
        yield "systemctl reset-failed 'user@*'; systemctl restart 'user@*'"


def test_a_provisioned_host_has_none_and_looking_changes_nothing(host, drift):
    before = host.check_output(SNAPSHOT)
    answer = drift()
    assert answer.places == {}
    assert {cell["status"] for cell in answer.report["cells"]} <= {"ok", "unmanaged"}
    asked = {(cell["user"], cell["context"]) for cell in answer.report["cells"]}
    assert asked == {(user, context) for user, contexts in CONTEXTS_OF.items() for context in contexts}
    servers = answer.report["language_servers"]
    # To ask a daemon would have started it.
    assert {(server["mode"], server["running"]) for server in servers} == {("daemon", False)}
    assert host.check_output(SNAPSHOT) == before


def test_each_context_has_a_fault():
    found = {one for poison in POISONS.values() for one in poison.found}
    assert {context for _rule, _user, context, _variable in found} - {""} == {*CONTEXTS, *OF_WORKSPACES}


def test_those_that_not_every_container_can_have_stand_alone():
    assert {name for name, poison in POISONS.items() if poison.needs} & {*TOGETHER} == set()


def test_each_rule_has_one():
    # Those of four digits are about services, which molecule/services spoils.
    catalogue = {page.stem for page in RULE_PAGES.glob("GD[0-9][0-9][0-9].md")}
    assert catalogue - {rule for poison in POISONS.values() for rule, *_rest in poison.found} == set()


def test_every_one_is_in_a_batch():
    assert sorted(name for batch in BATCHES for name in batch) == sorted(POISONS)


@pytest.mark.parametrize("batch", BATCHES, ids=", ".join)
def test_exactly_what_a_batch_injects_is_found(host, drift, batch):
    """The union is compared exactly: an injection that hid or moved another's finding would be missed here."""
    poisons = [POISONS[name] for name in batch]
    for needed in {poison.needs for poison in poisons} - {""}:
        if not host.file(needed).exists:
            pytest.skip(f"the container has no {needed}")
    users = [user for user in EVERYONE if any(user in poison.users for poison in poisons)]
    answer = drift(*batch, users=users, spoil=spoiling(*batch), cure=curing(*batch), **poisons[0].asked)
    assert answer.places == {found: {place} for poison in poisons for found, place in poison.found.items()}, answer
    assert answer.remedied == {rule for poison in poisons for rule in poison.remedied}, answer


def test_all_at_once_and_what_provisioning_repairs(inside, drift, play):
    blocking = [name for name in TOGETHER if POISONS[name].blocks]
    remaining = TOGETHER
    try:
        inside.run(spoiling(*TOGETHER))
        answer = drift(*TOGETHER)
        assert set(answer.places) == {one for name in TOGETHER for one in POISONS[name].found}
        for found, places in answer.places.items():
            # Several may lead to one finding, which names one of them.
            assert places <= {POISONS[name].found[found] for name in TOGETHER if found in POISONS[name].found}
        inside.run(curing(*blocking))
        remaining = [name for name in TOGETHER if name not in blocking]
        repaired = play("site")
        assert repaired.returncode == 0, repaired.output
        left = {one for name in remaining if not POISONS[name].managed for one in POISONS[name].found}
        assert set(drift(*TOGETHER).places) == left
    finally:
        inside.run(curing(*remaining))


@pytest.mark.parametrize("name", [name for name, poison in POISONS.items() if poison.managed and poison.alone])
def test_what_is_managed_and_stands_alone_is_repaired_too(inside, drift, play, name):
    try:
        inside.run(spoiling(name))
        repaired = play("site", "--tags", "environment")
        assert repaired.returncode == 0, repaired.output
        assert drift().places == {}
    finally:
        inside.run(curing(name))


def test_the_environment_alone_touches_nothing_else(host, inside, play):
    """A tool is spoilt as well, and a user's own file: neither is the environment's."""
    spoilt = ("a link to something else", "a variable in an own start-up file", "go env -w by hand")
    try:
        inside.run(spoiling(*spoilt))
        watched = "stat -c '%n %Y %Z %N' /home/bob/.profile /usr/local/bin/dlv; cat /home/bob/.profile"
        before = host.check_output(watched)
        repaired = play("site", "--tags", "environment")
        assert repaired.returncode == 0, repaired.output
        assert host.check_output(watched) == before
        told = play("drift")
        assert told.findings == {("GD401", "", "", "dlv"), *POISONS[spoilt[1]].found}
    finally:
        inside.run(curing(*spoilt))


@pytest.mark.parametrize(("severity", "code"), [("error", 0), ("warning", 2), ("note", 2)])
def test_the_play_fails_from_a_severity_on(inside, play, severity, code):
    try:
        inside.run(spoiling("a start-up that prints"))
        told = play("drift", drift_fail_on=severity)
        assert (told.returncode, told.findings) == (code, set(POISONS["a start-up that prints"].found)), told.output
        assert "GD701" in told.output and "/home/bob/.profile" not in told.output.partition("GD701")[0]
    finally:
        inside.run(curing("a start-up that prints"))


def test_an_unknown_severity_is_refused_before_anything_is_asked(play):
    told = play("drift", drift_fail_on="critical")
    assert (told.returncode, told.report) == (2, None)
    assert "'critical'; it must be one of note, warning and error" in " ".join(told.output.split())
    assert "Look at every context" not in told.output


def test_nobodys_start_up_is_run_by_another(host, drift):
    """Who looks is root, and root's rights must not reach a user's files."""
    note = "id -u >> /tmp/who-ran"
    files = {"alice": ".bashrc", "bob": ".profile", "zoe": ".zshenv", "finn": ".config/fish/config.fish"}
    host.check_output(f"touch /tmp/who-ran && chmod 666 /tmp/who-ran && mkdir {KEPT}")
    host.check_output(f"cp -a ~alice/.bashrc ~bob/.profile {KEPT}")
    for user, file in files.items():
        host.check_output(
            f'runuser -u {user} -- sh -c \'cd ~{user}; mkdir -p .config/fish; printf "%s\\n" "{note}" >> {file}\''
        )
    try:
        drift()
        ran = set(host.check_output("cat /tmp/who-ran").split())
    finally:
        host.check_output(
            f"mv {KEPT}/.bashrc ~alice/ && mv {KEPT}/.profile ~bob/ && rm -r {KEPT} ~zoe/.zshenv ~finn/.config/fish"
        )
        host.check_output("rmdir ~alice/.config/fish ~bob/.config/fish ~zoe/.config/fish; rm /tmp/who-ran")
    assert ran == {host.check_output(f"id -u {user}") for user in files}


def test_in_the_end_nothing_is_left_of_it(host, drift):
    assert drift().places == {}
    # The start-ups that waited were ended, and what they had started.
    runs = host.run("pgrep --list-full --euid alice,bob,zoe,finn").stdout.splitlines()
    assert [line for line in runs if not re.search(r"systemd --user|\(sd-pam\)|dbus-daemon", line)] == []
