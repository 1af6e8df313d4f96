"""The words of the domain: severities, anomaly types, and columnar batches.

Everything that moves between rooms is a batch of columns of one length, never
one object a reading: Python touches a batch, compiled loops touch its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

SEGUNDOS_POR_HORA = 3600
HORAS_POR_DIA = 24
LARGO_MAXIMO_ID = 20
"""Characters of ``propietario_id``: VARCHAR(20) in the specification."""
_EPOCA = datetime(1970, 1, 1, tzinfo=UTC)
MESES = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio",
    "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
)  # fmt: skip


class Severidad(StrEnum):
    """How grave a verdict is, in rising order; stored with its accent."""

    NORMAL = "normal"
    BAJA = "baja"
    MEDIA = "media"
    ALTA = "alta"
    CRITICA = "crítica"


SEVERIDADES: tuple[Severidad, ...] = tuple(Severidad)
"""Severities in rising order; a verdict holds the index into this tuple."""


class _Rotulado(StrEnum):
    rotulo: str

    def __new__(cls, nombre: str, rotulo: str) -> Self:
        """Return a type that is its own name."""
        tipo = str.__new__(cls, nombre)
        tipo._value_ = nombre
        tipo.rotulo = rotulo
        return tipo


class TipoAnomalia(_Rotulado):
    """The detectors, each by the name of what it finds, and by that for the screen (``rotulo``).

    Examples
    --------
    >>> TipoAnomalia("fraude"), TipoAnomalia.FRAUDE.rotulo
    (<TipoAnomalia.FRAUDE: 'fraude'>, 'Posible fraude')
    """

    DESVIACION_ESTADISTICA = "desviacion_estadistica", "Desviación estadística"
    PICO_CONSUMO = "pico_consumo", "Pico de consumo"
    CONSUMO_NOCHE_ANOMALO = "consumo_noche_anomalo", "Consumo nocturno anómalo"
    CONSUMO_CONSTANTE = "consumo_constante", "Consumo constante"
    PLANTACION_CANNABIS = "plantacion_cannabis", "Posible plantación"
    FRAUDE = "fraude", "Posible fraude"
    MODELO_ONLINE = "modelo_online", "Modelo en línea"
    MODELO_OFFLINE = "modelo_offline", "Modelo entrenado"


class TipoInocente(_Rotulado):
    """What changes consumption and is nothing to be found (contract 11), with its ``rotulo``.

    Examples
    --------
    >>> TipoInocente("ausencia").rotulo
    'Ausencia'
    """

    AUSENCIA = "ausencia", "Ausencia"
    CAMBIO_INQUILINO = "cambio_inquilino", "Cambio de inquilino"
    VEHICULO_ELECTRICO = "vehiculo_electrico", "Coche eléctrico"
    BOMBA_CALOR = "bomba_calor", "Bomba de calor"
    AIRE_ACONDICIONADO = "aire_acondicionado", "Aire acondicionado"
    AUTOCONSUMO = "autoconsumo", "Autoconsumo"
    CORTE_SUMINISTRO = "corte_suministro", "Corte de suministro"
    LECTURA_ESTIMADA = "lectura_estimada", "Lecturas estimadas"


TIPOS_INOCENTES: tuple[TipoInocente, ...] = tuple(TipoInocente)
"""In the order of the classes of ``cases.innocent_kind``; only ever added to at the end."""


TIPOS: tuple[TipoAnomalia, ...] = tuple(TipoAnomalia)
"""Types in the order of their bits: type i is bit ``1 << i`` of a verdict's ``tipos``."""


ROTULOS = {str(tipo): tipo.rotulo for tipo in (*TIPOS, *TIPOS_INOCENTES)}
"""What the types of a case are called on the screen."""

MASCARAS = 1 << len(TIPOS)
"""Different masks of types. PostgreSQL hands them over as SMALLINT: 15 types at most."""
MASCARA_DTYPE: np.dtype[np.unsignedinteger] = np.min_scalar_type(MASCARAS - 1)
"""What holds a mask of types, everywhere: it widens with ``TipoAnomalia``."""
Mascaras: TypeAlias = NDArray[np.unsignedinteger]
"""Masks of types, of ``MASCARA_DTYPE``."""


def nombres_de_tipos(mascara: int) -> list[str]:
    """Return the names in a bit mask of types, in the order of the bits.

    Examples
    --------
    >>> nombres_de_tipos(0b000011)
    ['desviacion_estadistica', 'pico_consumo']
    """
    return [str(tipo) for bit, tipo in enumerate(TIPOS) if mascara >> bit & 1]


def hora_absoluta(instante: datetime) -> int:
    """Return the whole hours from 1970-01-01T00:00Z to an aware, hour-aligned instant.

    Examples
    --------
    >>> hora_absoluta(datetime(1970, 1, 2, 1, tzinfo=UTC))
    25
    """
    return int((instante - _EPOCA).total_seconds()) // SEGUNDOS_POR_HORA


def instante(hora: int) -> datetime:
    """Return the UTC instant at which an absolute hour starts.

    Examples
    --------
    >>> instante(25).isoformat()
    '1970-01-02T01:00:00+00:00'
    """
    return _EPOCA + timedelta(hours=int(hora))


Columns = TypeVar("Columns")
"""A dataclass whose arrays (n, ...) are columns of the same rows."""


def take(columnas: Columns, filas: NDArray[Any]) -> Columns:
    """Return some rows of a record of columns, by index or mask; what is no array stays."""
    uno: Any = columnas
    todas = {c.name: getattr(uno, c.name) for c in fields(uno)}
    return replace(uno, **{n: v[filas] for n, v in todas.items() if isinstance(v, np.ndarray)})  # type: ignore[no-any-return]


def stack(partes: Sequence[Columns]) -> Columns:
    """Return records of columns, one at least, as one; what is no array is the first one's."""
    una: Any = partes[0]
    nombres = [c.name for c in fields(una) if isinstance(getattr(una, c.name), np.ndarray)]
    return replace(una, **{n: np.concatenate([getattr(p, n) for p in partes]) for n in nombres})  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Calendario:
    """Local time of a zone, as an array, so that compiled loops can ask for it."""

    zona: str  # IANA name of the zone
    desde_hora: int  # absolute hour of the first element of ``desfase_horas``
    # (h,): offset of local time from UTC at each absolute hour, in whole hours.
    desfase_horas: NDArray[np.int8]

    def local(self, hora_utc: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return absolute local hours (n,): whole hours since local 1970-01-01T00:00."""
        posicion = np.clip(hora_utc - self.desde_hora, 0, self.desfase_horas.shape[0] - 1)
        return hora_utc + self.desfase_horas[posicion]


@dataclass(frozen=True, slots=True)
class Lecturas:
    """A batch of readings, in order of arrival."""

    propietario_id: list[str]  # (n,): customer of each reading, 1 to 20 characters
    # (n,): absolute hour (see ``hora_absoluta``) at which the reading starts.
    hora_utc: NDArray[np.int64]
    consumo_kwh: NDArray[np.float64]  # (n,): kWh in that hour, finite, >= 0

    def __len__(self) -> int:
        return len(self.propietario_id)

    def elegir(self, indices: NDArray[np.int64]) -> Lecturas:
        """Return the readings at ``indices``, in that order."""
        return Lecturas(
            [self.propietario_id[i] for i in indices],
            self.hora_utc[indices],
            self.consumo_kwh[indices],
        )

    def vigentes(self) -> NDArray[np.int64]:
        """Return the indices, in order, of the reading that stands for each identity.

        The last one; of readings that repeat the value before them, the first.

        Examples
        --------
        >>> horas = np.array([1, 2, 1, 1])
        >>> Lecturas(["a"] * 4, horas, np.array([0.0, 0.0, 5.0, 5.0])).vigentes().tolist()
        [1, 2]
        """
        claves = list(zip(self.propietario_id, self.hora_utc.tolist(), strict=True))
        if len(set(claves)) == len(claves):
            return np.arange(len(claves))
        kwh = self.consumo_kwh.tolist()
        quedan: dict[tuple[str, int], int] = {}
        for i, clave in enumerate(claves):
            if clave not in quedan or kwh[quedan[clave]] != kwh[i]:
                quedan[clave] = i
        return np.array(sorted(quedan.values()), np.int64)


@dataclass(frozen=True, slots=True)
class Historia:
    """What the store remembers of some customers, to fill their windows with."""

    # (m,): which of the customers that were asked for each row belongs to.
    indice: NDArray[np.int64]
    hora_utc: NDArray[np.int64]  # (m,): absolute hour of each row
    consumo_kwh: NDArray[np.float32]  # (m,): kWh in that hour
    score_centesimas: NDArray[np.uint8]  # (m,): ``score_anomalia`` * 100, 0 to 100
    tipos: Mascaras  # (m,): bit mask of ``tipos_anomalia`` (see ``TIPOS``)
    # (m,): the reading had enough history to be compared (it has an expected consumption).
    con_referencia: NDArray[np.bool_]
    es_sospechoso: NDArray[np.bool_]  # (m,): the customer was under suspicion after that reading

    def __len__(self) -> int:
        return int(self.hora_utc.shape[0])

    @staticmethod
    def vacia() -> Historia:
        """Return a history without rows."""
        columnas = (np.int64, np.int64, np.float32, np.uint8, MASCARA_DTYPE, np.bool_, np.bool_)
        return Historia(*(np.empty(0, cual) for cual in columnas))

    @staticmethod
    def of(indice: NDArray[np.int64], lecturas: Lecturas, veredictos: Veredictos) -> Historia:
        """Return readings (m,) and their verdicts as a store would keep them."""
        v = veredictos
        return Historia(
            indice, lecturas.hora_utc, lecturas.consumo_kwh.astype(np.float32), v.score_centesimas,
            v.tipos, ~np.isnan(v.esperado_kwh), v.es_sospechoso,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explicacion:
    """What one detector says of one reading."""

    detector: str  # its name, a ``TipoAnomalia``
    score: float | None  # 0 to 1, high = more anomalous; None = not ready, it had no vote
    peso: float  # its weight in the blend, 0 to 1
    dispara: bool  # whether its definition is met
    frase: str  # one Spanish sentence with the numbers


CASE_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Veredictos:
    """The verdicts of a batch, one a reading, in the order of its readings."""

    # (n,): absolute local hours: ``fecha`` is ``hora_local // 24`` days from 1970-01-01, ``hora``
    # is ``hora_local % 24``.
    hora_local: NDArray[np.int64]
    # (n,): ``score_anomalia`` * 100, 0 to 100, high = more anomalous.
    score_centesimas: NDArray[np.uint8]
    severidad: NDArray[np.uint8]  # (n,): index into ``SEVERIDADES``; 0 = normal
    tipos: Mascaras  # (n,): bit mask of the detectors whose definition is met (see ``TIPOS``)
    es_sospechoso: NDArray[np.bool_]  # (n,): the customer is under suspicion after this reading
    esperado_kwh: NDArray[np.float32]  # (n,): expected consumption; NaN = too little history
    # banda_inferior_kwh, banda_superior_kwh: (n,); limits of what is usual around it; NaN = too
    # little history.
    banda_inferior_kwh: NDArray[np.float32]
    banda_superior_kwh: NDArray[np.float32]
    version_modelo: str  # what made the verdicts
    scores: NDArray[np.float32]  # (n, d): score of each detector in [0, 1]; NaN = not ready
    medidas: NDArray[np.float32]  # (n, d, m): what each detector measured, for its sentence
    # (n, CASE_COLUMNS): of an hour that goes on with an open case, the case's smoothed log odds,
    # the local day on which it began, its kWh a day before and now, and the hundredths of score
    # that it is worth; NaN = there is none. Of one that is media at most, for a case of innocent
    # kind, the log odds are NaN, and its place in ``TIPOS_INOCENTES`` stands for the hundredths.
    # None = whoever made the verdicts knows of no cases.
    caso: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return int(self.score_centesimas.shape[0])

    def elegir(self, indices: NDArray[np.int64]) -> Veredictos:
        """Return the verdicts at ``indices``, in that order."""
        return take(self, indices)
