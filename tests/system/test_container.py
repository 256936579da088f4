"""The image, built and run: `make container-test`."""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mosquitto import HOST, Mosquitto, Subscriber, free_port
from tests.support.waiting import wait_until
from tests.system import images
from tests.system.containers import Container, podman_that_runs

pytestmark = [pytest.mark.timeout(1800), pytest.mark.xdist_group("container")]

IMAGE = "localhost/maskd-test"
MOST_MB = 350
SETTING = "maskd/lobby/door/min_votes"


@pytest.fixture(scope="module")
def podman() -> list[str]:
    """How podman is called here, with the image built."""
    if not os.environ.get("MASKD_CONTAINER_TEST"):
        pytest.skip("builds and runs the container's image, for minutes; make container-test")
    if reason := images.why_not():
        pytest.skip(reason)
    images.build(IMAGE)
    command, said = podman_that_runs(IMAGE)
    if command is None:
        pytest.skip(f"no container can be run here: {said}")
    return command


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def page_port() -> int:
    return free_port()


@pytest.fixture
def container(podman: list[str], broker: Mosquitto, page_port: int, tmp_path: Path) -> Iterator[Container]:
    name = f"maskd-test-{uuid.uuid4().hex[:8]}"
    config = tmp_path / "config.yaml"
    settings = {
        "device": "lobby",
        "cameras": {"door": {"source": "demo"}},
        "mqtt": {"host": HOST, "port": broker.port, "commands": True},
        "web": {"host": HOST, "port": page_port, "tls": {}},
    }
    config.write_text(json.dumps(settings))
    config.chmod(0o644)
    container = Container(podman, f"{IMAGE}", name, config, f"{name}-state")
    yield container
    container.remove()
    container.remove_volume(f"{name}-state")


def is_healthy(container: Container) -> bool:
    return container.run("maskd", "check", "--health").returncode == 0


def events(subscriber: Subscriber, count: int) -> list[dict[str, Any]]:
    return [json.loads(each.payload) for each in subscriber.wait_for(count, "/event")]


def last(subscriber: Subscriber, topic: str) -> Any:
    return json.loads([each.payload for each in subscriber.messages if each.topic == topic][-1])


def test_it_is_small_and_has_no_compiler(podman: list[str]) -> None:
    assert images.size_mb(IMAGE) <= MOST_MB
    which = "import shutil; print([name for name in ('cc', 'gcc', 'ld', 'pip', 'apt-get') if shutil.which(name)])"
    found = images.run(
        *podman, "run", "--rm", *("--network", "none", "--no-healthcheck"), "--ulimit", "nofile=1024:1024",
        "--ulimit", "nproc=4096:4096", "--entrypoint", "/opt/maskd/bin/python", IMAGE, "-c", which,
    )  # fmt: skip
    assert found.strip() == "[]"


def test_the_image_says_who_runs_it_where_its_state_is_and_how_it_is_asked(podman: list[str]) -> None:
    (told,) = json.loads(images.run("podman", "image", "inspect", IMAGE))
    assert told["User"] == "8470:8470"
    assert "/var/lib/maskd" in told["Config"]["Volumes"]
    assert told["Config"]["StopSignal"] == "SIGTERM"
    assert told["Healthcheck"]["Test"] == ["CMD", "maskd", "check", "--health"]


def test_its_state_outlives_the_container(container: Container, broker: Mosquitto) -> None:
    with Subscriber(broker.port, "maskd/lobby/#") as subscriber:
        container.start()
        first = events(subscriber, 5)
        assert is_healthy(container), container.logs()
        images.run("mosquitto_pub", "-h", HOST, "-p", str(broker.port), "-t", f"{SETTING}/set", "-m", "7", "-q", "1")
        wait_until(lambda: last(subscriber, f"{SETTING}/state")["value"] == 7, what="the setting in effect")
        assert container.stop() == 0, container.logs()
        assert "stopping on SIGTERM" in container.logs()
        container.remove()

        before = len([each for each in subscriber.messages if each.topic.endswith("/event")])
        container.start()
        numbers = [event["seq"] for event in events(subscriber, before + 5)]
        assert numbers == list(range(1, len(numbers) + 1)), "a number is missing, or comes twice"
        assert len({event["epoch"] for event in events(subscriber, before + 5)}) == 1
        assert first[0]["seq"] == 1
        wait_until(lambda: is_healthy(container), what="a healthy container")
        assert "min_votes: 7" in container.run("maskd", "config", "show").stdout
        assert container.stop() == 0


def test_it_may_neither_become_root_nor_change_its_files(container: Container) -> None:
    container.start()
    wait_until(lambda: is_healthy(container), what="a healthy container")
    assert container.run("id", "-u").stdout.strip() == "8470"
    status = container.run("cat", "/proc/1/status").stdout
    assert "Uid:\t8470\t8470\t8470\t8470" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    for path in ("/etc/maskd/config.yaml", "/opt/maskd/new", "/new"):
        assert container.run("sh", "-c", f": >> {path}").returncode != 0
        refused = container.run_as_root("sh", "-c", f": >> {path}")
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stderr
    assert container.run("touch", "/var/lib/maskd/new").returncode == 0


def test_a_password_set_inside_opens_the_page_by_tls_and_outlives_the_container(
    container: Container, page_port: int
) -> None:
    def page_answers() -> bool:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(f"https://{HOST}:{page_port}/healthz", timeout=30, context=context) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    container.start()
    wait_until(lambda: is_healthy(container), what="a healthy container")
    assert not page_answers(), "a page without a password"
    assert container.run("sh", "-c", "echo correct-horse | maskd password").returncode == 0
    wait_until(page_answers, what="the page")
    assert container.stop() == 0
    container.remove()
    container.start()
    wait_until(page_answers, what="the page of the next container")


def test_its_health_is_red_while_it_hangs_and_once_it_has_stopped(container: Container) -> None:
    container.start()
    wait_until(lambda: is_healthy(container), what="a healthy container")
    assert container.run("maskd", "check", "--health").stdout == "maskd works\n"
    container.signal("STOP")
    hung = container.run("maskd", "check", "--health")
    assert hung.returncode == 1
    assert "does not answer" in hung.stdout
    container.signal("CONT")
    wait_until(lambda: is_healthy(container), what="a healthy container again")
    assert container.stop() == 0
    stopped = container.once("check", "--health")
    assert stopped.returncode == 1
    assert "no maskd is running" in stopped.stdout


def test_it_leaves_no_zombies(container: Container) -> None:
    container.start()
    wait_until(lambda: is_healthy(container), what="a healthy container")
    for _ in range(3):
        is_healthy(container)
    states = container.run("sh", "-c", "cat /proc/[0-9]*/stat").stdout.splitlines()
    assert states
    assert not [line for line in states if line.rpartition(")")[2].split()[0] == "Z"]
