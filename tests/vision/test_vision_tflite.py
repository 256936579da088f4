"""The runtime's wrapper: quantization, shapes kept, and what happens where no runtime works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edge.config import Config, RuntimeSettings
from edge.errors import MaskdError
from edge.vision.build import build_vision
from edge.vision.delegate import Delegate, DelegateError
from edge.vision.model import (
    Compiled,
    Manifest,
    compiled_path,
    find_model,
    load_manifest,
    open_model,
    with_delegate,
    write_manifest,
)
from edge.vision.tflite import Interpreter, InterpreterCache, TensorInfo, dequantize, load_interpreter, runtime_name
from tests.support.delegates import fake_delegate
from tests.support.places import ROOT

CLASSIFIER, _ = find_model("mask-classifier")


def test_dequantize_below_the_zero_point_is_negative() -> None:
    values = np.array([0, 100, 255], np.uint8)
    np.testing.assert_allclose(dequantize(values, 0.5, 100), [-50, 0, 77.5])
    table = TensorInfo("t", (1,), "uint8", 0.5, 100).dequantization_table()
    assert table.shape == (256,)
    np.testing.assert_allclose(table[values], [-50, 0, 77.5])


def test_run_and_resize_the_shipped_classifier() -> None:
    interpreter = load_interpreter(CLASSIFIER, threads=1)
    size = interpreter.input.shape[1]
    faces = np.random.default_rng(1).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    one_by_one = [interpreter.run(face[None])[0].values[0] for face in faces]
    interpreter.resize((3, size, size, 3))
    (together,) = interpreter.run(faces)
    assert together.info.shape == (3, len(one_by_one[0]))
    # Kernels for other shapes may round the last bit differently.
    np.testing.assert_allclose(together.values.astype(int), np.array(one_by_one).astype(int), atol=2)
    probabilities = dequantize(together.values, together.info.scale, together.info.zero_point)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=0.02)


def test_cache_drops_the_least_recently_used_shape() -> None:
    loaded: list[FakeInterpreter] = []

    class FakeInterpreter:
        def __init__(self) -> None:
            loaded.append(self)

        def resize(self, shape: tuple[int, ...]) -> None:
            self.shape = shape

    cache = InterpreterCache(lambda: cast("Interpreter", FakeInterpreter()), capacity=2)
    first = cache.for_shape((1,))
    cache.for_shape((2,))
    assert cache.for_shape((1,)) is first
    cache.for_shape((3,))  # in place of (2,), which was used longest ago
    assert cache.for_shape((1,)) is first
    assert [i.shape for i in loaded] == [(1,), (2,), (3,)]
    cache.for_shape((2,))
    assert len(loaded) == 4


truncated_needs_litert = pytest.mark.skipif(
    runtime_name().startswith("tflite-runtime"),
    reason="tflite-runtime crashes on a truncated file, which the manifest's hash keeps from it",
)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", pytest.param(CLASSIFIER.read_bytes()[:50_000], marks=truncated_needs_litert)]
)
def test_content_that_is_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(MaskdError, match=r"broken\.tflite is not a TFLite model"):
        load_interpreter(path)


def test_unreadable_model(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match=r"cannot read the model .*gone\.tflite: No such file"):
        load_interpreter(tmp_path / "gone.tflite")


def test_the_runtime_has_a_name_and_a_version() -> None:
    assert runtime_name().partition(" ")[0] in ("ai-edge-litert", "tflite-runtime")
    assert runtime_name().partition(" ")[2]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


LOAD = (
    "from pathlib import Path; from edge.vision.tflite import load_interpreter; "
    f"load_interpreter(Path({str(CLASSIFIER)!r})"
)


def test_loading_is_silent_but_real_messages_pass() -> None:
    quiet = python(f"{LOAD}); import os; os.write(2, b'INFO: after')")
    assert (quiet.returncode, quiet.stderr) == (0, "INFO: after")


def test_loading_works_with_stderr_closed() -> None:
    assert python(f"import os; os.close(2); {LOAD})").returncode == 0


def test_no_runtime_installed() -> None:
    block = "import sys; sys.modules['ai_edge_litert'] = sys.modules['tflite_runtime'] = None; "
    result = python(f"{block}{LOAD})")
    assert "no TFLite runtime can be used: litert " in result.stderr
    assert "pip install ai-edge-litert" in result.stderr
    assert "pip install tflite-runtime" in result.stderr


@pytest.mark.skipif(int(np.__version__.partition(".")[0]) < 2, reason="tflite-runtime works with numpy 1")
def test_tflite_runtime_under_numpy_2_is_explained(tmp_path: Path) -> None:
    # What the real one does when it is imported under numpy 2.
    (tmp_path / "tflite_runtime").mkdir()
    (tmp_path / "tflite_runtime" / "__init__.py").touch()
    (tmp_path / "tflite_runtime" / "interpreter.py").write_text(
        "import os\nos.write(2, b'A module that was compiled using NumPy 1.x')\n"
        "raise ImportError('numpy.core.multiarray failed to import')\n"
    )
    path = f"{tmp_path}:{ROOT}"
    result = python(f"{LOAD}, backend='tflite-runtime')", PYTHONPATH=path)
    message = result.stderr.splitlines()[-1]
    assert "(runtime.backend is tflite-runtime): tflite-runtime was built for numpy 1" in message
    assert "pip install 'numpy<2'" in message
    assert "compiled using" not in result.stderr


def test_one_input_only() -> None:
    class TwoInputs:
        def allocate_tensors(self) -> None: ...

        def get_input_details(self) -> list[dict[str, Any]]:
            return [{}, {}]

        def get_output_details(self) -> list[dict[str, Any]]:
            return []

    with pytest.raises(MaskdError, match="the model has 2 inputs"):
        Interpreter(TwoInputs())


BLANK = np.zeros((1, 112, 112, 3), np.uint8)


def test_a_model_runs_with_a_delegate_and_answers_as_before(tmp_path: Path) -> None:
    delegate = Delegate(str(fake_delegate(tmp_path)), {"behaviour": "work"})
    expected = load_interpreter(CLASSIFIER).run(BLANK)[0].values
    np.testing.assert_array_equal(load_interpreter(CLASSIFIER, delegate=delegate).run(BLANK)[0].values, expected)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("refuse", r"libfake\.so does not start \(the chip is on strike\); see its documentation"),
        ("silent", r"libfake\.so does not start and gives no reason; see"),
        ("fail to prepare", r"libfake\.so cannot run the model \("),
    ],
)
def test_a_delegate_that_does_not_start(behaviour: str, message: str, tmp_path: Path) -> None:
    delegate = Delegate(str(fake_delegate(tmp_path)), {"behaviour": behaviour})
    with pytest.raises(DelegateError, match=message):
        load_interpreter(CLASSIFIER.read_bytes(), delegate=delegate)


@pytest.mark.parametrize(
    ("library", "message"),
    [
        (
            "libedgetpu.so.1",
            r"^the library libedgetpu\.so\.1 is not on this device; install it: sudo apt install libedg",
        ),
        ("/nowhere/libnpu.so", r"libnpu\.so is not on this device; correct runtime\.delegate$"),
        ("libc.so.6", r"libc\.so\.6 is not a TFLite delegate: it lacks tflite_plugin_create_delegate"),
        ("text.so", r"text\.so does not load \(.*\); install one built for this device's processor"),
    ],
)
def test_a_library_that_is_none(library: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if library == "libedgetpu.so.1" and shutil.which("ldconfig") and "libedgetpu" in python_output("ldconfig", "-p"):
        pytest.skip("this machine has one")
    if library == "text.so":
        library = str(tmp_path / library)
        Path(library).write_text("no library")
    with pytest.raises(DelegateError, match=message):
        load_interpreter(CLASSIFIER, delegate=Delegate(library))
    assert capfd.readouterr().err == ""


def python_output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_edge_tpu_is_plugged_in(tmp_path: Path) -> None:
    library = str(fake_delegate(tmp_path, "libedgetpu.so.1"))
    with pytest.raises(DelegateError, match=r"(there is no Edge TPU|the Edge TPU cannot be opened); "):
        load_interpreter(CLASSIFIER, delegate=Delegate(library, {"behaviour": "silent"}))


def test_a_delegate_that_fails_at_a_picture() -> None:
    class Failing:
        def __init__(self) -> None:
            self._model = load_interpreter(CLASSIFIER)._runtime

        def invoke(self) -> None:
            raise RuntimeError("Node number 0 (EdgeTpuDelegateForCustomOp)\nfailed to invoke.")

        def __getattr__(self, name: str) -> Any:
            return getattr(self._model, name)

    with pytest.raises(DelegateError, match=r"the Edge TPU failed on a picture \(Node number 0 .* failed to invoke"):
        Interpreter(Failing(), Delegate("libedgetpu.so.1")).run(BLANK)
    with pytest.raises(RuntimeError, match="Node number 0"):
        Interpreter(Failing()).run(BLANK)


def compiled_beside(name: str, folder: Path, **changes: Any) -> Path:
    """A shipped model in a folder, with a stand-in for what a compiler would make of it."""
    shipped, manifest = find_model(name)
    for file in (shipped, shipped.with_suffix(".json")):
        shutil.copy(file, folder)
    path = folder / shipped.name
    compiled = Compiled(
        accelerator="edgetpu",
        compiler="16.0",
        source_sha256=manifest.sha256,
        operators_mapped=10,
        operators_on_cpu=0,
    )
    shutil.copy(shipped, compiled_path(path))
    described: Manifest = manifest.model_copy(
        update={
            "file": compiled_path(path).name,
            "input": manifest.input.model_copy(update={"resizable": False}),
            "compiled": compiled.model_copy(update=changes),
        }
    )
    write_manifest(compiled_path(path).with_suffix(".json"), described)
    return path


def test_the_edge_tpu_runs_what_was_compiled_for_it(tmp_path: Path) -> None:
    model = open_model(compiled_beside("face-detector", tmp_path), "face_detection")
    accelerated = with_delegate(model, Delegate("libedgetpu.so.1"))
    assert accelerated.path.name == "face-detector_edgetpu.tflite"
    assert accelerated.manifest.identity == model.manifest.identity
    assert not accelerated.manifest.input.resizable
    assert load_manifest(accelerated.path.with_suffix(".json")) == accelerated.manifest


def test_another_delegate_runs_the_model_itself_at_one_shape(tmp_path: Path) -> None:
    model = open_model("face-detector", "face_detection")
    assert model.manifest.input.resizable
    accelerated = with_delegate(model, Delegate("/usr/lib/libnpu.so"))
    assert accelerated.path == model.path
    assert not accelerated.manifest.input.resizable


def test_what_was_compiled_is_no_model_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    compiled_beside("face-detector", tmp_path / "models")
    monkeypatch.setattr("edge.__file__", str(tmp_path / "edge" / "__init__.py"))
    with pytest.raises(MaskdError, match=r"no shipped model 'face-detector_edgetpu'; shipped: face-detector;"):
        find_model("face-detector_edgetpu")


def test_nothing_was_compiled(tmp_path: Path) -> None:
    model = open_model("face-detector", "face_detection")
    with pytest.raises(DelegateError, match=r"there is no face-detector_edgetpu\.tflite \(compiled .* maskd-convert"):
        with_delegate(model, Delegate("libedgetpu.so.1"))


def test_what_was_compiled_from_another_model_is_not_used(tmp_path: Path) -> None:
    path = compiled_beside("face-detector", tmp_path, source_sha256="0" * 64)
    with pytest.raises(DelegateError, match=r"was not compiled from the current face-detector\.tflite; compile it"):
        with_delegate(open_model(path, "face_detection"), Delegate("libedgetpu.so.1"))


def test_what_was_compiled_and_then_damaged_is_not_used(tmp_path: Path) -> None:
    path = compiled_beside("face-detector", tmp_path)
    compiled_path(path).write_bytes(b"damaged")
    with pytest.raises(DelegateError, match=r"face-detector_edgetpu\.tflite is refused: the sha256"):
        with_delegate(open_model(path, "face_detection"), Delegate("libedgetpu.so.1"))


def config_with(folder: Path, delegate: Path | str, **options: str) -> Config:
    paths = {name: str(compiled_beside(name, folder)) for name in ("face-detector", "mask-classifier")}
    return Config.model_validate(
        {
            "detector": {"model": paths["face-detector"]},
            "classifier": {"model": paths["mask-classifier"]},
            "runtime": {"delegate": str(delegate), "delegate_options": options, "threads": 1},
        }
    )


def test_vision_on_the_edge_tpu_and_back_on_the_cpu(tmp_path: Path) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (300, 700, 3), dtype=np.uint8)
    library = fake_delegate(tmp_path, "libedgetpu.so.1")
    problems: list[str] = []
    vision = build_vision(config_with(tmp_path, library), problems.append)
    assert problems == []
    # At its one shape, whatever the picture's is; the CPU's model takes the shape that shows it largest.
    assert vision.detector.prepare(picture).image.shape == (256, 320, 3)  # type: ignore[attr-defined]
    vision.detector.detect(picture, 0.5)
    vision = build_vision(config_with(tmp_path, library, behaviour="silent"), problems.append)
    assert [problem.partition(" because")[0] for problem in problems] == [
        "face-detector runs on the CPU",
        "mask-classifier runs on the CPU",
    ]
    assert vision.detector.prepare(picture).image.shape != (256, 320, 3)  # type: ignore[attr-defined]


def test_a_compiled_model_that_is_none_leaves_the_cpu_at_work(tmp_path: Path) -> None:
    config = config_with(tmp_path, fake_delegate(tmp_path, "libedgetpu.so.1"))
    manifest = compiled_path(Path(config.detector.model)).with_suffix(".json")
    described = load_manifest(manifest)
    smaller = described.input.model_copy(update={"height": 224})
    write_manifest(manifest, described.model_copy(update={"input": smaller}))
    problems: list[str] = []
    build_vision(config, problems.append)
    assert len(problems) == 1
    assert "face-detector runs on the CPU because the model" in problems[0]
    assert "is refused: its input has the shape (1, 256, 320, 3), but its manifest says (1, 224, 320, 3)" in problems[0]


def test_a_delegate_is_edgetpu_or_a_library() -> None:
    with pytest.raises(ValueError, match="edgtpu is neither edgetpu nor a library"):
        RuntimeSettings(delegate="edgtpu")
    with pytest.raises(ValueError, match="there is no delegate for them"):
        RuntimeSettings(delegate_options={"device": "usb:0"})
    settings = RuntimeSettings.model_validate({"delegate": "edgetpu", "delegate_options": {"a": 1, "b": True}})
    assert settings.delegate_options == {"a": "1", "b": "true"}
