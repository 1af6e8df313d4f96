"""Both stores with two months of readings and anomalies, and what they hold, seen from outside."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from apoyo_meses import MADRID, hora, lote_de
from contracts.fakes import explicar
from contracts.sondas import AnomaliasMongo, HistorialPostgres

from serving.settings import Settings

HOY = date(2026, 4, 10)
PRIMER_DIA = date(2026, 2, 10)
CLIENTES = [f"CLI_{i:05d}" for i in range(1, 5)]
DIARIOS, ARCHIVO = "consumos_diarios", "consumos_diarios_archivo"
VIVAS, ARCHIVADAS = "anomalias_detectadas", "anomalias_archivo"


def llenar(
    entorno: Settings, desde: str = "2026-02-10T00:00", hasta: str = "2026-04-10T00:00"
) -> None:
    """Store the readings of all customers, and their anomalies.

    Parameters
    ----------
    desde, hasta : str
        UTC instants of the first reading, and of the one after the last.
    """
    azar = np.random.default_rng(11)
    claves = [(c, h) for h in range(hora(desde), hora(hasta)) for c in CLIENTES]
    severidad = azar.choice(5, len(claves), p=[0.96, 0.02, 0.01, 0.006, 0.004])
    with closing(Casa(entorno)) as casa:
        casa.guardar(claves, azar.gamma(2.0, 0.4, len(claves)).round(3).tolist(), severidad)


class Casa:
    """Both stores, looked into from outside.

    ``filas`` and ``documentos`` are what they held when it was made.
    """

    def __init__(self, entorno: Settings) -> None:
        self.entorno = entorno
        self._historial = HistorialPostgres(entorno)
        self._anomalias = AnomaliasMongo(entorno)
        self.base = self._anomalias.base
        self.sql = self._historial.sql
        self.filas = self.historia()
        self.documentos = self.anomalias(VIVAS, ARCHIVADAS)

    def guardar(
        self, claves: Sequence[tuple[str, int]], kwh: Sequence[float], severidad: Any
    ) -> None:
        """Store readings as the consumer does."""
        score = np.array([10, 55, 70, 85, 95])[severidad].tolist()
        lote = lote_de(claves, kwh, severidad=list(severidad), score=score)
        guardado = self._historial.store.save(*lote)
        self._anomalias.store.save(
            *lote, explicar(lote[1]), guardado.repetida, hora("2026-04-10T00:00")
        )

    def historia(self, tabla: str = "consumos_historia") -> list[Any]:
        """Return every row, with all its columns."""
        return self.sql(f"SELECT * FROM {tabla} ORDER BY propietario_id, timestamp_consumo")

    def anomalias(self, *colecciones: str) -> list[dict[str, Any]]:
        """Return every document of some collections, in the order of their ids."""
        documentos = [doc for c in colecciones for doc in self.base[c].find()]
        return sorted(documentos, key=lambda doc: str(doc["_id"]))

    def dias(self, tabla: str) -> list[date]:
        """Return the local days of which a table has readings."""
        return [dia for (dia,) in self.sql(f"SELECT DISTINCT fecha FROM {tabla} ORDER BY fecha")]

    def dias_de_anomalias(self, coleccion: str) -> set[date]:
        """Return the local days of which a collection has anomalies."""
        return {
            doc["timestamp_consumo"].astimezone(MADRID).date()
            for doc in self.base[coleccion].find()
        }

    def intacta(self) -> None:
        """Check that nothing is lost, changed, or there twice."""
        assert self.historia() == self.filas
        assert self.anomalias(VIVAS, ARCHIVADAS) == self.documentos

    def close(self) -> None:
        """Close what was opened."""
        self._historial.store.close()
        self._anomalias.store.close()
        self._anomalias.cliente.close()


def dias_entre(desde: date, hasta: date) -> list[date]:
    """Return the days from one to another, both included."""
    return [desde + timedelta(days=k) for k in range((hasta - desde).days + 1)]


def poner_entorno(parche: pytest.MonkeyPatch, entorno: Settings) -> None:
    """Make the settings those of this process, as ``load_settings`` reads them."""
    for campo, valor in entorno.model_dump().items():
        parche.setenv(campo.upper(), str(valor))
