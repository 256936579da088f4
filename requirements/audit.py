"""Asks what is known against the locked packages: `make audit`.

pip-audit asks PyPI, and where that tells nothing OSV. Exit status: 0 nothing is known against any package, 1 something
is, 2 nobody could be asked about some of them, which is no all-clear.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUILD = Path(__file__).with_name("build.txt")
SERVICES = ("pypi", "osv")


@dataclass(slots=True)
class Findings:
    """What one service told of all locks together; packages as `name version`."""

    audited: set[str] = field(default_factory=set)
    flaws: dict[str, str] = field(default_factory=dict)
    """Package -> names of its flaws and the versions without them."""
    silent: list[str] = field(default_factory=list)
    """Why nothing was learned, once for each package or lock without an answer."""

    def add(self, dependencies: Iterable[dict[str, Any]]) -> None:
        """`dependencies`: of pip-audit's report in JSON."""
        for dependency in dependencies:
            if "skip_reason" in dependency:
                self.silent.append(dependency["skip_reason"])
                continue
            package = f"{dependency['name']} {dependency['version']}"
            self.audited.add(package)
            if dependency["vulns"]:
                self.flaws[package] = "; ".join(map(_describe, dependency["vulns"]))


def audit(service: str, locks: Iterable[Path]) -> Findings:
    findings = Findings()
    for lock in locks:
        command = ["pip-audit", "--disable-pip", "--require-hashes", "--requirement", str(lock)]
        command += ["--vulnerability-service", service, "--progress-spinner", "off", "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            words = done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode}"]
            findings.silent.append(words[-1][:120])
            break  # what fails for one fails for all
        findings.add(report["dependencies"])
    return findings


def verdict(by_service: dict[str, Findings]) -> tuple[int, list[str]]:
    """The exit status, and what to tell a person."""
    flaws = {package: known for findings in by_service.values() for package, known in findings.flaws.items()}
    said = [f"{package}: {known}" for package, known in sorted(flaws.items())]
    if flaws:
        said.append(f"{len(flaws)} locked packages have known flaws; make lock UPGRADE=1 takes newer ones.")
        return 1, said
    for findings in by_service.values():
        if findings.audited and not findings.silent:
            return 0, [f"Nothing is known against the {len(findings.audited)} locked packages."]
    said += [f"{service}: {findings.silent[0]}" for service, findings in by_service.items() if findings.silent]
    said.append(
        "This is no all-clear: nobody told about all the locked packages. Run make audit on a machine that reaches "
        "the records of PyPI or of OSV."
    )
    return 2, said


def main() -> int:
    by_service: dict[str, Findings] = {}
    for service in SERVICES:
        by_service[service] = audit(service, [*sorted(Path(__file__).parent.glob("python*.txt")), BUILD])
        status, said = verdict(by_service)
        if status != 2:
            break
    print("\n".join(said))
    return status


def _describe(flaw: dict[str, Any]) -> str:
    mended = ", ".join(flaw["fix_versions"])
    return f"{flaw['id']} ({f'mended in {mended}' if mended else 'not mended yet'})"


if __name__ == "__main__":
    sys.exit(main())
