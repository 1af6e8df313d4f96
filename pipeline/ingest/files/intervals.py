"""Hours out of shorter intervals: only an hour that is covered without gaps becomes a reading."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from detection.domain import SEGUNDOS_POR_HORA
from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.column_chunk import (
    ESTIMADA,
    REAL,
    Filas,
    MotivoArchivo,
    reject,
    to_number,
)
from pipeline.ingest.files.instants import to_text
from pipeline.ingest.files.source_file import brief
from pipeline.ingest.validation import Motivo, invalida

UN_CANAL = frozenset({""})


@dataclass(slots=True)
class _Hora:
    """An hour that is being covered; its intervals by channel and second within it."""

    linea: int
    canales: frozenset[str]
    partes: dict[tuple[str, int], tuple[int, float, str | None]] = field(default_factory=dict)
    cubiertos: int = 0
    dicha: bool = False

    def put(self, canal: str, inicio: int, segundos: int, kwh: float, metodo: str | None) -> None:
        antes = self.partes.get((canal, inicio))
        self.cubiertos += segundos - (antes[0] if antes else 0)
        self.partes[canal, inicio] = (segundos, kwh, metodo)

    def is_complete(self) -> bool:
        if self.cubiertos != SEGUNDOS_POR_HORA * len(self.canales):
            return False
        for canal in self.canales:
            sitio = 0
            for _, inicio in sorted(p for p in self.partes if p[0] == canal):
                if inicio != sitio:
                    return False
                sitio += self.partes[canal, inicio][0]
            if sitio != SEGUNDOS_POR_HORA:
                return False
        return True

    def metodo(self) -> str | None:
        metodos = {metodo for _, _, metodo in self.partes.values()}
        if ESTIMADA in metodos:
            return ESTIMADA
        return REAL if metodos == {REAL} else None


class Sumador:
    """Sums intervals into hours, in the order in which the hours become complete.

    The same interval again, while its hour is not complete, replaces the first one.
    """

    def __init__(self) -> None:
        self._abiertas: dict[tuple[str, int], _Hora] = {}
        self._filas = Filas()

    def __len__(self) -> int:
        return len(self._filas)

    def add(
        self,
        linea: int,
        propietario_id: str,
        inicio: int,
        segundos: int,
        kwh: float | None,
        metodo: str | None = None,
        canal: str = "",
        canales: frozenset[str] = UN_CANAL,
    ) -> None:
        """Take one interval.

        Parameters
        ----------
        inicio : int
            Seconds since 1970.
        segundos : int
            How long it is; not more than the rest of its hour.
        kwh : float or None
            In the whole interval, >= 0; None = the meter has no value for it.
        canal, canales : str, frozenset of str
            Its register, and all of which the customer's consumption is the sum.
        """
        hora, resto = divmod(inicio, SEGUNDOS_POR_HORA)
        if segundos <= 0 or resto + segundos > SEGUNDOS_POR_HORA:
            detalle = f"un intervalo de {segundos} s no cabe en una hora de reloj"
            self.reject(linea, reject(MotivoArchivo.INTERVALO_NO_HORARIO, detalle))
            return
        clave = (propietario_id, hora)
        abierta = self._abiertas.setdefault(clave, _Hora(linea, canales))
        if kwh is None:
            return
        abierta.put(canal, resto, segundos, kwh, metodo)
        if not abierta.is_complete():
            return
        del self._abiertas[clave]
        # Not math.fsum: it raises where a sum of absurd values is merely infinite.
        total = round(sum(valor for _, valor, _ in abierta.partes.values()), 9)
        self._emit(linea, propietario_id, hora, total, abierta.metodo())

    def _emit(
        self, linea: int, propietario_id: str, hora: int, kwh: float, metodo: str | None
    ) -> None:
        try:
            inicio = to_text(hora * SEGUNDOS_POR_HORA)
        except LecturaInvalidaError as error:
            self.reject(linea, error)
        else:
            self._filas.add(linea, propietario_id, inicio, kwh, metodo)

    def reject(self, linea: int, error: LecturaInvalidaError) -> None:
        """Take a row that gives no interval."""
        self._filas.rechazadas.append((linea, error))

    def reject_interval(
        self,
        linea: int,
        propietario_id: str,
        inicio: int,
        error: LecturaInvalidaError,
        canales: frozenset[str] = UN_CANAL,
    ) -> None:
        """Take an interval with a bad value; its hour is not told again for being incomplete."""
        self.reject(linea, error)
        clave = (propietario_id, inicio // SEGUNDOS_POR_HORA)
        self._abiertas.setdefault(clave, _Hora(linea, canales)).dicha = True

    def take(self, avance: float) -> Filas:
        """Return the hours that have become complete since the last call."""
        filas, self._filas = self._filas, Filas()
        filas.avance = avance
        return filas

    def close(self) -> Filas:
        """Return what is left: complete hours, and the incomplete ones as rejected."""
        for (propietario_id, hora), abierta in self._abiertas.items():
            if abierta.dicha:
                continue
            try:
                inicio = to_text(hora * SEGUNDOS_POR_HORA)
            except LecturaInvalidaError as error:
                self.reject(abierta.linea, error)
                continue
            detalle = f"{brief(propietario_id)}, {inicio}: {_describe(abierta)}"
            self.reject(abierta.linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle))
        self._abiertas.clear()
        return self.take(1.0)


def _describe(abierta: _Hora) -> str:
    falta = sorted(abierta.canales - {canal for canal, _ in abierta.partes})
    if falta and falta != [""] and abierta.partes:
        return f"falta el canal {brief(', '.join(falta))}"
    return f"{abierta.cubiertos // 60 // len(abierta.canales)} de 60 minutos"


def read_kwh(texto: str, factor: float, con_coma: bool = False) -> float:
    """Return the energy of an interval, >= 0.

    Raises
    ------
    LecturaInvalidaError
        It is none; a sum would hide it.
    """
    valor = to_number(texto or None, con_coma)
    if valor is None:
        raise invalida(Motivo.CONSUMO_AUSENTE, "falta el valor del intervalo")
    if not isinstance(valor, float):
        raise invalida(Motivo.CONSUMO_NO_NUMERO, f"«{brief(valor)}» no es un número")
    if not math.isfinite(valor):
        raise invalida(Motivo.CONSUMO_NO_FINITO, f"«{brief(texto)}» no es un número finito")
    if valor < 0:
        raise invalida(Motivo.CONSUMO_NEGATIVO, f"{brief(texto)} es menor que cero")
    return valor * factor
