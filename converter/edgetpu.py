"""`maskd-convert --edgetpu`: what the Edge TPU can run of a model, and the model compiled for it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from converter.edgetpu_compiler import Compilation, compile_for_edgetpu, find_compiler
from converter.edgetpu_graph import with_plain_upsampling
from converter.edgetpu_rules import Verdict, judge, table
from converter.install import install
from converter.tflite_graph import Graph, Tensor, read_graph
from edge.errors import MaskdError, UsageError
from edge.vision.model import Compiled, Manifest, Model, compiled_path, find_model, open_model

NO_COMPILER_STATUS = 3
"""The rules were checked, and nothing was compiled."""
_CUSTOM_OPERATOR = "edgetpu-custom-op"
"""What the compiler leaves in place of everything that it has mapped."""


def run_edgetpu(name_or_path: str, out: Path | None = None) -> int:
    """Prints what maps, compiles, and returns the exit status. `out`: the folder; None: that of the model.

    Raises MaskdError, with nothing installed, for a model that cannot be read or compiled.
    """
    model = _open(name_or_path)
    _report(model.manifest.identity, judge(read_graph(model.content)))
    content, rewritten = with_plain_upsampling(model.content)
    verdicts = judge(read_graph(content))
    if rewritten:
        print(
            f"\n{rewritten} x CONCATENATION and DEPTH_TO_SPACE become RESIZE_NEAREST_NEIGHBOR, with identical outputs\n"
        )
        _report(model.manifest.identity, verdicts)
    compiler = find_compiler()
    if compiler is None:
        _say(
            "only the rules were checked and nothing was compiled, because edgetpu_compiler is not installed; "
            "install the Debian package edgetpu-compiler (x86-64) from Coral's package source (docs/accelerators.md)"
        )
        return NO_COMPILER_STATUS
    compilation = compile_for_edgetpu(content, model.path.stem, compiler)
    print(f"\nedgetpu_compiler {compilation.version}: {compilation.mapped} on the Edge TPU, {compilation.on_cpu} not\n")
    print(_aligned([(name, str(count), status) for name, count, status in compilation.operators]), flush=True)
    _verify(model.path, read_graph(model.content), read_graph(compilation.content))
    manifest = compiled_manifest(model, compilation)
    path = install(compilation.content, manifest, out or model.path.parent)
    _say(f"installed {path} and {path.with_suffix('.json').name}; copy both next to {model.path.name} on the device")
    return 0


def compiled_manifest(model: Model, compilation: Compilation) -> Manifest:
    """That of the model but for what the compiler changed: one input shape, and no measured figures."""
    source = model.manifest
    return source.model_copy(
        update={
            "file": compiled_path(model.path).name,
            "sha256": hashlib.sha256(compilation.content).hexdigest(),
            "input": source.input.model_copy(update={"resizable": False}),
            "compiled": Compiled(
                accelerator="edgetpu",
                compiler=compilation.version,
                source_sha256=source.sha256,
                operators_mapped=compilation.mapped,
                operators_on_cpu=compilation.on_cpu,
            ),
            "metrics": [],
        }
    )


def _open(name_or_path: str) -> Model:
    path, manifest = find_model(name_or_path)
    if manifest.compiled is not None:
        raise UsageError(f"{path} is already compiled; give the CPU's model")
    return open_model(path, manifest.task)


def _verify(path: Path, source: Graph, compiled: Graph) -> None:
    """Raises MaskdError where what was compiled cannot take the model's place."""
    if not any(operator.name == _CUSTOM_OPERATOR for operator in compiled.operators):
        raise MaskdError(f"edgetpu_compiler's output for {path.name} has no {_CUSTOM_OPERATOR}; nothing was installed")
    for ends, before, after in (
        ("inputs", source.inputs, compiled.inputs),
        ("outputs", source.outputs, compiled.outputs),
    ):
        if sorted(map(_form, before)) != sorted(map(_form, after)):
            raise MaskdError(
                f"edgetpu_compiler's output for {path.name} has different {ends} from the model; nothing was installed"
            )


def _form(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, round(tensor.scale, 9), tensor.zero_point


def _report(identity: str, verdicts: list[Verdict]) -> None:
    print(_aligned(table(verdicts)))
    mapped = sum(verdict.reason is None for verdict in verdicts)
    print(f"{identity}: by the published rules, {mapped} of {len(verdicts)} operators can run on the Edge TPU")
    first = next((verdict for verdict in verdicts if verdict.reason is not None), None)
    if first is not None:
        print(f"the first that cannot is {first.operator.name}, operator {first.operator.number}: {first.reason}")


def _aligned(rows: list[tuple[str, str, str]]) -> str:
    width = max((len(name) for name, _, _ in rows), default=8)
    return "\n".join(f"{name:<{width}} {count:>5}  {status}" for name, count, status in [_HEADER, *rows])


_HEADER = ("operator", "count", "status")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
