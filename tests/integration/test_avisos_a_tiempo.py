"""From a reading to people: within a minute, by e-mail and by webhook, once."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import forks
import numpy as np
import pytest
from apoyo_avisos import correo, esperar, webhook
from forks import Fork

from detection.domain import Lecturas, hora_absoluta
from pipeline.ingest.messages import MessageEncoder
from pipeline.streaming.kafka import KafkaProducer, ensure_topics
from serving.settings import Settings

PLAZO_S = 60.0
ARRANQUE_S = 90.0
DIAS, CON_LAMPARAS = 90, 14


def _lecturas(entorno: Settings) -> Lecturas:
    """Return 90 days of a small home, up to the last midnight; lamps of 18 h in the last 14."""
    zona = ZoneInfo(entorno.zona_horaria)
    medianoche = datetime.now(zona).replace(hour=0, minute=0, second=0, microsecond=0)
    # One hour more: that of a new day ends the one before.
    hasta = hora_absoluta(medianoche.astimezone(UTC)) + 1
    horas = np.arange(hasta - 24 * DIAS, hasta)
    local = np.array([(medianoche - timedelta(hours=int(hasta - 1 - h))).hour for h in horas])
    base = np.where(local < 7, 0.20, np.where(local < 18, 0.35, 0.60))
    kwh = base * np.random.default_rng(7).lognormal(0.0, 0.25, horas.size)
    kwh[(horas >= hasta - 24 * CON_LAMPARAS) & ((local >= 18) | (local < 12))] += 3.0
    return Lecturas(("CLI_00045",) * horas.size, horas, np.round(kwh, 3))


def _enviar(entorno: Settings, lecturas: Lecturas) -> None:
    productor = KafkaProducer(entorno)
    productor.send(lecturas.propietario_id, MessageEncoder(entorno.zona_horaria).encode(lecturas))
    productor.flush()


@contextmanager
def _en_marcha(variables: Mapping[str, str], verbo: str, registro: Path) -> Iterator[Fork]:
    with registro.open("wb") as salida:
        proceso = forks.start(variables, verbo, stdout=salida, stderr=salida)
    try:
        yield proceso
    finally:
        proceso.kill()
        proceso.wait()


@pytest.mark.lenta
def test_un_caso_y_un_consumidor_muerto_llegan_en_un_minuto_y_una_vez(
    entorno: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    """The reading that opens a case, and a consumer that is killed, are told within 60 s."""
    ensure_topics(entorno)
    with ExitStack() as pila:
        buzones = (pila.enter_context(correo()), pila.enter_context(webhook()))
        suyas = {**variables, "AVISOS_URLS": " ".join(b.url for b in buzones)}
        registro = tmp_path / "avisos.log"
        pila.enter_context(_en_marcha(suyas, "avisos", registro))
        consumidor = pila.enter_context(_en_marcha(variables, "consumir", tmp_path / "c.log"))
        esperar(lambda: "avisos en marcha" in registro.read_text(), registro.read_text, ARRANQUE_S)
        esperar(
            lambda: "métricas en" in (tmp_path / "c.log").read_text(), registro.read_text,
            ARRANQUE_S,
        )  # fmt: skip
        # Before its first heartbeat there may have been nobody to read.
        time.sleep(2.0)
        antes = [len(b.llegados) for b in buzones]
        _enviar(entorno, _lecturas(entorno))
        for k, buzon in enumerate(buzones):
            esperar(lambda: len(buzon.llegados) > antes[k], registro.read_text, PLAZO_S)  # noqa: B023
            asunto, texto = buzon.llegados[-1]
            assert asunto == "Consumo: un caso nuevo"
            assert "CLI_00045: posible plantación" in texto
        consumidor.send_signal(signal.SIGKILL)
        consumidor.wait()
        for buzon in buzones:
            esperar(
                lambda: "El consumidor no da señales" in buzon.llegados[-1][1],  # noqa: B023
                registro.read_text,
                PLAZO_S,
            )
        time.sleep(15.0)
        for k, buzon in enumerate(buzones):
            asuntos = [asunto for asunto, _ in buzon.llegados[antes[k] :]]
            assert asuntos == ["Consumo: un caso nuevo", "Consumo: las lecturas no avanzan"]
