"""Whether Python, numpy, OpenCV, PyAV and the model runtime fit together."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge.checks.row import Row, judged
from edge.checks.sources import Needs, needs_of
from edge.config import Config
from edge.errors import MaskdError

# OpenCV, PyAV and numpy are imported where they are tried: that they import at all is to be found out.

_TESTED = {
    "Python": ((3, 10), (3, 14)),
    "numpy": ((1, 24), (3, 0)),
    "OpenCV": ((4, 9), (6, 0)),
    "PyAV": ((17, 0), (20, 0)),
}
"""From the first of the two versions up to, and without, the second."""
_APT_PACKAGES = Path("/usr/lib/python3/dist-packages")


@dataclass(frozen=True, slots=True)
class Installed:
    """The installed versions, as their packages report them, None where there is none."""

    python: str
    numpy: str
    opencv: str
    pyav: str
    litert: str | None = None
    tflite_runtime: str | None = None
    picamera2_is_from_apt: bool = False


def software_rows(config: Config | None) -> Iterator[Row]:
    """`config` None: it could not be read. Raises MaskdError where OpenCV, PyAV or numpy cannot be used at all."""
    installed = _try_imports()
    versions = {
        "Python": installed.python,
        "numpy": installed.numpy,
        "OpenCV": installed.opencv,
        "PyAV": installed.pyav,
    }
    strange = untested(versions)
    yield judged(
        "software",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        failures=misfits(installed, config or Config()),
        warnings=[strange] if strange else [],
        figures=versions,
    )
    if config is not None:
        import cv2

        yield opencv_row(cv2.getBuildInformation(), needs_of(config))


def misfits(installed: Installed, config: Config) -> list[str]:
    """A sentence about each pair that cannot work together, as far as the configuration asks for it."""
    if _numbers(installed.numpy) < (2,):
        return []
    problems = []
    is_alone = installed.litert is None or config.runtime.backend == "tflite-runtime"
    if installed.tflite_runtime is not None and is_alone:
        problems.append(
            f"tflite-runtime {installed.tflite_runtime} was built for numpy 1 and cannot work with numpy "
            f"{installed.numpy}; pip install 'numpy<2' 'opencv-python-headless<4.12', or pip install ai-edge-litert"
        )
    # Debian 13 and later build picamera2's parts for numpy 2; those of Debian 12 come with Python 3.11.
    is_used = any(camera.source.may_use_picamera2 for camera in config.cameras.values())
    if installed.picamera2_is_from_apt and _numbers(installed.python) < (3, 12) and is_used:
        problems.append(
            f"the system's picamera2 was built for numpy 1 and cannot work with numpy {installed.numpy}; "
            "pip install 'numpy<2' 'opencv-python-headless<4.12' in maskd's virtual environment"
        )
    return problems


def untested(versions: Mapping[str, str]) -> str | None:
    """A sentence about the versions, by name, that maskd is not made for; None where there are none."""
    strange = []
    for name, version in versions.items():
        first, behind = _TESTED[name]
        if not first <= _numbers(version)[:2] < behind:
            strange.append(f"{name} {version} (made for {_dotted(first)} or newer, but older than {_dotted(behind)})")
    return f"it may not work with {', '.join(strange)}; install such a version" if strange else None


def opencv_row(build_information: str, needs: Needs) -> Row:
    """`build_information`: what cv2.getBuildInformation() says; `needs`: cameras by what they need of it."""
    has = {name: _is_built_with(name, build_information) for name in ("FFMPEG", "GStreamer", "v4l/v4l2")}
    failures = []
    if needs.gstreamer and not has["GStreamer"]:
        failures.append(
            f"camera {', '.join(needs.gstreamer)} needs an OpenCV with GStreamer, which pip's lacks; use the "
            "system's: sudo systemd/install.sh --system-opencv"
        )
    if needs.devices and not has["v4l/v4l2"]:
        failures.append(
            f"camera {', '.join(needs.devices)} needs an OpenCV with V4L2; "
            "pip install --force-reinstall opencv-python-headless"
        )
    names = {"FFMPEG": "FFmpeg", "GStreamer": "GStreamer", "v4l/v4l2": "V4L2"}
    detail = ", ".join(f"{names[name]} {'yes' if there else 'no'}" for name, there in has.items())
    return judged("opencv", detail, failures=failures, figures={names[name]: there for name, there in has.items()})


def runtime_row(config: Config) -> Row:
    """Raises MaskdError where no runtime can be used."""
    from edge.vision.cores import workers
    from edge.vision.tflite import runtime_name

    name = runtime_name(config.runtime.backend)
    detail = f"{name}, {workers(config)} vision thread(s) with {config.runtime.threads} thread(s) per model"
    return judged("runtime", detail, figures={"runtime": name})


def _try_imports() -> Installed:
    import numpy as np

    try:
        # A module that was built for another numpy prints a traceback of its own; the error says enough.
        with contextlib.redirect_stderr(io.StringIO()):
            import cv2
        cv2.cvtColor(np.zeros((2, 2, 3), np.uint8), cv2.COLOR_BGR2RGB)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise MaskdError(
            f"OpenCV does not work with numpy {np.__version__} ({reason}); pip install opencv-python-headless, "
            "or 'numpy<2' where the system's OpenCV was built for numpy 1"
        ) from error
    try:
        import av
    except Exception as error:
        reason = " ".join(str(error).split())
        raise MaskdError(f"PyAV, which reads streams and videos, does not work ({reason}); pip install av") from error
    return Installed(
        python=sys.version.split()[0],
        numpy=np.__version__,
        opencv=cv2.__version__,
        pyav=av.__version__,
        litert=version_of("ai-edge-litert"),
        tflite_runtime=version_of("tflite-runtime"),
        picamera2_is_from_apt=_is_from_apt("picamera2"),
    )


def version_of(distribution: str) -> str | None:
    """None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _is_from_apt(module: str) -> bool:
    found = importlib.util.find_spec(module)
    return found is not None and found.origin is not None and _APT_PACKAGES in Path(found.origin).parents


def _is_built_with(name: str, build_information: str) -> bool:
    return re.search(rf"^\s*{re.escape(name)}:\s*YES\b", build_information, re.MULTILINE) is not None


def _numbers(version: str) -> tuple[int, ...]:
    """Of `4.10.0-dev` or `2.0.0rc1`: the numbers before anything else."""
    return tuple(int(number) for number in re.match(r"\d+(?:\.\d+)*", version + ".0")[0].split("."))  # type: ignore[index]


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
