"""Pages, cursors and limits: no question of a user's makes a store read without end."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from detection.domain import SEVERIDADES, TIPOS
from detection.errors import PermanentError

T = TypeVar("T")

LIMITE_PAGINA = 5_000
"""Rows of one answer, at most: what PostgreSQL gives in some hundredths of a second."""
PRIMER_INSTANTE = datetime(2000, 1, 1, tzinfo=UTC)
ULTIMO_INSTANTE = datetime(2100, 1, 1, tzinfo=UTC)
"""No reading is older, or so far in the future (contract 2)."""
PROPIETARIO_MAXIMO = 20
"""Characters of a customer's name (contract 2)."""
CURSOR_AJENO = "el cursor no es de esta lista; empiece sin él"
_CURSOR_MAXIMO = 200
_NUMERO_MAXIMO = 2**53
_MICROSEGUNDO = timedelta(microseconds=1)


class ConsultaInvalidaError(PermanentError):
    """What was asked lies outside the limits; the text says what is possible."""


class Pagina(NamedTuple, Generic[T]):
    """Some rows, and the cursor of those that follow; None = no more."""

    elementos: list[T]
    siguiente: str | None


def por_tramos(pagina: Callable[[str | None], Pagina[T]]) -> Iterator[list[T]]:
    """Give a whole list page by page.

    ``pagina``: from a cursor (None at first) to its page.

    Examples
    --------
    >>> paginas = {None: Pagina([1, 2], "x"), "x": Pagina([3], None)}
    >>> list(por_tramos(paginas.__getitem__))
    [[1, 2], [3]]
    """
    cursor: str | None = None
    while True:
        elementos, cursor = pagina(cursor)
        if elementos:
            yield elementos
        if cursor is None:
            return


def encode_cursor(lista: str, *partes: datetime | str | float) -> str:
    """Return a position in a list as a text that a URL can carry.

    ``lista``: which list, and in which order: a position in another one means nothing.

    Examples
    --------
    >>> decode_cursor("x", encode_cursor("x", 7, "a|b"), int, str)
    (7, 'a|b')
    """
    textos = [
        lista,
        *(
            str((p - PRIMER_INSTANTE) // _MICROSEGUNDO) if isinstance(p, datetime) else str(p)
            for p in partes
        ),
    ]
    return base64.urlsafe_b64encode("|".join(textos).encode()).decode().rstrip("=")


def decode_cursor(lista: str, cursor: str, *tipos: Callable[..., Any]) -> tuple[Any, ...]:
    """Return the parts of a position in a list, of the given types or as given functions read them.

    ``ConsultaInvalidaError``: it is none of ours, or of another list.
    """
    try:
        if len(cursor) > _CURSOR_MAXIMO:
            raise ValueError("demasiado largo")
        relleno = "=" * (-len(cursor) % 4)
        texto = base64.b64decode(cursor + relleno, altchars=b"-_", validate=True).decode()
        de, *partes = texto.split("|", len(tipos))
        if de != lista:
            raise ValueError("de otra lista")
        return tuple(_part(p, tipo) for p, tipo in zip(partes, tipos, strict=True))
    except (ValueError, binascii.Error, OverflowError, ConsultaInvalidaError) as error:
        raise ConsultaInvalidaError(CURSOR_AJENO) from error


def _part(texto: str, tipo: Callable[..., Any]) -> Any:
    if tipo is datetime:
        momento = PRIMER_INSTANTE + int(texto) * _MICROSEGUNDO
        # What lies outside may overflow where it is added to.
        if not PRIMER_INSTANTE <= momento <= ULTIMO_INSTANTE:
            raise ValueError("fuera de los años posibles")
        return momento
    if "\x00" in texto:
        raise ValueError("con un carácter nulo")
    valor = tipo(texto)
    if tipo in {int, float} and not abs(valor) <= _NUMERO_MAXIMO:
        raise ValueError("demasiado grande")
    return valor


def check_limit(limite: int, maximo: int = LIMITE_PAGINA) -> int:
    """Return ``limite``; refuse what is below 1 or above ``maximo``."""
    if not 1 <= limite <= maximo:
        raise ConsultaInvalidaError(f"el límite va de 1 a {maximo}; se dio {limite}")
    return limite


def check_range(desde: datetime, hasta: datetime, dias: int) -> None:
    """Refuse an interval that is empty, longer than ``dias`` or outside the possible years."""
    for momento in (desde, hasta):
        check_instant(momento)
    if hasta <= desde:
        raise ConsultaInvalidaError("«hasta» ha de ser posterior a «desde»")
    if hasta - desde > timedelta(days=dias):
        raise ConsultaInvalidaError(f"el intervalo es de {dias} días como mucho")


def check_instant(momento: datetime) -> None:
    """Refuse an instant without its offset, or outside the possible years."""
    if momento.tzinfo is None:
        raise ConsultaInvalidaError("a los instantes les falta el desfase horario")
    if not PRIMER_INSTANTE <= momento <= ULTIMO_INSTANTE:
        raise ConsultaInvalidaError("los años van de 2000 a 2099")


def check_ids(ids: Sequence[str], maximo: int) -> list[str]:
    """Return the distinct customers in their order; refuse more than ``maximo``."""
    return [check_id(uno) for uno in distinct(ids, maximo)]


def distinct(ids: Sequence[str], maximo: int) -> list[str]:
    """Return the distinct ids in their order; refuse more than ``maximo``."""
    distintos = list(dict.fromkeys(ids))
    if len(distintos) > maximo:
        raise ConsultaInvalidaError(f"como mucho {maximo} a la vez; se dieron {len(distintos)}")
    return distintos


def check_id(propietario_id: str) -> str:
    """Return the customer's name; refuse what none can have (contract 2)."""
    if not 1 <= len(propietario_id) <= PROPIETARIO_MAXIMO:
        raise ConsultaInvalidaError(
            f"el nombre de un cliente tiene de 1 a {PROPIETARIO_MAXIMO} caracteres"
        )
    return check_text(propietario_id)


def check_text(texto: str) -> str:
    """Return the text; refuse what the stores cannot even be asked for."""
    # Neither takes half a character (a lone surrogate), and PostgreSQL no NUL.
    if "\x00" in texto or any("\ud800" <= c <= "\udfff" for c in texto):
        raise ConsultaInvalidaError("hay caracteres que ningún texto puede tener")
    return texto


def check_words(nombre: str, valores: Sequence[str], posibles: Sequence[str]) -> None:
    """Refuse words that are not among the possible ones."""
    for valor in valores:
        if valor not in posibles:
            raise ConsultaInvalidaError(f"{nombre} es {', '.join(posibles)}; se dio otra cosa")


def check_severities(severidades: Sequence[str], tipos: Sequence[str]) -> None:
    """Refuse severities and types that do not exist."""
    check_words("severidad", severidades, [str(s) for s in SEVERIDADES])
    check_words("tipo", tipos, [str(t) for t in TIPOS])
