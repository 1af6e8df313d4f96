"""Steps that take their time, shown: a spinner on a terminal, a line each where nobody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def paso(consola: Console, texto: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done while the block runs; give what is told that it is another thing.

    Rich shows a spinner nowhere but on a terminal: a file or a pipe would stay empty for minutes.

    ``texto``: empty = the block will say what it does.
    """
    if not consola.is_terminal:

        def decir(que: str) -> None:
            consola.print(f"{que}…", markup=False, soft_wrap=True)

        if texto:
            decir(texto)
        yield decir
        return
    with consola.status(f"{texto}…") as estado:
        yield lambda otro: estado.update(f"{otro}…")
