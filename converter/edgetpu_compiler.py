"""Runs Coral's edgetpu_compiler, and reads what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge.errors import MaskdError

COMPILER = "edgetpu_compiler"
TIMEOUT_S = 600
_ROW = re.compile(r"([A-Za-z0-9_]+)\s+(\d+)\s+(\S.*)")
_MAPPED = "Mapped to Edge TPU"
_NO_REASONS = re.compile(r"$|Edge TPU Compiler version|Started a compilation|Compilation child process|Usage")


@dataclass(frozen=True, slots=True)
class Compilation:
    content: bytes
    """The compiled .tflite."""
    version: str
    """Of the compiler."""
    operators: tuple[tuple[str, int, str], ...]
    """Name, count and status of the operators, a row for each status, in the compiler's own words."""

    @property
    def mapped(self) -> int:
        return sum(count for _, count, status in self.operators if status == _MAPPED)

    @property
    def on_cpu(self) -> int:
        return sum(count for _, count, status in self.operators if status != _MAPPED)


def find_compiler() -> str | None:
    return shutil.which(COMPILER)


def compile_for_edgetpu(content: bytes, name: str, compiler: str) -> Compilation:
    """Raises MaskdError where the compiler fails, or leaves everything to the CPU."""
    with tempfile.TemporaryDirectory(prefix="maskd-convert-") as place:
        folder = Path(place)
        model = folder / f"{name}.tflite"
        model.write_bytes(content)
        printed = _run([compiler, "-s", "-o", str(folder), str(model)])
        compiled, log = (folder / f"{name}_edgetpu{suffix}" for suffix in (".tflite", ".log"))
        if not compiled.is_file():
            raise MaskdError(f"{COMPILER} did not compile {name}: {_reason(printed)}")
        # The table is in the log; with -s it is also printed.
        said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else printed
        compilation = Compilation(compiled.read_bytes(), version_in(printed), tuple(operators_in(said)))
    if compilation.mapped == 0:
        reasons = (
            "; ".join(f"{name}: {status}" for name, _, status in compilation.operators[:3]) or "it gives no reason"
        )
        raise MaskdError(f"{COMPILER} maps no operator of {name} to the Edge TPU ({reasons}); run the model on the CPU")
    return compilation


def version_in(text: str) -> str:
    found = re.search(r"Edge TPU Compiler version (\S+)", text)
    return found[1] if found else "unknown"


def operators_in(text: str) -> list[tuple[str, int, str]]:
    """The rows of the table `Operator  Count  Status`."""
    lines = text.splitlines()
    header = next((n for n, line in enumerate(lines) if line.split() == ["Operator", "Count", "Status"]), len(lines))
    rows = [match for line in lines[header + 1 :] if (match := _ROW.fullmatch(line.strip()))]
    return [(row[1], int(row[2]), row[3].strip()) for row in rows]


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MaskdError(f"{COMPILER} timed out after {TIMEOUT_S} s; try again on an idle machine") from error
    except OSError as error:
        raise MaskdError(
            f"{command[0]} cannot be run ({error.strerror}); it is a program for x86-64, see docs/accelerators.md"
        ) from error
    return done.stdout


def _reason(printed: str) -> str:
    """The lines that tell something, in one."""
    told = [line.strip() for line in printed.splitlines() if not _NO_REASONS.match(line.strip())]
    return " ".join(told)[-400:] or "it prints nothing; run it by hand"
