# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crontabs and PAM services: whose part of them is the collection's."""

from __future__ import annotations

import getpass
import os

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import cron as cron_context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import pam, systemd
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.cron import CronContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import blame

ACCOUNT = find_account(getpass.getuser())
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def cron_host(tmp_path, monkeypatch):
    """A host's directories; calling it renders a declaration into them and returns what the files hold."""
    for name in ("crontabs", "pam.d", "security"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(cron_context, "CRONTABS", (str(tmp_path / "crontabs"),))
    monkeypatch.setattr(cron_context, "_PAM", str(tmp_path / "pam.d"))
    monkeypatch.setattr(pam, "DIRECTORY", str(tmp_path / "security"))
    monkeypatch.setattr(pam, "ENVIRONMENT", str(tmp_path / "environment"))
    monkeypatch.setattr(pam, "SERVICE", str(tmp_path / "pam.d/gopherops-go"))
    monkeypatch.setattr(pam, "USERS_SERVICE", str(tmp_path / "pam.d/gopherops-go-users"))

    def render(*users, **removal):
        for file in CronContext().managed_files(Declaration(list(users), "/g", ["/g/bin"], **removal)):
            try:
                with open(file.path, encoding="utf-8") as stream:
                    now = stream.read()
            except FileNotFoundError:
                now = None
            content = file.content(now)
            if content is None:
                os.unlink(file.path)
            else:
                with open(file.path, "w", encoding="utf-8") as stream:
                    stream.write(content)
        return {path.name: path.read_text() for path in tmp_path.glob("*/*")}

    render.directory = tmp_path
    return render


def user(*path, **variables):
    return UserEnvironment(ACCOUNT, variables, list(path) or ["/g/bin"])


def test_a_path_of_the_host_that_is_too_long_for_a_crontab_is_replaced_by_the_standard_one(cron_host):
    (cron_host.directory / "environment").write_text(f"PATH=/usr/bin:/bin:/opt/{'x' * 1200}\n")
    assert f'PATH="/g/bin:{SYSTEM}"\n' in cron_host(user())[ACCOUNT.name]
    with pytest.raises(DevserverError, match="too long for a crontab"):
        cron_host(user(f"/{'x' * 1000}"))


@pytest.mark.parametrize("runs", [True, False])
def test_cron_is_probed_only_where_systemd_runs(cron_host, monkeypatch, runs):
    (cron_host.directory / "pam.d/cron").touch()
    (cron_host.directory / "daemon").touch()
    monkeypatch.setattr(cron_context, "_CRONS", (str(cron_host.directory / "daemon"),))
    monkeypatch.setattr(cron_context.systemctl, "manager_runs", lambda: runs)
    assert CronContext().applies_to(ACCOUNT) is runs


def test_a_job_has_no_variable_of_the_manager(cron_host, monkeypatch):
    """The probe is a unit, and "systemctl set-environment" gives its variables to units alone."""
    (cron_host.directory / "pam.d/cron").write_text(
        f"session required pam_env.so conffile={cron_host.directory}/none envfile={cron_host.directory}/environment\n"
    )
    (cron_host.directory / "environment").write_text("GOPROXY=off\nGOA=/pam\n")
    given = {"GOTMPDIR": "/sysenv", "GOA": "/pam", "GOPROXY": "off", "XDG_SESSION_ID": "1", "HOME": "/h"}
    probed = systemd.Probe(dict(given))
    queries = []

    def manager_environment(_timeout):
        queries.append(1)
        return {"GOTMPDIR": "/sysenv", "GOA": "/sysenv", "PATH": "/x"}

    monkeypatch.setattr(systemd, "probe_unit", lambda *_args, **_more: probed)
    monkeypatch.setattr(cron_context.systemctl, "manager_runs", lambda: True)
    monkeypatch.setattr(cron_context.systemctl, "manager_environment", manager_environment)
    environment = CronContext().probe(ACCOUNT, Declaration([], "/g", []), 5).environment
    assert {name: environment[name] for name in environment if name.startswith("GO")} == {
        "GOA": "/pam",
        "GOPROXY": "off",
    }
    assert (environment["XDG_SESSION_ID"], environment["PATH"]) == ("1", "/usr/bin:/bin")
    del probed.environment["GOTMPDIR"]
    CronContext().probe(ACCOUNT, Declaration([], "/g", []), 5)
    # Without a variable of unknown source the manager is not queried.
    assert queries == [1]


def test_a_users_jobs_stay_and_get_path(cron_host):
    crontab = cron_host.directory / "crontabs" / ACCOUNT.name
    crontab.write_text("# mine\nMAILTO=me\n0 1 * * * go test ./... # 50\\%\n")
    once = cron_host(user())[ACCOUNT.name]
    assert once.startswith("\n# BEGIN")
    assert once.endswith("\n# mine\nMAILTO=me\n0 1 * * * go test ./... # 50\\%\n")
    assert once.splitlines()[2] == f'PATH="/g/bin:{SYSTEM}"'
    assert cron_host(user())[ACCOUNT.name] == once
    assert cron_host()[ACCOUNT.name] == once
    assert cron_host(exclusive=True)[ACCOUNT.name] == "# mine\nMAILTO=me\n0 1 * * * go test ./... # 50\\%\n"


@pytest.mark.parametrize("value", ['"$PATH:/opt/x/bin"', "/opt/x/bin", "", "${PATH}:/opt/x/bin", "~/bin:/opt/x/bin"])
def test_a_job_finds_the_hosts_commands_with_each_path_of_etc_environment(cron_host, value):
    (cron_host.directory / "environment").write_text(f"PATH={value}\n")
    path = cron_host(user())[ACCOUNT.name].splitlines()[2]
    assert path == 'PATH="/g/bin:{}{}"'.format("/opt/x/bin:" if value else "", SYSTEM)


def test_the_crontab_command_leaves_the_block_whole(cron_host):
    """It writes three comments above what it installs, and takes up to three off the top of what it shows."""
    crontab = cron_host.directory / "crontabs" / ACCOUNT.name
    header = "# DO NOT EDIT THIS FILE - edit the master and reinstall.\n# (- installed on x)\n# (Cron version)\n"
    crontab.write_text(header + "0 1 * * * x\n")
    once = cron_host(user())[ACCOUNT.name]
    assert once.startswith(header + "\n# BEGIN")
    shown = once[len(header) :]
    crontab.write_text(header + shown)
    assert cron_host(user())[ACCOUNT.name] == once
    assert cron_host(absent=[ACCOUNT.name])[ACCOUNT.name] == header + "0 1 * * * x\n"


def test_a_crontab_that_holds_nothing_else_goes_with_its_user(cron_host):
    assert ACCOUNT.name in cron_host(user())
    assert ACCOUNT.name in cron_host()
    assert ACCOUNT.name not in cron_host(exclusive=True)


def test_a_new_crontab_is_its_users(cron_host):
    (made,) = (file for file in CronContext().managed_files(Declaration([user()], "/g", [])) if "crontabs" in file.path)
    assert (made.mode, made.owner, made.whole) == (0o600, ACCOUNT, False)


def test_other_users_crontabs_are_left_as_they_are(cron_host):
    (cron_host.directory / "crontabs/other").write_text("PATH=/own\n")
    (cron_host.directory / "crontabs/.unfinished").write_text("x")
    assert cron_host(user())["other"] == "PATH=/own\n"


def test_the_settings_in_force_for_a_new_job_are_found_with_their_lines(cron_host):
    (cron_host.directory / "crontabs" / ACCOUNT.name).write_text(
        "  GOFLAGS = '-x y' \n0 1 * * * A=b cmd\n@daily x\n#X=1\n\"GOBIN\"=/b\nEMPTY=\n"
    )
    found = CronContext().assignments(ACCOUNT, 1)
    assert [(i.name, i.value, i.source.line) for i in found] == [
        ("GOFLAGS", "-x y", 1),
        ("GOBIN", "/b", 5),
        ("EMPTY", "", 6),
    ]


def test_the_lines_of_a_crontab_are_counted_as_editors_do(cron_host):
    (cron_host.directory / "crontabs" / ACCOUNT.name).write_text("# a\fb\u2028c\nGOBIN=/b\n", encoding="utf-8")
    assert [item.source.line for item in CronContext().assignments(ACCOUNT, 1)] == [2]


def test_services_that_are_there_are_hooked_and_only_for_declared_users(cron_host):
    (cron_host.directory / "pam.d/cron").write_text("@include common-auth\n")
    (cron_host.directory / "pam.d/su").write_text("auth sufficient pam_rootok.so\n")
    files = cron_host(user(GOPATH="/a"))
    assert set(files) >= {"cron", "su"}
    assert not set(files) & {"sudo", "crond"}
    for name in ("cron", "su"):
        assert "session include gopherops-go-users\n" in files[name]
    assert "everyone.conf" in files["gopherops-go"]
    assert "everyone.conf" not in files["gopherops-go-users"]
    found = {item.name: item.value for item in CronContext().assignments(ACCOUNT, 1)}
    assert found["GOPATH"] == "/a"


def test_pams_path_is_not_that_of_a_job(cron_host):
    (cron_host.directory / "pam.d/cron").write_text("")
    cron_host(user())
    (path,) = (item for item in CronContext().assignments(ACCOUNT, 1) if item.name == "PATH")
    assert path.source.file == str(cron_host.directory / "crontabs" / ACCOUNT.name)


@pytest.mark.parametrize(("path", "words"), [("/" + "x" * 990, "too long"), ('/a"b', "double quotes")])
def test_a_path_that_a_crontab_cannot_contain_is_rejected(cron_host, path, words):
    with pytest.raises(DevserverError, match=words):
        cron_host(user(path))


@pytest.mark.parametrize("text", ["0 1 * * * mine", "MAILTO=me\r\n0 1 * * * mine", "# BEGIN"])
def test_every_written_crontab_ends_with_a_line_feed(cron_host, text):
    """Cron ignores the whole file without one."""
    crontab = cron_host.directory / "crontabs" / ACCOUNT.name
    crontab.write_text(text, newline="")
    written = cron_host(user())[ACCOUNT.name]
    assert written.endswith("\n")
    assert cron_host(user())[ACCOUNT.name] == written
    crontab.write_text(written.rstrip("\n"))
    assert cron_host(exclusive=True)[ACCOUNT.name].endswith("\n")


def test_a_crontab_that_cron_ignores_is_reported_with_its_line(cron_host):
    crontab = cron_host.directory / "crontabs" / ACCOUNT.name
    crontab.write_text("MAILTO=me\n0 1 * * * mine")
    probe = CronContext().probe(ACCOUNT, Declaration([], "/g", []), 5)
    assert probe.environment is None
    assert "cron ignores this crontab" in probe.problem
    source = blame.parse_place(probe.problem, "/home/x")
    assert (source.file, source.line) == (str(crontab), 2)
