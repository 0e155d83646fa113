# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a real gopls: what it proves, measures and leaves alone."""

from __future__ import annotations

import hashlib
import os
import pathlib
import pwd
import re
import signal
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe import probe as probing

ME = pwd.getpwuid(os.geteuid()).pw_name
# Of the places in the sample service where the function that is chosen is declared and called.
REFERENCES = 6


def digests(folder: pathlib.Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def one(result):
    (user,) = result["users"]
    return user


def test_a_daemon_is_proved_and_measured(daemon, probe, workspace):
    before = digests(workspace)
    result = probe(socket=daemon.socket)
    user = one(result)
    assert (user["problem"], result["changed"]) == ("", False)
    assert user["mode"] == "daemon"
    assert user["server"] == {"name": "gopls", "version": "v0.16.2", "go": "go1.22.12"}
    assert (user["symbol"]["name"], user["symbol"]["across"]) == ("stock.NewShelf", "modules")
    assert user["definition"]["file"] == str(workspace / "stock/stock.go")
    assert user["references"] == REFERENCES
    steps = ["initialize", "diagnostics", "hover", "definition", "references", "edit"]
    assert list(user["seconds"]) == [*steps, "total"]
    assert user["seconds"]["total"] == pytest.approx(sum(user["seconds"][step] for step in steps))
    assert user["memory"]["source"] == "process"
    assert user["memory"]["peak"] > 20 * 1024 * 1024
    assert (user["errors"], user["diagnostics"], user["popups"], user["exceeded"]) == (0, [], [], [])
    assert digests(workspace) == before


def test_a_gopls_of_its_own_is_started_as_an_editor_does_and_ended(wrapper, probe, workspace):
    before = digests(workspace)
    user = one(probe(gopls=wrapper))
    assert (user["problem"], user["mode"], user["references"]) == ("", "per-editor", REFERENCES)
    assert user["memory"]["source"] == "process"
    assert digests(workspace) == before
    assert not [line for line in running() if str(workspace.parent) in line]


def test_processes_of_several_users_let_each_other_live(wrapper, probe, workspace):
    result = probe([{"name": ME, "workspace": str(workspace)}] * 3, gopls=wrapper)
    assert [user["problem"] for user in result["users"]] == [""] * 3


def test_a_command_that_hands_on_to_a_daemon_is_no_gopls_of_its_own(daemon, wrapper, probe, tmp_path):
    path = tmp_path / "shared"
    path.write_text(f'#!/bin/sh\nexec {wrapper} "-remote=unix;{daemon.socket}" "$@"\n')
    path.chmod(0o755)
    user = one(probe(gopls=str(path), unit="none-of-this-name.service"))
    assert (user["problem"], user["mode"], user["references"]) == ("", "daemon", REFERENCES)
    assert user["memory"] == {"peak": None, "source": "", "limit": None}
    assert daemon.process.poll() is None


def running() -> list[str]:
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "environ").read_text(errors="replace") + os.readlink(process / "cwd"))
        except OSError:
            continue
    return found


def test_several_users_are_tried_in_one_call_and_none_stands_in_the_others_way(daemon, probe, workspace):
    folder = str(workspace)
    users = [
        {"name": ME, "workspace": folder},
        {"name": "nobody-of-this-name", "workspace": folder},
        {"name": ME, "workspace": folder, "files": ["internal/web/web.go"], "symbol": "stock.ErrTooFew"},
        {"name": ME, "workspace": f"{folder}/none"},
    ]
    result = probe(users, socket=daemon.socket)
    assert result["failed"]
    problems = [user["problem"] for user in result["users"]]
    assert (problems[0], problems[2]) == ("", "")
    assert "does not exist on this host" in problems[1]
    assert "has no folder" in problems[3]
    assert problems[1] in result["msg"] and problems[3] in result["msg"]
    assert result["users"][2]["definition"]["line"] == 12


def test_settings_that_gopls_refuses_pop_up_once(daemon, probe):
    user = one(probe(socket=daemon.socket, settings={"ui.bogus": 1, "staticcheck": True}))
    (popup,) = user["popups"]
    assert popup["kind"] == "error"
    assert "bogus" in popup["message"]
    assert "staticcheck" not in popup["message"]


def test_no_popup_may_be_asked_for(daemon, probe):
    result = probe(socket=daemon.socket, settings={"bogus": 1}, max_popups=0)
    assert result["failed"]
    assert one(result)["exceeded"] == ["there are 1 popups, and max_popups=0"]


def test_without_settings_those_of_the_users_editor_are_sent(daemon, probe, monkeypatch, tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text('{\n  // of this machine\n  "gopls": {"bogus": 1},\n}\n')
    spec = {**probing.ARGUMENT_SPEC, "vscode_settings": {"default": [str(settings)]}}
    monkeypatch.setattr(probing, "ARGUMENT_SPEC", spec)
    wanted = [probing.Wanted(ME, str(tmp_path / "service"))]
    (user,) = probing.probe(wanted, probing.Way(daemon.socket, "none", "", None, 60))
    assert "bogus" in user["popups"][0]["message"]


def test_what_is_wrong_in_the_workspace_is_told(daemon, probe, workspace):
    main = workspace / "cmd/api/main.go"
    main.write_text(main.read_text().replace('shelf.Take("gopher", 1)', 'shelf.Take(1, "gopher")'))
    user = one(probe(socket=daemon.socket))
    assert (user["problem"], user["errors"]) == ("", 2)
    assert {found["line"] for found in user["diagnostics"]} == {82}
    assert "edit" not in user["seconds"]
    result = probe(socket=daemon.socket, max_errors=1, max_seconds_edit=60)
    assert one(result)["exceeded"] == [
        "edit was not measured, so max_seconds_edit cannot be judged",
        "there are 2 errors, and max_errors=1",
    ]


def test_a_module_that_no_workspace_joins_is_no_example_of_another_module(daemon, probe, workspace):
    (workspace / "go.work").unlink()
    (workspace / "go.mod").write_text("module example.com/service\n\ngo 1.21\n")
    user = one(probe(socket=daemon.socket))
    assert (user["symbol"]["name"], user["symbol"]["across"]) == ("web.New", "packages")
    assert "example.com/stock" in user["diagnostics"][0]["message"]


def test_a_symbol_that_nobody_declares_is_told(daemon, probe, workspace):
    web = workspace / "internal/web/web.go"
    web.write_text(web.read_text().replace("stock.ErrTooFew", "stock.ErrNone"))
    users = [{"name": ME, "workspace": str(workspace), "files": ["internal/web/web.go"], "symbol": "stock.ErrNone"}]
    result = probe(users, socket=daemon.socket)
    assert f"hover of stock.ErrNone in line 61 of {web}: it says" in result["msg"]
    assert one(result)["diagnostics"][0]["line"] == 61


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_rss": "1M"}, r"its memory peaked at [\d.]+M, [\d.]+M more than max_rss=1M"),
        ({"max_seconds_total": 0}, r"total took [\d.]+ s, [\d.]+ more than max_seconds_total=0"),
        ({"max_seconds_initialize": 0}, "initialize took .* more than max_seconds_initialize=0"),
    ],
)
def test_what_is_above_a_limit_is_a_failure_with_all_measures(daemon, probe, limits, told):
    result = probe(socket=daemon.socket, **limits)
    assert result["failed"]
    assert re.fullmatch(f"{ME}: {told}", result["msg"])
    assert one(result)["references"] == REFERENCES


def test_what_keeps_all_limits_is_no_failure(daemon, probe):
    limits = dict.fromkeys((f"max_seconds_{step}" for step in ("initialize", "references", "edit", "total")), 600)
    result = probe(socket=daemon.socket, max_rss="64G", max_popups=0, max_errors=0, **limits)
    assert not result.get("failed"), result


def test_a_daemon_outlives_sessions_that_end_and_one_that_is_cut(daemon, probe):
    for timeout in (60, 0.01, 60):
        result = probe(socket=daemon.socket, timeout=timeout)
        assert bool(result.get("failed")) == (timeout < 1)
    assert daemon.process.poll() is None


def test_a_daemon_that_hangs_is_waited_for_no_longer_than_asked(daemon, probe):
    daemon.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    try:
        result = probe(socket=daemon.socket, timeout=1)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert "did not answer initialize within 1 seconds" in result["msg"]
    assert time.monotonic() - start < 30
    assert one(result)["memory"]["peak"]


def test_a_folder_behind_a_link_is_the_same_workspace(daemon, probe, workspace):
    link = workspace.parent / "link"
    link.symlink_to(workspace)
    user = one(probe([{"name": ME, "workspace": str(link)}], socket=daemon.socket))
    assert (user["problem"], user["references"]) == ("", REFERENCES)


@pytest.mark.parametrize("timeout", [0, -1, 1e300, "nan"])
def test_a_time_limit_that_is_none_is_refused(probe, timeout):
    assert "timeout is" in probe(timeout=timeout)["msg"]
