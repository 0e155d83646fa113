# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the table is injected, in batches and all at once, and exactly its findings are reported."""

from __future__ import annotations

import pathlib
import re

import pytest
from fault_injections import CONTEXTS, CONTEXTS_OF, EVERYONE, INJECTIONS, OF_WORKSPACES, batches
from injecting import TOGETHER, declared, inject, revert

RULE_PAGES = pathlib.Path(__file__).parents[3] / "docs/rules"
WATCHED = "/etc /home /srv /root /usr/local /var/lib /var/spool /opt"
LOOKS = "'%p %m %u %s %T@ %C@\\n'"
# Temporary files in the last two change the times of these directories; fish keeps a file for each process there.
PASSING = f"find /tmp /dev/shm -mindepth 1 -path '/tmp/fish.*' -prune -o -printf {LOOKS}"
# A user's manager records its units in two directories, also the unit of a probe, and the bus that the probe uses;
# creating them changes the time of the directory around them.
RUNTIME = (
    "find /run/user -maxdepth 1 -printf '%p %m %u\\n';"
    f" find /run/user -mindepth 2 -regex '/run/user/[0-9]*/\\(systemd\\|dbus-1\\)' -prune -o -printf {LOOKS}"
)
SNAPSHOT = f"{{ find {WATCHED} -printf {LOOKS}; {PASSING}; {RUNTIME}; }} | sort"
KEPT = "/root/kept"
BATCHES = batches()
# The code of a run with a warning, by what it fails on.
SEVERITIES = {"error": 0, "warning": 2, "note": 2}


def test_a_provisioned_host_has_no_findings_and_probing_changes_nothing(host, drift):
    before = host.check_output(SNAPSHOT)
    result = drift()
    assert result.places == {}
    assert {cell["status"] for cell in result.report["cells"]} <= {"ok", "unmanaged"}
    probed = {(cell["user"], cell["context"]) for cell in result.report["cells"]}
    assert probed == {(user, context) for user, contexts in CONTEXTS_OF.items() for context in contexts}
    servers = result.report["language_servers"]
    # A query would have started the daemon.
    assert {(server["mode"], server["running"]) for server in servers} == {("daemon", False)}
    assert host.check_output(SNAPSHOT) == before


def test_each_context_has_a_fault():
    findings = {finding for injection in INJECTIONS.values() for finding in injection.findings}
    assert {context for _rule, _user, context, _variable in findings} - {""} == {*CONTEXTS, *OF_WORKSPACES}


def test_injections_with_special_needs_run_alone():
    assert {name for name, injection in INJECTIONS.items() if injection.needs} & {*TOGETHER} == set()


def test_each_rule_has_an_injection():
    # Those of four digits are about services, whose faults molecule/services injects.
    # What follows from GD111 is any other finding: it has a test of its own. molecule/vscode injects GD808.
    catalogue = {page.stem for page in RULE_PAGES.glob("GD[0-9][0-9][0-9].md")} - {"GD111", "GD808"}
    assert catalogue - {rule for injection in INJECTIONS.values() for rule, *_rest in injection.findings} == set()


def test_every_injection_is_in_a_batch():
    assert sorted(name for batch in BATCHES for name in batch) == sorted(INJECTIONS)


@pytest.mark.parametrize("batch", BATCHES, ids=", ".join)
def test_the_findings_of_a_batch_are_exactly_those_expected(host, drift, batch):
    """The union is compared exactly: an injection that hid or moved another's finding would be missed here."""
    injections = [INJECTIONS[name] for name in batch]
    for needed in {injection.needs for injection in injections} - {""}:
        if not host.file(needed).exists:
            pytest.skip(f"the container has no {needed}")
    users = [user for user in EVERYONE if any(user in injection.users for injection in injections)]
    result = drift(*batch, users=users, inject=inject(*batch), revert=revert(*batch), **injections[0].options)
    assert result.places == {
        finding: {place} for injection in injections for finding, place in injection.findings.items()
    }, result
    assert result.remedied == {rule for injection in injections for rule in injection.remedied}, result


def test_users_with_one_uid_are_one_finding(drift):
    twin = "useradd --non-unique --uid $(id -u bob) --create-home --shell /bin/bash twin"
    result = drift(users=("bob", "twin"), inject=twin, revert="userdel --force --remove twin")
    (finding,) = result.report["findings"]
    assert (finding["rule_id"], finding["users"]) == ("GD111", ["bob", "twin"])
    assert "have the uid" in finding["cause"]


def test_an_expired_password_is_one_finding(drift):
    kept = "/root/shadow"
    result = drift(
        users=("bob",), inject=f"cp -p /etc/shadow {kept} && chage -d 0 bob", revert=f"mv {kept} /etc/shadow"
    )
    (finding,) = result.report["findings"]
    assert (finding["rule_id"], finding["user"], finding["context"]) == ("GD901", "bob", "")
    assert "sshd denies bob: the password has expired (in ssh)" in finding["cause"]
    assert "('passwd bob')" in finding["remedy"]["text"]


def test_all_at_once_and_what_provisioning_repairs(inside, drift, play):
    blocking = [name for name in TOGETHER if INJECTIONS[name].blocks]
    remaining = TOGETHER
    try:
        inside.run(inject(*TOGETHER))
        result = drift(*TOGETHER)
        assert set(result.places) == {finding for name in TOGETHER for finding in INJECTIONS[name].findings}
        for finding, places in result.places.items():
            # Several may lead to one finding, which names one of them.
            assert places <= {
                INJECTIONS[name].findings[finding] for name in TOGETHER if finding in INJECTIONS[name].findings
            }
        inside.run(revert(*blocking))
        remaining = [name for name in TOGETHER if name not in blocking]
        repaired = play("site")
        assert repaired.returncode == 0, repaired.output
        left = {finding for name in remaining if not INJECTIONS[name].managed for finding in INJECTIONS[name].findings}
        assert set(drift(*TOGETHER).places) == left
    finally:
        inside.run(revert(*remaining))


def test_provisioning_repairs_managed_faults_that_run_alone(inside, drift, play):
    """They hide findings of others, and a fault that was not repaired has some. Each is found: it has a difference."""
    faults = [name for name, injection in INJECTIONS.items() if injection.managed and injection.alone]
    files = {INJECTIONS[name].file for name in faults}
    assert len(files) == len(faults)
    try:
        inside.run(inject(*faults))
        repaired = play("site", "--tags", "environment", "--diff")
        assert repaired.returncode == 0, repaired.output
        assert {file for file in files if file not in repaired.output} == set()
        assert drift().places == {}
    finally:
        inside.run(revert(*faults))


def test_the_environment_alone_touches_nothing_else(host, inside, drift, play):
    """A tool and a user's own file have faults too; neither belongs to the environment role."""
    faults = ("a link to something else", "a variable in an own startup file", "go env -w by hand")
    try:
        inside.run(inject(*faults))
        watched = "stat -c '%n %Y %Z %N' /home/bob/.profile /usr/local/bin/dlv; cat /home/bob/.profile"
        before = host.check_output(watched)
        repaired = play("site", "--tags", "environment")
        assert repaired.returncode == 0, repaired.output
        assert host.check_output(watched) == before
        assert drift().places.keys() == {("GD401", "", "", "dlv"), *INJECTIONS[faults[1]].findings}
    finally:
        inside.run(revert(*faults))


@pytest.fixture(scope="module")
def runs_by_severity(inside, play_each):
    common = {"devserver_users": declared(["bob"], []), "drift_timeout": 60}
    declarations = {severity: {**common, "drift_fail_on": severity} for severity in SEVERITIES}
    try:
        inside.run(inject("a startup that prints"))
        return play_each("drift", declarations)
    finally:
        inside.run(revert("a startup that prints"))


@pytest.mark.parametrize(("severity", "code"), SEVERITIES.items())
def test_the_play_fails_from_a_severity_on(runs_by_severity, severity, code):
    run = runs_by_severity[severity]
    assert (run.returncode, run.findings) == (code, set(INJECTIONS["a startup that prints"].findings)), run.output
    assert "GD701" in run.output and "/home/bob/.profile" not in run.output.partition("GD701")[0]
    assert (run.output + run.errors).count("severity  rule") == 1


def test_an_unknown_severity_is_rejected_before_any_probe(play):
    run = play("drift", drift_fail_on="critical")
    assert (run.returncode, run.report) == (2, None)
    # In YAML a quote is written twice.
    output = " ".join(run.output.replace("''", "'").split())
    assert "drift_fail_on is 'critical'. Expected: one of '', 'note', 'warning', 'error'." in output
    assert "Probe every context" not in output


def test_startup_files_run_only_as_their_owner(host, drift):
    """The module runs as root, and root's rights must not reach a user's files."""
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


def test_no_fault_and_no_process_remains(host, drift):
    assert drift().places == {}
    # Startup files that waited were terminated, with their child processes.
    runs = host.run("pgrep --list-full --euid alice,bob,zoe,finn").stdout.splitlines()
    assert [line for line in runs if not re.search(r"systemd --user|\(sd-pam\)|dbus-daemon", line)] == []


def test_startup_files_run_within_the_limits_of_their_user(drift, host):
    """Of every local context: the control groups of each shell are in the slice of its user."""
    saved = "cp -p ~alice/.bashrc ~alice/saved"
    inject = f"{saved} && sed -i '1i grep -E \":pids:|^0::\" /proc/$$/cgroup >>/home/alice/groups' ~alice/.bashrc"
    drift(users=["alice"], inject=inject, revert="mv ~alice/saved ~alice/.bashrc")
    groups = host.check_output("sort -u /home/alice/groups && rm /home/alice/groups").splitlines()
    assert groups
    assert [line for line in groups if f"/user-{host.user('alice').uid}.slice/" not in line] == []
