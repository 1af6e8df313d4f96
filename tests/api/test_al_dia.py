"""Nothing that the API remembers is older than ten seconds, whatever becomes of the stores."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import numpy as np
import pytest
from apoyo_al_dia import ASPIRANTE, DIA, MADRID, SIN_ALMACEN, Mundo, preguntas
from apoyo_api import CLAVES, base_nueva, claves_de_prueba, servir_app
from contracts.fakes import explicar, hacer_caso, hacer_lote
from contracts.sondas import AnomaliasMongo

from api.api_keys import CABECERA_CLAVE
from api.app import create_api
from detection.domain import hora_absoluta
from pipeline.embedded.services import EmbeddedServices
from pipeline.jobs.aggregate import aggregate
from pipeline.stores.case_changes import find
from pipeline.stores.customer_context import ContextoCliente
from pipeline.stores.mongo.archive import MongoArchive
from pipeline.stores.mongo.case_moves import CaseMove, MongoCaseMoves
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.mongo.reviews import VeredictosMongo
from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.audit import AuditoriaPostgres
from pipeline.stores.postgres.customer_context import PostgresContextStore
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

PLAZO_S = 10.0
CLIENTES = ("CLI_00001", "CLI_00002", "CLI_00003")
HORAS_POR_DIA = (0, 1, 9, 14, 20)
UMBRALES = (50, 65, 80, 90)
ARCHIVO_DIAS, BORRADO_DIAS = 10, 20


class Segundos:
    """Rising seconds, some of which pass at once."""

    def __init__(self) -> None:
        self.de_mas = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.de_mas


class Casa:
    """The stores, as the consumer, the jobs and people change them."""

    def __init__(self, settings: Settings, ahora: datetime) -> None:
        self.settings, self.ahora = settings, ahora
        self.sonda = AnomaliasMongo(settings)
        self.historial = PostgresStore(settings)
        self.azar = np.random.default_rng(9)
        self.fin = ahora.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    def guardar(self, dias: range) -> None:
        """Store, or store again with other values, some hours of some days before today."""
        hoy = hora_absoluta(self.fin) - 1
        claves = [
            (cliente, hoy - 24 * dia - hora)
            for dia in dias
            for hora in HORAS_POR_DIA
            for cliente in CLIENTES
        ]
        self.azar.shuffle(claves)
        n = len(claves)
        score = np.where(self.azar.random(n) < 0.3, self.azar.integers(50, 101, n), 10)
        lecturas, veredictos = hacer_lote(
            claves,
            np.round(self.azar.uniform(0.1, 5, n), 3).tolist(),
            score=score.tolist(),
            severidad=np.searchsorted(UMBRALES, score, side="right").tolist(),
            tipos=np.where(score >= 50, 2, 0).tolist(),
            desfase=[self._desfase(hora) for _, hora in claves],
        )
        guardado = self.historial.save(lecturas, veredictos)
        self.sonda.store.save(
            lecturas, veredictos, explicar(veredictos), guardado.repetida, hora_absoluta(self.ahora)
        )
        aspirante = hacer_lote(claves, version=ASPIRANTE)[1]
        self.historial.save_shadow(lecturas, veredictos, aspirante)

    @staticmethod
    def _desfase(hora: int) -> int:
        momento = datetime.fromtimestamp(hora * 3600, MADRID)
        return round((momento.utcoffset() or timedelta()) / timedelta(hours=1))

    def juzgar(self) -> None:
        """Let people confirm and reject anomalies, past this API."""
        with contextlib.closing(VeredictosMongo(self.settings)) as veredictos:
            ids = [str(doc["_id"]) for doc in self.sonda.base["anomalias_detectadas"].find()]
            veredictos.dar_varios(ids[:9], "confirmada", "visto allí", "ana")
            veredictos.dar_varios(ids[9:20], "descartada", "era una fiesta", "ana")

    def sumar(self) -> None:
        """Make the months, as the nightly job does, and what the other jobs leave."""
        aggregate(self.settings, None, self.ahora)
        sabido = {**dict.fromkeys(ContextoCliente.model_fields), "tarifa": "2.0TD"}
        with contextlib.closing(PostgresContextStore(self.settings)) as contexto:
            contexto.save([ContextoCliente(**sabido | {"propietario_id": CLIENTES[0]})])
        with contextlib.closing(MongoModelLog(self.settings)) as modelos:
            comun = {"desde": self.ahora - DIA, "hasta": self.ahora, "version": "1"}
            informe = {"fecha": self.ahora, "semaforo": "verde", "columnas": [], "resumen": {}}
            modelos.save_informe({**comun, **informe, "html": "<p>Informe</p>"})
            modelos.append_historial(
                {"inicio": self.ahora, "fin": self.ahora, "motivo": "deriva",
                 "resultado": "sin_cambios", "version": None, "criterios": []}
            )  # fmt: skip
        with contextlib.closing(AuditoriaPostgres(self.settings)) as auditoria:
            auditoria.write(clave="ana", rol="analista", accion="veredicto", objeto="anomalia 1",
                            detalle={}, ip="127.0.0.1", peticion_id="x")  # fmt: skip

    def abrir_casos(self) -> None:
        """Store the cases of two customers."""
        with contextlib.closing(MongoCaseStore(self.settings)) as casos:
            casos.save([hacer_caso(cliente) for cliente in CLIENTES[:2]])

    def cerrar_un_caso(self) -> None:
        """Store that one of them is over."""
        with contextlib.closing(MongoCaseStore(self.settings)) as casos:
            acabado = hacer_caso(CLIENTES[0], fecha_cierre=date(2026, 11, 20), probabilidad=0.5)
            casos.save([acabado])

    def hallar(self) -> None:
        """Let somebody say what a visit found, past this API; the hours are judged with it."""
        resultado = {
            "hallado": True, "energia_recuperada_kwh": None, "recuperado_eur": 100.0, "texto": None,
        }  # fmt: skip
        hoy = self.ahora.astimezone(MADRID).date()
        with contextlib.closing(MongoCaseMoves(self.settings)) as casos:
            casos.move(
                hacer_caso(CLIENTES[1]).clave,
                CaseMove(
                    "resultado", "ana", self.ahora, 99,
                    lambda caso: find(caso, resultado, "ana", self.ahora, hoy, 99),
                ),
            )  # fmt: skip

    def archivar(self) -> None:
        """Move what is older than some days to the archive."""
        hoy = self.ahora.astimezone(MADRID).date()
        for archivo in (PostgresArchive(self.settings), MongoArchive(self.settings)):
            with contextlib.closing(archivo):
                archivo.archivar(hoy - ARCHIVO_DIAS * DIA, hoy)

    def eliminar(self) -> None:
        """Delete the oldest part of the archive for good."""
        hoy = self.ahora.astimezone(MADRID).date()
        for archivo in (PostgresArchive(self.settings), MongoArchive(self.settings)):
            with contextlib.closing(archivo):
                archivo.eliminar(hoy - BORRADO_DIAS * DIA)

    def close(self) -> None:
        """Close what is open."""
        self.historial.close()
        self.sonda.store.close()
        self.sonda.cliente.close()


@pytest.fixture
def settings(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give empty stores."""
    with base_nueva(servicios, api_claves=claves_de_prueba(), api_limite_minuto=0) as settings:
        yield settings


def _comparar(http: httpx.Client, casa: Casa, paso: str) -> None:
    """Check each endpoint's answer against the stores."""
    mundo = Mundo(casa.settings, casa.sonda, casa.fin)
    for ruta, pregunta in preguntas(mundo).items():
        respuesta = http.get(pregunta.url, headers={CABECERA_CLAVE: CLAVES["administracion"]})
        esperado = pregunta.esperado(mundo)
        assert respuesta.status_code == (404 if esperado is None else 200), (paso, ruta, respuesta)
        if esperado is not None:
            es_json = respuesta.headers["content-type"].startswith("application/json")
            dicho = pregunta.dice(respuesta.json() if es_json else respuesta.text)
            assert dicho == esperado, (paso, ruta)


def test_ninguna_respuesta_se_queda_vieja(settings: Settings) -> None:
    """An API that started on empty stores says ten seconds later what is in them, whatever came.

    Readings of today, of old days and out of order, corrections, verdicts given elsewhere, months,
    archiving and deletion: after each, every endpoint equals what the stores hold.
    """
    ahora = datetime.now(UTC)
    segundos = Segundos()
    app = create_api(settings, lambda: ahora, segundos=segundos)
    with servir_app(app) as http:
        rutas = {ruta for ruta, ops in app.openapi()["paths"].items() if "get" in ops}
        casa = Casa(settings, ahora)
        casa.sonda.store.ensure_indexes()
        with contextlib.closing(casa):
            assert (
                rutas
                == SIN_ALMACEN.keys() | preguntas(Mundo(settings, casa.sonda, casa.fin)).keys()
            ), "a new endpoint has to be compared with the stores too"
            pasos: list[tuple[str, Callable[[], None]]] = [
                ("vacío", lambda: None),
                ("hoy", lambda: casa.guardar(range(2))),
                ("días viejos", lambda: casa.guardar(range(25, 5, -1))),
                ("correcciones", lambda: casa.guardar(range(0, 25, 2))),
                ("veredictos", casa.juzgar),
                ("meses", casa.sumar),
                ("casos", casa.abrir_casos),
                ("archivo", casa.archivar),
                ("fin de un caso", casa.cerrar_un_caso),
                ("un resultado", casa.hallar),
                ("tardías a lo archivado", lambda: casa.guardar(range(12, 15))),
                ("borrado", casa.eliminar),
            ]
            for paso, cambiar in pasos:
                cambiar()
                segundos.de_mas += PLAZO_S
                _comparar(http, casa, paso)
