"""GPIO: when the line is on, and that it is off at every end. The pins are those of gpiozero's mock factory."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gpiozero
import pytest
import yaml
from gpiozero.pins.mock import MockFactory

from edge.config.gpio_output import GpioSettings
from edge.errors import MaskdError
from edge.outputs import gpio_line
from edge.outputs.gpio import Gpio
from edge.outputs.momentary_output import MOST_AGE_S
from edge.system.deadline import Deadline
from tests.support.acting import Acting, config
from tests.support.actions import action
from tests.support.documents import blocks
from tests.support.transitions import drafts, passers_by, transition
from tests.support.waiting import wait_until

LONG_S = 60.0


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    factory = MockFactory()
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.setattr(gpiozero.Device, "pin_factory", factory)
    yield factory
    factory.reset()


def levels(board: MockFactory, pin: int = 17) -> list[bool]:
    """Every level that the line has had, without repetitions."""
    states = [state.state for state in board.pin(pin).states]
    return [state for index, state in enumerate(states) if index == 0 or state != states[index - 1]]


@contextmanager
def lamp(**settings: Any) -> Iterator[Gpio]:
    failures: list[BaseException] = []
    it = Gpio("outputs.gpio.lamp", GpioSettings(pin=17, **settings), on_failure=failures.append)
    it.start()
    try:
        wait_until(lambda: it._line is not None or it.status().problems, what="the line")
        yield it
    finally:
        it.stop(Deadline(5))
    assert failures == []


def test_a_pulse_begins_at_once_and_ends(board: MockFactory) -> None:
    with lamp(pulse_s=0.2) as it:
        assert levels(board) == [False]
        it.act(action(), 0.0)
        wait_until(lambda: levels(board) == [False, True, False], what="the pulse")
        it.act(action(2), 0.0)
        wait_until(lambda: levels(board) == [False, True, False, True, False], what="another pulse")


def test_a_relay_that_is_active_low_is_off_at_the_high_level(board: MockFactory) -> None:
    with lamp(active="low", pulse_s=0.05) as it:
        assert board.pin(17).state
        it.act(action(), 0.0)
        wait_until(lambda: levels(board)[-3:] == [True, False, True], what="the pulse")


def test_a_pulse_that_is_asked_for_while_it_is_on_is_prolonged_and_not_repeated(board: MockFactory) -> None:
    with lamp(pulse_s=0.4) as it:
        began = time.monotonic()
        it.act(action(1), 0.0)
        wait_until(lambda: board.pin(17).state, what="the pulse")
        time.sleep(0.2)  # half of it
        it.act(action(2), 0.0)
        wait_until(lambda: not board.pin(17).state, what="its end")
        assert time.monotonic() - began >= 0.6
        assert levels(board) == [False, True, False]


def test_what_is_late_or_of_before_a_restart_is_ignored(board: MockFactory) -> None:
    with lamp(pulse_s=0.1) as it:
        it.act(action(1), MOST_AGE_S + 0.1)
        it.act(action(2, recovered=True), 0.0)
        assert it.ignored == 2
        it.act(action(3), MOST_AGE_S)
        wait_until(lambda: levels(board) == [False, True, False], what="the one pulse")


def test_while_is_on_from_the_first_rule_to_the_last(board: MockFactory) -> None:
    with lamp(mode="while") as it:
        it.act(action(), 0.0)
        it.follow(frozenset({"remind"}))
        wait_until(lambda: board.pin(17).state, what="the light")
        it.follow(frozenset({"remind", "crowd"}))
        it.follow(frozenset({"crowd"}))
        it.follow(frozenset())
        wait_until(lambda: levels(board) == [False, True, False], what="the dark")


def test_while_ends_after_its_limit_until_the_occasion_comes_back(board: MockFactory) -> None:
    with lamp(mode="while", most_s=1) as it:
        it.follow(frozenset({"remind"}))
        wait_until(lambda: levels(board) == [False, True, False], what="the limit")
        it.follow(frozenset({"remind", "crowd"}))
        it.work(time.monotonic())
        assert not board.pin(17).state
        it.follow(frozenset())
        it.follow(frozenset({"remind"}))
        wait_until(lambda: levels(board)[3:4] == [True], what="the light")


def test_a_stop_switches_off_and_gives_the_line_back(board: MockFactory) -> None:
    with lamp(pulse_s=LONG_S) as it:
        it.act(action(), 0.0)
        wait_until(lambda: board.pin(17).state, what="the light")
    assert levels(board) == [False, True, False]
    assert board.pin(17).function == "input"


def test_a_thread_that_ended_by_an_error_leaves_nothing_on(board: MockFactory) -> None:
    failures: list[BaseException] = []
    it = Gpio("outputs.gpio.lamp", GpioSettings(pin=17, pulse_s=LONG_S), on_failure=failures.append)
    it.start()
    wait_until(lambda: it._line is not None, what="the line")
    it.act(action(), 0.0)
    wait_until(lambda: board.pin(17).state, what="the light")
    it._until = "soon"  # type: ignore[assignment]
    it._worker.wake()
    wait_until(lambda: failures, what="the error")
    it.stop(Deadline(5))
    assert not board.pin(17).state


def test_while_it_is_withheld_it_is_off_and_nothing_switches_it_on(board: MockFactory) -> None:
    with lamp(pulse_s=LONG_S) as it:
        it.act(action(), 0.0)
        wait_until(lambda: board.pin(17).state, what="the light")
        it.withhold(True)
        assert not board.pin(17).state
        it.act(action(2), 0.0)
        it.take(action(3))  # of a rules' thread that was just about to
        it.work(time.monotonic())
        assert not board.pin(17).state
        it.withhold(True)
        it.withhold(False)
        it.work(time.monotonic())
        assert levels(board) == [False, True, False]


def test_a_line_that_is_in_use_is_told_and_taken_once_it_is_free(board: MockFactory) -> None:
    other = gpiozero.OutputDevice(17)
    with lamp(pulse_s=LONG_S) as it:
        assert "GPIO17 is in use by another program or driver" in "; ".join(it.status().problems)
        it.act(action(), 0.0)
        other.close()
        wait_until(lambda: not it.status().problems, what="the line")
        assert not any(levels(board)), "a pulse whose moment is gone"
        it.act(action(2), 0.0)
        wait_until(lambda: board.pin(17).state, what="the pulse")


def test_a_line_that_fails_is_told_and_taken_again(board: MockFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    with lamp(pulse_s=0.1) as it:
        fails = threading.Event()
        fails.set()
        pin_set = type(board.pin(17))._set_state

        def set_state(pin: Any, state: bool) -> None:
            if fails.is_set() and state:
                raise OSError(5, "Input/output error")
            pin_set(pin, state)

        monkeypatch.setattr(type(board.pin(17)), "_set_state", set_state)
        it.act(action(), 0.0)
        wait_until(lambda: it.status().problems, what="the problem")
        assert "GPIO17 cannot be switched: [Errno 5] Input/output error" in it.status().problems[0]
        fails.clear()
        wait_until(lambda: not it.status().problems, what="the line")


def test_a_machine_without_gpio_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "native")
    expected = "this is not a Raspberry Pi|there is no GPIO chip"
    with lamp() as it:
        assert re.search(f"^outputs.gpio.lamp: ({expected}).*; use another kind of output$", it.status().problems[0])
        with pytest.raises(MaskdError, match=expected):
            it.try_out()


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "lgpio")
    monkeypatch.setitem(sys.modules, "lgpio", None)
    with pytest.raises(MaskdError, match=r"^lgpio is not installed; on a Raspberry Pi: sudo apt install python3-lgpio"):
        gpio_line.board_name()
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    with pytest.raises(MaskdError, match=r"^gpiozero is not installed; .*pip install 'maskd\[gpio\]'$"):
        gpio_line.board_name()


def test_a_trial_names_the_board_and_switches_nothing(board: MockFactory) -> None:
    it = Gpio("outputs.gpio.lamp", GpioSettings(pin=17), on_failure=lambda _error: None)
    assert it.try_out() == "Raspberry Pi 3B; GPIO17 was not switched"
    assert board.pins == {}


def test_the_documented_example_works(tmp_path: Path, board: MockFactory) -> None:
    documented = next(text for text in blocks("outputs.md", "yaml") if "gpio:" in text)
    it = Acting(config(tmp_path, "", **yaml.safe_load(documented)))
    it.start()
    try:
        wait_until(lambda: len(board.pins) == 2, what="both lines")
        now = time.monotonic()
        it.commit(drafts(transition(started_at=now, at=now)))
        wait_until(lambda: board.pin(17).state, what="the lamp")
        wait_until(lambda: not board.pin(27).state, what="the relay, which is active low")
        it.commit(drafts(transition("ended", started_at=now, at=now)))
        wait_until(lambda: not board.pin(17).state and board.pin(27).state, what="both off")
    finally:
        it.stop()


def test_from_an_event_on_the_disk_to_the_lamp(tmp_path: Path, board: MockFactory) -> None:
    """One output pulses at each person, and one is on while any of them is there."""
    outputs = {"gpio": {"bell": {"pin": 17, "pulse_s": 0.1}, "lamp": {"pin": 18, "mode": "while"}}}
    rules = {"remind": {"when": {"compliant": False}, "do": ["bell", "lamp"]}}
    settings = config(tmp_path, "", outputs=outputs, rules=rules)
    it = Acting(settings)
    it.start()
    try:
        wait_until(lambda: len(board.pins) == 2, what="both lines")
        now = time.monotonic()
        it.commit(drafts(transition(started_at=now, at=now)))
        wait_until(lambda: levels(board, 17) == [False, True, False] and board.pin(18).state, what="bell and lamp")
        it.apply(config(tmp_path, "", outputs={"gpio": {**outputs["gpio"], "bell": {"pin": 19}}}, rules=rules))
        assert board.pin(18).state
        it.apply(
            config(
                tmp_path, "", outputs={"gpio": {"bell": {"pin": 19}, "lamp": {"pin": 21, "mode": "while"}}}, rules=rules
            )
        )
        wait_until(lambda: board.pin(21).state, what="the lamp at its new pin, for who is there already")
        assert not board.pin(18).state
        moved = {"gpio": {"lamp": {"pin": 20, "mode": "while"}}}
        it.apply(config(tmp_path, "", outputs=moved, rules={"remind": {**rules["remind"], "do": ["lamp"]}}))
        wait_until(lambda: board.pin(20).state, what="the lamp at another pin, by a changed rule")
        assert not board.pin(21).state
        it.apply(config(tmp_path, "", outputs=moved, rules=rules | {"remind": {"do": ["lamp"]}}, privacy="aggregate"))
        assert not board.pin(20).state
    finally:
        it.stop()


def test_what_was_committed_before_a_crash_switches_nothing_on(tmp_path: Path, board: MockFactory) -> None:
    settings = config(tmp_path, "", outputs={"gpio": {"chat": {"pin": 17}}})
    before = Acting(settings)
    before.start()
    before.commit(passers_by(1))
    before.commit(passers_by(2, first=1), then_tell=False)
    before.stop()
    board.reset()
    after = Acting(settings)
    after.start()
    try:
        chat = after.outputs._outputs["chat"]
        assert isinstance(chat, Gpio)
        wait_until(lambda: chat.ignored == 2, what="the two that are recovered")
    finally:
        after.stop()
    assert not any(levels(board))


def test_a_visit_that_is_over_when_it_is_read_back_lights_no_lamp(
    tmp_path: Path, board: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {"gpio": {"chat": {"pin": 17, "mode": "while"}}}
    before = Acting(config(tmp_path, "", outputs=outputs))
    before.start()
    before.commit(passers_by(1))
    before.commit(drafts(transition("ended", track="t0")))
    before.commit(drafts(transition(track="t7"), transition("ended", track="t7")), then_tell=False)
    before.stop()
    told: list[object] = []
    after = Acting(config(tmp_path, "", outputs=outputs))
    monkeypatch.setattr(after.outputs, "tell_active", told.append)
    after.start()
    try:
        chat = after.outputs._outputs["chat"]
        assert isinstance(chat, Gpio)
        wait_until(lambda: chat.ignored == 1, what="the visit")
    finally:
        after.stop()
    assert told == []
