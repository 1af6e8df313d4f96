"""The service says how it is: it lives, it is ready, its parts, how fresh its data are."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
from apoyo_api import Datos, base_nueva, esperar, servir

from api.system.routes import modelo_de
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.health import PostgresHealth
from serving.consumer_health import MUDO, Heartbeat, Heartbeats, SelfReport
from serving.health import ChampionStatus, PartHealth


def test_salud_dice_cada_parte_y_la_frescura(cliente: httpx.Client, datos: Datos) -> None:
    """/salud names every part, when the consumer last wrote, and with which model."""
    with closing(PostgresHealth(datos.settings)) as latidos:
        latidos.write(SelfReport())
    esperar(
        lambda: cliente.get("/salud").json()["consumidor"]["consumidores"], "the heartbeat is seen"
    )
    cuerpo = cliente.get("/salud").json()
    partes = {p["nombre"]: p["estado"] for p in cuerpo["partes"]}
    assert partes == {"PostgreSQL": "bien", "MongoDB": "bien", "Kafka": "bien", "MLflow": "mal"}
    assert cuerpo["estado"] == "degradado"
    assert cuerpo["lista"]
    consumidor = cuerpo["consumidor"]
    assert consumidor["estado"] == "al día"
    assert consumidor["version_modelo"].startswith("reglas-")
    ultimo = datetime.fromisoformat(consumidor["ultimo_consumo"])
    assert ultimo == datos.hasta - timedelta(hours=1)
    assert consumidor["ultimo_consumo"].endswith("+01:00")
    escrita = datetime.fromisoformat(consumidor["ultima_escritura"])
    assert datetime.now(UTC) - escrita < timedelta(hours=1)
    assert cliente.get("/salud/lista").json() == {"estado": "viva"}


def test_que_no_lleguen_lecturas_se_nota(datos: Datos) -> None:
    """Hours after the last write it is said, though the consumer lives and nothing waits."""
    with closing(PostgresHealth(datos.settings)) as latidos:
        latidos.write(SelfReport())
        with servir(datos.settings, lambda: datetime.now(UTC) + timedelta(hours=3)) as http:
            consumidor = http.get("/salud").json()["consumidor"]
    assert consumidor["estado"] == "sin lecturas nuevas"
    assert "(hace 3 h)" in consumidor["texto"] or "(hace 2 h)" in consumidor["texto"]
    assert consumidor["antiguedad_s"] > 2 * 3600


def test_sin_ningun_consumidor_se_dice_sin_gritar(datos: Datos) -> None:
    """Data that are there, nothing that waits and nobody who reads: said, and no fault."""
    otro = datos.settings.model_copy(update={"kafka_grupo": "nadie"})
    with servir(otro) as http:
        consumidor = http.get("/salud").json()["consumidor"]
    assert (consumidor["estado"], consumidor["gravedad"]) == ("sin consumidor", "aviso")


def test_sin_lecturas_esta_lista_y_lo_dice(servicios: EmbeddedServices) -> None:
    """An empty database is made ready by the API itself, and health says that it is empty."""
    with base_nueva(servicios) as settings, servir(settings) as http:
        cuerpo = http.get("/salud").json()
        assert cuerpo["lista"]
        assert cuerpo["consumidor"]["estado"] == "sin datos"
        assert http.get("/api/deriva/historial").json()["elementos"] == []


def test_un_campeon_que_rechaza_uno_vivo_no_esta_bien() -> None:
    """One consumer can load it and takes the tag away; the other, alive, still says no."""
    ahora = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
    nadie = Heartbeat(
        "uno", 7, ahora, ahora, None, "", (0,), 1, ahora, "m-1", "", "", "", None
    )  # fmt: skip
    rechaza = replace(nadie, modelo_rechazado="consumo-detector-4", rechazo="le falta un rasgo")
    muerto = replace(rechaza, latido=ahora - 2 * MUDO)

    def modelo(parte: PartHealth, *filas: Heartbeat) -> tuple[str, int | None, str | None]:
        visto = modelo_de(parte, Heartbeats(ahora, ahora, filas))
        return visto.estado, visto.version, visto.detalle

    cuatro, cinco = (PartHealth(None, 1.0, ChampionStatus(n, None)) for n in (4, 5))
    fuera = PartHealth("MLflow no responde", 1.0)
    rechazado = ("rechazado", 4, "le falta un rasgo")
    assert modelo(cuatro, nadie, rechaza) == modelo(fuera, nadie, rechaza) == rechazado
    # It speaks of the champion before; it is dead; nobody says anything.
    assert modelo(cinco, rechaza) == ("bien", 5, None)
    assert modelo(cuatro, nadie, muerto) == ("bien", 4, None)
    assert modelo(fuera, nadie, muerto) == ("desconocido", None, None)
    assert modelo(PartHealth(None, 1.0), rechaza) == ("sin campeón", None, None)
    assert modelo_de(cuatro, None).estado == "bien"
