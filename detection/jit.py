"""Compiled loops, and the key under which their machine code is kept.

numba keeps compiled code beside its source and looks only at that file: whoever changed a constant
or a helper in another file went on with the old code. Here the key of a loop's code holds all that
was compiled into it: the constants that it names, whatever file they come from, and the loops that
it calls, with all that those were made of.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Iterator, Set
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

F = TypeVar("F", bound=Callable[..., Any])


class _Cache(FunctionCache):
    """numba's own, with all that a loop is made of in its key."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        suya = super()._index_key(sig, codegen)  # type: ignore[no-untyped-call]
        return (*suya, code_key(self._py_func))


def jit(*, fastmath: Set[str] = frozenset()) -> Callable[[F], F]:
    """Return the decorator of every compiled loop: compiled at its first call, and kept.

    It runs off the interpreter's lock.

    ``fastmath``: liberties of LLVM with floating point; none unless asked for.
    """

    def compilar(funcion: F) -> F:
        bucle: Any = njit(nogil=True, fastmath=set(fastmath) or False)(funcion)
        # What ``cache=True`` does (numba 0.68, ``Dispatcher.enable_caching``), with our key.
        bucle._cache = _Cache(bucle.py_func)
        return bucle  # type: ignore[no-any-return]

    return compilar


@cache
def code_key(funcion: Any) -> str:
    """Return what changes when a loop, a constant that it names or a loop that it calls does.

    Examples
    --------
    >>> code_key(lambda x: x + np.pi) == code_key(lambda x: x + np.pi)
    True
    >>> code_key(lambda x: x + 1) == code_key(lambda x: x + 2)
    False
    """
    partes = [
        f"{nombre}={_describe(funcion.__globals__[nombre])}"
        for nombre in sorted(set(_names(funcion.__code__)))
        if nombre in funcion.__globals__
    ]
    texto = "\n".join([_body(funcion.__code__), *partes])
    return hashlib.sha256(texto.encode()).hexdigest()


def _names(codigo: types.CodeType) -> Iterator[str]:
    """Give every name that code looks up, that of the functions inside it too."""
    yield from codigo.co_names
    for constante in codigo.co_consts:
        if isinstance(constante, types.CodeType):
            yield from _names(constante)


def _body(codigo: types.CodeType) -> str:
    """Return the instructions and the literals of code, wherever its file lies."""
    literales = [
        _body(uno) if isinstance(uno, types.CodeType) else repr(uno) for uno in codigo.co_consts
    ]
    return f"{codigo.co_code.hex()} {codigo.co_names} {literales}"


def _option(valor: Any) -> str:
    # A set of texts has another order in every process.
    return repr(sorted(valor)) if isinstance(valor, Set) else repr(valor)


def _describe(valor: Any) -> str:
    """Return what a global is, as far as compiled code depends on it.

    ``TypeError``: of such a thing it is not known when it changes.
    """
    if isinstance(valor, Dispatcher):
        # Machine code that is kept looks for the module of a loop that it calls.
        opciones = [f"{n}={_option(o)}" for n, o in sorted(valor.targetoptions.items())]
        return f"{valor.py_func.__module__} {opciones} {code_key(valor.py_func)}"
    if isinstance(valor, np.ndarray):
        return f"{valor.dtype} {valor.shape} {hashlib.sha256(valor.tobytes()).hexdigest()}"
    if isinstance(valor, tuple):
        return f"({', '.join(map(_describe, valor))})"
    if isinstance(valor, bool | int | float | str | np.generic | np.dtype) or valor is None:
        return repr(valor)
    if isinstance(valor, type):
        return f"{valor.__qualname__} {getattr(valor, '_fields', '')}"
    if isinstance(valor, types.ModuleType) and valor.__name__.split(".")[0] in {"numpy", "math"}:
        return valor.__name__
    if isinstance(valor, types.FunctionType):
        return valor.__qualname__  # an attribute's name: compiled code calls none of these
    raise TypeError(f"a compiled loop names {valor!r}: what it is made of is not known")
