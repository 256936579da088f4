"""`maskd-convert --edgetpu`: the published rules on the shipped models, and a stand-in for Coral's compiler that writes
what the real one writes."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.cli import main
from converter.edgetpu_compiler import operators_in, version_in
from converter.edgetpu_graph import _require_same_answers, with_plain_upsampling
from converter.edgetpu_rules import judge, problem_of, table
from converter.tflite_graph import Graph, Operator, Tensor, pack, parse, read_graph, schema
from edge.config import Config
from edge.errors import MaskdError
from edge.vision.build import build_vision
from edge.vision.delegate import Delegate
from edge.vision.model import find_model, open_model, with_delegate
from edge.vision.tflite import load_interpreter
from tests.support.delegates import fake_delegate
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW

pytestmark = NEEDS_TENSORFLOW

BANNER = "Edge TPU Compiler version 16.0.384591198\nStarted a compilation timeout timer of 180 seconds.\n"
TABLE = """
Operator                       Count      Status

CONV_2D                        49         Mapped to Edge TPU
QUANTIZE                       1          Operation is otherwise supported, but not mapped
QUANTIZE                       6          Mapped to Edge TPU
"""
NOTHING_MAPPED = """
Operator                       Count      Status

CONV_2D                        49         Operation is working on an unsupported data type
"""


def content_of(name: str) -> bytes:
    return find_model(name)[0].read_bytes()


def tensor(*shape: int, dtype: str = "INT8", number: int = 0, fixed: bool = True, values: Any = None) -> Tensor:
    stored = None if values is None else np.frombuffer(np.asarray(values, np.int32).tobytes(), np.uint8)
    return Tensor(number, shape, fixed, dtype, 0.5, 0, stored)


def constant(*shape: int, dtype: str = "INT8") -> Tensor:
    return tensor(*shape, dtype=dtype, values=[0])


IMAGE = tensor(1, 8, 8, 16)
ROW = tensor(1, 16)


def operator(name: str, *inputs: Tensor, version: int = 1, output: Tensor = IMAGE, **options: Any) -> Operator:
    return Operator(0, name, version, inputs, (output,), options)


WEIGHTS = (constant(16, 3, 3, 16), constant(16, dtype="INT32"))


@pytest.mark.parametrize(
    "allowed",
    [
        operator("ADD", IMAGE, IMAGE),
        operator(
            "CONV_2D", IMAGE, *WEIGHTS, version=3, dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=3
        ),
        operator("MAX_POOL_2D", IMAGE, fusedActivationFunction=0),
        operator("MEAN", IMAGE, tensor(2, dtype="INT32", values=[1, 2]), output=ROW),
        operator("FULLY_CONNECTED", ROW, constant(3, 16), output=tensor(1, 3), weightsFormat=0),
        operator("SOFTMAX", ROW, output=ROW),
        operator("CONCATENATION", IMAGE, IMAGE, IMAGE, fusedActivationFunction=0),
        operator("QUANTIZE", tensor(1, 8, 8, 3, dtype="UINT8")),
        operator("PAD", IMAGE, tensor(4, 2, dtype="INT32", values=[0, 0, 1, 1, 1, 1, 0, 0])),
        operator("RESIZE_NEAREST_NEIGHBOR", IMAGE, tensor(2, dtype="INT32", values=[16, 16]), version=2),
    ],
    ids=lambda operator: operator.name,
)
def test_what_the_rules_allow(allowed: Operator) -> None:
    assert problem_of(allowed) is None


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (operator("DEPTH_TO_SPACE", IMAGE), "not among the supported operators"),
        (operator("ADD", tensor(1, 8, 8, 16, dtype="FLOAT32"), IMAGE), "a tensor of FLOAT32"),
        (operator("ADD", IMAGE, IMAGE, output=tensor(1, 8, 8, 16, fixed=False)), "without a fixed shape"),
        (operator("ADD", tensor(2, 8, 8, 16), IMAGE), "a tensor of 2x8x8x16, longer than 1 beyond the three"),
        (operator("CONV_2D", IMAGE, *WEIGHTS, version=6), "version 6, but compiler 16.0 supports at most 5"),
        (operator("CONV_2D", IMAGE, *WEIGHTS, dilationWFactor=2, dilationHFactor=1), "different dilations"),
        (operator("CONV_2D", IMAGE, tensor(16, 8, 8, 16)), "longer than 1 beyond"),
        (operator("DEPTHWISE_CONV_2D", IMAGE, tensor(1, 3, 3, 16)), "weights that are not constant"),
        (operator("MAX_POOL_2D", IMAGE, fusedActivationFunction=1), "a fused activation function"),
        (operator("MEAN", IMAGE, tensor(1, dtype="INT32", values=[0]), output=ROW), "along the batch"),
        (
            operator("MEAN", tensor(1, 8, 8, 6), tensor(1, dtype="INT32", values=[-1])),
            "a mean over a depth that is not a multiple of 4",
        ),
        (operator("FULLY_CONNECTED", ROW, constant(3, 16), weightsFormat=1), "weights in a format other than"),
        (operator("FULLY_CONNECTED", ROW, constant(3, 16), output=tensor(1, 4, 3)), "more than one dimension"),
        (operator("SOFTMAX", tensor(1, 16_001)), "more than 16000 elements"),
        (operator("CONCATENATION", IMAGE, IMAGE, constant(1, 8, 8, 16)), "constants among its inputs"),
        (operator("PAD", IMAGE, tensor(4, 2, dtype="INT32", values=[1, 0, 0, 0, 0, 0, 0, 0])), "pads the batch"),
        (operator("RESIZE_NEAREST_NEIGHBOR", IMAGE, version=3), "version 3"),
        (
            operator(
                "STRIDED_SLICE",
                IMAGE,
                *[tensor(4, dtype="INT32", values=[1, 2, 1, 1])] * 3,
                ellipsisMask=0,
                newAxisMask=0,
            ),
            "strides other than 1",
        ),
    ],
)
def test_what_the_rules_refuse(refused: Operator, reason: str) -> None:
    assert reason in (problem_of(refused) or "nothing")


def test_the_partition_ends_where_the_first_other_operator_is_met() -> None:
    a, b, c, d, e = (tensor(1, 8, 8, 16, number=number) for number in range(5))
    chain = [
        Operator(0, "RELU", 1, (a,), (b,), {}),
        Operator(1, "CUMSUM", 1, (b,), (c,), {}),
        Operator(2, "RELU", 1, (c,), (d,), {}),
        Operator(3, "TANH", 1, (b,), (e,), {}),
        Operator(4, "ADD", 1, (d, e), (a,), {}),
    ]
    verdicts = judge(Graph((a,), (d, e), tuple(chain)))
    assert [verdict.reason for verdict in verdicts] == [
        None,
        "not among the supported operators",
        "follows CUMSUM number 1",
        None,
        "follows CUMSUM number 1",
    ]
    assert ("RELU", "1", "maps") in table(verdicts)


def test_the_shipped_classifier_maps_as_a_whole() -> None:
    verdicts = judge(read_graph(content_of("mask-classifier")))
    assert len(verdicts) == 69
    assert all(verdict.reason is None for verdict in verdicts)
    assert with_plain_upsampling(content_of("mask-classifier"))[1] == 0


@pytest.mark.parametrize(
    ("name", "mapped", "first_other", "rewritten_operators"),
    [("face-detector", 62, 51, 83), ("face-detector-far", 62, 51, 83)],
)
def test_the_shipped_detectors_map_as_a_whole_once_they_are_rewritten(
    name: str, mapped: int, first_other: int, rewritten_operators: int
) -> None:
    before = judge(read_graph(content_of(name)))
    reasons = Counter(verdict.reason for verdict in before)
    assert reasons == {
        None: mapped,
        "not among the supported operators": 2,
        f"follows DEPTH_TO_SPACE number {first_other}": 21,
    }
    content, rewritten = with_plain_upsampling(content_of(name))
    assert rewritten == 2
    after = judge(read_graph(content))
    assert len(after) == rewritten_operators
    assert all(verdict.reason is None for verdict in after)
    old, new = load_interpreter(content_of(name)), load_interpreter(content)
    picture = np.random.default_rng(7).integers(0, 256, old.input.shape, dtype=np.uint8)
    for expected, actual in zip(old.run(picture), new.run(picture), strict=True):
        np.testing.assert_array_equal(actual.values, expected.values)


def test_a_rewritten_model_that_answers_otherwise_is_refused() -> None:
    content = content_of("mask-classifier")
    model = parse(content)
    weights = max(model.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    weights.data = np.asarray(weights.data)[::-1].copy()
    with pytest.raises(MaskdError, match="outputs change when it is rewritten"):
        _require_same_answers(content, pack(model))


@pytest.mark.parametrize("content", [b"", b"not a model", content_of("mask-classifier")[:400]])
def test_a_file_that_is_no_model(content: bytes) -> None:
    with pytest.raises(MaskdError, match="is not a TFLite model"):
        read_graph(content)


def test_what_the_compiler_prints_is_understood() -> None:
    assert version_in(BANNER) == "16.0.384591198"
    assert operators_in(BANNER + TABLE) == [
        ("CONV_2D", 49, "Mapped to Edge TPU"),
        ("QUANTIZE", 1, "Operation is otherwise supported, but not mapped"),
        ("QUANTIZE", 6, "Mapped to Edge TPU"),
    ]
    assert operators_in(BANNER + "Number of Edge TPU subgraphs: 1\n") == []


def as_if_compiled(content: bytes) -> bytes:
    """The graph with one custom operator in place of all, as the real compiler leaves it."""
    kinds, model = schema(), parse(content)
    graph = model.subgraphs[0]
    code = kinds.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = kinds.BuiltinOperator.CUSTOM, kinds.BuiltinOperator.CUSTOM
    code.customCode, code.version = b"edgetpu-custom-op", 1
    custom = kinds.OperatorT()
    custom.opcodeIndex, custom.inputs, custom.outputs = 0, list(graph.inputs), list(graph.outputs)
    model.operatorCodes, graph.operators = [code], [custom]
    return pack(model)


class FakeCompiler:
    """`edgetpu_compiler` on PATH: prints, and writes the files, that it is told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "bin"
        self._folder.mkdir()
        self._program = self._folder / "edgetpu_compiler"
        monkeypatch.setenv("PATH", f"{self._folder}{os.pathsep}{os.environ['PATH']}")

    def behaves(self, printed: str, *, output: bytes | None = None, log: str = "", status: int = 0) -> None:
        (self._folder / "printed").write_text(BANNER + printed)
        (self._folder / "log").write_text(f"{BANNER}{log}")
        (self._folder / "arguments").unlink(missing_ok=True)
        copied = ""
        if output is not None:
            (self._folder / "output").write_bytes(output)
            copied = 'cp "$here/output" "$base.tflite"; cp "$here/log" "$base.log"'
        self._program.write_text(
            '#!/bin/sh\nhere=$(dirname "$0")\necho "$@" >"$here/arguments"\ncp "$4" "$here/input"\n'
            f'base="$3/$(basename "$4" .tflite)_edgetpu"\ncat "$here/printed"\n{copied}\nexit {status}\n'
        )
        self._program.chmod(self._program.stat().st_mode | stat.S_IXUSR)

    def is_for_another_machine(self) -> None:
        self._program.write_bytes(b"\x7fELF but of no machine")
        self._program.chmod(0o755)

    @property
    def input(self) -> bytes:
        return (self._folder / "input").read_bytes()

    @property
    def arguments(self) -> str:
        return (self._folder / "arguments").read_text()


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCompiler:
    return FakeCompiler(tmp_path, monkeypatch)


def copied(name: str, folder: Path) -> Path:
    path, _ = find_model(name)
    for file in (path, path.with_suffix(".json")):
        shutil.copy(file, folder)
    return folder / path.name


def test_without_a_compiler_the_rules_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = copied("face-detector", tmp_path)
    assert main(["--edgetpu", str(path)]) == 3
    said = capsys.readouterr()
    assert "by the published rules, 62 of 85 operators can run" in said.out
    assert "the first that cannot is DEPTH_TO_SPACE, operator 51: not among the supported operators" in said.out
    assert "2 x CONCATENATION and DEPTH_TO_SPACE become RESIZE_NEAREST_NEIGHBOR" in said.out
    assert "by the published rules, 83 of 83 operators can run" in said.out
    assert "edgetpu_compiler is not installed; install the Debian package edgetpu-compiler (x86-64)" in said.err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["face-detector.json", "face-detector.tflite"]


def test_a_model_is_compiled_and_used(
    tmp_path: Path, compiler: FakeCompiler, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied("face-detector", tmp_path)
    rewritten, _ = with_plain_upsampling(path.read_bytes())
    compiler.behaves("Model compiled successfully in 1524 ms.\n", output=as_if_compiled(rewritten), log=TABLE)
    assert main(["--edgetpu", str(path)]) == 0
    assert compiler.input == rewritten
    assert compiler.arguments.startswith("-s -o ")
    assert "edgetpu_compiler 16.0.384591198: 55 on the Edge TPU, 1 not" in capsys.readouterr().out

    manifest = json.loads((tmp_path / "face-detector_edgetpu.json").read_text())
    source = open_model(path, "face_detection")
    assert manifest["compiled"] == {
        "accelerator": "edgetpu",
        "compiler": "16.0.384591198",
        "source_sha256": source.manifest.sha256,
        "operators_mapped": 55,
        "operators_on_cpu": 1,
    }
    assert manifest["metrics"] == []
    accelerated = with_delegate(source, Delegate("libedgetpu.so.1"))
    assert not accelerated.manifest.input.resizable

    # The stand-in for libedgetpu leaves the custom operator alone, which nothing else can run: back to the CPU.
    config = Config.model_validate(
        {
            "detector": {"model": str(path)},
            "runtime": {"delegate": str(fake_delegate(tmp_path, "libedgetpu.so.1"))},
        }
    )
    problems: list[str] = []
    build_vision(config, problems.append).detector.detect(np.zeros((64, 64, 3), np.uint8), 0.5)
    assert "face-detector runs on the CPU because the Edge TPU cannot run" in problems[0]
    assert "edgetpu-custom-op" in problems[0]


@pytest.mark.parametrize(
    ("printed", "status", "message"),
    [
        (
            "\nInternal compiler error. Aborting! \n",
            1,
            "did not compile mask-classifier: Internal compiler error. Aborting!",
        ),
        (
            "ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. An older version of this builtin might be "
            "supported.\n\nERROR: Registration failed.\n\nInvalid model: m.tflite\nModel could not be parsed\n",
            1,
            "ERROR: Registration failed. Invalid model: m.tflite Model could not be parsed",
        ),
        (
            "Compilation child process completed within timeout period.\nCompilation failed! \n",
            0,
            "Compilation failed!",
        ),
        ("", 139, "it prints nothing; run it by hand"),
    ],
)
def test_a_compiler_that_fails(
    printed: str,
    status: int,
    message: str,
    tmp_path: Path,
    compiler: FakeCompiler,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = copied("mask-classifier", tmp_path)
    compiler.behaves(printed, status=status)
    assert main(["--edgetpu", str(path)]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "mask-classifier_edgetpu.tflite").exists()


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["--edgetpu", str(path)]) == 1
    assert not path.with_name(f"{path.stem}_edgetpu.tflite").exists()
    return capsys.readouterr().err


def test_a_compiler_that_maps_nothing(
    tmp_path: Path, compiler: FakeCompiler, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied("mask-classifier", tmp_path)
    compiler.behaves("Model compiled successfully in 9 ms.\n", output=path.read_bytes(), log=NOTHING_MAPPED)
    said = refused(path, capsys)
    assert "maps no operator of mask-classifier to the Edge TPU (CONV_2D: Operation is working on an unsupp" in said


def test_what_was_compiled_must_be_the_same_model(
    tmp_path: Path, compiler: FakeCompiler, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied("mask-classifier", tmp_path)
    compiler.behaves("Model compiled successfully.\n", output=path.read_bytes(), log=TABLE)
    assert "has no edgetpu-custom-op; nothing was installed" in refused(path, capsys)
    compiler.behaves("Model compiled successfully.\n", output=as_if_compiled(content_of("face-detector")), log=TABLE)
    assert "has different inputs from the model; nothing was installed" in refused(path, capsys)
    compiler.behaves("Model compiled successfully.\n", output=b"cut short", log=TABLE)
    assert "is not a TFLite model" in refused(path, capsys)


def test_a_compiler_for_another_machine(
    tmp_path: Path, compiler: FakeCompiler, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.is_for_another_machine()
    assert "cannot be run (Exec format error); it is a program for x86-64" in refused(
        copied("mask-classifier", tmp_path), capsys
    )


def test_photos_are_needed_for_a_model_that_is_not_converted_yet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["model.keras"])
    assert "the following arguments are required: --data" in capsys.readouterr().err
    assert main(["--edgetpu", "face-dtector"]) == 1
    assert "no shipped model 'face-dtector'" in capsys.readouterr().err
