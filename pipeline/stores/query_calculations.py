"""What anomalies add up to: the ranking, incidents, series and distributions, out of columns."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.blend.suspicion import probability
from detection.domain import (
    HORAS_POR_DIA,
    SEVERIDADES,
    TIPOS,
    Calendario,
    hora_absoluta,
    instante,
    nombres_de_tipos,
)
from pipeline.stores.anomaly_records import (
    ClienteRanking,
    Distribuciones,
    Incidente,
    PuntoSerie,
    VentanaAnomalias,
)
from pipeline.stores.query_columns import Columnas

GRAVES = tuple(str(severidad) for severidad in SEVERIDADES[1:])
IDS_POR_INCIDENTE = 500


def by_severity(severidad: NDArray[np.uint8]) -> dict[str, int]:
    """Return how many there are of each severidad but normal."""
    cuentas = np.bincount(severidad, minlength=len(SEVERIDADES))
    return dict(zip(GRAVES, cuentas[1:].tolist(), strict=True))


def window(
    columnas: Columnas, desde: datetime, hasta: datetime, estados: Sequence[str]
) -> VentanaAnomalias:
    """Return the anomalies between two instants at a glance."""
    dentro = (columnas.hora >= hora_absoluta(desde)) & (columnas.hora < hora_absoluta(hasta))
    cuentan = dentro & (columnas.estado != estados.index("descartada"))
    diferencia = _difference(columnas)[cuentan]
    return VentanaAnomalias(
        desde,
        hasta,
        int(dentro.sum()),
        by_severity(columnas.severidad[dentro]),
        int(np.unique(columnas.cliente[dentro]).size),
        float(np.maximum(diferencia, 0).sum()),
        float(np.maximum(-diferencia, 0).sum()),
    )


def by_state(columnas: Columnas, estados: Sequence[str]) -> dict[str, int]:
    """Return how many anomalies are in each ``estado``."""
    cuentas = np.bincount(columnas.estado, minlength=len(estados))
    return dict(zip(estados, cuentas.tolist(), strict=True))


def distributions(
    columnas: Columnas, calendario: Calendario, estados: Sequence[str]
) -> Distribuciones:
    """Return how anomalies are spread over severidad, type, state, local hour and weekday."""
    local = calendario.local(columnas.hora)
    # 1970-01-01 was a Thursday.
    dia_semana = (local // HORAS_POR_DIA + 3) % 7
    return Distribuciones(
        total=len(columnas),
        por_severidad=by_severity(columnas.severidad),
        por_tipo={
            str(tipo): int((columnas.tipos >> bit & 1).sum()) for bit, tipo in enumerate(TIPOS)
        },
        por_estado=by_state(columnas, estados),
        por_hora=np.bincount(local % HORAS_POR_DIA, minlength=HORAS_POR_DIA).tolist(),
        por_dia_semana=np.bincount(dia_semana, minlength=7).tolist(),
    )


def series(
    columnas: Columnas,
    desde: datetime,
    hasta: datetime,
    por_dia: bool,
    calendario: Calendario,
) -> list[PuntoSerie]:
    """Return anomalies by severidad for each hour, or each local day, between two instants."""
    zona = ZoneInfo(calendario.zona)
    if por_dia:
        dia = desde.astimezone(zona).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        inicios = []
        while dia < hasta:
            inicios.append(dia.astimezone(UTC))
            # In local time: a day may have 23 or 25 hours.
            dia += timedelta(days=1)
        base = (dia.date() - timedelta(days=len(inicios))).toordinal() - _ORDINAL_1970
        cual = calendario.local(columnas.hora) // HORAS_POR_DIA - base
    else:
        primera, fin = hora_absoluta(desde), hora_absoluta(hasta - timedelta(microseconds=1)) + 1
        inicios = [instante(hora) for hora in range(primera, fin)]
        cual = columnas.hora - primera
    cuentas = np.zeros((len(inicios), len(SEVERIDADES)), np.int64)
    dentro = (cual >= 0) & (cual < len(inicios))
    np.add.at(cuentas, (cual[dentro], columnas.severidad[dentro]), 1)
    return [
        PuntoSerie(momento, dict(zip(GRAVES, cuenta[1:], strict=True)))
        for momento, cuenta in zip(inicios, cuentas.tolist(), strict=True)
    ]


_ORDINAL_1970 = 719_163
"""``date(1970, 1, 1).toordinal()``."""


def ranking(
    columnas: Columnas,
    ahora_hora: int,
    semivida_horas: float,
    orden: str,
    limite: int,
    estados: Sequence[str],
) -> list[ClienteRanking]:
    """Return the customers with most evidence, or most of what ``orden`` names, the first first.

    The evidence of an anomaly is the part of its score above 0.5, squared so that one grave hour
    outweighs many slight ones, halved with every half-life of age (as ``suspicion`` has it).

    Parameters
    ----------
    columnas : Columnas
        Without those that a person has rejected.
    orden : str
        "evidencia", "kwh", "anomalias", or "visita": the energy that a visit may be expected to
        find, which is what is at stake times how probable it is.
    """
    if not len(columnas):
        return []
    clientes, cual = np.unique(columnas.cliente, return_inverse=True)
    edad = np.maximum(ahora_hora - columnas.hora, 0)
    gravedad = np.maximum(2 * columnas.score - 1, 0) ** 2 * 0.5 ** (edad / semivida_horas)
    evidencia = np.bincount(cual, gravedad).astype(np.float64)
    confirmada = columnas.estado == estados.index("confirmada")
    probabilidad = np.where(np.bincount(cual, confirmada) > 0, 1.0, probability(evidencia))
    en_juego = np.bincount(cual, np.abs(_difference(columnas)))
    clave = {
        "evidencia": evidencia,
        "kwh": en_juego,
        "visita": probabilidad * en_juego,
        "anomalias": np.bincount(cual),
    }[orden]
    # Of those that are equal the first by name: numbers are in that order.
    primeros = np.argsort(-clave, kind="stable")[:limite].tolist()
    por_hora = np.lexsort((columnas.hora, cual))
    cortes = np.searchsorted(cual[por_hora], np.arange(len(clientes) + 1))
    return [
        _ranked(
            columnas.nombres[clientes[k]],
            (float(evidencia[k]), float(probabilidad[k])),
            columnas.take(por_hora[cortes[k] : cortes[k + 1]]),
            estados,
        )
        for k in primeros
    ]


def _ranked(
    nombre: str, sospecha: tuple[float, float], suyas: Columnas, estados: Sequence[str]
) -> ClienteRanking:
    """Return a customer of the ranking, with its evidence and probability; anomalies by time."""
    diferencia = _difference(suyas)
    return ClienteRanking(
        propietario_id=nombre,
        evidencia=sospecha[0],
        probabilidad=sospecha[1],
        es_sospechoso=bool(suyas.sospechoso[-1]),
        severidad=str(SEVERIDADES[suyas.severidad[-1]]),
        score_maximo=float(suyas.score.max()),
        anomalias=len(suyas),
        criticas=int((suyas.severidad == len(SEVERIDADES) - 1).sum()),
        confirmadas=int((suyas.estado == estados.index("confirmada")).sum()),
        tipos_anomalia=most_frequent(suyas.tipos),
        ultima_anomalia=instante(int(suyas.hora[-1])),
        exceso_kwh=float(np.maximum(diferencia, 0).sum()),
        defecto_kwh=float(np.maximum(-diferencia, 0).sum()),
    )


def _difference(columnas: Columnas) -> NDArray[np.float64]:
    """Return what each anomaly used above the expected, kWh; 0 where nothing was expected."""
    diferencia: NDArray[np.float64] = np.nan_to_num(columnas.kwh - columnas.esperado)
    return diferencia


def most_frequent(tipos: NDArray[np.uint16]) -> list[str]:
    """Return the names of the types in some bit masks, the most frequent first."""
    cuentas = [(int((tipos >> bit & 1).sum()), str(tipo)) for bit, tipo in enumerate(TIPOS)]
    return [tipo for n, tipo in sorted(cuentas, key=lambda c: (-c[0], c[1])) if n]


class Incidentes:
    """Anomalies of a customer that lie close together, as one; the newest begins first.

    Parameters
    ----------
    columnas : Columnas
    hueco_horas : int
        Hours without an anomaly that may lie between two of the same incident, >= 0.
    estados : sequence of str
        What the numbers in ``columnas.estado`` stand for.
    """

    def __init__(self, columnas: Columnas, hueco_horas: int, estados: Sequence[str]) -> None:
        orden = np.lexsort((columnas.hora, columnas.cliente))
        self._columnas = columnas.take(orden)
        self._estados = estados
        hora, cliente = self._columnas.hora, self._columnas.cliente
        nuevo = np.ones(len(orden), np.bool_)
        nuevo[1:] = (np.diff(cliente) != 0) | (np.diff(hora) > hueco_horas + 1)
        primeras = np.flatnonzero(nuevo)
        self._cortes = np.append(primeras, len(orden))
        self._inicio = hora[primeras]
        self._cliente = cliente[primeras]
        self._orden = np.lexsort((self._cliente, -self._inicio))

    def page(
        self, tras: tuple[int, str] | None, limite: int
    ) -> tuple[list[Incidente], tuple[int, str] | None]:
        """Return the incidents after one (hour, customer), and the last one if there are more."""
        quedan = self._orden
        if tras is not None:
            # Where the customer's name would stand, whether it is among them or not.
            puesto = bisect.bisect_right(self._columnas.nombres, tras[1])
            despues = (self._inicio == tras[0]) & (self._cliente >= puesto)
            quedan = quedan[(despues | (self._inicio < tras[0]))[quedan]]
        pagina = [self._make(int(k)) for k in quedan[:limite]]
        if len(quedan) <= limite:
            return pagina, None
        return pagina, (hora_absoluta(pagina[-1].inicio), pagina[-1].propietario_id)

    def _make(self, k: int) -> Incidente:
        tramo = slice(int(self._cortes[k]), int(self._cortes[k + 1]))
        c = self._columnas
        # Nearly all are of one or two anomalies: lists are quicker than arrays.
        kwh, esperado = c.kwh[tramo].tolist(), c.esperado[tramo].tolist()
        pares = [
            (uno, otro) for uno, otro in zip(kwh, esperado, strict=True) if not math.isnan(otro)
        ]
        estados = [self._estados[e] for e in c.estado[tramo].tolist()]
        ids = [uno.tobytes().hex() for uno in c.id[tramo][:IDS_POR_INCIDENTE]]
        tipos = 0
        for mascara in c.tipos[tramo].tolist():
            tipos |= mascara
        primera, ultima = int(c.hora[tramo.start]), int(c.hora[tramo.stop - 1])
        return Incidente(
            id=ids[0],
            propietario_id=c.nombres[c.cliente[tramo.start]],
            inicio=instante(primera),
            fin=instante(ultima + 1),
            horas=ultima - primera + 1,
            anomalias=len(kwh),
            consumo_kwh=math.fsum(kwh),
            esperado_kwh=math.fsum(otro for _, otro in pares) if pares else None,
            exceso_kwh=math.fsum(max(uno - otro, 0.0) for uno, otro in pares),
            defecto_kwh=math.fsum(max(otro - uno, 0.0) for uno, otro in pares),
            severidad=str(SEVERIDADES[max(c.severidad[tramo].tolist())]),
            score_maximo=max(c.score[tramo].tolist()),
            tipos_anomalia=nombres_de_tipos(tipos),
            estados={estado: estados.count(estado) for estado in dict.fromkeys(estados)},
            anomalia_ids=ids,
        )
