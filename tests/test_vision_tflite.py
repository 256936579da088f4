"""The runtime's wrapper: quantization, shapes kept, and what happens where no runtime works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edge.errors import MaskdError
from edge.vision.model import find_model
from edge.vision.tflite import Interpreter, InterpreterCache, TensorInfo, dequantize, load_interpreter, runtime_name

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
    np.testing.assert_allclose(together.dequantized().sum(axis=1), 1, atol=0.02)


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
    assert "maskd[tflite-runtime]" in result.stderr


@pytest.mark.skipif(int(np.__version__.partition(".")[0]) < 2, reason="tflite-runtime works with numpy 1")
def test_tflite_runtime_under_numpy_2_is_explained(tmp_path: Path) -> None:
    # What the real one does when it is imported under numpy 2.
    (tmp_path / "tflite_runtime").mkdir()
    (tmp_path / "tflite_runtime" / "__init__.py").touch()
    (tmp_path / "tflite_runtime" / "interpreter.py").write_text(
        "import os\nos.write(2, b'A module that was compiled using NumPy 1.x')\n"
        "raise ImportError('numpy.core.multiarray failed to import')\n"
    )
    path = f"{tmp_path}:{Path(__file__).parent.parent}"
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
