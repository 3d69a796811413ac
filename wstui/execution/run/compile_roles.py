"""Compiles roles for the workers: files read, environment and encodings resolved, feed cut to what is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wstui.execution.run.compile_requests import RequestCompiler
from wstui.execution.run.compile_texts import NS, TextCompiler
from wstui.load.role_spec import (
    AnswerSpec,
    ChoiceSpec,
    DeliverySpec,
    ErrorSpec,
    HeartbeatSpec,
    MeetSpec,
    RoleSpec,
    SequenceSpec,
    StepSpec,
    StreamSpec,
    WatchdogSpec,
)
from wstui.scenario.conversation.conditions import parse_path
from wstui.scenario.conversation.role import Answer, Heartbeat, Role, Step, Watchdog
from wstui.scenario.role_inputs import captured_in
from wstui.scenario.script import read_script
from wstui.scenario.target import Target


class RoleCompiler:
    """Compiles roles; `at_login` are the variables that clients have from their login, `scripts` the texts by file."""

    def __init__(
        self,
        target: Target,
        texts: TextCompiler,
        requests: RequestCompiler,
        at_login: Sequence[str],
        scripts: Mapping[str, str],
    ) -> None:
        self._target = target
        self._texts = texts
        self._requests = requests
        self._at_login = at_login
        self._scripts = scripts

    def role(self, role: Role) -> RoleSpec:
        texts = self._texts
        texts.variables = captured_in(role, self._at_login)
        return RoleSpec(
            name=role.name,
            weight=role.share,
            clients=role.clients or 0,
            open=[self._step(step) for step in role.open],
            loop=[self._step(step) for step in role.loop],
            leave=[self._step(step) for step in role.leave],
            heartbeats=[self._heartbeat(beat) for beat in role.heartbeats],
            answers=[self._answer(answer) for answer in role.answer],
            delivery=[
                DeliverySpec(texts.begin(), d.name, texts.matcher(d.of), [*parse_path(d.stamp)], d.unit)
                for d in role.delivery
            ],
            sequence=[
                SequenceSpec(texts.matcher(s.of), [*parse_path(s.number)], [*parse_path(s.per)] if s.per else [])
                for s in role.sequence
            ],
            streams=[
                StreamSpec(
                    s.name,
                    texts.matcher(s.of),
                    texts.matcher(s.ends),
                    None if s.begins is None else texts.matcher(s.begins),
                    [*parse_path(s.audio)] if s.audio else [],
                    s.rate,
                )
                for s in role.streams
            ],
            watchdogs=[self._watchdog(watchdog) for watchdog in role.watchdogs],
            errors=[
                ErrorSpec(texts.matcher(e.on), [[*parse_path(path)] for path in e.reason], e.closes)
                for e in role.errors
            ],
            closes_on_failure=role.on_failure == "close",
            protocol=self._target.protocol,
            options=self._target.options,
            connects=role.connect,
            script=role.script,
            steps=self._steps_of(role),
            variables=list(texts.variables),
        )

    def _steps_of(self, role: Role) -> list[str]:
        if not role.script:
            return []
        found = read_script(self._scripts[role.script], role.script).role(role.name)
        return list(found.steps) if found is not None else []

    def _answer(self, answer: Answer) -> AnswerSpec:
        texts = self._texts
        texts.begin()
        return AnswerSpec(texts.matcher(answer.on), texts.message(answer))

    def _step(self, step: Step) -> StepSpec:
        texts = self._texts
        number = texts.begin()
        return StepSpec(
            number=number,
            name=step.name,
            say=texts.message(step) if step.sources else None,
            expect=None if step.expect is None else texts.matcher(step.expect),
            refuse=None if step.refuse is None else texts.matcher(step.refuse),
            reason=[[*parse_path(path)] for path in step.reason],
            within_ns=texts.within(step.within),
            capture=[texts.capture(name, source) for name, source in step.capture.items()],
            http=None if step.http is None else self._requests.request(step.http, step.name, number),
            think=None if step.think is None else texts.delay(step.think),
            repeat=step.repeat or 0,
            meet=None
            if step.meet is None
            else MeetSpec(texts.text(step.meet.name), step.meet.clients, texts.within(step.meet.within)),
            close=step.close,
            steps=[self._step(inner) for inner in step.steps],
            choose=[ChoiceSpec(choice.weight, [self._step(i) for i in choice.steps]) for choice in step.choose],
        )

    def _heartbeat(self, beat: Heartbeat) -> HeartbeatSpec:
        texts = self._texts
        number, every = texts.begin(), texts.delay(beat.every)
        return HeartbeatSpec(
            number=number,
            name=beat.name,
            every=every,
            say=texts.message(beat),
            expect=None if beat.expect is None else texts.matcher(beat.expect),
            within_ns=texts.within(beat.within) if beat.within or every.variable >= 0 else every.mean or every.low,
        )

    def _watchdog(self, watchdog: Watchdog) -> WatchdogSpec:
        texts = self._texts
        on = None if watchdog.on is None else texts.matcher(watchdog.on)
        variable = texts.variables.index(watchdog.variable) if watchdog.variable else -1
        return WatchdogSpec(on, round((watchdog.within or 0) * NS), variable)
