"""A customer beside its peers and beside its own past, and the band that the detector expects.

Peers are a fixed sample of who has been heard of lately. Each counts by its shape: its hours over
its own mean, so that a large one weighs no more than a small one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.domain import instante
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params
from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.postgres.query_customers import CLASES, FIN_DE_SEMANA, PostgresCustomers
from pipeline.stores.postgres.query_readings import DEL_CLIENTE, limits
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import check_id, check_range
from pipeline.stores.records import (
    ComparacionPares,
    PerfilComparado,
    PuntoBanda,
    PuntoPerfil,
)
from serving.local_time import load_calendario

DIAS_AHORA = 7
PARES_PERFIL = 100
PARES_SERIE = 50
"""Peers in a sample: the standard error of their mean is a tenth, or a seventh, of one's spread."""
DIAS_SERIE = 35
DIAS_BANDA = 35
HORAS_CORRELACION = 24
"""Hours in common that it takes to correlate: a day's shape."""
FRANJAS = 48

PROPIO = f"""
SELECT timestamp_consumo >= %(corte)s, {FIN_DE_SEMANA}, hora, sum(consumo_kwh)::float8, count(*)
{DEL_CLIENTE} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
DE_VARIOS = """unnest(%(clientes)s::text[]) WITH ORDINALITY AS p(propietario_id, indice)
CROSS JOIN LATERAL (
    SELECT * FROM consumos_historia AS c
    WHERE c.propietario_id = p.propietario_id
        AND c.timestamp_consumo >= %(desde)s AND c.timestamp_consumo < %(hasta)s
    OFFSET 0
) AS d"""
PARES = f"""
SELECT p.indice::int - 1, {FIN_DE_SEMANA}, d.hora, sum(d.consumo_kwh)::float8, count(*)
FROM {DE_VARIOS} GROUP BY 1, 2, 3
"""
SERIE = f"""
SELECT timestamp_consumo, consumo_kwh::float8 {DEL_CLIENTE} ORDER BY timestamp_consumo
"""
# All of it as one value: two thousand rows take longer to be told apart than to be found.
SERIE_BINARIA = f"""
SELECT string_agg(
    int8send(extract(epoch FROM timestamp_consumo)::bigint / 3600)
        || float8send(consumo_kwh::float8),
    '' ORDER BY timestamp_consumo
)
{DEL_CLIENTE}
"""
_PAR = np.dtype([("hora", ">i8"), ("kwh", ">f8")])
"""As ``SERIE_BINARIA`` packs a reading."""
SERIE_PARES = f"""
WITH lecturas AS MATERIALIZED (
    SELECT p.indice, d.timestamp_consumo, d.consumo_kwh::float8 AS kwh FROM {DE_VARIOS}
), medias AS (
    SELECT indice, avg(kwh) AS media FROM lecturas GROUP BY indice HAVING avg(kwh) > 0
)
SELECT timestamp_consumo, avg(kwh / media) FROM lecturas JOIN medias USING (indice)
GROUP BY timestamp_consumo
"""


class _Pares(NamedTuple):
    """The shapes of some customers, (c, 48): workday hours, then weekend hours; NaN = none."""

    clientes: list[str]
    formas: NDArray[np.float64]


class PostgresPeers:
    """What is asked of a customer beside others."""

    def __init__(
        self,
        conexiones: ReadConnections,
        recuerdo: AnswerCache,
        clientes: PostgresCustomers,
        presenta: Presentacion,
    ) -> None:
        self._rows = conexiones.rows
        self._recuerdo = recuerdo
        self._clientes = clientes
        self._presenta = presenta

    def profile(self, propietario_id: str, hasta: datetime | None = None) -> PerfilComparado:
        """Return a customer, its past and its peers by hours (``PeerQueries.profile``)."""
        limites = self._clientes.window(propietario_id, hasta, DIAS_AHORA + DIAS_VENTANA)
        if limites is None:
            return PerfilComparado([], [], [], 0)
        corte = limites["hasta"] - timedelta(days=DIAS_AHORA)
        filas = self._rows(PROPIO, {**limites, "corte": corte})
        if not filas:
            return PerfilComparado([], [], [], 0)
        propio: dict[bool, list[PuntoPerfil]] = {True: [], False: []}
        for ahora, finde, hora, suma, n in filas:
            propio[ahora].append(_point(finde, hora, suma / n))
        media_propia = sum(fila[3] for fila in filas) / sum(fila[4] for fila in filas)
        pares = self._peers(limites["hasta"])
        otros = [i for i, cliente in enumerate(pares.clientes) if cliente != propietario_id]
        formas = pares.formas[otros]
        hay = ~np.isnan(formas)
        with np.errstate(invalid="ignore"):
            medias = np.where(hay, formas, 0.0).sum(axis=0) / hay.sum(axis=0) * media_propia
        puntos = [
            _point(k // 24, k % 24, kwh)
            for k, kwh in enumerate(medias.tolist())
            if not math.isnan(kwh)
        ]
        return PerfilComparado(propio[True], propio[False], puntos, len(otros))

    def _peers(self, hasta: datetime) -> _Pares:
        """Return the shapes of the sample in the 28 days up to the end of a day."""
        # By days, so that who looks at another customer finds it.
        fin = hasta.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return self._recuerdo.get(("pares", fin), lambda: self._load_peers(fin))

    def _load_peers(self, fin: datetime) -> _Pares:
        clientes = sample(self._clientes.active(), PARES_PERFIL)
        desde = fin - timedelta(days=DIAS_VENTANA)
        filas = self._rows(PARES, {"clientes": clientes, "desde": desde, "hasta": fin})
        sumas = np.zeros((len(clientes), FRANJAS))
        cuentas = np.zeros((len(clientes), FRANJAS))
        for indice, finde, hora, suma, n in filas:
            sumas[indice, 24 * finde + hora] = suma
            cuentas[indice, 24 * finde + hora] = n
        with np.errstate(invalid="ignore", divide="ignore"):
            medias = sumas.sum(axis=1, keepdims=True) / cuentas.sum(axis=1, keepdims=True)
            formas = sumas / cuentas / medias
        # Who has used nothing at all has no shape.
        hay = np.isfinite(medias[:, 0]) & (medias[:, 0] > 0)
        elegidos = [cliente for cliente, si in zip(clientes, hay, strict=True) if si]
        return _Pares(elegidos, formas[hay])

    def hours(self, propietario_id: str, desde: datetime, hasta: datetime) -> ComparacionPares:
        """Return a customer beside its peers, ``DIAS_SERIE`` at most (``PeerQueries.hours``)."""
        propia = self._rows(SERIE, limits(propietario_id, desde, hasta, DIAS_SERIE))
        if not propia:
            return ComparacionPares(
                elementos=[], propietario_id=propietario_id, clientes_pares=0, correlacion=None
            )
        pares = [c for c in self._sample_of_series() if c != propietario_id][:PARES_SERIE]
        clave = ("serie de pares", desde, hasta, tuple(pares))
        parametros = {"clientes": pares, "desde": desde, "hasta": hasta}
        formas: dict[datetime, float] = self._recuerdo.get(
            clave, lambda: dict(self._rows(SERIE_PARES, parametros))
        )
        media = float(np.mean([kwh for _, kwh in propia]))
        series = [
            (momento, kwh, formas[momento] * media if momento in formas else None)
            for momento, kwh in propia
        ]
        return ComparacionPares.model_validate(
            {
                "elementos": [
                    {"timestamp": self._presenta.hora(momento), "consumo_kwh": uno, "pares_kwh": o}
                    for momento, uno, o in series
                ],
                "propietario_id": propietario_id,
                "clientes_pares": len(pares),
                "correlacion": _correlation([(uno, otros) for _, uno, otros in series]),
            }
        )

    def _sample_of_series(self) -> list[str]:
        # One more, so that the customer itself can be left out.
        return sample(self._clientes.active(), PARES_SERIE + 1)

    def band(self, propietario_id: str, desde: datetime, hasta: datetime) -> list[PuntoBanda]:
        """Return what the detector expects, of ``DIAS_BANDA`` at most (``PeerQueries.band``)."""
        # Compiled loops take a second to import, and only who draws a band needs them.
        from detection.memory.reference import make_reference
        from detection.memory.windows import make_windows

        check_id(propietario_id)
        check_range(desde, hasta, DIAS_BANDA)
        limites = {
            **{"cliente": propietario_id, "desde": desde - timedelta(days=DIAS_VENTANA)},
            "hasta": hasta,
        }
        horas, leidas = series(self._rows, limites)
        kwh = leidas.astype(np.float32)
        pedidas = np.flatnonzero(horas >= -(-desde.timestamp() // 3600))
        if pedidas.size == 0:
            return []
        ventana = _windows(horas, kwh, pedidas)
        calendario = load_calendario(self._presenta.zona.key)
        params = Params()
        windows = make_windows(calendario, horas[pedidas], kwh[pedidas].astype(np.float64), ventana)
        referencia = make_reference(windows, params)
        medias = referencia.media_kwh.tolist()
        margenes = (params.sigmas * referencia.sigma_kwh).tolist()
        return [
            PuntoBanda(instante(hora), None, None, None)
            if math.isnan(media)
            else PuntoBanda(instante(hora), media, max(media - margen, 0.0), media + margen)
            for hora, media, margen in zip(horas[pedidas].tolist(), medias, margenes, strict=True)
        ]


def series(
    rows: Callable[[str, Mapping[str, Any]], list[Any]], limites: Mapping[str, Any]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the absolute hours (n,), rising, and kWh (n,) of a customer between two instants.

    ``rows``: asks PostgreSQL. ``limites``: cliente, desde, hasta.
    """
    ((serie,),) = rows(SERIE_BINARIA, limites)
    leida = np.frombuffer(serie or b"", _PAR)
    return leida["hora"].astype(np.int64), leida["kwh"].astype(np.float64)


def _windows(
    horas: NDArray[np.int64], kwh: NDArray[np.float32], pedidas: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (n, 673) the 672 hours before each asked reading and itself; NaN = no reading."""
    primera = int(horas[pedidas[0]]) - HORAS_VENTANA
    todas = np.full(int(horas[-1]) - primera + 1, np.nan, np.float32)
    dentro = horas >= primera
    todas[horas[dentro] - primera] = kwh[dentro]
    vistas = np.lib.stride_tricks.sliding_window_view(todas, HORAS_VENTANA + 1)
    return np.ascontiguousarray(vistas[horas[pedidas] - primera - HORAS_VENTANA])


def sample(clientes: Sequence[str], cuantos: int) -> list[str]:
    """Return customers spread evenly over the list, the same ones each time."""
    if len(clientes) <= cuantos:
        return list(clientes)
    return [clientes[i * len(clientes) // cuantos] for i in range(cuantos)]


def _point(clase: int, hora: int, kwh: float) -> PuntoPerfil:
    return PuntoPerfil(clase=CLASES[clase], hora=hora, consumo_kwh=kwh)


def _correlation(puntos: Sequence[tuple[float, float | None]]) -> float | None:
    """Return Pearson's coefficient; None = too few hours, or one that never changes."""
    pares = [(propio, otros) for propio, otros in puntos if otros is not None]
    if len(pares) < HORAS_CORRELACION:
        return None
    propio, otros = np.array(pares).T
    if propio.std() == 0 or otros.std() == 0:
        return None
    return float(np.corrcoef(propio, otros)[0, 1])
