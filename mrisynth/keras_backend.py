"""The backend of Keras that everything here needs, and when TensorFlow is imported.

Programs read their flags before they import TensorFlow, and then import it quietly (`mrisynth.cli.app`); in a
script `import mrisynth.networks` imports it at once, so that Keras knows the networks by name.
"""

from __future__ import annotations

import os
import sys

_deferred = False


def require_tensorflow() -> None:
    """Sees to it that Keras computes with TensorFlow.

    Raises:
        ImportError: If Keras has, or is to have, another backend.
    """
    if "keras" in sys.modules:
        backend = sys.modules["keras"].backend.backend()
    else:
        os.environ["KERAS_BACKEND"] = backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise ImportError(
            f"mrisynth computes with TensorFlow, not with {backend}, which Keras was set to; set "
            "KERAS_BACKEND=tensorflow, or nothing, before Keras is imported"
        )


def defer_tensorflow() -> None:
    """Lets packages leave TensorFlow to be imported by what first needs it."""
    global _deferred
    _deferred = True


def is_deferred() -> bool:
    """Whether `defer_tensorflow` was called."""
    return _deferred
