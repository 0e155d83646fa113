# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix, the report, and rules on made-up observations."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import time

import jsonschema
import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import PROCESS, Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift import report
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import same_value
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.paths import with_dates
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.requirements import unmet_requirements
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.debuggers import (
    Debuggers,
    WideDebugger,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.language_servers import (
    Crash,
    Gopls,
    LanguageServer,
    LanguageServers,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.observation import (
    GoResult,
    Observation,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.tools import PinnedTool
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import evaluate
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules.values import DIFFERS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import KINDS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext

DOCS = pathlib.Path(__file__).parents[3] / "docs"


def ids(found):
    return [finding.rule.id for finding in found]


def test_a_host_as_declared_has_no_findings(fake_host):
    matrix, found = fake_host.evaluate(fake_host(), fake_host("goenv"))
    assert found == []
    assert {cell.status for cell in matrix.values()} == {"ok", "unmanaged"}
    assert ("goenv", "PATH") not in matrix


def test_the_line_of_a_function_is_in_the_cause(fake_host):
    line = Source("file", "/h/.bashrc", 9, "/usr/share/modules/init/bash:41")
    one = fake_host(environment={"GOPATH": "/y"}, set_by=[Assignment("GOPATH", "/y", line)])
    matrix, found = fake_host.evaluate(one)
    assert matrix["login", "GOPATH"].source == line
    assert "from /h/.bashrc:9 (by /usr/share/modules/init/bash:41)" in found[0].cause
    assert "delete or correct /h/.bashrc:9," in found[0].remedy.text
    assert matrix["login", "GOPATH"].result()["source"]["by"] == "/usr/share/modules/init/bash:41"


def test_the_last_assignment_won_and_the_others_are_shadowed(fake_host):
    first, last = Source("file", "/etc/profile", 3), Source("file", "/h/.profile", 9)
    (fake_host.tmp / "env").write_text("\nGOPATH=/x\n")
    one = fake_host(
        environment={"GOPATH": "/y"}, set_by=[Assignment("GOPATH", "/z", first), Assignment("GOPATH", "/y", last)]
    )
    matrix, found = fake_host.evaluate(one)
    cell = matrix["login", "GOPATH"]
    assert (cell.status, cell.source) == ("drift", last)
    assert list(cell.shadowed) == [first, Source("file", str(fake_host.tmp / "env"), 2)]
    assert ids(found) == ["GD101"]
    assert "/h/.profile:9" in found[0].cause
    assert "/h/.profile:9" in found[0].remedy.text


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("-x", "process"),
        ("-mod=mod", "/etc/profile:3"),
        ("${MODE}mod", "/etc/profile:3"),
        ("-mod=@{MODE}", "/etc/profile:3"),
        ("-mod=$MODE", "/etc/profile:3"),
        ("-x $MODE", "process"),
        ("${MODE} -x", "process"),
    ],
)
def test_a_value_that_no_file_sets_is_from_the_process(fake_host, written, source):
    line = Source("file", "/etc/profile", 3)
    flags = {"GOFLAGS": "-mod=mod"}
    one = fake_host(environment=flags, go_values=flags, set_by=[Assignment("GOFLAGS", written, line)])
    cell = fake_host.evaluate(one)[0]["login", "GOFLAGS"]
    assert str(cell.source) == source
    assert list(cell.shadowed) == ([line] if source == "process" else [])


def test_an_empty_value_in_the_environment_does_not_count_for_go(fake_host):
    (fake_host.tmp / "env").write_text("GOFLAGS=-x\n")
    emptied = [Assignment("GOFLAGS", "", Source("file", "/etc/profile", 1))]
    one = fake_host(environment={"GOFLAGS": ""}, go_values={"GOFLAGS": "-x"}, set_by=emptied)
    assert fake_host.evaluate(one)[0]["login", "GOFLAGS"].source == Source("file", str(fake_host.tmp / "env"), 1)


def test_variables_outside_go_env_are_read_from_files_in_gos_order(fake_host):
    (fake_host.tmp / "env").write_text("CC=first\nCC=second\n")
    (fake_host.goroot / "go.env").write_text("CC=weaker\n")
    fake_host.declaration.users[0].variables["CC"] = "second"
    cell = fake_host.evaluate(fake_host())[0]["login", "CC"]
    assert (cell.actual, cell.status, cell.source) == ("second", "ok", Source("file", str(fake_host.tmp / "env"), 2))


def test_go_env_of_the_tree_and_built_in_defaults_are_sources_too(fake_host):
    matrix, _found = fake_host.evaluate(fake_host())
    assert matrix["login", "GOPROXY"].source == Source("file", str(fake_host.goroot / "go.env"), 2)
    assert matrix["login", "GOROOT"].source.kind == "built-in"


@pytest.mark.parametrize("variable", ["GOAUTH", "GODEBUG"])
def test_variables_unknown_to_an_old_go_have_the_values_of_the_process(fake_host, variable):
    fake_host.declaration.users[0].variables[variable] = "x=1"
    (fake_host.tmp / "env").write_text(f"{variable}=x=1\n")
    by_file, by_shell = fake_host("goenv"), fake_host(environment={variable: "x=2"})
    matrix, found = fake_host.evaluate(by_file, by_shell)
    assert matrix["goenv", variable].status == "ok"
    assert (matrix["login", variable].actual, matrix["login", variable].source) == ("x=2", PROCESS)
    assert ids(found) == ["GD101"]


@pytest.mark.parametrize(
    ("text", "expected"), [(None, "local"), ("off 2026-01-31\n", "off"), ("on", "on"), ("", "local"), ("\n", "local")]
)
def test_the_telemetry_mode_is_read_from_its_file(fake_host, text, expected):
    if text is not None:
        (fake_host.tmp / ".config/go/telemetry").mkdir(parents=True)
        (fake_host.tmp / ".config/go/telemetry/mode").write_text(text)
    seen = fake_host(environment={"HOME": str(fake_host.tmp), "GOTELEMETRY": "nonsense"})
    cell = fake_host.evaluate(seen)[0]["login", "GOTELEMETRY"]
    assert (cell.actual, cell.status) == (expected, "unmanaged")
    assert cell.source.kind == ("file" if text and text.strip() else "built-in")
    user = dataclasses.replace(seen.user, telemetry="off")
    found = [
        one for one in fake_host.evaluate(dataclasses.replace(seen, user=user))[1] if one.variable == "GOTELEMETRY"
    ]
    assert ids(found) == ([] if expected == "off" else ["GD101"])


@pytest.mark.parametrize("variable", ["GONOPROXY", "GOVCS", "GODEBUG", "GOTMPDIR", "GOCACHE", "GOINSECURE"])
def test_contexts_may_disagree_on_any_variable_of_gos(fake_host, variable):
    other = fake_host("bash", environment={variable: "/x"}, go_values={variable: "/x"})
    assert ("GD102", variable) in [(one.rule.id, one.variable) for one in fake_host.evaluate(fake_host(), other)[1]]


def test_a_variable_that_follows_another_is_not_reported_again(fake_host):
    line = Source("file", "/h/.bashrc", 4)
    go_values = dict.fromkeys(("GOPRIVATE", "GONOPROXY", "GONOSUMDB"), "a.example")
    private = [Assignment("GOPRIVATE", "a.example", line)]
    one = fake_host("bash", environment={"GOPRIVATE": "a.example"}, go_values=go_values, set_by=private)
    matrix, found = fake_host.evaluate(fake_host(), one)
    assert [(f.rule.id, f.variable, f.source) for f in found] == [("GD102", "GOPRIVATE", line)]
    assert matrix["bash", "GONOPROXY"].source == line
    own = fake_host("bash", environment={"GONOPROXY": "b.example"}, go_values=dict(go_values, GONOPROXY="b.example"))
    assert {f.variable for f in fake_host.evaluate(fake_host(), own)[1]} == {"GOPRIVATE", "GONOPROXY"}


@pytest.mark.parametrize(("variable", "value"), [("GOOS", "plan9"), ("GOARCH", "arm64")])
def test_a_default_that_follows_the_target_is_not_reported_again(fake_host, variable, value):
    go_values = {"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "1"}
    line = Source("file", "/h/config.fish", 4)
    target = {variable: value}
    cross = {"go_values": {**go_values, **target, "CGO_ENABLED": "0"}, "set_by": [Assignment(variable, value, line)]}
    found = fake_host.evaluate(fake_host(go_values=go_values), fake_host("fish", environment=target, **cross))[1]
    assert "CGO_ENABLED" not in [finding.variable for finding in found]
    assert variable in [finding.variable for finding in found]
    written = {**target, "CGO_ENABLED": "0"}
    found = fake_host.evaluate(fake_host(go_values=go_values), fake_host("fish", environment=written, **cross))[1]
    assert "CGO_ENABLED" in [finding.variable for finding in found]


@pytest.mark.parametrize(
    ("context", "remedy"),
    [
        ("systemd_system", "run 'systemctl unset-environment GOTMPDIR' as root"),
        ("systemd_user", "run 'systemctl --user unset-environment GOTMPDIR' as {user}"),
    ],
)
def test_a_variable_that_is_set_in_a_manager_is_removed_there(fake_host, context, remedy):
    given = {"GOTMPDIR": "/sysenv"}
    cell = fake_host.evaluate(fake_host(context, environment=given, go_values=given))[0][context, "GOTMPDIR"]
    assert cell.source == Source("set-environment")
    found = fake_host.evaluate(fake_host(), fake_host(context, environment=given, go_values=given))[1]
    (finding,) = [finding for finding in found if finding.rule.id == "GD102"]
    assert finding.remedy.text == remedy.format(user=finding.user)
    declared = dataclasses.replace(fake_host().user, variables={"GOTMPDIR": "/declared"})
    declaration = dataclasses.replace(fake_host.declaration, users=[declared])
    seen = dataclasses.replace(fake_host(context, environment=given, go_values=given), user=declared)
    found = fake_host.evaluate(seen, declaration=declaration)[1]
    assert remedy.format(user=declared.account.name) in [finding.remedy.text for finding in found]


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("declared", [False, True])
def test_a_variable_that_fish_keeps_is_deleted_by_fish(fake_host, running, declared):
    home = fake_host.tmp / "home"
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    subprocess.run(["fish", "-c", "set -Ux GOPROXY off"], env=env, check=True)
    kept = home / ".config/fish/fish_variables"
    line = next(number for number, text in enumerate(kept.read_text().splitlines(), 1) if "GOPROXY" in text)
    given = Assignment("GOPROXY", "off", Source("file", str(kept), line))
    values = {"GOPROXY": "off"}
    seen = fake_host("fish", environment=values, go_values=values, set_by=[given])
    user = dataclasses.replace(seen.user, variables={"GOPROXY": "https://a.example"}) if declared else seen.user
    default = {"GOPROXY": "https://proxy.example.com,direct"}
    others = [fake_host(context, go_values=default) for context in ("login", "bash")]
    declaration = dataclasses.replace(fake_host.declaration, users=[user])
    observations = [dataclasses.replace(one, user=user) for one in (seen, *others)]
    found = fake_host.evaluate(*observations, declaration=declaration)[1]
    remedy = next(one.remedy.text for one in found if one.source == given.source)
    command = re.search(r"with the command fish -c '([^']*)' as ", remedy).group(1)
    before = ["fish", "-c", "read; set -U other 1"] if running else ["cat"]
    with subprocess.Popen(before, env=env, stdin=subprocess.PIPE) as other_program:
        subprocess.run(["fish", "-c", command], env=env, check=True)
        other_program.communicate(b"\n")
    assert "GOPROXY" not in kept.read_text()


def test_the_defaults_of_another_go_are_no_conflict(fake_host):
    other = fake_host("bash", programs={"go": ["/opt/go/bin/go"]}, go_values={"GOAUTH": "netrc"})
    assert ids(fake_host.evaluate(fake_host(), other)[1]) == ["GD202"]
    own = dataclasses.replace(other, environment=dict(other.environment, GOAUTH="netrc"))
    assert ids(fake_host.evaluate(fake_host(), own)[1]) == ["GD102", "GD202"]


SLASHES = [("/b/bin", "/b/bin/", True), ("/b/bin", "//b/./bin", True), ("/b:/c", "/b/:/c", True), ("/", "//", True)]
OTHERS = [("/b/bin", "/b/bin/..", False), ("/b/bin", "b/bin", False), ("/b", None, False), ("", None, False)]


@pytest.mark.parametrize(("one", "other", "same"), [*SLASHES, *OTHERS])
def test_additional_slashes_do_not_change_a_directory(one, other, same):
    assert same_value("GOBIN", one, other) is same_value("GOBIN", other, one) is same
    assert not same_value("GOFLAGS", one, other)


def test_a_path_with_additional_slashes_is_in_order(fake_host):
    path = f"{fake_host.goroot}//bin:/usr/local/bin/:{fake_host.tmp}/bin/"
    assert fake_host.ids(fake_host(environment={"PATH": path})) == []


def test_another_go_is_one_finding(fake_host):
    other = fake_host(programs={"go": ["/opt/go/bin/go"]}, go_values={"GOROOT": "/opt/go", "GOVERSION": "go1.19"})
    _matrix, found = fake_host.evaluate(other)
    assert ids(found) == ["GD202"]


@pytest.mark.parametrize("version", ["go1.22.1", "go1.22", "go1.22.120", "go1.22.12-custom"])
def test_a_version_is_exact(fake_host, version):
    (finding,) = fake_host.findings(fake_host(go_values={"GOVERSION": version}))
    assert (finding.rule.id, finding.remedy.text) == ("GD203", "provision the host again with --tags toolchain")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ("{go}:/usr/local/bin:/usr/bin:{own}", []),
        ("/home/own:{go}:/usr/local/bin:{own}", []),
        ("/usr/local/bin:{go}:{own}", ["GD103"]),
        ("{go}:/usr/bin:{own}", ["GD103"]),
        ("/usr/local/bin:{go}:/usr/local/bin:{own}", ["GD103"]),
        ("{go}:/usr/local/bin", ["GD103"]),
    ],
)
def test_the_order_of_path(fake_host, entries, expected):
    path = entries.format(go=fake_host.goroot / "bin", own=fake_host.tmp / "bin")
    assert fake_host.ids(fake_host(environment={"PATH": path})) == expected


def test_contexts_with_different_undeclared_values(fake_host):
    matrix, found = fake_host.evaluate(fake_host(), fake_host("bash", go_values={"GOPROXY": "off"}))
    assert matrix["bash", "GOPROXY"].status == "conflict"
    assert [(f.rule.id, f.variable, f.context) for f in found] == [("GD102", "GOPROXY", "")]


def test_a_failed_probe_makes_unknown_cells(fake_host):
    matrix, found = fake_host.evaluate(Observation(fake_host.declaration.users[0], LoginContext(), None, "it hangs"))
    assert {cell.status for cell in matrix.values()} == {"unknown"}
    assert ids(found) == ["GD901"]


def test_no_go_and_a_go_that_fails(fake_host):
    missing = fake_host(programs={"go": []}, go=GoResult({}, "none"))
    assert ids(fake_host.evaluate(missing)[1]) == ["GD201"]
    failing = fake_host(go=GoResult({}, "go: bad GOFLAGS"))
    assert ids(fake_host.evaluate(failing)[1]) == ["GD205"]


def test_a_stale_goroot_is_the_finding_and_not_that_go_fails(fake_host):
    stale = Source("file", "/h/.profile", 7)
    set_by = [Assignment("GOROOT", "/old", stale)]
    failing = fake_host(go=GoResult({}, "go: cannot find GOROOT"), environment={"GOROOT": "/old"}, set_by=set_by)
    _matrix, found = fake_host.evaluate(failing)
    assert [(finding.rule.id, finding.source) for finding in found] == [("GD204", stale)]


def test_a_tool_that_is_absent(fake_host):
    tool = PinnedTool("gopls", "p", "v1.0.0", "", "/x/gopls", "absent")
    assert ids(fake_host.evaluate(fake_host(), tools=[tool])[1]) == ["GD401"]


def test_no_command_gives_away_a_link_target(fake_host):
    user = fake_host.declaration.users[0]
    (fake_host.tmp / "link").symlink_to("/usr" if os.geteuid() else "/var/mail")
    variables = {"GOPATH": str(fake_host.tmp / "link")}
    account = user.account._replace(uid=os.stat(fake_host.tmp / "link").st_uid + 1)
    fake_host.declaration.users[0] = dataclasses.replace(user, variables=variables, account=account)
    (finding,) = fake_host.findings()
    assert finding.rule.id == "GD301"
    assert finding.remedy.commands == ()


def test_a_missing_directory(fake_host):
    user = fake_host.declaration.users[0]
    fake_host.declaration.users[0] = dataclasses.replace(user, variables={"GOPATH": str(fake_host.tmp / "gone")})
    gone = str(fake_host.tmp / "gone")
    path = f"{fake_host.goroot}/bin:/usr/local/bin:{fake_host.tmp}/bin:{gone}/bin"
    observed = fake_host(environment={"GOPATH": gone, "PATH": path}, user=fake_host.declaration.users[0])
    assert ids(fake_host.evaluate(observed)[1]) == ["GD301"]


def test_fingerprints_hold_no_value_and_no_line():
    def fingerprint(host="h", cause="c", variable="GOPATH", line=1, **more):
        finding = Finding(DIFFERS, cause, Remedy("r"), "u", "login", variable, Source("file", "/f", line), **more)
        return finding.result(host)["fingerprint"]

    assert fingerprint() == fingerprint(cause="d", line=2)
    others = [{"host": "i"}, {"variable": "GOBIN"}, {"subject": "/f"}, {"subject": "/g"}, {"workspace": "/f"}]
    assert fingerprint() == fingerprint(since=60.0)
    assert len({fingerprint(), *(fingerprint(**other) for other in others)}) == 6


def test_the_report_holds_its_schema_and_no_secret(fake_host):
    user = fake_host.declaration.users[0]
    user.variables["GOPRIVATE"] = "declared"
    drifting = {"GOPATH": "/other/caf\udce9", "GOPRIVATE": "https://u:secret@b.example"}
    observations = [fake_host(), fake_host("bash", environment=drifting, go_values=drifting), fake_host("goenv")]
    tool = PinnedTool(*"xxxxxx", users=["x"])
    snapshot = fake_host.snapshot(*observations, tools=[tool], language_servers=LanguageServers([LanguageServer(user)]))
    document = report.report(snapshot, evaluate(snapshot), "h")
    jsonschema.validate(document, json.loads((DOCS / "drift-report.schema.json").read_text()))
    assert document["toolchain"] == {"path": os.path.realpath(fake_host.goroot), "version": "1.22.12"}
    head, first, cause, remedy, *_more = report.summary(document)
    assert head.split() == ["severity", "rule", "user", "context", "variable", "since", "where"]
    assert first.split()[:2] == ["error", "GD101"]
    assert first.index("GD101") == head.index("rule")
    assert cause == "    GOPRIVATE is not set; expected declared"
    assert remedy.startswith("    To fix this: ")
    severities = [line.split()[0] for line in report.summary(document)[1:-1] if not line.startswith(" ")]
    assert severities == sorted(severities)
    modes = f"language servers: none for {user.account.name}"
    assert report.summary(dict(document, findings=[])) == [f"no drift in {len(document['cells'])} values", modes]
    assert "secret" not in json.dumps(document)
    # Ansible rejects results with bytes that are not UTF-8.
    assert "/other/caf\\xe9" in json.dumps(document, ensure_ascii=False).encode("utf-8").decode().replace("\\\\", "\\")
    assert "***@a.example" in json.dumps(document)


def test_a_value_of_several_lines_is_one_line_of_the_table():
    remedy = Remedy("set it to x\ny", ["echo x"])
    finding = Finding(DIFFERS, "GOFLAGS is a\r\nb", remedy, "u", "login", "GOFLAGS", Source("file", "/a\nb", 1))
    lines = report.summary({"cells": [], "language_servers": [], "findings": [finding.result("h")]})
    assert lines[1].endswith("  /a\\nb:1")
    expected = ["GOFLAGS is a\\r\\nb", "To fix this: set it to x\\ny", "Safe to run: echo x"]
    assert lines[2:] == [f"    {line}" for line in expected]


def test_the_report_has_language_servers_and_debuggers(fake_host):
    user = fake_host.declaration.users[0]
    server = LanguageServer(user, "per-editor", {"GOMEMLIMIT": "870MiB"}, crashes=[Crash("/c.log", "", time.time())])
    debuggers = Debuggers(wide=[WideDebugger(1, "bob", "0.0.0.0:2345")])
    servers = LanguageServers([server], Gopls("/g"))
    records = {"language_servers": servers, "taken_at": time.time()}
    snapshot = fake_host.snapshot(fake_host(), debuggers=debuggers, **records)
    document = report.report(snapshot, evaluate(snapshot), "h")
    jsonschema.validate(document, json.loads((DOCS / "drift-report.schema.json").read_text()))
    (expected,) = document["language_servers"]
    assert (expected["mode"], expected["gopls"], expected["limits"]["heap"]) == ("per-editor", "/g", "870MiB")
    assert report.summary(document)[-1] == f"language servers: per-editor for {user.account.name}"
    assert [found["rule_id"] for found in document["findings"]] == ["GD1006", "GD1101"]
    assert fake_host.ids(fake_host(), **{**records, "language_servers": servers._replace(crash_days=0)}) == []


def test_the_report_has_a_go_below_the_minimum(fake_host):
    snapshot = fake_host.snapshot(requirements=unmet_requirements(fake_host.declaration, "1.99"))
    document = report.report(snapshot, evaluate(snapshot), "h")
    jsonschema.validate(document, json.loads((DOCS / "drift-report.schema.json").read_text()))
    assert [(found["rule_id"], found["user"]) for found in document["findings"]] == [("GD605", "")]


def test_the_report_has_its_time_and_version(fake_host):
    document = report.report(fake_host.snapshot(fake_host(), taken_at=1769860800.9), [], "h")
    assert document["generated_at"] == "2026-01-31T12:00:00Z"
    galaxy = (DOCS.parent / "galaxy.yml").read_text()
    assert f"\nversion: {document['collection_version']}\n" in galaxy


def test_since_is_the_last_change_of_the_source(tmp_path):
    file = tmp_path / ".profile"
    file.write_text("export GOBIN=/x\n")
    os.utime(file, (0, 86400))

    def since(source=None, **more):
        (finding,) = with_dates([Finding(DIFFERS, "c", Remedy("r"), "u", source=source, **more)])
        return finding.result("h")["since"]

    assert since(Source("file", str(file), 1)) == "1970-01-02T00:00:00Z"
    assert since(Source("process"), since=60.5) == "1970-01-01T00:01:00Z"
    assert since(Source("file", str(tmp_path / "gone"), 1)) is None
    assert since(Source("built-in")) is since() is None
    changed = since(Source("file", str(tmp_path)))
    assert changed == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(os.stat(tmp_path).st_ctime))


def test_the_schema_knows_every_context():
    schema = json.loads((DOCS / "drift-report.schema.json").read_text())
    listed = schema["$defs"]["cell"]["properties"]["context"]["enum"]
    place = "$defs.cell.properties.context.enum of docs/drift-report.schema.json"
    assert set(listed) == {kind.name for kind in KINDS}, f"make {place} the names of KINDS"


FORCED = Source("file", "/etc/ssh/sshd_config", 9, "ForceCommand /usr/bin/wrap")
WITHOUT_PAM = Source("file", "/etc/ssh/sshd_config.d/x.conf", 1, "UsePAM no")


def test_what_no_file_sets_is_from_the_program_that_sshd_forces(fake_host):
    values = {"GOTMPDIR": "/tmp"}
    seen = dataclasses.replace(fake_host("ssh", environment=values, go_values=values), given_by=FORCED)
    cells, found = fake_host.evaluate(seen, fake_host("bash"), fake_host())
    assert cells["ssh", "GOTMPDIR"].source == FORCED
    (remedy,) = [finding.remedy.text for finding in found if finding.variable == "GOTMPDIR"]
    assert remedy.startswith("delete GOTMPDIR in the program that the ForceCommand at /etc/ssh/sshd_config:9 runs")


def test_without_pam_the_path_over_ssh_is_from_the_line_of_sshd(fake_host):
    seen = fake_host("ssh", environment={"PATH": "/usr/bin"}, set_by=[Assignment("PATH", "", WITHOUT_PAM)])
    (finding,) = [one for one in fake_host.evaluate(seen)[1] if one.rule.id == "GD103"]
    assert finding.source == WITHOUT_PAM
    assert finding.remedy.text.startswith("set 'UsePAM yes' at /etc/ssh/sshd_config.d/x.conf:1, and restart sshd")
