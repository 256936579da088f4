"""The Tune view's half on the device: what can be tuned, what a change would do, and keeping it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edge.config import Config
from edge.config.settable import Settable
from edge.config.tunable import tunables, zones_of
from edge.config.yaml_edit import Value
from edge.control.audit import By
from edge.control.changes import Changes
from edge.control.settings_history import SettingsHistory
from edge.control.tuning import save_tuned
from edge.errors import MaskdError
from edge.payloads.payload import timestamp
from edge.people.observations import KEPT_S, ObservationLog
from edge.people.transition import Transition
from edge.people.visit_changes import VisitChange
from edge.people.watched_camera import camera_rules
from edge.vision.thresholds import Recommendations
from edge.web.clips import Clips
from edge.web.proposal import LONGEST_BYTES, Proposal, parse_proposal
from edge.web.replays import BusyError, Outcome, Replays, SupersededError
from edge.web.responses import json_response, refusal
from edge.web.scene_message import people_fields
from edge.web.settings_api import by_whom, described
from edge.web.trials import Trial, Trials

BODY_S = 10.0
AGGREGATE = "privacy is aggregate, so nothing is shown of single people"

Effective = Callable[[Config, str | None, str], bool | float | str]


class TuneApi:
    def __init__(
        self,
        changes: Changes,
        effective: Effective,
        recommended: Recommendations,
        observations: ObservationLog,
        trials: Trials,
        history: SettingsHistory,
        on_change: Callable[[], None],
    ) -> None:
        """`effective(config, camera, setting)`: the value in effect."""
        self._changes = changes
        self._effective = effective
        self._recommended = recommended
        self._observations = observations
        self._trials = trials
        self._history = history
        self._on_change = on_change
        self._replays = Replays(observations)
        self._clips = Clips(changes.config.storage.path, observations.labels)

    def stop(self) -> None:
        self._replays.stop()
        self._clips.stop()

    def tick(self, now: float) -> None:
        self._replays.tick(now)

    def forget(self) -> None:
        """From any thread: nothing that was observed is kept here."""
        self._trials.clear()
        self._replays.forget()
        self._clips.stop()

    async def state(self, _request: Request) -> Response:
        """What can be tuned, and where each value is kept."""
        return json_response(await run_in_threadpool(self._state))

    async def try_out(self, request: Request) -> Response:
        """From now on, this tab's picture and its replays show what the proposal would do. Nothing is changed. Tells
        what it would do on the newest picture, for which the browser need not wait."""
        try:
            proposal = parse_proposal(await _body(request))
            told = await run_in_threadpool(self._try, proposal)
        except MaskdError as error:
            return refusal(422, str(error))
        except (ClientDisconnect, asyncio.TimeoutError):
            return refusal(408, "the proposal did not arrive; try again")
        if self._is_private():  # switched meanwhile
            return refusal(403, AGGREGATE)
        return json_response(told)

    async def replay(self, request: Request) -> Response:
        """`?tab=` and `seconds=`, or `clip=`: who would have been announced, and how. `seconds=first`: of as many
        seconds as take a moment. `lost`: the tab has to propose again, since maskd was restarted; `superseded`: a newer
        proposal has taken its place."""
        if self._is_private():
            return refusal(403, AGGREGATE)
        query = request.query_params
        trial = self._trials.get(query.get("tab", ""))
        if trial is None:
            return json_response({"lost": True})
        try:
            config = self._changes.config
            clip = await self._clips.recorded(query["clip"], config) if "clip" in query else None
            outcome = await self._replays.run(trial, _seconds(query.get("seconds", "600")), clip, config.rules)
        except MaskdError as error:
            return refusal(422, str(error))
        except SupersededError:
            return json_response({"superseded": True})
        except BusyError:
            return refusal(503, "others are replaying; try again in a moment")
        if self._is_private():  # switched meanwhile
            return refusal(403, AGGREGATE)
        return json_response(_told(outcome))

    async def clips(self, _request: Request) -> Response:
        if self._is_private():
            return refusal(403, AGGREGATE)
        return json_response(await run_in_threadpool(self._clips.listed))

    async def save(self, request: Request) -> Response:
        """Keeps a proposal that was made of the newest settings; else says what has changed since, and by whom."""
        by = by_whom(request)
        try:
            proposal = parse_proposal(await _body(request))
            return await run_in_threadpool(self._save, proposal, by)
        except MaskdError as error:
            return refusal(422, str(error))
        except (ClientDisconnect, asyncio.TimeoutError):
            return refusal(408, "the proposal did not arrive; try again")

    async def revert(self, request: Request) -> Response:
        """What holds for this run alone is given up."""
        by = by_whom(request)

        def end() -> None:
            with self._changes.lock:
                self._history.revision()
                self._changes.end_this_run(by)
                self._history.revision(f"the page, {by.who}")
            self._on_change()

        try:
            await run_in_threadpool(end)
        except MaskdError as error:
            return refusal(422, str(error))
        return json_response(await run_in_threadpool(self._state))

    def _is_private(self) -> bool:
        return self._changes.config.privacy == "aggregate"

    def _try(self, proposal: Proposal) -> Mapping[str, Any]:
        """Raises MaskdError."""
        config = self._changes.config
        if config.privacy == "aggregate":
            raise MaskdError(AGGREGATE)
        wanted = proposal.over(config)
        self._changes.check(wanted)
        today = camera_rules(config, proposal.camera, self._recommended)
        changed = camera_rules(wanted, proposal.camera, self._recommended)
        seen = self._trials.put(proposal.tab, Trial(proposal.camera, today, changed))
        if seen is None:
            return {"time": None, "people": []}
        look, people = seen
        at = look.at + time.time() - time.monotonic()
        return {"time": timestamp(at), "people": people_fields(people, *look.frame_size)}

    def _save(self, proposal: Proposal, by: By) -> Response:
        """Raises MaskdError."""
        with self._changes.lock:
            newest = self._history.revision()
            if proposal.revision != newest:
                changed = [] if proposal.revision is None else self._history.since(proposal.revision)
                answer = {
                    "error": "someone else has changed the settings since you began",
                    "revision": newest,
                    "changes": [asdict(each) for each in changed],
                }
                return json_response(answer, 409)
            proposal.over(self._changes.config)
            where = save_tuned(
                self._changes, proposal.values, proposal.zones, proposal.renamed or {}, proposal.keep, by
            )
            self._history.revision(f"the page, {by.who}")
        self._on_change()
        return json_response({**self._state(), "kept": where})

    def _state(self) -> Mapping[str, Any]:
        changes, config = self._changes, self._changes.config
        run = changes.for_this_run
        return {
            "revision": self._history.revision(),
            "file": None if changes.path is None else str(changes.path),
            "labels": list(self._observations.labels),
            "settings": [self._described(each, config) for each in tunables(config)],
            "zones": {camera: zones_of(config, camera) for camera in config.cameras},
            "zones_for_this_run": sorted(run.zones),
            "keeps_s": KEPT_S,
        }

    def _described(self, each: Settable, config: Config) -> dict[str, Any]:
        return {
            **described(each),
            "section": each.declared.over,
            "about": each.declared.about,
            "value": self._effective(config, each.camera, each.setting),
            "own": each.value_in(config),
            "shared": self._shared(each, config),
            "kept": self._where(each, each.value_in(config)),
        }

    def _shared(self, each: Settable, config: Config) -> Value:
        """What holds where the camera has no value of its own."""
        assert each.camera is not None
        without = each.changed(config, None)
        return self._effective(without, each.camera, each.setting)

    def _where(self, each: Settable, own: Value) -> str:
        if each in self._changes.for_this_run.values:
            return "this run only"
        if self._changes.is_overridden(each):
            return "overrides.json"
        return "config.yaml" if own is not None else f"as {each.declared.over} says"


def _seconds(text: str) -> float | None:
    """None: the first ones. Raises MaskdError."""
    if text == "first":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= KEPT_S:
        raise MaskdError(f"seconds must be a number from 1 to {KEPT_S:.0f}")
    return seconds


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "people": [_person(change, outcome.wall_offset) for change in outcome.changes],
        "begins": round(outcome.begins_at + (outcome.wall_offset or 0.0), 2),
        "span_s": round(outcome.span_s, 1),
        "pictures": outcome.pictures,
        "judged": outcome.judged,
        "approximate": outcome.approximate,
        "rules": [asdict(each) for each in outcome.acted],
    }


def _person(change: VisitChange, wall_offset: float | None) -> dict[str, Any]:
    return {
        "verdict": change.verdict,
        "began": round(change.began_at + (wall_offset or 0.0), 2),
        "is_position": wall_offset is None,
        "before": _events(change.before, change.began_at),
        "after": _events(change.after, change.began_at),
    }


def _events(transitions: Sequence[Transition], began_at: float) -> list[dict[str, Any]]:
    return [
        {
            "type": each.type,
            "status": each.status,
            "compliant": each.compliant,
            "zones": list(each.zones),
            "after_s": round(each.at - began_at, 2),
        }
        for each in transitions
    ]


async def _body(request: Request) -> bytes:
    """One byte more than what is read at most, which refuses it."""

    async def read() -> bytes:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_BYTES:
                return body[: LONGEST_BYTES + 1]
        return body

    return await asyncio.wait_for(read(), BODY_S)
