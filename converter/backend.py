"""TensorFlow and Keras, imported when they are needed: they take seconds, and only a workstation has them."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from edge.errors import MaskdError


def load_tensorflow() -> tuple[Any, Any]:
    """The modules `tensorflow` and `keras`. Raises MaskdError where they are not installed."""
    # Both are read when the packages are imported, and never again.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with native_chatter_dropped():
            import keras
            import tensorflow as tf
    except ImportError as error:
        raise MaskdError(
            f"TensorFlow and Keras cannot be imported ({error}); install them: pip install tensorflow keras tqdm"
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise MaskdError(
            f"Keras runs on {keras.backend.backend()} here, and TFLite needs it on TensorFlow; "
            "set KERAS_BACKEND=tensorflow"
        )
    return tf, keras


@contextlib.contextmanager
def native_chatter_dropped() -> Iterator[None]:
    """Drops what C++ code writes to standard error, unless the block fails: then it is printed after all."""
    with tempfile.TemporaryFile() as captured:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(captured.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            if failed:
                captured.seek(0)
                os.write(2, captured.read())
