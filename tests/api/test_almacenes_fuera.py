"""One store away: what needs it says so, and what does not goes on."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from apoyo_api import Datos, es_problema, servir
from apoyo_rutas import lee

NADIE = 9
"""Nothing listens on the discard port."""
DE_MONGO = [
    "/api/anomalias/últimas?limite=2", "/api/anomalias/críticas?limite=2",
    "/api/anomalias/cliente/{}?limite=2", "/api/anomalias/serie", "/api/anomalias/distribuciones",
    "/api/anomalias/puntuaciones?limite=2", "/api/anomalias/veredictos",
    "/api/incidencias?limite=2", "/api/casos", "/api/casos?abiertos=false",
    "/api/consumos/mensuales/{}", "/api/consumos/meses", "/api/consumos/meses/2026-11",
    "/api/estadisticas/mensuales/{}", "/api/clientes/ranking", "/api/dashboard/top-anomalias",
]  # fmt: skip
DE_POSTGRES = [
    "/api/consumos/últimas24h/{}?limite=2", "/api/consumos/rango?propietario_id={}&limite=2",
    "/api/consumos/diarios?propietario_id={}", "/api/consumos/mapa-calor/{}",
    "/api/consumos/semana/{}", "/api/clientes", "/api/clientes/{}/perfil", "/api/clientes/{}/pares",
    "/api/estadisticas/dias", "/api/anomalias/histograma",
]  # fmt: skip
CIFRAS = "/api/estadisticas/cliente/{}"
DE_LOS_DOS = ["/api/dashboard/resumen", "/api/estadisticas/resumen"]


@pytest.fixture(scope="module")
def sin_postgres(datos: Datos) -> Iterator[httpx.Client]:
    """Give a client of the API over MongoDB alone."""
    with servir(datos.settings.model_copy(update={"postgres_port": NADIE})) as http:
        yield http


@pytest.fixture(scope="module")
def sin_mongo(datos: Datos) -> Iterator[httpx.Client]:
    """Give a client of the API over PostgreSQL alone."""
    with servir(datos.settings.model_copy(update={"mongo_port": NADIE})) as http:
        yield http


def _no_esta(cliente: httpx.Client, ruta: str, almacen: str) -> None:
    respuesta = cliente.get(ruta)
    es_problema(respuesta, 503, almacen)
    assert int(respuesta.headers["retry-after"]) >= 1
    assert "127.0.0.1" not in respuesta.text


@pytest.mark.parametrize("ruta", DE_MONGO)
def test_sin_postgres_lo_de_mongo_sigue(
    sin_postgres: httpx.Client, cliente: httpx.Client, datos: Datos, ruta: str
) -> None:
    """Without the history, anomalies and months are given as they are with it."""
    ruta = ruta.format(datos.clientes[0])
    sin, con = sin_postgres.get(ruta), cliente.get(ruta)
    assert sin.status_code == 200, sin.text
    assert sin.json() == con.json()


def test_sin_mongo_de_un_cliente_solo_falta_lo_descartado(
    sin_mongo: httpx.Client, cliente: httpx.Client, datos: Datos
) -> None:
    """Without MongoDB a customer's figures are given; what depends on verdicts is not made up."""
    ruta = CIFRAS.format(datos.clientes[0])
    sin, con = lee(sin_mongo, ruta), lee(cliente, ruta)
    de_veredictos = ("descartadas", "exceso_kwh", "defecto_kwh", "energia_en_juego_kwh",
                     "energia_en_juego_eur")  # fmt: skip
    assert {sin.pop(campo) for campo in de_veredictos} == {None}
    assert all(con.pop(campo) is not None for campo in de_veredictos)
    assert sin == con


@pytest.mark.parametrize("ruta", [*DE_POSTGRES, CIFRAS, *DE_LOS_DOS])
def test_sin_postgres_lo_suyo_es_503(sin_postgres: httpx.Client, datos: Datos, ruta: str) -> None:
    """Without the history, what is made of it says who is away, and when to come again."""
    _no_esta(sin_postgres, ruta.format(datos.clientes[0]), "PostgreSQL")


def test_sin_postgres_nadie_se_da_por_inexistente(sin_postgres: httpx.Client) -> None:
    """Whether a customer without anomalies exists cannot be known then: an empty list, no 404."""
    for ruta in ("/api/anomalias/cliente/nadie", "/api/consumos/mensuales/nadie"):
        assert lee(sin_postgres, ruta)["elementos"] == []


@pytest.mark.parametrize("formato", ["csv", "parquet"])
def test_sin_postgres_no_hay_medio_fichero(
    sin_postgres: httpx.Client, datos: Datos, formato: str
) -> None:
    """A file of what is away is a 503, and not a file that breaks off."""
    ruta = f"/api/consumos/rango?propietario_id={datos.clientes[0]}&formato={formato}"
    _no_esta(sin_postgres, ruta, "PostgreSQL")


def test_sin_auditoria_no_hay_veredicto(
    sin_postgres: httpx.Client, cliente: httpx.Client, claves: dict[str, dict[str, str]]
) -> None:
    """What cannot be written down is not done: the anomaly stays as it was."""
    una = lee(cliente, "/api/anomalias/últimas", limite=1)["elementos"][0]["id"]
    cuerpo = {"veredicto": "descartada", "motivo": "sin auditoría"}
    ruta = f"/api/anomalias/{una}/veredicto"
    es_problema(sin_postgres.post(ruta, json=cuerpo, headers=claves["analista"]), 503)
    assert lee(cliente, f"/api/anomalias/{una}")["estado"] == "abierta"


@pytest.mark.parametrize("ruta", DE_POSTGRES)
def test_sin_mongo_lo_de_postgres_sigue(
    sin_mongo: httpx.Client, cliente: httpx.Client, datos: Datos, ruta: str
) -> None:
    """Without MongoDB, readings and what is made of them are given as they are with it."""
    ruta = ruta.format(datos.clientes[0])
    sin, con = sin_mongo.get(ruta), cliente.get(ruta)
    assert sin.status_code == 200, sin.text
    assert sin.json() == con.json()


@pytest.mark.parametrize("ruta", ["/api/anomalias/últimas", DE_LOS_DOS[0]])
def test_sin_mongo_lo_suyo_es_503(sin_mongo: httpx.Client, ruta: str) -> None:
    """Without MongoDB, what is made of it says who is away, and when to come again."""
    _no_esta(sin_mongo, ruta, "MongoDB")
