# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One automatic debug session: it sets breakpoints, inspects the stops, and ends without leaving anything behind."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
import time
import typing as t

from ..._core.errors import DevserverError, TimedOut
from ..._host.files import read_text
from ..._host.procfs import read_file
from ..._host.user_access import acting_as
from ..._protocols.dap import DapClient, ErrorResponse
from ..._protocols.framing import ConnectionClosed, Message, as_dict, as_dicts, as_list, as_number
from .adapter import Adapter, DebuggerUnreachable, connect_adapter
from .plan import Breakpoint, DebugProbePlan
from .sources import Function, find_enclosing_function
from .trigger import repeat_requests

# The maximum number of stack frames.
_DEPTH = 50
# Seconds between two attempts to connect to a debugger.
_RETRY_INTERVAL = 0.2
# dlv adds this to the name of the scope of a function that was compiled without -N -l.
_OPTIMISED = "optimized function"


class BreakpointHit(t.NamedTuple):
    """A stop at a breakpoint: the functions on the stack, and the expected variables that exist, as dlv prints them."""

    stack: t.Sequence[str]
    variables: t.Mapping[str, str]
    optimised: bool


class BinaryLocation(t.NamedTuple):
    """The location of a breakpoint in the binary.

    ``function`` is the function around the line in the source. ``function_line`` is its line in the binary: 0 if the
    binary does not contain it, None if unknown. If dlv did not set the breakpoint, ``sources`` are the binary's files
    of the same base name, and ``usable`` are those with a statement on the line.
    """

    sources: t.Sequence[str] = ()
    usable: t.Sequence[str] = ()
    function: Function | None = None
    function_line: int | None = None

    def moved(self, last: int) -> bool:
        """Return whether the function in the binary is before its line in the source, or after the line ``last``."""
        if not self.function or not self.function_line:
            return False
        return not self.function.line <= self.function_line <= last


class SessionEnd(t.NamedTuple):
    """Why a session ended: the ``program`` exited, the ``time`` limit expired, or the ``session`` failed."""

    kind: str
    message: str


@dataclasses.dataclass
class SessionRun:
    """One session. ``hits``, ``unset`` (dlv's messages) and ``locations`` have the number of the breakpoint as key.

    ``seconds`` is the time until the first stop. ``rejection`` is dlv's error if it did not start to debug. ``end`` is
    why the session ended before all breakpoints were reached. ``status`` is the /proc/PID/status of dlv. With
    ``closed_without_response`` dlv accepted the connection and closed it before the first response. ``greeting`` are
    the first bytes of a server that did not respond like dlv at all; None if it did.
    """

    hits: dict[int, BreakpointHit] = dataclasses.field(default_factory=dict)
    unset: dict[int, str] = dataclasses.field(default_factory=dict)
    locations: dict[int, BinaryLocation] = dataclasses.field(default_factory=dict)
    seconds: float | None = None
    rejection: str = ""
    end: SessionEnd | None = None
    output: str = ""
    status: str = ""
    closed_without_response: bool = False
    greeting: bytes | None = None

    def complete(self, breakpoints: t.Sequence[Breakpoint]) -> bool:
        return len(self.hits) == len(breakpoints)


def run_session(plan: DebugProbePlan, directory: str, *, repeated: bool = False) -> SessionRun:
    """Run one session of ``plan``. Raises DevserverError only without a debug adapter.

    With ``repeated``, another session has just ended. A headless dlv may have exited with it: wait until its unit has
    built and started the next one.
    """
    deadline = time.monotonic() + plan.timeout
    while True:
        final = not (repeated and plan.remote) or time.monotonic() >= deadline - _RETRY_INTERVAL
        try:
            run = _run_one_session(plan, directory, deadline)
            if final or not run.closed_without_response:
                return run
        except DebuggerUnreachable:
            if final:
                raise
        time.sleep(_RETRY_INTERVAL)


def _run_one_session(plan: DebugProbePlan, directory: str, deadline: float) -> SessionRun:
    started = time.monotonic()
    with connect_adapter(plan, directory, deadline) as debug_adapter:
        session = _Session(plan, debug_adapter, os.path.join(directory, "debuggee"), started, deadline)
        with session.clean_end():
            session.debug()
        # After the end, because dlv may print until then.
        session.run.output = debug_adapter.client.output + debug_adapter.output()
        return session.run


class _Session:
    def __init__(
        self, plan: DebugProbePlan, debug_adapter: Adapter, output: str, started: float, deadline: float
    ) -> None:
        self._plan = plan
        self._adapter = debug_adapter
        self._client: DapClient = debug_adapter.client
        self._output = output
        self._started = started
        self._deadline = deadline
        self.run = SessionRun()
        self._numbers: dict[int, int] = {}
        self._stopped_thread: int | None = None
        self._initialized = False

    def debug(self) -> None:
        """Run the session except its end."""
        request = self._start_program()
        if request is None:
            return
        self._locate_functions()
        self._set_breakpoints()
        self._inspect_unset_breakpoints()
        if self._pending_breakpoints():
            with repeat_requests(self._plan.trigger):
                self._request("configurationDone")
                self._client.read_response(request, self._plan.request, self._deadline)
                self._follow()

    @contextlib.contextmanager
    def clean_end(self) -> t.Iterator[None]:
        """End the session after success and failure. A process that must continue then runs without breakpoints."""
        try:
            yield
        except TimedOut as error:
            self.run.end = SessionEnd("time", f"the time limit expired: {error.problem}")
        except DevserverError as error:
            self.run.end = SessionEnd("session", error.problem)
            self.run.closed_without_response = isinstance(error, ConnectionClosed) and not self._initialized
        if self.run.end and not self._initialized:
            self.run.greeting = self._client.greeting
        self._deadline = time.monotonic() + self._plan.end_timeout
        try:
            # A program that has exited, or never started, cannot continue. The connection may be closed too.
            with contextlib.suppress(ErrorResponse):
                self._leave_running()
            self._request("disconnect", {"terminateDebuggee": self._plan.request == "launch"})
        except TimedOut as error:
            self.run.end = self.run.end or SessionEnd(
                "session", f"dlv did not detach from the program: {error.problem}"
            )
        except DevserverError:
            pass

    def _start_program(self) -> int | None:
        """Launch or attach; return the number of the request, None if dlv rejected it."""
        self._request("initialize", {"adapterID": "go", "clientID": "gopherops.devserver", "pathFormat": "path"})
        self._initialized = True
        try:
            return self._client.begin(self._plan.request, self._configuration(), deadline=self._deadline)
        except ErrorResponse as error:
            self.run.rejection = error.reason
            # A dlv on another host has no status here.
            self.run.status = read_file(self._adapter.pid, "status") if self._adapter.pid else ""
            return None

    def _configuration(self) -> dict[str, t.Any]:
        plan = self._plan
        rules = [{"from": editor, "to": binary} for editor, binary in plan.substitute_path]
        common = {"mode": plan.mode, "substitutePath": rules, "stackTraceDepth": _DEPTH}
        if plan.request == "attach":
            return dict(common, **({} if plan.remote else {"processId": plan.pid}))
        # dlv's configuration is in the probe's directory. The build and the program use the user's directory.
        env = {"XDG_CONFIG_HOME": plan.environment.get("XDG_CONFIG_HOME")}
        launch = dict(common, args=list(plan.args), env=env, cwd=plan.workspace if plan.mode == "exec" else None)
        if not plan.builds:
            return _drop_none(launch, program=plan.program)
        flags = " ".join(map(shlex.quote, plan.build_flags))
        return _drop_none(
            launch, program=plan.package, dlvCwd=plan.workspace, output=self._output, buildFlags=flags or None
        )

    def _set_breakpoints(self) -> None:
        for file in dict.fromkeys(breakpoint.file for breakpoint in self._plan.breakpoints):
            numbers = [number for number, item in enumerate(self._plan.breakpoints) if item.file == file]
            for number, result in zip(numbers, self._set_breakpoints_in(file, numbers)):
                if result.get("verified"):
                    self._numbers[as_number(result.get("id"), -1)] = number
                else:
                    self.run.unset[number] = str(result.get("message", "")) or "dlv reported no reason"

    def _set_breakpoints_in(self, file: str, numbers: t.Iterable[int]) -> list[Message]:
        lines = [{"line": self._plan.breakpoints[number].line} for number in numbers]
        body = self._request("setBreakpoints", {"source": {"path": file}, "breakpoints": lines})
        return as_dicts(body.get("breakpoints"))

    def _locate_functions(self) -> None:
        """Query the line of each breakpoint's function in the binary, before a breakpoint can interfere."""
        functions = [self._find_function(breakpoint) for breakpoint in self._plan.breakpoints]
        names = list(dict.fromkeys(function.name for function in functions if function))
        body = self._request("setFunctionBreakpoints", {"breakpoints": [{"name": name} for name in names]})
        self._request("setFunctionBreakpoints", {"breakpoints": []})
        located = dict(zip(names, as_dicts(body.get("breakpoints"))))
        for number, function in enumerate(functions):
            line = (
                _function_line(located.get(function.name, {}), self._plan.breakpoints[number].file)
                if function
                else None
            )
            self.run.locations[number] = BinaryLocation(function=function, function_line=line)

    def _find_function(self, breakpoint: Breakpoint) -> Function | None:
        with acting_as(self._plan.account), contextlib.suppress(DevserverError):
            function = find_enclosing_function(read_text(breakpoint.file) or "", breakpoint.line)
            if function and self._plan.mode == "test" and function.name.startswith("main."):
                # The main package has another name in its tests. dlv also accepts the name of the function alone.
                return function._replace(name=function.name[len("main.") :])
            return function
        return None

    def _inspect_unset_breakpoints(self) -> None:
        for number in self.run.unset:
            breakpoint = self._plan.breakpoints[number]
            sources = self._find_sources(os.path.basename(breakpoint.file))
            usable = [
                path for path in sources if path != breakpoint.file and self._has_statement(path, breakpoint.line)
            ]
            self.run.locations[number] = self.run.locations[number]._replace(sources=sources, usable=usable)

    def _find_sources(self, name: str) -> list[str]:
        """Return the binary's files of that base name; none if this dlv does not have the command."""
        pattern = r"(^|/)" + re.sub(r"([^\w])", r"\\\1", name) + "$"
        with contextlib.suppress(ErrorResponse):
            return str(self._evaluate(f"dlv sources {pattern}")).split("\n")
        return []

    def _has_statement(self, path: str, line: int) -> bool:
        source = {"source": {"path": path}}
        body = self._request("setBreakpoints", dict(source, breakpoints=[{"line": line}]))
        self._request("setBreakpoints", dict(source, breakpoints=[]))
        return any(item.get("verified") for item in as_dicts(body.get("breakpoints")))

    def _pending_breakpoints(self) -> list[int]:
        return [number for number in self._numbers.values() if number not in self.run.hits]

    def _follow(self) -> None:
        """Continue from stop to stop until every set breakpoint was reached, or the program exits."""
        while True:
            event = self._client.event("stopped", "terminated", deadline=self._deadline)
            body = as_dict(event.get("body"))
            if event.get("event") == "terminated":
                self.run.end = SessionEnd("program", "the program exited")
                return
            if self.run.seconds is None:
                self.run.seconds = time.monotonic() - self._started
            self._stopped_thread = as_number(body.get("threadId"))
            if body.get("reason") == "exception":
                message = f"the program failed: {body.get('description', '')}: {body.get('text', '')}"
                self.run.end = SessionEnd("program", message)
                return
            self._record_hits([as_number(number, -1) for number in as_list(body.get("hitBreakpointIds"))])
            if not self._pending_breakpoints():
                return
            self._continue()

    def _record_hits(self, identifiers: t.Sequence[int]) -> None:
        for number in [self._numbers[identifier] for identifier in identifiers if identifier in self._numbers]:
            if number in self.run.hits:
                continue
            breakpoint = self._plan.breakpoints[number]
            self.run.hits[number] = self._inspect_stop(breakpoint)
            # One hit is enough: a breakpoint in a loop must not delay the other breakpoints.
            remaining = [
                other for other in self._pending_breakpoints() if self._plan.breakpoints[other].file == breakpoint.file
            ]
            self._set_breakpoints_in(breakpoint.file, remaining)

    def _inspect_stop(self, breakpoint: Breakpoint) -> BreakpointHit:
        thread = {"threadId": self._stopped_thread, "startFrame": 0, "levels": _DEPTH}
        frames = as_dicts(self._request("stackTrace", thread).get("stackFrames"))
        frame = as_number(frames[0].get("id")) if frames else 0
        scopes = as_dicts(self._request("scopes", {"frameId": frame}).get("scopes"))
        optimised = any(_OPTIMISED in str(scope.get("name")) for scope in scopes)
        variables = self._read_variables(breakpoint, frame, scopes)
        return BreakpointHit([str(item.get("name")) for item in frames], variables, optimised)

    def _read_variables(self, breakpoint: Breakpoint, frame: int, scopes: t.Iterable[Message]) -> dict[str, str]:
        if not breakpoint.variables:
            return {}
        values: dict[str, str] = {}
        for scope in scopes:
            body = self._request("variables", {"variablesReference": scope.get("variablesReference", 0)})
            values.update({str(item.get("name")): str(item.get("value")) for item in as_dicts(body.get("variables"))})
        for name in breakpoint.variables:
            if name not in values:
                with contextlib.suppress(ErrorResponse):
                    values[name] = self._evaluate(name, frame)
        # Other variables may be secret, and the caller has not requested them.
        return {name: values[name] for name in breakpoint.variables if name in values}

    def _evaluate(self, expression: str, frame: int | None = None) -> str:
        context = {} if frame is None else {"frameId": frame}
        return str(self._request("evaluate", dict(context, expression=expression, context="repl")).get("result", ""))

    def _continue(self) -> None:
        self._request("continue", {"threadId": self._stopped_thread})
        self._stopped_thread = None

    def _leave_running(self) -> None:
        """Remove the breakpoints and continue the program of a headless dlv, which does neither at a disconnect."""
        if not self._plan.remote or self.run.rejection:
            return
        for file in dict.fromkeys(breakpoint.file for breakpoint in self._plan.breakpoints):
            self._set_breakpoints_in(file, [])
        self._request("continue", {"threadId": self._stopped_thread or 0})

    def _request(self, command: str, arguments: t.Mapping[str, t.Any] | None = None) -> Message:
        return self._client.request(command, arguments, deadline=self._deadline)


def _drop_none(*parts: t.Mapping[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    merged = {key: value for part in (*parts, more) for key, value in part.items()}
    return {key: value for key, value in merged.items() if value is not None}


def _function_line(breakpoint: Message, file: str) -> int | None:
    """Return the line of a function in ``file``; another file may contain a function of the same name."""
    if breakpoint.get("verified"):
        return as_number(breakpoint.get("line")) if as_dict(breakpoint.get("source")).get("path") == file else None
    return 0 if "not found" in str(breakpoint.get("message")) else None
