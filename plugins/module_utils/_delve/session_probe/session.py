# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One debug session without a person: breakpoints, stops, what is to be seen there, and a tidy end."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError, TimedOut
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.adapter import (
    Adapter,
    Unreachable,
    adapter,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import Plan, Wanted
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.sources import (
    Function,
    function_around,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.trigger import asking
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import read_file
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.dap import Client, ErrorResponse
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import ConnectionClosed, Message

# Frames of a stack that are asked for, and seconds that an end in good order may take.
_DEPTH = 50
_GRACE = 10.0
# Seconds between two looks at whether a debugger is back.
_PAUSE = 0.2
# What dlv calls the variables of a function that was compiled without -N -l.
_OPTIMISED = "optimized function"


class Hit(t.NamedTuple):
    """A stop at a breakpoint: the functions on the stack, and those wanted variables that are there, as dlv prints."""

    stack: t.Sequence[str]
    variables: t.Mapping[str, str]
    optimised: bool


class Asked(t.NamedTuple):
    """What the binary knows of a wanted place.

    ``function`` is the one around the line in the source, ``function_line`` where the binary has it: 0 for nowhere,
    None for unknown. Where dlv set no breakpoint, ``sources`` are the binary's files of the same base name, ``usable``
    those with a statement on that line.
    """

    sources: t.Sequence[str] = ()
    usable: t.Sequence[str] = ()
    function: Function | None = None
    function_line: int | None = None

    def moved(self, last: int) -> bool:
        """Return whether the binary has the function before its line in the source, or behind the line ``last``."""
        if not self.function or not self.function_line:
            return False
        return not self.function.line <= self.function_line <= last


class Ended(t.NamedTuple):
    """How a session came to an end: by the ``program``, for want of ``time``, or by the ``session``; and in words."""

    kind: str
    words: str


class Run(t.NamedTuple):
    """One session. ``hits``, ``unset`` (dlv's words) and ``asked`` are by the number of the wanted breakpoint.

    ``seconds`` passed until the first stop. ``refusal`` is why nothing was debugged at all, ``ended`` how it came to an
    end before all was reached. ``status`` are lines of dlv's own /proc/PID/status. With ``turned_away`` the connection
    was taken, and closed before anything was answered.
    """

    hits: t.Mapping[int, Hit]
    unset: t.Mapping[int, str]
    asked: t.Mapping[int, Asked]
    seconds: float | None = None
    refusal: str = ""
    ended: Ended | None = None
    output: str = ""
    status: str = ""
    turned_away: bool = False

    def complete(self, wanted: t.Sequence[Wanted]) -> bool:
        return len(self.hits) == len(wanted)


def debug_once(plan: Plan, folder: str, *, again: bool = False) -> Run:
    """Carry out one session of ``plan``; raise DevserverError only where there is no adapter to speak to.

    ``again`` says that another session has just ended: a headless dlv may have done so with it, and its unit builds and
    starts the next one, which is waited for.
    """
    deadline = time.monotonic() + plan.timeout
    while True:
        last = not (again and plan.remote) or time.monotonic() >= deadline - _PAUSE
        try:
            run = _carried_out(plan, folder, deadline)
            if last or not run.turned_away:
                return run
        except Unreachable:
            if last:
                raise
        time.sleep(_PAUSE)


def _carried_out(plan: Plan, folder: str, deadline: float) -> Run:
    begin = time.monotonic()
    with adapter(plan, folder, deadline) as found:
        session = _Session(plan, found, os.path.join(folder, "debuggee"), begin, deadline)
        with session.in_good_order():
            session.carry_out()
        return session.run()


class _Session:
    def __init__(self, plan: Plan, found: Adapter, output: str, begin: float, deadline: float) -> None:
        self._plan = plan
        self._adapter = found
        self._client: Client = found.client
        self._output = output
        self._begin = begin
        self._deadline = deadline
        self._numbers: dict[int, int] = {}
        self._hits: dict[int, Hit] = {}
        self._unset: dict[int, str] = {}
        self._asked: dict[int, Asked] = {}
        self._seconds: float | None = None
        self._refusal = self._status = ""
        self._ended: Ended | None = None
        self._stopped_thread: int | None = None
        self._answered = self._turned_away = False

    def run(self) -> Run:
        # After the end: what was printed last has come by then.
        output = self._client.output + self._adapter.said()
        found = (self._hits, self._unset, self._asked)
        return Run(*found, self._seconds, self._refusal, self._ended, output, self._status, self._turned_away)

    def carry_out(self) -> None:
        """Do all of it but the end."""
        begun = self._begun()
        if begun is None:
            return
        self._ask_about_functions()
        self._set_breakpoints()
        self._ask_about_the_unset()
        if self._missing():
            with asking(self._plan.trigger):
                self._request("configurationDone")
                self._client.read_response(begun, self._plan.request, self._deadline)
                self._follow()

    @contextlib.contextmanager
    def in_good_order(self) -> t.Iterator[None]:
        """End the session, whatever happened in it, so that a process that is to live on does, without breakpoints."""
        try:
            yield
        except TimedOut as error:
            self._ended = Ended("time", f"time ran out: {error.what}")
        except DevserverError as error:
            self._ended = Ended("session", error.what)
            self._turned_away = isinstance(error, ConnectionClosed) and not self._answered
        self._deadline = time.monotonic() + _GRACE
        try:
            # What has ended, or was never there, has nothing to leave; it may have hung up as well.
            with contextlib.suppress(ErrorResponse):
                self._leave_running()
            self._request("disconnect", {"terminateDebuggee": self._plan.request == "launch"})
        except TimedOut as error:
            self._ended = self._ended or Ended("session", f"it did not let go of the program: {error.what}")
        except DevserverError:
            pass

    def _begun(self) -> int | None:
        """Launch or attach; return the number of that request, None where it was refused."""
        self._request("initialize", {"adapterID": "go", "clientID": "gopherops.devserver", "pathFormat": "path"})
        self._answered = True
        try:
            return self._client.begin(self._plan.request, self._configuration(), deadline=self._deadline)
        except ErrorResponse as error:
            self._refusal = error.reason
            self._status = _status(self._adapter.pid)
            return None

    def _configuration(self) -> dict[str, t.Any]:
        plan = self._plan
        rules = [{"from": editor, "to": binary} for editor, binary in plan.substitute_path]
        common = {"mode": plan.mode, "substitutePath": rules, "stackTraceDepth": _DEPTH}
        if plan.request == "attach":
            return dict(common, **({} if plan.remote else {"processId": plan.pid}))
        # Dlv itself has a folder of this probe for its configuration; what it builds and runs has the user's.
        env = {"XDG_CONFIG_HOME": plan.environment.get("XDG_CONFIG_HOME")}
        launch = dict(common, args=list(plan.args), env=env, cwd=plan.workspace if plan.mode == "exec" else None)
        if not plan.builds:
            return _without_none(launch, program=plan.program)
        flags = " ".join(map(shlex.quote, plan.build_flags))
        return _without_none(
            launch, program=plan.package, dlvCwd=plan.workspace, output=self._output, buildFlags=flags or None
        )

    def _set_breakpoints(self) -> None:
        for file in dict.fromkeys(item.file for item in self._plan.wanted):
            numbers = [number for number, item in enumerate(self._plan.wanted) if item.file == file]
            for number, told in zip(numbers, self._set_in(file, numbers)):
                if told.get("verified"):
                    self._numbers[int(told.get("id", -1))] = number
                else:
                    self._unset[number] = str(told.get("message", "")) or "no reason given"

    def _set_in(self, file: str, numbers: t.Iterable[int]) -> list[Message]:
        lines = [{"line": self._plan.wanted[number].line} for number in numbers]
        body = self._request("setBreakpoints", {"source": {"path": file}, "breakpoints": lines})
        return list(body.get("breakpoints") or [])

    def _ask_about_functions(self) -> None:
        """Ask where the binary has the function around each wanted line, before a breakpoint could be in the way."""
        functions = [self._function(wanted) for wanted in self._plan.wanted]
        names = list(dict.fromkeys(function.name for function in functions if function))
        body = self._request("setFunctionBreakpoints", {"breakpoints": [{"name": name} for name in names]})
        self._request("setFunctionBreakpoints", {"breakpoints": []})
        told = dict(zip(names, body.get("breakpoints") or []))
        for number, function in enumerate(functions):
            line = _line_told(told.get(function.name, {}), self._plan.wanted[number].file) if function else None
            self._asked[number] = Asked(function=function, function_line=line)

    def _function(self, wanted: Wanted) -> Function | None:
        with acting_as(self._plan.account), contextlib.suppress(DevserverError):
            function = function_around(read_text(wanted.file) or "", wanted.line)
            if function and self._plan.mode == "test" and function.name.startswith("main."):
                # A program's package has another name in its test, and then dlv takes a function's name alone.
                return function._replace(name=function.name[len("main.") :])
            return function
        return None

    def _ask_about_the_unset(self) -> None:
        for number in self._unset:
            wanted = self._plan.wanted[number]
            sources = self._sources(os.path.basename(wanted.file))
            usable = [path for path in sources if path != wanted.file and self._has_statement(path, wanted.line)]
            self._asked[number] = self._asked[number]._replace(sources=sources, usable=usable)

    def _sources(self, name: str) -> list[str]:
        """Return the binary's files of that base name; none from a dlv that has no such command."""
        pattern = r"(^|/)" + re.sub(r"([^\w])", r"\\\1", name) + "$"
        with contextlib.suppress(ErrorResponse):
            return str(self._evaluated(f"dlv sources {pattern}")).split("\n")
        return []

    def _has_statement(self, path: str, line: int) -> bool:
        at = {"source": {"path": path}}
        told = self._request("setBreakpoints", dict(at, breakpoints=[{"line": line}]))
        self._request("setBreakpoints", dict(at, breakpoints=[]))
        return any(item.get("verified") for item in told.get("breakpoints") or [])

    def _missing(self) -> list[int]:
        return [number for number in self._numbers.values() if number not in self._hits]

    def _follow(self) -> None:
        """Go from stop to stop until every breakpoint that was set has been reached, or there is no further stop."""
        while True:
            event = self._client.event("stopped", "terminated", deadline=self._deadline)
            body = event.get("body") or {}
            if event.get("event") == "terminated":
                self._ended = Ended("program", "the program ended")
                return
            if self._seconds is None:
                self._seconds = time.monotonic() - self._begin
            self._stopped_thread = int(body.get("threadId", 0))
            if body.get("reason") == "exception":
                words = f"the program broke off: {body.get('description', '')}: {body.get('text', '')}"
                self._ended = Ended("program", words)
                return
            self._take_note([int(number) for number in body.get("hitBreakpointIds") or []])
            if not self._missing():
                return
            self._go_on()

    def _take_note(self, identifiers: t.Sequence[int]) -> None:
        for number in [self._numbers[identifier] for identifier in identifiers if identifier in self._numbers]:
            if number in self._hits:
                continue
            wanted = self._plan.wanted[number]
            self._hits[number] = self._looked_at(wanted)
            # Once is enough: a loop that comes by a thousand times must not keep the others from being reached.
            left = [other for other in self._missing() if self._plan.wanted[other].file == wanted.file]
            self._set_in(wanted.file, left)

    def _looked_at(self, wanted: Wanted) -> Hit:
        thread = {"threadId": self._stopped_thread, "startFrame": 0, "levels": _DEPTH}
        frames = list(self._request("stackTrace", thread).get("stackFrames") or [])
        frame = frames[0].get("id", 0) if frames else 0
        scopes = list(self._request("scopes", {"frameId": frame}).get("scopes") or [])
        optimised = any(_OPTIMISED in str(scope.get("name")) for scope in scopes)
        variables = self._variables(wanted, frame, scopes)
        return Hit([str(item.get("name")) for item in frames], variables, optimised)

    def _variables(self, wanted: Wanted, frame: int, scopes: t.Iterable[Message]) -> dict[str, str]:
        if not wanted.variables:
            return {}
        seen: dict[str, str] = {}
        for scope in scopes:
            body = self._request("variables", {"variablesReference": scope.get("variablesReference", 0)})
            seen.update({str(item.get("name")): str(item.get("value")) for item in body.get("variables") or []})
        for name in wanted.variables:
            if name not in seen:
                with contextlib.suppress(ErrorResponse):
                    seen[name] = self._evaluated(name, frame)
        # The others may be secret, and nobody has asked for them.
        return {name: seen[name] for name in wanted.variables if name in seen}

    def _evaluated(self, expression: str, frame: int | None = None) -> str:
        where = {} if frame is None else {"frameId": frame}
        return str(self._request("evaluate", dict(where, expression=expression, context="repl")).get("result", ""))

    def _go_on(self) -> None:
        self._request("continue", {"threadId": self._stopped_thread})
        self._stopped_thread = None

    def _leave_running(self) -> None:
        """Take the breakpoints from a process that lives on, and let it run: a headless dlv leaves it as it is."""
        if not self._plan.remote or self._refusal:
            return
        for file in dict.fromkeys(item.file for item in self._plan.wanted):
            self._set_in(file, [])
        self._request("continue", {"threadId": self._stopped_thread or 0})

    def _request(self, command: str, arguments: t.Mapping[str, t.Any] | None = None) -> Message:
        return self._client.request(command, arguments, deadline=self._deadline)


def _without_none(*parts: t.Mapping[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    merged = {key: value for part in (*parts, more) for key, value in part.items()}
    return {key: value for key, value in merged.items() if value is not None}


def _line_told(breakpoint: Message, file: str) -> int | None:
    """Return on which line of ``file`` a function is; another file may hold one of the same name."""
    if breakpoint.get("verified"):
        return int(breakpoint.get("line", 0)) if (breakpoint.get("source") or {}).get("path") == file else None
    return 0 if "not found" in str(breakpoint.get("message")) else None


def _status(pid: int | None) -> str:
    """Return what the kernel says of dlv; nothing of one on another host."""
    return read_file(pid, "status") if pid else ""
