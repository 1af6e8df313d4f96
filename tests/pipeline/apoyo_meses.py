"""Readings for the monthly documents, both stores, and the documents by another way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from contracts.fakes import hacer_lote
from contracts.sondas import HistorialPostgres
from pymongo import MongoClient

from detection.domain import SEVERIDADES, Lecturas, Veredictos, hora_absoluta, instante
from pipeline.jobs.aggregate import Agregado, aggregate
from pipeline.stores.postgres.archive import PostgresArchive
from serving.settings import Settings

MADRID = ZoneInfo("Europe/Madrid")
ENERO, FEBRERO = date(2026, 1, 1), date(2026, 2, 1)
AHORA = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
NOCHE = range(6)
PUNTA = (10, 11, 12, 13, 18, 19, 20, 21)
Lote = tuple[Lecturas, Veredictos]


class Casa:
    """Both stores, filled and looked into from outside."""

    def __init__(self, entorno: Settings) -> None:
        self.entorno = entorno
        self.historial = HistorialPostgres(entorno)
        self.sql = self.historial.sql
        self.guardar = self.historial.store.save
        self.cliente: MongoClient[dict[str, Any]] = MongoClient(
            entorno.mongo_host, entorno.mongo_port, tz_aware=True
        )
        self.base = self.cliente[entorno.mongo_db]
        self._archivo = PostgresArchive(entorno)

    def archivar(self, limite: date) -> int:
        """Return how many readings of the days before ``limite`` went to the archive."""
        return self._archivo.archivar(limite, limite).registros

    def close(self) -> None:
        self.historial.store.close()
        self._archivo.close()
        self.cliente.close()

    def agregar(self, mes: date | None = None, ahora: datetime = AHORA) -> Agregado:
        return aggregate(self.entorno, mes, ahora)

    def documentos(self) -> dict[str, dict[str, Any]]:
        """Return every monthly document, without when it was written."""
        documentos = {d["_id"]: d for d in self.base["consumos_mensuales"].find()}
        for doc in documentos.values():
            doc.pop("agregado_en")
        return documentos

    def escritos(self) -> dict[str, datetime]:
        """Return when each monthly document was written."""
        return {d["_id"]: d["agregado_en"] for d in self.base["consumos_mensuales"].find()}


def hora(texto: str) -> int:
    """Return the absolute hour of an instant in UTC."""
    return hora_absoluta(datetime.fromisoformat(texto).replace(tzinfo=UTC))


def lote_de(
    claves: Sequence[tuple[str, int]], kwh: Sequence[float] | None = None, **mas: Any
) -> Lote:
    """Return a batch whose local time is Madrid's."""
    desfases = [
        int(instante(hora).astimezone(MADRID).utcoffset().total_seconds()) // 3600  # type: ignore[union-attr]
        for _, hora in claves
    ]
    return hacer_lote(claves, kwh, desfase=desfases, **mas)


def lote_variado(desde: str, hasta: str, clientes: int = 4, semilla: int = 3) -> Lote:
    """Return readings with gaps, odd decimals and every severidad."""
    azar = np.random.default_rng(semilla)
    claves = [
        (f"CLI_{c:05d}", h)
        for h in range(hora(desde), hora(hasta))
        for c in range(clientes)
        if azar.random() < 0.9
    ]
    n = len(claves)
    kwh = np.where(azar.random(n) < 0.5, azar.gamma(2, 0.3, n), azar.gamma(2, 0.3, n).round(3))
    severidad = azar.choice(5, n, p=[0.9, 0.04, 0.03, 0.02, 0.01])
    return lote_de(claves, kwh.tolist(), severidad=severidad.tolist())


def _redondo(valores: Sequence[Decimal], total: bool = False) -> float | None:
    """Return the mean, or the sum, rounded to six decimals; None of nothing."""
    if not valores:
        return None
    cuenta = sum(valores) / (1 if total else len(valores))
    return float(Decimal(cuenta).quantize(Decimal("1e-6"), ROUND_HALF_UP))


def documentos_de(lote: Lote, ahora: datetime = AHORA) -> dict[str, dict[str, Any]]:
    """Return the documents of readings, one after the other, in exact decimals."""
    grupos: dict[tuple[str, str], list[tuple[int, Decimal, str]]] = {}
    lecturas, veredictos = lote
    for cliente, hora, kwh, severidad in zip(
        lecturas.propietario_id, lecturas.hora_utc, lecturas.consumo_kwh, veredictos.severidad,
        strict=True,
    ):  # fmt: skip
        local = instante(int(hora)).astimezone(MADRID)
        grupos.setdefault((cliente, f"{local:%Y-%m}"), []).append(
            (local.hour, Decimal(repr(float(kwh))), str(SEVERIDADES[severidad]))
        )
    documentos = {}
    for (cliente, mes), filas in grupos.items():
        anio, numero = map(int, mes.split("-"))
        inicio = datetime(anio, numero, 1, tzinfo=MADRID).astimezone(UTC)
        fin = datetime(anio + numero // 12, numero % 12 + 1, 1, tzinfo=MADRID).astimezone(UTC)
        kwh = [k for _, k, _ in filas]
        documentos[f"{cliente}_{mes}"] = {
            "_id": f"{cliente}_{mes}",
            "propietario_id": cliente,
            "mes": datetime(anio, numero, 1, tzinfo=UTC),
            "mes_str": mes,
            "consumo_total": _redondo(kwh, total=True),
            "consumo_promedio": _redondo(kwh),
            "consumo_minimo": _redondo([min(kwh)]),
            "consumo_maximo": _redondo([max(kwh)]),
            "anomalias_detectadas": sum(s != "normal" for *_, s in filas),
            "anomalias_criticas": sum(s == "crítica" for *_, s in filas),
            "consumo_noche_promedio": _redondo([k for h, k, _ in filas if h in NOCHE]),
            "consumo_punta_promedio": _redondo([k for h, k, _ in filas if h in PUNTA]),
            "lecturas": len(filas),
            "horas_esperadas": int((min(ahora, fin) - inicio).total_seconds()) // 3600,
            "parcial": ahora < fin,
        }
    return documentos
