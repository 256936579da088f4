"""A sentence, spoken by espeak-ng."""

from __future__ import annotations

import io
import subprocess

from edge.errors import MaskdError
from edge.outputs.pcm import Pcm, decode

_LIMIT_S = 5.0


def speak(sentence: str, language: str) -> Pcm:
    """The sentence goes to its standard input, where nothing in it can be an option or a command. Raises MaskdError."""
    words = "".join(c if c.isprintable() else " " for c in sentence)
    command = ["espeak-ng", "--stdin", "--stdout", "-v", language]
    try:
        done = subprocess.run(command, input=words.encode(), capture_output=True, timeout=_LIMIT_S)
    except FileNotFoundError:
        raise MaskdError("espeak-ng is not installed; sudo apt install espeak-ng") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MaskdError(f"espeak-ng does not work: {error}; try `espeak-ng hello`") from None
    said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
    if "voice does not exist" in said:
        raise MaskdError(f'espeak-ng does not speak "{language}"; set language to one that `espeak-ng --voices` lists')
    try:
        return decode(io.BytesIO(done.stdout))
    except ValueError:
        raise MaskdError(
            f"espeak-ng said nothing ({said or f'status {done.returncode}'}); check the sentence"
        ) from None
