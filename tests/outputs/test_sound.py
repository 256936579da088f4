"""Sound: what is played and spoken, when it is not, and what keeps it from being heard."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml

from edge.config.sound_output import SoundSettings
from edge.errors import MaskdError
from edge.outputs.momentary_output import MOST_AGE_S
from edge.outputs.pcm import LONGEST_S, decode
from edge.outputs.sound import Sound, _speaking
from edge.system.deadline import Deadline
from tests.support.acting import Acting, config
from tests.support.actions import action
from tests.support.documents import blocks
from tests.support.sound_programs import RATE, SoundPrograms, tone, wav
from tests.support.transitions import drafts, transition
from tests.support.waiting import wait_until


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoundPrograms:
    return SoundPrograms(tmp_path, monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chime.wav"
    path.write_bytes(wav(tone(0.1)))
    return path


@contextmanager
def sounding(**settings: Any) -> Iterator[Sound]:
    """Once it has been tried with silence."""
    failures: list[BaseException] = []
    it = Sound("outputs.sound.please", SoundSettings(**settings), on_failure=failures.append)
    it.start()
    try:
        wait_until(lambda: it._try_at is None or it.status().problems, what="the trial")
        yield it
    finally:
        it.stop(Deadline(5))
    assert failures == []


def problem(it: Sound) -> str:
    return "; ".join(it.status().problems)


# --- what is heard ---


def test_a_file_is_played_as_it_is(programs: SoundPrograms, file: Path) -> None:
    with sounding(file=file, device="plughw:CARD=Device,DEV=0") as it:
        it.act(action(), 0.0)
        wait_until(lambda: programs.heard, what="the sound")
    (heard,) = programs.heard
    assert heard.samples == tone(0.1).tobytes()
    assert heard.arguments == [
        "--quiet",
        "--file-type=raw",
        "--format=S16_LE",
        "--channels=1",
        "--rate=8000",
        "--device=plughw:CARD=Device,DEV=0",
    ]


def test_volume_scales_the_samples(programs: SoundPrograms, file: Path) -> None:
    with sounding(file=file, volume=50) as it:
        it.act(action(), 0.0)
        wait_until(lambda: programs.heard, what="the sound")
    samples = np.frombuffer(programs.heard[0].samples, "<i2")
    assert np.abs(samples - tone(0.1)[:, 0] / 2).max() <= 1
    assert not any(argument.startswith("--device") for argument in programs.heard[0].arguments)


def test_a_sentence_is_spoken_with_what_is_known(programs: SoundPrograms) -> None:
    with sounding(say="Please, you at {camera}: {status}!", language="en-gb") as it:
        it.act(action(), 0.0)
        wait_until(lambda: programs.heard, what="the voice")
    sentence = "Please, you at door: without_mask!"
    assert programs.spoken[-1] == repr((["--stdin", "--stdout", "-v", "en-gb"], sentence)) + "\n"
    assert programs.heard[0].samples == tone(0.05).tobytes()


def test_nothing_in_a_sentence_is_an_option_or_a_command(programs: SoundPrograms, tmp_path: Path) -> None:
    """Nothing in a sentence that is spoken is an option or a command of another program."""
    say = "--path=/etc {status} `touch " + str(tmp_path / "pwned") + "`; $(id)"
    with sounding(say=say) as it:
        it.act(action(status="-f /etc/passwd\n\x1b]0;x"), 0.0)
        wait_until(lambda: programs.heard, what="the voice")
    assert "['--stdin', '--stdout', '-v', 'en']" in programs.spoken[-1]
    assert "-f /etc/passwd  ]0;x" in programs.spoken[-1]
    assert not (tmp_path / "pwned").exists()


def ogg(samples: np.ndarray) -> bytes:
    """In Opus, which decoders give at 48 kHz."""
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = RATE
    made = io.BytesIO()
    with av.open(made, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout=layout)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made.getvalue()


@pytest.mark.parametrize("channels", [1, 2])
def test_an_ogg_is_decoded(channels: int) -> None:
    sound = decode(io.BytesIO(ogg(tone(1.0, channels))))
    assert (sound.rate, sound.channels) == (48_000, channels)
    assert sound.seconds == pytest.approx(1.0, abs=0.05)
    heard = np.frombuffer(sound.samples, "<i2").reshape(-1, channels)[:, 0].astype(float)
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.fft.rfftfreq(len(heard), 1 / sound.rate)[spectrum.argmax()] == pytest.approx(440, abs=2)
    assert np.abs(heard).max() > 25_000


def test_a_wav_is_decoded_exactly_and_no_longer_than_the_limit() -> None:
    assert decode(io.BytesIO(wav(tone(0.3, channels=2)))).samples == tone(0.3, channels=2).tobytes()
    assert decode(io.BytesIO(wav(tone(LONGEST_S + 5)))).seconds == LONGEST_S


# --- when nothing is heard ---


def test_never_two_at_once_over_all_outputs(programs: SoundPrograms, file: Path) -> None:
    with sounding(file=file) as first, sounding(say="Please.") as second:
        programs.hold(True)
        first.act(action(1), 0.0)
        wait_until(lambda: programs.heard, what="the first")
        first.act(action(2), 0.0)
        second.act(action(3), 0.0)
        wait_until(lambda: second.dropped == 1, what="the second, which is dropped")
        programs.hold(False)
        wait_until(lambda: first._next is None, what="the end of the first")
        second.act(action(4), 0.0)
        wait_until(lambda: len(programs.heard) == 2, what="the next")
    assert [one.samples for one in programs.heard] == [tone(0.1).tobytes(), tone(0.05).tobytes()]


def test_what_is_late_or_of_before_a_restart_is_not_heard(programs: SoundPrograms, file: Path) -> None:
    with sounding(file=file) as it:
        it.act(action(1), MOST_AGE_S + 0.1)
        it.act(action(2, recovered=True), 0.0)
        assert it.ignored == 2
        it.act(action(3), 0.0)
        wait_until(lambda: programs.heard, what="the one")
    assert len(programs.heard) == 1


def test_what_has_waited_for_the_device_is_not_heard(programs: SoundPrograms, file: Path) -> None:
    it = Sound("outputs.sound.please", SoundSettings(file=file), on_failure=lambda _error: None)
    it.take(action(1))
    it.work(time.monotonic() + MOST_AGE_S + 1)
    assert programs.played == []
    it.take(action(2))
    it.work(time.monotonic())
    assert len(programs.heard) == 1


def test_in_quiet_hours_nothing_is_heard(programs: SoundPrograms, file: Path) -> None:
    now = datetime.now().astimezone()
    quiet = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    other = f"{now + timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    with sounding(file=file, quiet=quiet) as it:
        it.act(action(), 0.0)
        assert it._next is None
    with sounding(file=file, quiet=other) as it:
        it.act(action(), 0.0)
        wait_until(lambda: programs.heard, what="the sound")


def test_a_stop_ends_the_sound(programs: SoundPrograms, file: Path) -> None:
    programs.hold(True)
    with sounding(file=file) as it:
        it.act(action(), 0.0)
        wait_until(lambda: programs.heard, what="the sound")
        process = it._player._process
        assert process is not None
        it.stop(Deadline(1))
        assert process.poll() is not None
        assert not it._worker.is_alive


def test_while_it_is_withheld_nothing_is_heard(programs: SoundPrograms, file: Path) -> None:
    programs.hold(True)
    with sounding(file=file) as it:
        it.act(action(), 0.0)
        wait_until(lambda: programs.heard, what="the sound")
        it.withhold(True)
        wait_until(lambda: it._player._process is None, what="its end")
        it.act(action(2), 0.0)
        it._player.play(decode(io.BytesIO(wav(tone(0.1)))))
        programs.hold(False)
        it.withhold(False)
        it.act(action(3), 0.0)
        wait_until(lambda: len(programs.heard) == 2, what="another")
        assert problem(it) == ""


# --- what keeps it from being heard ---


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ALSA lib x\naplay: main:831: audio open error: Device or resource busy", "is in use by another program"),
        ("aplay: main:831: audio open error: No such file or directory", "is not there, or maskd may not use it"),
        (
            "aplay: main:831: audio open error: Permission denied",
            "; allow the service sound as docs/outputs.md describes",
        ),
        (
            "aplay: set_params:1416: Sample format non available",
            "cannot play: set_params:1416: Sample format non avail",
        ),
        ("", "cannot play: no message; try `aplay` by hand"),
    ],
)
def test_a_device_that_fails_is_one_sentence(programs: SoundPrograms, file: Path, words: str, expected: str) -> None:
    programs.fail(words)
    it = Sound("outputs.sound.please", SoundSettings(file=file, device="hw:7"), on_failure=lambda _error: None)
    with pytest.raises(MaskdError, match="the sound device hw:7") as caught:
        it.try_out()
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_told_at_the_start_and_tried_again(programs: SoundPrograms, file: Path) -> None:
    programs.fail("aplay: main:831: audio open error: No such file or directory")
    with sounding(file=file) as it:
        assert problem(it).startswith("outputs.sound.please: the default sound device is not there")
        programs.fail(None)
        wait_until(lambda: not problem(it), what="another trial")


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("aplay", "aplay is not installed; sudo apt install alsa-utils"),
        ("espeak-ng", "espeak-ng is not installed; sudo apt install espeak-ng"),
    ],
)
def test_a_missing_program_is_told_at_the_start(programs: SoundPrograms, missing: str, expected: str) -> None:
    programs.remove(missing)
    with sounding(say="Please.") as it:
        assert problem(it) == f"outputs.sound.please: {expected}"
        it.act(action(), 0.0)
        wait_until(lambda: it._next is None, what="the attempt")


def test_a_language_that_is_not_there_is_told(programs: SoundPrograms) -> None:
    with sounding(say="Please.", language="xx") as it:
        assert 'espeak-ng does not speak "xx"; set language' in problem(it)


def test_a_file_that_is_no_sound_is_told(programs: SoundPrograms, tmp_path: Path) -> None:
    text, still = tmp_path / "text.wav", tmp_path / "still.wav"
    text.write_text("not a sound")
    still.write_bytes(wav(tone(0)))
    for path, expected in (
        (tmp_path / "none.wav", f"there is no file {tmp_path}/none.wav; put the sound there, or correct outputs.sound"),
        (tmp_path, "is a folder"),
        (text, "is not a sound that can be played"),
        (still, "there is no sound in it"),
    ):
        with sounding(file=path) as it:
            assert expected in problem(it)
            assert "\n" not in problem(it)


def test_a_program_that_hangs_is_ended(programs: SoundPrograms, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.outputs.player._SLACK_S", 0.5)
    with sounding(file=file) as it:
        programs.hold(True)
        it.act(action(), 0.0)
        wait_until(lambda: "aplay did not end in time" in problem(it), what="the problem")
        programs.hold(False)
        wait_until(lambda: not problem(it), what="another trial")


def test_a_trial_plays_silence_alone(programs: SoundPrograms, file: Path) -> None:
    it = Sound("outputs.sound.please", SoundSettings(file=file), on_failure=lambda _error: None)
    assert it.try_out() == "0.1 s of sound; the default device was tried with silence"
    (silence,) = programs.played
    assert silence.is_silence
    assert len(silence.samples) > 0
    programs.fail("aplay: main:831: audio open error: No such file or directory")
    with pytest.raises(MaskdError, match="the default sound device is not there"):
        it.try_out()


# --- with the rest ---


def test_the_documented_example_works(tmp_path: Path, programs: SoundPrograms) -> None:
    documented = yaml.safe_load(next(text for text in blocks("outputs.md", "yaml") if "sound:" in text))
    assert documented["outputs"]["sound"]["please"].pop("quiet")  # so that it works at night, too
    it = Acting(config(tmp_path / "state", "", **documented))
    it.start()
    try:
        wait_until(lambda: programs.played and not _speaking.locked(), what="the end of the trial")
        now = time.monotonic()
        it.commit(drafts(transition(started_at=now, at=now)))
        wait_until(lambda: programs.heard, what="the sentence")
    finally:
        it.stop()
    assert "Please put on your mask." in programs.spoken[-1]


def test_a_sound_keeps_no_other_output_waiting(tmp_path: Path, programs: SoundPrograms, file: Path) -> None:
    outputs = {"sound": {"long": {"file": str(file)}}}
    it = Acting(config(tmp_path / "state", "", outputs=outputs, rules={"remind": {"do": ["long"]}}))
    programs.hold(True)
    it.start()
    try:
        wait_until(lambda: programs.played, what="the trial")
        now = time.monotonic()
        for number in range(3):
            it.commit(drafts(transition(track=f"t{number}", started_at=now, at=now)))
        wait_until(lambda: programs.heard and not it.rules._events, what="the rules, which do not wait")
        assert {thread.name for thread in threading.enumerate()} >= {"rules", "output-long"}
    finally:
        it.stop()
    assert len(programs.heard) == 1
