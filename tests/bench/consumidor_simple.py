"""(a) The consumer most would write first: one message at a time, pandas for the history.

It does our consumer's required job (the four rules, both stores, offsets) and nothing of it is
made slow on purpose. What it looks at is right; that it looks at it for every message is the usual
mistake. Local time has no change of hour in what is measured, so naive timestamps do.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
from confluent_kafka import Consumer
from historia import NADA, Decididos, Pasado, load_pasado
from pymongo import MongoClient

from detection.params import Params
from serving.settings import Settings

INSERTA = """
INSERT INTO consumos_diarios (propietario_id, fecha, hora, consumo_kwh, anomalia_detectada,
    score_anomalia, severidad, es_sospechoso, timestamp_consumo, tipos_anomalia, version_modelo)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (propietario_id, timestamp_consumo) DO UPDATE SET
    consumo_kwh = excluded.consumo_kwh, anomalia_detectada = excluded.anomalia_detectada,
    score_anomalia = excluded.score_anomalia, severidad = excluded.severidad,
    es_sospechoso = excluded.es_sospechoso, tipos_anomalia = excluded.tipos_anomalia,
    version_modelo = excluded.version_modelo
"""
P = Params()


class DetectorSimple:
    """The four rules over a pandas Series of local time for each customer."""

    def __init__(self, pasado: Pasado) -> None:
        # Madrid's summer time: what is measured lies between two changes.
        horas = pasado.primera_hora + 2 + np.arange(len(pasado.kwh))
        momentos = pd.to_datetime(horas, unit="h")
        self.historia: dict[str, Any] = {
            cliente: pd.Series(kwh, index=momentos)
            for cliente, kwh in zip(pasado.clientes, pasado.kwh.T, strict=True)
        }

    def detectar(self, cliente: str, momento: pd.Timestamp, kwh: float) -> list[str]:
        """Return the rules that a reading fires, and remember it."""
        todas = self.historia.get(cliente, pd.Series(dtype=float))
        ventana = todas[todas.index >= momento - pd.Timedelta(days=28)]
        tipos = self._misma_hora(ventana, momento, kwh)
        if self._noche(ventana, momento, kwh):
            tipos.append("consumo_noche_anomalo")
        if self._constante(ventana, momento, kwh):
            tipos.append("consumo_constante")
        self.historia[cliente] = pd.concat([ventana, pd.Series([kwh], index=[momento])])
        return tipos

    def _misma_hora(self, ventana: Any, momento: pd.Timestamp, kwh: float) -> list[str]:
        misma = ventana[ventana.index.hour == momento.hour]
        if len(misma) < P.dias_minimos:
            return []
        clase = misma[(misma.index.dayofweek >= 5) == (momento.dayofweek >= 5)]
        if len(clase) >= P.dias_minimos_clase:
            misma = clase
        media, sigma = misma.mean(), misma.std()
        tipos = []
        if sigma > 1e-6 * media and abs(kwh - media) / sigma > P.sigmas:
            tipos.append("desviacion_estadistica")
        if media > 0 and (kwh - media) / media > P.incremento:
            tipos.append("pico_consumo")
        return tipos

    def _noche(self, ventana: Any, momento: pd.Timestamp, kwh: float) -> bool:
        llevadas = momento.hour + 1
        if not P.noche_horas_minimas <= llevadas <= P.noche_hasta:
            return False
        noches = ventana[ventana.index.hour < llevadas]
        por_noche = noches.groupby(noches.index.normalize()).agg(["mean", "count", "sum"])
        hoy = momento.normalize()
        if hoy not in por_noche.index or por_noche.loc[hoy, "count"] != llevadas - 1:
            return False
        esta = (por_noche.loc[hoy, "sum"] + kwh) / llevadas
        antes = por_noche[(por_noche["count"] == llevadas) & (por_noche.index < hoy)]
        antes = antes[antes.index >= hoy - pd.Timedelta(days=27)]["mean"]
        if len(antes) < P.dias_minimos:
            return False
        clase = antes[(antes.index.dayofweek >= 5) == (momento.dayofweek >= 5)]
        if len(clase) >= P.noche_noches_clase:
            antes = clase
        media = antes.mean()
        if media <= 0:
            return False
        lejos = abs(esta - media) / max(antes.std(), 0.05 * media) > P.sigmas
        return bool(lejos and (esta > P.noche_exceso * media or esta < P.noche_defecto * media))

    def _constante(self, ventana: Any, momento: pd.Timestamp, kwh: float) -> bool:
        ultimas = ventana.iloc[-(P.constante_horas - 1) :]
        if len(ventana) < 24 * P.constante_dias_minimos:
            return False
        if not ((ultimas - kwh).abs() <= P.constante_tolerancia * kwh).all():
            return False
        horaria = ventana.asfreq("h")
        distintas = ~((horaria - kwh).abs() <= P.constante_tolerancia * kwh)
        racha = len(horaria) + 1
        if distintas.any():
            racha = int(distintas.to_numpy()[::-1].argmax()) + 1
        anteriores = horaria.iloc[: len(horaria) - racha + 1]
        if kwh == 0 and not (anteriores > 0).any():
            return False
        igual = anteriores.diff().abs() <= P.constante_tolerancia * anteriores.shift()
        grupos = (~igual).cumsum()[anteriores.notna()]
        mayor = int(grupos.value_counts().max()) if len(grupos) else 0
        limite = P.constante_horas if kwh > 0 else P.constante_horas_cero
        return bool(racha >= max(limite, 1.5 * mayor))


def consume(settings: Settings, pasado: Pasado) -> None:
    """Consume until somebody stops the process."""
    detector = DetectorSimple(pasado)
    consumidor = Consumer(
        {
            "bootstrap.servers": settings.kafka_broker,
            "group.id": settings.kafka_grupo,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )
    consumidor.subscribe([settings.kafka_topic])
    pg = psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        dbname=settings.postgres_db,
    )
    mongo: MongoClient[dict[str, Any]] = MongoClient(settings.mongo_host, settings.mongo_port)
    anomalias = mongo[settings.mongo_db]["anomalias_detectadas"]
    while True:
        mensaje = consumidor.poll(1.0)
        if mensaje is None or mensaje.error():
            continue
        _process(detector, mensaje.value(), pg, anomalias, pasado.decididos)
        consumidor.commit(message=mensaje, asynchronous=False)


def _process(
    detector: DetectorSimple, valor: bytes | None, pg: Any, anomalias: Any, decididos: Decididos
) -> None:
    lectura = json.loads(valor or b"")
    cliente, kwh = lectura["propietario_id"], lectura["consumo_kwh"]
    momento = pd.Timestamp(lectura["timestamp"])
    local = momento.tz_localize(None)
    tipos = detector.detectar(cliente, local, kwh)
    hora_utc = int(momento.timestamp()) // 3600
    score, severidad = decididos.get((cliente, hora_utc), NADA)
    with pg, pg.cursor() as cursor:
        cursor.execute(
            INSERTA,
            (
                *(cliente, local.date(), local.hour, kwh, severidad != "normal", score),
                *(severidad, False, momento.to_pydatetime(), tipos, "simple"),
            ),
        )
    if severidad != "normal":
        instante = momento.tz_convert("UTC").to_pydatetime()
        anomalias.update_one(
            {"propietario_id": cliente, "timestamp_consumo": instante},
            {
                "$set": {
                    "timestamp_deteccion": datetime.now(UTC),
                    "consumo_kwh": kwh,
                    "hora": local.hour,
                    "tipos_anomalia": tipos,
                    "score_anomalia": score,
                    "severidad": severidad,
                    "es_sospechoso": False,
                }
            },
            upsert=True,
        )


if __name__ == "__main__":
    consume(Settings(), load_pasado(sys.argv[1]))
