"""Cases of readings that are in no store, as ``gather_facts`` asks for them.

So a notebook tells a case of a file, or of made-up households, by the functions that tell the
stored ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from detection.cases.records import date_of, day_of
from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Lecturas, Veredictos
from pipeline.stores.case_history import (
    CambioVecinos,
    CustomerDay,
    changes_of,
    compared_days,
    most_alike,
)
from pipeline.stores.case_records import (
    NUEVO,
    TERMINADO,
    CasoDetalle,
    CasoResumen,
    EvidenciaDetector,
    fields_of,
)
from pipeline.stores.mongo.cases import case_fields
from pipeline.stores.mongo.query_cases import HORAS_CASO, detector_evidence
from pipeline.stores.presentation import Presentacion


class UnstoredCases:
    """What a detector has found in some readings; it stands for both ports' ``cases``.

    Parameters
    ----------
    detector : DetectorConsumo
        As it is after them; its days count as stored from here on.
    lecturas : Lecturas (n,)
        All that it has read, each hour once.
    veredictos : Veredictos (n,)
        What it said of them.
    """

    def __init__(
        self,
        detector: DetectorConsumo,
        lecturas: Lecturas,
        veredictos: Veredictos,
        presenta: Presentacion,
    ) -> None:
        self._detector = detector
        self._lecturas = lecturas
        self._veredictos = veredictos
        self._presenta = presenta
        self._cliente = np.array(lecturas.propietario_id)
        self._dia = veredictos.hora_local // HORAS_POR_DIA
        clientes = sorted(set(lecturas.propietario_id))
        _, casos = detector.take_days(clientes, detector.ring.rows(clientes))
        documentos = [
            {
                **case_fields(caso),
                "_id": caso.clave,
                "estado": NUEVO if caso.fecha_cierre is None else TERMINADO,
            }
            for caso in casos
        ]
        hay = [CasoDetalle(**fields_of(doc, presenta)) for doc in documentos]
        self._casos = {c.id: c for c in sorted(hay, key=lambda c: (-c.recuperable_kwh, c.id))}

    @property
    def cases(self) -> UnstoredCases:
        """Return the questions about cases."""
        return self

    def open(self) -> list[CasoDetalle]:
        """Return the open cases that may be something, most to recover first."""
        return [caso for caso in self._casos.values() if caso.abierto and not caso.inocente]

    def one(self, id: str) -> CasoDetalle | None:
        """Return a case with its evidence (``CaseQueries.one``)."""
        return self._casos.get(id)

    def detectors(self, caso: CasoResumen) -> list[EvidenciaDetector]:
        """Return what each detector says of its hours (``CaseQueries.detectors``)."""
        suyas = self._between([caso.propietario_id], caso.fecha_inicio, caso.ultimo_dia)
        anomalas = suyas[self._veredictos.severidad[suyas] > 0]
        ultimas = anomalas[np.argsort(-self._lecturas.hora_utc[anomalas])][:HORAS_CASO]
        explicadas = [
            self._detector.explain(self._veredictos, i, float(self._lecturas.consumo_kwh[i]))
            for i in ultimas.tolist()
        ]
        return detector_evidence([[asdict(dicho) for dicho in una] for una in explicadas])

    def days(
        self, propietario_ids: Sequence[str], desde: date, hasta: date
    ) -> dict[str, list[CustomerDay]]:
        """Return the local days of customers (``CaseHistoryQueries.days``)."""
        return {
            cliente: dias
            for cliente in propietario_ids
            if (dias := self._days(self._between([cliente], desde, hasta)))
        }

    def _days(self, suyas: NDArray[np.int64]) -> list[CustomerDay]:
        kwh, dia, dicho = self._lecturas.consumo_kwh, self._dia, self._veredictos
        salida = []
        for cual in np.unique(dia[suyas]).tolist():
            horas = suyas[dia[suyas] == cual]
            salida.append(
                CustomerDay(
                    date_of(cual),
                    float(kwh[horas].sum(dtype=np.float64)),
                    horas.size,
                    int(dicho.severidad[horas].max()),
                    bool(dicho.es_sospechoso[horas].any()),
                )
            )
        return salida

    def hours(self, propietario_id: str, desde: date, hasta: date) -> NDArray[np.float64]:
        """Return the kWh of each local hour (``CaseHistoryQueries.hours``)."""
        suyas = self._between([propietario_id], desde, hasta)
        horas = np.full(((hasta - desde).days + 1, HORAS_POR_DIA), np.nan)
        local = self._veredictos.hora_local[suyas]
        horas[local // HORAS_POR_DIA - day_of(desde), local % HORAS_POR_DIA] = (
            self._lecturas.consumo_kwh[suyas]
        )
        return horas

    def neighbours(self, propietario_id: str, inicio: date, hasta: date) -> CambioVecinos:
        """Return how a customer and others changed (``CaseHistoryQueries.neighbours``)."""
        dias = compared_days(inicio, hasta)
        margen = timedelta(days=dias)
        cerca = self._between(None, inicio - margen, inicio + margen - timedelta(days=1))
        despues = self._dia[cerca] >= day_of(inicio)
        filas = []
        for cliente in np.unique(self._cliente[cerca]).tolist():
            for lado in (False, True):
                cuales = cerca[(self._cliente[cerca] == cliente) & (despues == lado)]
                suma = float(self._lecturas.consumo_kwh[cuales].sum(dtype=np.float64))
                filas.append((cliente, lado, suma, cuales.size))
        cambios = changes_of(filas, dias)
        propio = cambios.pop(propietario_id, None)
        return CambioVecinos(
            dias=dias, propio=propio, elementos=most_alike(propio, cambios.values())
        )

    def _between(
        self, clientes: Sequence[str] | None, desde: date, hasta: date
    ) -> NDArray[np.int64]:
        """Return the indices of the readings of some local days, both included; None = of all."""
        dentro = (self._dia >= day_of(desde)) & (self._dia <= day_of(hasta))
        if clientes is not None:
            dentro &= np.isin(self._cliente, clientes)
        return np.flatnonzero(dentro)
