"""With every index checked (``NUMBA_BOUNDSCHECK=1``), the tests before this run every loop.

The last file of the second run of ``.ci/run``, in one process and in order.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest
from numba import config
from numba.core.dispatcher import Dispatcher

import detection

pytestmark = pytest.mark.skipif(not config.BOUNDSCHECK, reason="falta NUMBA_BOUNDSCHECK=1")


def test_todos_los_bucles_se_han_ejecutado() -> None:
    """No compiled loop of the detector escapes: whoever adds one adds its test to that run."""
    bucles = {
        f"{uno.py_func.__module__}.{uno.py_func.__qualname__}": uno
        for modulo in pkgutil.walk_packages(detection.__path__, "detection.")
        for uno in vars(import_module(modulo.name)).values()
        if isinstance(uno, Dispatcher)
    }
    assert len(bucles) > 40
    assert not [nombre for nombre, uno in bucles.items() if not uno.signatures]
