"""A store that is frozen (SIGSTOP): every connection stands, and nobody answers any more."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from apoyo_api import Datos, es_problema, esperar, servir
from integration.congelar import congelado
from test_almacenes_fuera import DE_LOS_DOS, DE_MONGO, DE_POSTGRES

from pipeline.embedded.services import EmbeddedServices

PLAZO_S = 5.0
VECES = 3
"""More requests of each kind at once than a store has connections."""
SUYAS = {"PostgreSQL": DE_POSTGRES, "MongoDB": DE_MONGO}
DE_LOS_OTROS = {"PostgreSQL": DE_MONGO, "MongoDB": DE_POSTGRES}


def _pedir(cliente: httpx.Client, ruta: str) -> tuple[httpx.Response, float]:
    inicio = time.monotonic()
    return cliente.get(ruta), time.monotonic() - inicio


@pytest.mark.parametrize("almacen", SUYAS)
def test_un_almacen_congelado_es_un_503_a_tiempo(
    servicios: EmbeddedServices, datos: Datos, almacen: str
) -> None:
    """Whatever is asked, and however often: an answer in 5 s, and all is well when it thaws."""
    suyas = [r.format(datos.clientes[0]) for r in (*SUYAS[almacen], *DE_LOS_DOS)]
    otras = [r.format(datos.clientes[0]) for r in DE_LOS_OTROS[almacen]]
    with servir(datos.settings) as cliente, ThreadPoolExecutor(100) as hilos:
        cliente.timeout = httpx.Timeout(60.0, pool=60.0)
        # One of each store, so that there are open connections that nobody needs to make anew.
        for ruta in ("/api/clientes?limite=1", "/api/anomalias/últimas?limite=1", "/salud"):
            assert cliente.get(ruta).status_code == 200
        with congelado(servicios, almacen):
            rutas = [*suyas, "/salud"] * VECES
            esperadas = {ruta: hilos.submit(_pedir, cliente, ruta) for ruta in otras}
            fallidas = [(ruta, hilos.submit(_pedir, cliente, ruta)) for ruta in rutas]
            tardadas = {}
            for ruta, pedida in (*esperadas.items(), *fallidas):
                respuesta, tardo = pedida.result()
                tardadas[ruta] = max(tardo, tardadas.get(ruta, 0.0))
                if ruta in otras:
                    assert respuesta.status_code == 200, (ruta, respuesta.text)
                elif ruta != "/salud":
                    es_problema(respuesta, 503)
                    assert int(respuesta.headers["retry-after"]) >= 1
            lentas = {ruta: tardo for ruta, tardo in tardadas.items() if tardo > PLAZO_S}
            assert not lentas
            esperar(lambda: cliente.get("/salud/lista").status_code == 503, "it is not ready")
            cuerpo, tardo = _pedir(cliente, "/salud")
            partes = {p["nombre"]: p for p in cuerpo.json()["partes"]}
            assert partes[almacen]["estado"] == "mal"
            assert partes[almacen]["detalle"].startswith(almacen)
            assert tardo < PLAZO_S
        for ruta in (*suyas, "/salud/lista"):
            esperar(lambda: cliente.get(ruta).status_code == 200, f"{ruta} again")  # noqa: B023
