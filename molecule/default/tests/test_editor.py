# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An editor's files of a workspace: reported with file and line, and edited where ``manage`` lists them."""

from __future__ import annotations

import json

import pytest
from injecting import DECLARED

SETTINGS = "/home/alice/.vscode-server/data/Machine/settings.json"
WORKSPACE = "/home/alice/hello"
FILES = {
    SETTINGS: '{\n  // mine\n  "go.toolsEnvVars": {\n    "GOPATH": "/opt/go",\n  },\n'
    # What concerns the language server is another role's.
    '  "go.languageServerFlags": ["-remote=unix;/run/gopls/alice/gopls.sock"],\n}\n',
    f"{WORKSPACE}/.vscode/launch.json": '{"configurations": [\n  // mine\n  {"type": "go", "request": "launch",'
    ' "name": "one",\n   "env": {"GOFLAGS": "-mod=mod"}},\n]}\n',
    f"{WORKSPACE}/.devcontainer/devcontainer.json": '{\n\t"image": "x", // mine\n\t"remoteEnv": {"GOFLAGS": ""}\n}\n',
    f"{WORKSPACE}/.github/workflows/test.yml": "on: push\nenv:\n  GOFLAGS: -x # mine\n  GOTOOLCHAIN: local\njobs: {}\n",
}
# What the settings give reaches debug sessions too; what a dev container has none of is missing there.
FOUND = {
    ("GD101", "alice", "vscode_server", "GOPATH"),
    ("GD101", "alice", "vscode_debug", "GOPATH"),
    ("GD101", "alice", "vscode_debug", "GOFLAGS"),
    ("GD101", "alice", "devcontainer", "GOFLAGS"),
    ("GD101", "alice", "devcontainer", "GOTOOLCHAIN"),
    ("GD101", "alice", "ci", "GOFLAGS"),
    ("GD803", "alice", "vscode_server", "go.toolsEnvVars.GOPATH"),
}
PLACES = {
    (SETTINGS, 4),
    (f"{WORKSPACE}/.vscode/launch.json", 4),
    (f"{WORKSPACE}/.github/workflows/test.yml", 3),
}
# No workflow is edited.
LEFT = {("GD101", "alice", "ci", "GOFLAGS")}
OTHERS = [
    {"name": "bob", "variables": {"GOPATH": "/srv/bob/go"}},
    *({"name": name} for name in ("zoe", "finn", "builder", "root")),
]
USERS = [{"name": "alice", "workspaces": [{"path": "{home}/hello", "manage": ["launch", "devcontainer"]}]}, *OTHERS]
UNMANAGED = [{"name": "alice", "workspaces": ["{home}/hello"]}, *OTHERS]


@pytest.fixture
def report(inside):
    """Run the module as the playbook does."""
    return lambda: inside.run_module({"users": USERS, **DECLARED})


@pytest.fixture
def files(host):
    """Put the files there as their user does, and take them away in the end."""
    directories = " ".join({path.rpartition("/")[0] for path in FILES})
    host.check_output(f"runuser -u alice -- mkdir -p {directories}")
    for path, text in FILES.items():
        host.run(f"cat > {path} <<'END'\n{text}END\nchown alice: {path}; chmod 640 {path}")
    yield
    host.check_output(
        f"rm -rf /home/alice/.vscode-server {WORKSPACE}/.vscode {WORKSPACE}/.devcontainer {WORKSPACE}/.github"
    )


def test_differences_are_reported_with_their_lines_and_corrected(host, play, report, files):
    result = report()
    assert result.places.keys() == FOUND, result
    assert result.lines.keys() >= PLACES
    assert {f["workspace"] for f in result.every if f["context"] == "vscode_debug"} == {f"{WORKSPACE} (one)"}
    assert play("site", "--tags", "environment", devserver_users=USERS).returncode == 0
    assert "changed=0" in play("site", "--tags", "environment", devserver_users=USERS).output
    completed = play("drift", drift_fail_on="note", devserver_users=USERS)
    assert (completed.returncode, completed.findings) == (2, LEFT), completed.output
    for path in FILES:
        file = host.file(path)
        assert (file.user, file.mode) == ("alice", 0o640)
        assert "mine" in file.content_string


def test_no_file_of_a_checkout_is_edited_by_default(host, play, files):
    assert play("site", "--tags", "environment", devserver_users=UNMANAGED).returncode == 0
    for path, text in FILES.items():
        assert (host.file(path).content_string == text) == path.startswith(WORKSPACE)


def test_broken_json_is_reported_and_not_changed(host, play, report, files):
    host.run(f"sed -i 's,// mine,mine,' {SETTINGS}")
    before = host.file(SETTINGS).content_string
    result = report()
    assert ("GD901", "alice", "vscode_server", "") in result.places
    assert f"{SETTINGS}:2:3: found" in json.dumps(result.report)
    failed = play("site", "--tags", "environment", devserver_users=USERS)
    assert failed.returncode != 0
    assert f"{SETTINGS}:2:3: found" in failed.output
    assert host.file(SETTINGS).content_string == before
