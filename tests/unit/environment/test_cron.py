# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crontabs and PAM services: whose part of them is the collection's."""

from __future__ import annotations

import getpass

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import cron as cron_context
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import pam
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.cron import CronContext
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError

ACCOUNT = find_account(getpass.getuser())
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host's folders; calling it renders a declaration into them and returns what the files hold."""
    for name in ("crontabs", "pam.d", "security"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(cron_context, "_CRONTABS", (str(tmp_path / "crontabs"),))
    monkeypatch.setattr(cron_context, "_PAM", str(tmp_path / "pam.d"))
    monkeypatch.setattr(pam, "FOLDER", str(tmp_path / "security"))
    monkeypatch.setattr(pam, "ENVIRONMENT", str(tmp_path / "environment"))
    monkeypatch.setattr(pam, "SERVICE", str(tmp_path / "pam.d/gopherops-go"))
    monkeypatch.setattr(pam, "USERS_SERVICE", str(tmp_path / "pam.d/gopherops-go-users"))

    def render(*users):
        for file in CronContext().managed_files(Declaration(list(users), "/g", ["/g/bin"])):
            try:
                with open(file.path, encoding="utf-8") as stream:
                    now = stream.read()
            except FileNotFoundError:
                now = None
            wanted = file.content(now)
            if wanted is not None:
                with open(file.path, "w", encoding="utf-8") as stream:
                    stream.write(wanted)
        return {path.name: path.read_text() for path in tmp_path.glob("*/*")}

    render.folder = tmp_path
    return render


def user(*path, **variables):
    return UserEnvironment(ACCOUNT, variables, list(path) or ["/g/bin"])


def test_a_users_jobs_stay_and_get_path(host):
    crontab = host.folder / "crontabs" / ACCOUNT.name
    crontab.write_text("# mine\nMAILTO=me\n0 1 * * * go test ./... # 50\\%\n")
    once = host(user())[ACCOUNT.name]
    assert once.endswith("\n# mine\nMAILTO=me\n0 1 * * * go test ./... # 50\\%\n")
    assert once.splitlines()[1] == f'PATH="/g/bin:{SYSTEM}"'
    assert host(user())[ACCOUNT.name] == once
    assert host()[ACCOUNT.name] == "# mine\nMAILTO=me\n0 1 * * * go test ./... # 50\\%\n"


def test_a_new_crontab_is_its_users(host):
    (made,) = (file for file in CronContext().managed_files(Declaration([user()], "/g", [])) if "crontabs" in file.path)
    assert (made.mode, made.owner, made.whole) == (0o600, ACCOUNT, False)


def test_other_users_crontabs_are_left_as_they_are(host):
    (host.folder / "crontabs/other").write_text("PATH=/own\n")
    (host.folder / "crontabs/.unfinished").write_text("x")
    assert host(user())["other"] == "PATH=/own\n"


def test_the_settings_in_force_for_a_new_job_are_found_with_their_lines(host):
    (host.folder / "crontabs" / ACCOUNT.name).write_text(
        "  GOFLAGS = '-x y' \n0 1 * * * A=b cmd\n@daily x\n#X=1\n\"GOBIN\"=/b\nEMPTY=\n"
    )
    found = CronContext().assignments(ACCOUNT, 1)
    assert [(i.name, i.value, i.source.line) for i in found] == [
        ("GOFLAGS", "-x y", 1),
        ("GOBIN", "/b", 5),
        ("EMPTY", "", 6),
    ]


def test_services_that_are_there_are_hooked_and_only_for_declared_users(host):
    (host.folder / "pam.d/cron").write_text("@include common-auth\n")
    (host.folder / "pam.d/su").write_text("auth sufficient pam_rootok.so\n")
    files = host(user(GOPATH="/a"))
    assert set(files) >= {"cron", "su"}
    assert not set(files) & {"sudo", "crond"}
    for name in ("cron", "su"):
        assert "session include gopherops-go-users\n" in files[name]
    assert "everyone.conf" in files["gopherops-go"]
    assert "everyone.conf" not in files["gopherops-go-users"]
    found = {item.name: item.value for item in CronContext().assignments(ACCOUNT, 1)}
    assert found["GOPATH"] == "/a"


def test_pams_path_is_not_that_of_a_job(host):
    (host.folder / "pam.d/cron").write_text("")
    host(user())
    (path,) = (item for item in CronContext().assignments(ACCOUNT, 1) if item.name == "PATH")
    assert path.source.file == str(host.folder / "crontabs" / ACCOUNT.name)


@pytest.mark.parametrize(("path", "words"), [("/" + "x" * 990, "too long"), ('/a"b', "double quotes")])
def test_a_path_that_cannot_be_carried_is_refused(host, path, words):
    with pytest.raises(DevserverError, match=words):
        host(user(path))
