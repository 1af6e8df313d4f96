"""The service says how it is: it lives, it is ready, its parts, how fresh its data are."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from apoyo_api import Datos, base_nueva, esperar, servir

from api.system.consumers import Consumidores
from api.system.dependencies import VIGENCIA_S, Campeon, Parte, Vigia, look_at_champion, reach_kafka
from api.system.routes import modelo_de
from detection.errors import TransientError
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.heartbeats import LatidosPostgres
from serving.consumer_health import MUDO, Latido, Latidos, Retraso, Situacion
from serving.model_versions import CAMPEON, Rechazo


def test_salud_dice_cada_parte_y_la_frescura(cliente: httpx.Client, datos: Datos) -> None:
    """/salud names every part, when the consumer last wrote, and with which model."""
    with closing(LatidosPostgres(datos.settings)) as latidos:
        latidos.write(Situacion())
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
    with closing(LatidosPostgres(datos.settings)) as latidos:
        latidos.write(Situacion())
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


def test_cuantos_pregunten_da_igual() -> None:
    """However many ask at once, each part is looked at once in a while."""
    ahora, miradas, salir = [0.0], [], threading.Event()

    def lenta() -> str:
        miradas.append(1)
        salir.wait(5.0)
        return "hola"

    vigia = Vigia({"A": lenta, "B": lambda: reach_kafka("127.0.0.1:9")}, lambda: ahora[0])
    hilos = [threading.Thread(target=vigia.look) for _ in range(8)]
    for hilo in hilos:
        hilo.start()
    salir.set()
    for hilo in hilos:
        hilo.join(10.0)
    visto = vigia.look()
    assert (len(miradas), visto["A"].mal, visto["A"].dato) == (1, None, "hola")
    assert visto["B"].mal is not None
    ahora[0] += VIGENCIA_S
    vigia.look()
    assert len(miradas) == 2
    vigia.close()


def test_mientras_uno_mira_los_demas_reciben_lo_de_antes() -> None:
    """A look that takes long holds up nobody who can be told what was seen before."""
    ahora, entrar, salir = [0.0], threading.Event(), threading.Event()

    def parte() -> None:
        if ahora[0]:
            entrar.set()
            salir.wait(10.0)

    vigia = Vigia({"A": parte}, lambda: ahora[0])
    antes = vigia.look()
    ahora[0] = 10 * VIGENCIA_S
    hilo = threading.Thread(target=vigia.look)
    hilo.start()
    assert entrar.wait(10.0)
    assert vigia.look() is antes
    salir.set()
    hilo.join(10.0)
    vigia.close()


def test_kafka_se_alcanza_por_cualquiera_de_sus_servidores(servicios: EmbeddedServices) -> None:
    """One broker that listens is enough; none, and it says so."""
    reach_kafka(f"127.0.0.1:9,{servicios.variables()['KAFKA_BROKER']}")
    with pytest.raises(TransientError, match="Kafka no responde"):
        reach_kafka("127.0.0.1:9, 127.0.0.1:10")


def test_un_campeon_que_rechaza_uno_vivo_no_esta_bien() -> None:
    """One consumer can load it and takes the tag away; the other, alive, still says no."""
    ahora = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
    nadie = Latido(
        "uno", 7, ahora, ahora, None, "", (0,), 1, ahora, "m-1", "", "", "", None
    )  # fmt: skip
    rechaza = replace(nadie, modelo_rechazado="consumo-detector-4", rechazo="le falta un rasgo")
    muerto = replace(rechaza, latido=ahora - 2 * MUDO)

    def modelo(parte: Parte, *filas: Latido) -> tuple[str, int | None, str | None]:
        visto = modelo_de(parte, Latidos(ahora, ahora, filas))
        return visto.estado, visto.version, visto.detalle

    cuatro, cinco = (Parte(None, 1.0, Campeon(n, None)) for n in (4, 5))
    fuera = Parte("MLflow no responde", 1.0)
    rechazado = ("rechazado", 4, "le falta un rasgo")
    assert modelo(cuatro, nadie, rechaza) == modelo(fuera, nadie, rechaza) == rechazado
    # It speaks of the champion before; it is dead; nobody says anything.
    assert modelo(cinco, rechaza) == ("bien", 5, None)
    assert modelo(cuatro, nadie, muerto) == ("bien", 4, None)
    assert modelo(fuera, nadie, muerto) == ("desconocido", None, None)
    assert modelo(Parte(None, 1.0), rechaza) == ("sin campeón", None, None)
    assert modelo_de(cuatro, None).estado == "bien"


def test_del_campeon_se_pregunta_por_el_solo() -> None:
    """Two requests to MLflow, however many versions there are; none of all of them."""

    class Uno:
        def version_of(self, alias: str) -> int | None:
            return {CAMPEON: 4}.get(alias)

        def tags_of(self, version: int) -> dict[str, str]:
            return Rechazo("nodo", "hoy", "está roto").tags() if version == 4 else {}

    assert look_at_champion(Uno()) == Campeon(4, "está roto")


def test_la_espera_se_cuenta_con_el_reloj_de_la_api() -> None:
    """Looked at again and again, what the group does not pass is late after half a minute."""
    ahora = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
    vivo = Latido("uno", 7, ahora, ahora, None, "", (0,), 1, ahora, "m-1", "", "", "", None)
    segundos = [0.0]
    consumidores = Consumidores(
        lambda: Latidos(ahora, ahora, [vivo]),
        lambda: Retraso({0: 7}, None, {0: 3}),
        lambda: segundos[0],
    )
    vistos = []
    for segundos[0] in (0.0, 25.0, 31.0):
        vistos.append(consumidores.look().judge(ahora, ahora, ZoneInfo("Europe/Madrid")).estado)
    consumidores.close()
    assert vistos == ["al día", "al día", "atrasado"]
