"""A file of readings as columns in the order of the log.

Any file that ``consumo producir`` reads, read by the same reader. Where it is the product's own
table, readings may be labelled: ``label`` (0 or 1) and ``tipo``. A row that is no reading is left
out; how many there are of each reason, and where, comes with the readings and belongs beside any
figure about them.

All readings are in memory as numbers, 28 bytes each: they have to be put in order of time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.domain import Lecturas, hora_absoluta
from detection.errors import PermanentError
from pipeline.ingest.files.hourly_file import Etiqueta, MeterFile, OpcionesLectura, Trozo
from pipeline.ingest.files.meter_file import open_meter_file
from serving.local_time import ULTIMO_ANIO

SIN_TIPO = frozenset({"", "normal"})
UN_TIPO = "ataque"
"""Kind of every labelled reading of a file that does not say which."""
FILAS_DICHAS = 5
"""Of each reason, so many rows are named."""
ETIQUETA_NO_VALIDA = "label_no_valido"

_ULTIMA_HORA = hora_absoluta(datetime(ULTIMO_ANIO, 1, 1, tzinfo=UTC))
"""What is evaluated may be of any year: nothing of it goes to the log."""
_ATACADA = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows that are no readings, for one reason.

    Parameters
    ----------
    motivo : str
        In Spanish.
    filas : list of int
        As an editor counts them, rising.
    ejemplo : str
        What is wrong with the first one.
    """

    motivo: str
    filas: list[int]
    ejemplo: str

    def __str__(self) -> str:
        """Return it as a Spanish clause.

        Examples
        --------
        >>> str(RejectedRows("consumo_kwh negativo", [3, 7], "-1 kWh no está entre 0 y 100"))
        'consumo_kwh negativo: 2 (filas 3, 7); la primera: -1 kWh no está entre 0 y 100'
        """
        n = len(self.filas)
        filas = ", ".join(map(str, self.filas[:FILAS_DICHAS])) + "…" * (n > FILAS_DICHAS)
        return f"{self.motivo}: {n} (fila{'s' * (n > 1)} {filas}); la primera: {self.ejemplo}"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledReadings:
    """Readings in the order of the log: by hour, then customer, then as they lay in the file.

    Parameters
    ----------
    clientes : list of str (c,)
        Sorted.
    cliente : ndarray (n,), int32
        Index into ``clientes``.
    hora_utc : ndarray (n,), int64
    consumo_kwh : ndarray (n,), float64
    tipos : list of str
        Kinds of attack; empty = the file has no labels.
    tipo : ndarray (n,), int16 or None
        Index into ``tipos`` of the attack on the reading, -1 = honest; None = no labels.
    rechazos : tuple of RejectedRows
        What was left out.
    avisos : tuple of str
        What the user should know of the file.
    """

    clientes: list[str]
    cliente: NDArray[np.int32]
    hora_utc: NDArray[np.int64]
    consumo_kwh: NDArray[np.float64]
    tipos: list[str]
    tipo: NDArray[np.int16] | None
    rechazos: tuple[RejectedRows, ...] = ()
    avisos: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.hora_utc.size)

    def lecturas(self, filas: slice) -> Lecturas:
        """Return some of the readings as the detector wants them."""
        clientes = self.clientes
        return Lecturas(
            [clientes[k] for k in self.cliente[filas].tolist()],
            self.hora_utc[filas],
            self.consumo_kwh[filas],
        )


def read_labelled_file(
    ruta: Path,
    zona: str,
    maximo_kwh: float,
    perfil: Path | None = None,
    unidad: str = "",
    avanzar: Callable[[float], None] = lambda _parte: None,
) -> LabelledReadings:
    """Return the readings of a file.

    Parameters
    ----------
    zona : str
        IANA zone of times without offset.
    maximo_kwh : float
        Largest reading admitted, kWh.
    perfil, unidad
        As in ``OpcionesLectura``.
    avanzar : callable
        Told the part that is read, 0 to 1.

    Raises
    ------
    PermanentError
        The file cannot be read, is of no known layout, or has no row that is a reading.
    """
    opciones = OpcionesLectura(zona, maximo_kwh, _ULTIMA_HORA, perfil, unidad)
    archivo = open_meter_file(ruta, opciones, avanzar)
    leidas = _Columnas()
    for trozo in archivo.trozos(avanzar):
        leidas.add(trozo)
    rechazos = leidas.rejected()
    if not leidas.cuantas:
        que = f"; {rechazos[0]}" if rechazos else ""
        raise PermanentError(f"{ruta}: ninguna fila es una lectura{que}")
    return leidas.make(archivo, rechazos)


@dataclass(slots=True)
class _Columnas:
    """Readings as numbers, as they come out of the file."""

    _codigos: dict[str, int] = field(default_factory=dict)
    _cliente: list[NDArray[np.int32]] = field(default_factory=list)
    _hora: list[NDArray[np.int64]] = field(default_factory=list)
    _kwh: list[NDArray[np.float64]] = field(default_factory=list)
    _tipo: list[NDArray[np.int16]] = field(default_factory=list)
    _tipos: dict[str, int] = field(default_factory=lambda: {UN_TIPO: 0})
    _rechazos: dict[str, RejectedRows] = field(default_factory=dict)
    cuantas: int = 0
    con_etiquetas: bool = False

    def add(self, trozo: Trozo) -> None:
        """Take a piece of the file."""
        for linea, error in trozo.rechazadas:
            self._refuse(error.motivo, linea, error.detalle)
        tipo = self._labels(trozo)
        buena = tipo > -2
        codigos = self._codigos
        cliente = np.array(
            [codigos.setdefault(c, len(codigos)) for c in trozo.lecturas.propietario_id], np.int32
        )
        self._cliente.append(cliente[buena])
        self._hora.append(trozo.lecturas.hora_utc[buena])
        self._kwh.append(trozo.lecturas.consumo_kwh[buena])
        self._tipo.append(tipo[buena])
        self.cuantas += int(np.count_nonzero(buena))

    def _refuse(self, motivo: str, linea: int, detalle: str) -> None:
        suyo = self._rechazos.setdefault(motivo, RejectedRows(motivo, [], detalle))
        suyo.filas.append(linea)

    def _labels(self, trozo: Trozo) -> NDArray[np.int16]:
        """Return the kind of attack on each reading (n,): -1 = honest, -2 = its label is none."""
        n = len(trozo.lecturas)
        tipo = np.full(n, -1, np.int16)
        if trozo.tipo is not None:
            self.con_etiquetas = True
            tipo = np.array([self._kind(t) for t in trozo.tipo], np.int16)
        if trozo.etiqueta is None:
            return tipo
        self.con_etiquetas = True
        for i, etiqueta in enumerate(trozo.etiqueta):
            atacada = _ATACADA.get(_text(etiqueta).lower())
            if atacada is None:
                detalle = f"label es «{_text(etiqueta)[:40]}», no 0 o 1"
                self._refuse(ETIQUETA_NO_VALIDA, int(trozo.lineas[i]), detalle)
                tipo[i] = -2
            elif not atacada:
                tipo[i] = -1
            elif tipo[i] < 0:
                tipo[i] = self._tipos[UN_TIPO]
        return tipo

    def _kind(self, texto: str | None) -> int:
        limpio = (texto or "").strip()
        return -1 if limpio in SIN_TIPO else self._tipos.setdefault(limpio, len(self._tipos))

    def rejected(self) -> tuple[RejectedRows, ...]:
        """Return what has been left out, most rows first."""
        for rechazo in self._rechazos.values():
            rechazo.filas.sort()
        return tuple(sorted(self._rechazos.values(), key=lambda r: -len(r.filas)))

    def make(self, archivo: MeterFile, rechazos: tuple[RejectedRows, ...]) -> LabelledReadings:
        """Return the readings in the order of the log."""
        usados, cual = np.unique(np.concatenate(self._cliente), return_inverse=True)
        nombres = list(self._codigos)
        suyos = [nombres[k] for k in usados.tolist()]
        clientes = sorted(suyos)
        donde = {nombre: k for k, nombre in enumerate(clientes)}
        cliente = np.array([donde[n] for n in suyos], np.int32)[cual]
        hora = np.concatenate(self._hora)
        orden = np.lexsort((cliente, hora))
        tipos = sorted(self._tipos) if self.con_etiquetas else []
        tipo = None
        if self.con_etiquetas:
            sitio = np.array([tipos.index(t) for t in self._tipos] + [-1], np.int16)
            tipo = sitio[np.concatenate(self._tipo)][orden]
        return LabelledReadings(
            clientes, cliente[orden], hora[orden], np.concatenate(self._kwh)[orden], tipos, tipo,
            rechazos, tuple(archivo.notes()),
        )  # fmt: skip


def _text(etiqueta: Etiqueta) -> str:
    return "" if etiqueta is None else str(etiqueta).strip()
