"""Hourly readings in PostgreSQL become monthly documents in MongoDB.

A month is the local one: the readings whose ``fecha`` falls in it, archived or not. PostgreSQL adds
up one month in one query, seen at one instant, and its customers are stored chunk by chunk, so
memory does not grow with their number. Which months have changed is told by a fingerprint of
their readings (see ``Huella``), compared with the one that was stored when the month was last made;
that mark goes before the first document changes and comes back after the last (see ``MesesMongo``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from detection.domain import SEGUNDOS_POR_HORA
from pipeline.jobs.reporting import progress_bar
from pipeline.stores.mongo.months import MesesMongo
from pipeline.stores.months import Huella, mes_str, siguiente
from pipeline.stores.postgres.migrations.apply import migrate
from pipeline.stores.postgres.month_totals import MesesPostgres
from serving.settings import Settings, horas_de

_LOG = logging.getLogger("agregador")

OnMonth = Callable[[date, int], None]
"""Told a month and how many more of its readings are in their documents."""
_FORMATO = 1
"""Raise it when a document's fields change their meaning: every month is then made again."""


@dataclass(frozen=True, slots=True)
class Agregado:
    """What a run has done."""

    meses: tuple[date, ...]  # first days of the months that were made
    # documentos, lecturas: documents stored, and the readings in them.
    documentos: int
    lecturas: int
    retirados: int  # documents of customers without readings any more
    sin_cambios: int = 0  # months that were as they should be


def expected_hours(mes: date, zona: str, ahora: datetime) -> tuple[int, bool]:
    """Return the hours of a local month that are over, and whether some are still to come.

    ``ahora``: aware.

    Examples
    --------
    >>> from datetime import UTC
    >>> expected_hours(date(2026, 10, 1), "Europe/Madrid", datetime(2027, 1, 1, tzinfo=UTC))
    (745, False)
    """
    inicio, fin = (
        datetime(dia.year, dia.month, 1, tzinfo=ZoneInfo(zona)).timestamp()
        for dia in (mes, siguiente(mes))
    )
    hasta = min(max(ahora.timestamp(), inicio), fin)
    return int(hasta - inicio) // SEGUNDOS_POR_HORA, ahora.timestamp() < fin


class Agregador:
    """Makes months; used by one process at a time for each database (see ``MesesPostgres.lock``).

    ``ahora``: aware; decides which months are still running.
    """

    def __init__(
        self, settings: Settings, origen: MesesPostgres, destino: MesesMongo, ahora: datetime
    ) -> None:
        self._settings = settings
        self._origen = origen
        self._destino = destino
        self._ahora = ahora

    def pending(self) -> tuple[dict[date, int], int]:
        """Return the months to make with their readings, in order, and how many need nothing."""
        huellas = self._origen.huellas()
        marcas = self._destino.marcas()
        pendientes = {
            mes: huellas.get(mes, Huella()).lecturas
            for mes in sorted(huellas.keys() | marcas.keys())
            if mes not in huellas or marcas.get(mes) != self._marca(mes, huellas[mes])
        }
        return pendientes, len(huellas.keys() | marcas.keys()) - len(pendientes)

    def aggregate(
        self, meses: Sequence[date], avanzar: OnMonth = lambda _mes, _lecturas: None
    ) -> Agregado:
        """Make months, each complete before the next one begins. Twice equals once.

        ``TransientError``: a store is away: the months that were finished stay, the others are made
        next time.
        """
        documentos = lecturas = retirados = 0
        for mes in meses:
            clientes, leidas, sobrantes = self._make(mes, avanzar)
            documentos, lecturas = documentos + clientes, lecturas + leidas
            retirados += sobrantes
            _LOG.debug("mes %s: %d clientes, %d lecturas", mes_str(mes), clientes, leidas)
        return Agregado(tuple(meses), documentos, lecturas, retirados)

    def _make(self, mes: date, avanzar: OnMonth) -> tuple[int, int, int]:
        """Make one month; return its customers, its readings and the documents removed."""
        horas, parcial = self._horas(mes)
        comunes = {"horas_esperadas": horas, "parcial": parcial}
        clientes = 0
        with self._origen.open_month(mes) as lectura:
            self._destino.begin(mes)
            for resumenes in lectura.tramos():
                self._destino.save(mes, resumenes, comunes, lectura.momento)
                clientes += len(resumenes)
                avanzar(mes, sum(resumen.lecturas for resumen in resumenes))
        # Nothing is removed on behalf of a session that is over, and whose lock is gone with it.
        self._origen.ping()
        marca = self._marca(mes, lectura.huella) if clientes else None
        retirados = self._destino.finish(mes, marca, lectura.momento)
        return clientes, lectura.huella.lecturas, retirados

    def _horas(self, mes: date) -> tuple[int, bool]:
        return expected_hours(mes, self._settings.zona_horaria, self._ahora)

    def _marca(self, mes: date, huella: Huella) -> dict[str, Any]:
        """Return all that a month's documents depend on."""
        horas, parcial = self._horas(mes)
        return {
            **asdict(huella),
            "horas_esperadas": horas,
            "parcial": parcial,
            "horas_noche": list(horas_de(self._settings.horas_noche)),
            "horas_punta": list(horas_de(self._settings.horas_punta)),
            "formato": _FORMATO,
        }


def aggregate(settings: Settings, mes: date | None, ahora: datetime) -> Agregado:
    """Return what was done to bring one month, or all that changed, up to date.

    ``TransientError``: a store is away, or another aggregation is running.
    """
    migrate(settings)
    with closing(MesesPostgres(settings)) as origen, closing(MesesMongo(settings)) as destino:
        origen.lock()
        destino.ensure_indexes()
        agregador = Agregador(settings, origen, destino, ahora)
        if mes is None:
            pendientes, sin_cambios = agregador.pending()
            meses = list(pendientes)
            lecturas: int | None = sum(pendientes.values())
        else:
            meses, lecturas, sin_cambios = [mes], None, 0
        with progress_bar("agregando", lambda: lecturas) as avanzar:
            hecho = agregador.aggregate(
                meses, lambda cual, mas: avanzar(mas, f"agregando {mes_str(cual)}")
            )
        return replace(hecho, sin_cambios=sin_cambios)


def say(resultado: Agregado, pedido: date | None, segundos: float) -> str:
    """Return the last line of a run, for the user."""
    if pedido is not None and not resultado.documentos:
        texto = f"no hay lecturas de {mes_str(pedido)}"
    elif not resultado.meses:
        return f"nada que agregar: {_cuantos(resultado.sin_cambios, 'mes', 'meses')} al día"
    else:
        nombres = [mes_str(mes) for mes in resultado.meses]
        cuales = nombres[0] if len(nombres) == 1 else f"{nombres[0]} a {nombres[-1]}"
        texto = (
            f"{_cuantos(len(nombres), 'mes agregado', 'meses agregados')} ({cuales}): "
            f"{_cuantos(resultado.lecturas, 'lectura', 'lecturas')} en "
            f"{_cuantos(resultado.documentos, 'documento', 'documentos')}, {segundos:.1f} s"
        ).replace(".", ",")
    if resultado.retirados:
        texto += f"; {_cuantos(resultado.retirados, 'retirado', 'retirados')} por falta de lecturas"
    if resultado.sin_cambios:
        texto += f"; {_cuantos(resultado.sin_cambios, 'mes', 'meses')} sin cambios"
    return texto


def _cuantos(n: int, uno: str, varios: str) -> str:
    return f"{n} {uno if n == 1 else varios}"
