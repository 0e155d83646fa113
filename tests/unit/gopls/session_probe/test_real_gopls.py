# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a real gopls: results, measurements, and that it changes nothing."""

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
# The declaration and the uses of the sample function in the sample service.
REFERENCES = 6


def digests(directory: pathlib.Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def one(result):
    (user,) = result["users"]
    return user


def test_a_working_daemon_passes_and_is_measured(daemon, probe, workspace):
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


def test_a_started_gopls_is_ended_after_the_session(wrapper, probe, workspace):
    before = digests(workspace)
    user = one(probe(gopls=wrapper))
    assert (user["problem"], user["mode"], user["references"]) == ("", "per-editor", REFERENCES)
    assert user["memory"]["source"] == "process"
    assert digests(workspace) == before
    assert not [line for line in running() if str(workspace.parent) in line]


def test_sessions_do_not_end_the_processes_of_other_sessions(wrapper, probe, workspace):
    result = probe([{"name": ME, "workspace": str(workspace)}] * 3, gopls=wrapper)
    assert [user["problem"] for user in result["users"]] == [""] * 3


def test_a_command_that_forwards_to_a_daemon_has_mode_daemon(daemon, wrapper, probe, tmp_path):
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


def test_a_failure_of_one_user_does_not_affect_the_others(daemon, probe, workspace):
    directory = str(workspace)
    users = [
        {"name": ME, "workspace": directory},
        {"name": "nobody-of-this-name", "workspace": directory},
        {"name": ME, "workspace": directory, "files": ["internal/web/web.go"], "symbol": "stock.ErrTooFew"},
        {"name": ME, "workspace": f"{directory}/none"},
    ]
    result = probe(users, socket=daemon.socket)
    assert result["failed"]
    problems = [user["problem"] for user in result["users"]]
    assert (problems[0], problems[2]) == ("", "")
    assert "does not exist on this host" in problems[1]
    assert "does not exist, or user" in problems[3]
    assert problems[1] in result["msg"] and problems[3] in result["msg"]
    assert result["users"][2]["definition"]["line"] == 12


def test_settings_that_gopls_rejects_pop_up_once(daemon, probe):
    user = one(probe(socket=daemon.socket, settings={"ui.bogus": 1, "staticcheck": True}))
    (popup,) = user["popups"]
    assert popup["kind"] == "error"
    assert "bogus" in popup["message"]
    assert "staticcheck" not in popup["message"]


def test_max_popups_makes_a_popup_a_failure(daemon, probe):
    result = probe(socket=daemon.socket, settings={"bogus": 1}, max_popups=0)
    assert result["failed"]
    assert one(result)["exceeded"] == ["there are 1 popups, more than max_popups=0"]


def test_without_settings_those_of_the_users_editor_are_sent(daemon, probe, monkeypatch, tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text('{\n  // of this machine\n  "gopls": {"bogus": 1},\n}\n')
    spec = {**probing.ARGUMENT_SPEC, "vscode_settings": {"default": [str(settings)]}}
    monkeypatch.setattr(probing, "ARGUMENT_SPEC", spec)
    requests = [probing.ProbeRequest(ME, str(tmp_path / "service"))]
    (user,) = probing.probe(requests, probing.ServerOptions(daemon.socket, "none", "", None, 60))
    assert "bogus" in user["popups"][0]["message"]


def test_errors_in_the_workspace_are_reported(daemon, probe, workspace):
    main = workspace / "cmd/api/main.go"
    main.write_text(main.read_text().replace('shelf.Take("gopher", 1)', 'shelf.Take(1, "gopher")'))
    user = one(probe(socket=daemon.socket))
    assert (user["problem"], user["errors"]) == ("", 2)
    assert {found["line"] for found in user["diagnostics"]} == {82}
    assert "edit" not in user["seconds"]
    result = probe(socket=daemon.socket, max_errors=1, max_seconds_edit=60)
    assert one(result)["exceeded"] == [
        "edit was not measured, so max_seconds_edit cannot be checked",
        "there are 2 errors, more than max_errors=1",
    ]


def test_an_unconnected_module_is_not_a_sample_of_another_module(daemon, probe, workspace):
    (workspace / "go.work").unlink()
    (workspace / "go.mod").write_text("module example.com/service\n\ngo 1.21\n")
    user = one(probe(socket=daemon.socket))
    assert (user["symbol"]["name"], user["symbol"]["across"]) == ("web.New", "packages")
    assert "example.com/stock" in user["diagnostics"][0]["message"]


def test_an_undeclared_symbol_is_reported(daemon, probe, workspace):
    web = workspace / "internal/web/web.go"
    web.write_text(web.read_text().replace("stock.ErrTooFew", "stock.ErrNone"))
    users = [{"name": ME, "workspace": str(workspace), "files": ["internal/web/web.go"], "symbol": "stock.ErrNone"}]
    result = probe(users, socket=daemon.socket)
    assert f"hover of stock.ErrNone at {web}:61 is" in result["msg"]
    assert one(result)["diagnostics"][0]["line"] == 61


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_rss": "1M"}, r"the memory peaked at [\d.]+M, [\d.]+M more than max_rss=1M"),
        ({"max_seconds_total": 0}, r"total took [\d.]+ s, [\d.]+ more than max_seconds_total=0"),
        ({"max_seconds_initialize": 0}, "initialize took .* more than max_seconds_initialize=0"),
    ],
)
def test_an_exceeded_threshold_is_a_failure_with_all_measurements(daemon, probe, limits, message):
    result = probe(socket=daemon.socket, **limits)
    assert result["failed"]
    assert re.fullmatch(rf"{ME}: {message}\. To fix this: .+\.", result["msg"])
    assert one(result)["references"] == REFERENCES


def test_values_below_all_thresholds_pass(daemon, probe):
    limits = dict.fromkeys((f"max_seconds_{step}" for step in ("initialize", "references", "edit", "total")), 600)
    result = probe(socket=daemon.socket, max_rss="64G", max_popups=0, max_errors=0, **limits)
    assert not result.get("failed"), result


def test_a_daemon_outlives_complete_and_aborted_sessions(daemon, probe):
    for timeout in (60, 0.01, 60):
        result = probe(socket=daemon.socket, timeout=timeout)
        assert bool(result.get("failed")) == (timeout < 1)
    assert daemon.process.poll() is None


def test_a_hanging_daemon_is_abandoned_at_the_timeout(daemon, probe):
    daemon.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    try:
        result = probe(socket=daemon.socket, timeout=1)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert "did not respond to initialize within 1 seconds" in result["msg"]
    assert time.monotonic() - start < 30
    assert one(result)["memory"]["peak"]


def test_a_workspace_behind_a_link_is_the_same_workspace(daemon, probe, workspace):
    link = workspace.parent / "link"
    link.symlink_to(workspace)
    user = one(probe([{"name": ME, "workspace": str(link)}], socket=daemon.socket))
    assert (user["problem"], user["references"]) == ("", REFERENCES)


@pytest.mark.parametrize("timeout", [0, -1, 1e300, "nan"])
def test_an_invalid_timeout_is_rejected(probe, timeout):
    assert "timeout must be" in probe(timeout=timeout)["msg"]
