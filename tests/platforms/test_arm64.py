"""The shipped models answer on aarch64 as they do on x86-64: `make arm64-test`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.platforms.answers import DETECTORS, MODELS, Answers, Pictures, ask, make_pictures, run_models
from tests.platforms.differences import Differences, Tensors, compare_detections, most_steps
from tests.platforms.foreign import PROCESSORS, Foreign, why_not
from tests.platforms.report import arm64_table, write_between_markers

# Emulation takes its time, and the first time a Debian has to be made.
pytestmark = pytest.mark.timeout(7200)

MOST_STEPS = 2
MOST_OF_A_FACE = 0.05
MOST_PROBABILITY = 0.05

Both = tuple[Answers, Answers, dict[str, dict[str, Tensors]]]
"""Of x86-64, of aarch64, and by processor what the models put out there."""


@pytest.fixture(scope="module")
def release() -> str:
    """The name of the Debian."""
    name = os.environ.get("MASKD_ARM64_TEST")
    if not name:
        pytest.skip("emulates another processor, for minutes; make arm64-test RELEASE=bookworm or trixie")
    for machine in ("aarch64", "x86_64"):
        if reason := why_not(machine):
            pytest.skip(reason)
    return name


@pytest.fixture(scope="module")
def pictures(release: str, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def both(release: str, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """What x86-64 and aarch64 answer. MASKD_REPORT names a file whose table is written anew."""
    with Foreign(release, "x86_64", tmp_path_factory.mktemp("x86_64")) as machine:
        x86 = ask(machine, pictures)
    first, *others = PROCESSORS
    with Foreign(release, "aarch64", tmp_path_factory.mktemp("aarch64"), first) as machine:
        assert machine.run("uname", "-m").strip() == "aarch64"
        arm = ask(machine, pictures)
        outputs = {first: arm.outputs}
        for machine.processor in others:
            outputs[machine.processor] = run_models(machine)
    if report := os.environ.get("MASKD_REPORT"):
        write_between_markers(Path(report), f"arm64 {release}", arm64_table(release, x86, arm, outputs))
    return x86, arm, outputs


def differences(both: Both, detector: str, group: str) -> Differences:
    x86, arm, _ = both
    return compare_detections(x86.detections[detector, group], arm.detections[detector, group])


def test_both_run_the_same_versions(both: Both) -> None:
    x86, arm, _ = both
    assert x86.versions == arm.versions


@pytest.mark.parametrize("detector", DETECTORS)
def test_check_finds_all_well(both: Both, detector: str) -> None:
    for answers in both[:2]:
        told = answers.checks[detector]
        assert told["ok"], [row for row in told["checks"] if row["result"] == "FAIL"]
        assert {"detector", "classifier", "camera door"} <= {
            row["what"] for row in told["checks"] if row["result"] == "ok"
        }


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_same_faces_and_statuses_on_the_projects_own_pictures(both: Both, detector: str) -> None:
    found = differences(both, detector, "clip")
    assert found.faces >= 12
    assert (found.only_one_saw, found.other_status) == (0, 0)
    assert found.edge_share <= MOST_OF_A_FACE
    assert found.probability <= MOST_PROBABILITY


@pytest.mark.parametrize("detector", DETECTORS)
def test_few_faces_of_labelled_photos_differ(both: Both, pictures: Pictures, detector: str) -> None:
    """A face whose score lies at the threshold may be seen on one side alone."""
    if len(pictures.groups) == 1:
        pytest.skip("no labelled photos; MASKD_DATA says where they are")
    for group in pictures.groups[1:]:
        found = differences(both, detector, group)
        assert found.only_one_saw + found.other_status <= 0.02 * found.faces


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("model", MODELS)
def test_the_models_outputs_are_within_two_steps(both: Both, model: str, processor: str) -> None:
    x86, _, outputs = both
    steps, share = most_steps(x86.outputs[model], outputs[processor][model])
    assert steps <= MOST_STEPS, f"{share:.2%} of the outputs differ"
