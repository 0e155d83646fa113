# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift is found with its file and line, and repaired where the collection manages the file."""

from __future__ import annotations

import pytest

SNAPSHOT = "find /etc /home /srv /root /usr/local /var/lib /var/spool /opt -printf '%p %m %u %s %T@ %C@\\n' | sort"

PROCESSES = {"goenv", "login", "bash", "zsh", "fish", "ssh", "cron", "systemd_user", "systemd_system"}
CONTEXTS = PROCESSES | {"vscode_server"}
USERS = ("alice", "bob", "zoe", "finn", "builder", "root")


def test_a_provisioned_host_has_none_and_looking_changes_nothing(host, play):
    before = host.check_output(SNAPSHOT)
    told = play("drift", drift_fail_on="note")
    assert (told.returncode, told.findings) == (0, set()), told.output
    assert {cell["status"] for cell in told.report["cells"]} <= {"ok", "unmanaged"}
    assert {cell["context"] for cell in told.report["cells"]} == CONTEXTS
    asked = {cell["context"] for cell in told.report["cells"] if cell["user"] == "builder"}
    assert asked == {"goenv", "cron", "systemd_user", "systemd_system"}
    assert told.report["toolchain"] == {"path": "/usr/local/lib/go/1.22.12", "version": "1.22.12"}
    assert host.check_output(SNAPSHOT) == before


REPAIRED = {
    "go env -w by hand": (
        "runuser -l alice -c 'go env -w GOPATH=/home/alice/other'",
        {("GD101", "alice", "goenv", "GOPATH")},
        ("/home/alice/.config/go/env", 6),
    ),
    "a changed script": (
        "sed -i 's,GOBIN=/home/alice/go/bin,GOBIN=/opt/bin,' /etc/gopherops/users/alice.sh",
        {("GD101", "alice", context, "GOBIN") for context in ("login", "bash", "zsh", "ssh")},
        ("/etc/gopherops/users/alice.sh", 5),
    ),
    "a PAM service without its hook": (
        "sed -i '/session include gopherops-go/d' /etc/pam.d/sshd",
        {("GD103", "bob", "ssh", "PATH")},
        None,
    ),
    "a block taken out of zshenv": (
        "sed -i '/BEGIN gopherops/,/END gopherops/d' /etc/zsh/zshenv",
        {("GD103", user, "zsh", "PATH") for user in ("alice", "bob", "zoe", "finn", "root")}
        | {("GD103", "zoe", "login", "PATH")},
        None,
    ),
    "a changed script of fish": (
        "sed -i 's,GOBIN .*,GOBIN /opt/bin,' /etc/gopherops/users/finn.fish",
        {("GD101", "finn", context, "GOBIN") for context in ("login", "fish", "ssh")},
        ("/etc/gopherops/users/finn.fish", 5),
    ),
    "a crontab put in the place of the user's": (
        "echo '* * * * * true' | crontab -u builder -",
        {("GD103", "builder", "cron", "PATH"), ("GD201", "builder", "cron", "go")},
        None,
    ),
    "a unit's changed environment": (
        "sed -i 's,^GOPATH=.*,GOPATH=/opt/go,' /etc/gopherops/units/bob.env",
        {("GD101", "bob", "systemd_system", "GOPATH")},
        ("/etc/gopherops/units/bob.env", 2),
    ),
    "a manager that was given another value": (
        "sed -i 's,^GOPATH=.*,GOPATH=/opt/go,' ~zoe/.config/environment.d/zz-gopherops-go.conf &&"
        " runuser -u zoe -- env XDG_RUNTIME_DIR=/run/user/$(id -u zoe) systemctl --user daemon-reload",
        {("GD101", "zoe", "systemd_user", "GOPATH")},
        ("/home/zoe/.config/environment.d/zz-gopherops-go.conf", 2),
    ),
    "a link to another build": (
        "ln -sfn /usr/bin/true /usr/local/bin/dlv",
        {("GD401", "", "", "dlv")},
        None,
    ),
}


@pytest.mark.parametrize("poison", REPAIRED)
def test_what_is_managed_is_named_and_repaired(host, play, poison):
    command, findings, source = REPAIRED[poison]
    host.check_output(command)
    try:
        told = play("drift", drift_fail_on="error")
    finally:
        repaired = play("site")
    assert (told.returncode, told.findings) == (2, findings), told.output
    if source:
        assert told.lines == {source}
    assert repaired.returncode == 0, repaired.output


USERS_OWN = {
    "an own go before the declared one": (
        "printf 'export PATH=$HOME/my/bin:$PATH\\n' >> ~bob/.profile && mkdir -p ~bob/my/bin &&"
        " printf '#!/bin/sh\\nexec /usr/local/go/bin/go \"$@\"\\n' > ~bob/my/bin/go && chmod +x ~bob/my/bin/go",
        {("GD202", "bob", "login", "go")},
        ("/home/bob/.profile", "export PATH=$HOME/my/bin:$PATH"),
        "sed -i '/my.bin/d' ~bob/.profile",
    ),
    "a distribution's go before the declared one": (
        "printf 'PATH=/opt/distribution/bin:$PATH\\n' >> ~alice/.bashrc && mkdir -p /opt/distribution/bin &&"
        " printf '#!/bin/sh\\necho go version go1.19.8 linux/amd64\\n' > /opt/distribution/bin/go &&"
        " chmod +x /opt/distribution/bin/go",
        {("GD202", "alice", "bash", "go"), ("GD205", "alice", "bash", "go")},
        ("/home/alice/.bashrc", "PATH=/opt/distribution/bin:$PATH"),
        "sed -i '/distribution/d' ~alice/.bashrc && rm -r /opt/distribution",
    ),
    "a variable in an own start-up file": (
        "printf '\\nexport GOBIN=/tmp/b\\n' >> ~bob/.profile",
        {("GD101", "bob", "login", "GOBIN")},
        ("/home/bob/.profile", "export GOBIN=/tmp/b"),
        "sed -i '/GOBIN/d' ~bob/.profile",
    ),
    "a start-up that leaves": (
        "printf 'exit 3\\n' >> ~alice/.bashrc",
        {("GD901", "alice", "bash", "")},
        None,
        "sed -i '/exit 3/d' ~alice/.bashrc",
    ),
    "an alias in a zsh": (
        "printf 'alias go=/usr/local/go/bin/go\\n' > ~zoe/.zshrc",
        {("GD206", "zoe", "zsh", "go")},
        ("/home/zoe/.zshrc", "alias go=/usr/local/go/bin/go"),
        "rm ~zoe/.zshrc",
    ),
    "a variable in a fish": (
        "install -d -o finn ~finn/.config/fish && echo 'set -gx GOBIN /tmp/b' > ~finn/.config/fish/config.fish",
        # Over ssh it has no locale to spell its home with, and does not find the file.
        {("GD101", "finn", context, "GOBIN") for context in ("login", "fish")},
        ("/srv/föhn's place/finn/.config/fish/config.fish", "set -gx GOBIN /tmp/b"),
        "rm -r ~finn/.config/fish",
    ),
    "a start-up that waits for input": (
        "printf 'read -r answer\\n' >> ~alice/.bashrc",
        {("GD901", "alice", "bash", "")},
        None,
        "sed -i '/read -r answer/d' ~alice/.bashrc",
    ),
    "a start-up that becomes another shell": (
        "printf 'exec fish\\n' >> ~alice/.bashrc",
        {("GD901", "alice", "bash", "")},
        None,
        "sed -i '/exec fish/d' ~alice/.bashrc",
    ),
    "a crontab's own PATH": (
        "(crontab -u alice -l; echo PATH=/usr/bin:/bin; echo '@yearly true') | crontab -u alice -",
        {("GD103", "alice", "cron", "PATH"), ("GD201", "alice", "cron", "go")},
        ("/var/spool/cron/crontabs/alice", "PATH=/usr/bin:/bin"),
        "crontab -u alice -l | grep -v -e '^PATH=/usr/bin' -e yearly | crontab -u alice -",
    ),
    "a value imported into a manager": (
        "runuser -u bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemctl --user set-environment GOBIN=/tmp/b",
        {("GD703", "bob", "systemd_user", "")},
        None,
        "runuser -u bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemctl --user unset-environment GOBIN",
    ),
    "a cache left by root": (
        "chown root: /home/alice/go/pkg/mod",
        {("GD301", "alice", "", "GOMODCACHE")},
        None,
        "chown alice: /home/alice/go/pkg/mod",
    ),
    "contexts that disagree": (
        "printf 'GOSUMDB=off\\n' >> /etc/environment",
        {(rule, user, "", "GOSUMDB") for rule in ("GD102", "GD504") for user in USERS}
        # Managers that run have not read it again.
        | {("GD703", user, "systemd_user", "") for user in USERS if user != "builder"},
        ("/etc/environment", "GOSUMDB=off"),
        "sed -i '/GOSUMDB/d' /etc/environment",
    ),
    "another copy of a tool": (
        "printf 'PATH=/home/alice/go/bin:$PATH\\n' >> ~alice/.bashrc &&"
        " install -o alice /usr/bin/true ~alice/go/bin/gopls",
        {
            ("GD402", "alice", "bash", "gopls"),
            ("GD403", "alice", "", "gopls"),
            ("GD103", "alice", "bash", "PATH"),
        },
        ("/home/alice/.bashrc", "PATH=/home/alice/go/bin:$PATH"),
        "sed -i '/alice.go.bin/d' ~alice/.bashrc && rm ~alice/go/bin/gopls",
    ),
}


@pytest.mark.parametrize("poison", USERS_OWN)
def test_what_belongs_to_a_user_is_named_and_left_alone(host, play, poison):
    command, findings, line, cure = USERS_OWN[poison]
    host.check_output(command)
    try:
        told = play("drift", drift_fail_on="note")
        assert (told.returncode, told.findings) == (2, findings), told.output
        assert not line or line in {(at, host.check_output("sed -n %sp %s", str(n), at)) for at, n in told.lines}
    finally:
        host.check_output(cure)


def test_nobodys_start_up_is_run_by_another(host, play):
    """Who looks is root, and root's rights must not reach a user's files."""
    note = "id -u >> /tmp/who-ran"
    files = {"alice": ".bashrc", "bob": ".profile", "zoe": ".zshenv", "finn": ".config/fish/config.fish"}
    host.check_output("touch /tmp/who-ran && chmod 666 /tmp/who-ran && cp -a ~alice/.bashrc ~bob/.profile /root/")
    for user, file in files.items():
        host.check_output(
            f'runuser -u {user} -- sh -c \'cd ~{user}; mkdir -p .config/fish; printf "%s\\n" "{note}" >> {file}\''
        )
    try:
        play("drift")
        ran = set(host.check_output("cat /tmp/who-ran").split())
    finally:
        host.check_output(
            "mv /root/.bashrc ~alice/ && mv /root/.profile ~bob/ && rm -r ~zoe/.zshenv ~finn/.config/fish"
        )
        host.check_output("rmdir ~alice/.config/fish ~bob/.config/fish ~zoe/.config/fish; rm /tmp/who-ran")
    assert ran == {host.check_output(f"id -u {user}") for user in files}


def test_in_the_end_nothing_is_left_of_it(play):
    told = play("drift", drift_fail_on="note")
    assert (told.returncode, told.findings) == (0, set()), told.output
