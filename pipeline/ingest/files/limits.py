"""What no reading may be, whatever its file: its customer's name, its time, its size."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.domain import SEGUNDOS_POR_HORA, hora_absoluta, instante
from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import Rechazada
from pipeline.ingest.files.interval_store import Filas, only
from pipeline.ingest.validation import HORAS_DE_ADELANTO, Motivo, check_id, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

_ILEGIBLE = "\ufffd"
"""What a byte that is no text has become."""


class LimitesLectura:
    """The rules of contract 2, for numbers in columns.

    Parameters
    ----------
    clientes : list of str
        Names by code; more may come.
    zona : str
        IANA zone in which the first year begins.
    ahora_hora : int
        Absolute hour of now.
    consumo_maximo_kwh : float
    """

    def __init__(
        self, clientes: list[str], zona: str, ahora_hora: int, consumo_maximo_kwh: float
    ) -> None:
        self._clientes = clientes
        self._errores: list[LecturaInvalidaError | None] = []
        self._primera = hora_absoluta(datetime(PRIMER_ANIO, 1, 1, tzinfo=ZoneInfo(zona)))
        self._ultima = ahora_hora + HORAS_DE_ADELANTO
        self._maximo_kwh = consumo_maximo_kwh

    def check_rows(self, filas: Filas) -> tuple[Filas, list[Rechazada]]:
        """Return the rows whose customer and time may be, and why the others may not."""
        rechazadas: list[Rechazada] = []
        self._look_at_names()
        con_error = np.array([e is not None for e in self._errores], np.bool_)
        mal_nombre = con_error[filas["cliente"]] if con_error.size else np.zeros(0, np.bool_)
        for i in np.flatnonzero(mal_nombre).tolist():
            error = self._errores[int(filas["cliente"][i])]
            if error is not None:
                rechazadas.append((int(filas["linea"][i]), error))
        hora = filas["momento"] // SEGUNDOS_POR_HORA
        mal_tiempo = (hora < self._primera) | (hora > self._ultima)
        for i in np.flatnonzero(mal_tiempo & ~mal_nombre).tolist():
            rechazadas.append((int(filas["linea"][i]), self._time_error(int(hora[i]))))
        return only(filas, ~mal_nombre & ~mal_tiempo), rechazadas

    def _look_at_names(self) -> None:
        for nombre in self._clientes[len(self._errores) :]:
            try:
                check_id(nombre)
                malo = _ILEGIBLE in nombre
                error = invalida(Motivo.PROPIETARIO_CARACTERES, ascii(nombre)) if malo else None
            except LecturaInvalidaError as otro:
                error = otro
            self._errores.append(error)

    def _time_error(self, hora: int) -> LecturaInvalidaError:
        anios = hora // 8766 + 1970
        if not 1 < anios <= ULTIMO_ANIO + 1:
            return invalida(
                Motivo.TIEMPO_ILEGIBLE, f"«{hora * SEGUNDOS_POR_HORA}» segundos desde 1970"
            )
        texto = f"«{instante(hora):%Y-%m-%dT%H:%MZ}»"
        if hora < self._primera:
            return invalida(Motivo.TIEMPO_ANTIGUO, texto)
        return invalida(
            Motivo.TIEMPO_FUTURO, f"{texto} está a más de {HORAS_DE_ADELANTO} h de ahora"
        )

    def check_hours(self, horas: Filas) -> tuple[Filas, list[Rechazada]]:
        """Return the hours whose energy may be, and why the others may not."""
        valor: NDArray[np.float64] = horas["valor"]
        finito = np.isfinite(valor)
        buena = finito & (valor >= 0.0) & (valor <= self._maximo_kwh)
        rechazadas: list[Rechazada] = []
        for i in np.flatnonzero(~buena).tolist():
            texto = f"{valor[i]:g} kWh"
            if not finito[i]:
                error = invalida(Motivo.CONSUMO_NO_FINITO, f"«{texto}» no es un número finito")
            elif valor[i] < 0:
                error = invalida(Motivo.CONSUMO_NEGATIVO, f"{texto} es menor que cero")
            else:
                detalle = f"{texto} supera el máximo de {self._maximo_kwh:g}"
                error = invalida(Motivo.CONSUMO_EXCESIVO, detalle)
            rechazadas.append((int(horas["linea"][i]), error))
        return only(horas, buena), rechazadas
