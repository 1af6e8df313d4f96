"""What routes ask for, by the name of its type: ``def f(recursos: Todo, ahora: Ahora)``.

Nothing is opened here: ``app.py`` makes one ``Recursos`` for an app's life. Every function is
``async`` though none waits: FastAPI sends the others to a thread, behind the routes' queries. Each
looks into the request itself: a dependency of a dependency costs every request some 20 µs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Query, Request

from api.api_keys import ApiKey, KnownKeys, RoleRequired
from api.middleware import address_of
from api.startup import StorePreparation
from api.streams import CURSOR_MAXIMO, EventStreams
from api.system.figures import SystemReader
from detection.errors import TransientError
from pipeline.stores.mongo.case_moves import MongoCaseMoves
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.mongo.reviews import VeredictosMongo
from pipeline.stores.postgres.audit import AuditoriaPostgres
from pipeline.stores.postgres.health import PostgresHealth
from pipeline.stores.query_cache import RememberedAnswer
from pipeline.stores.query_ports import AnomalyQueries, HistoryQueries
from pipeline.streaming.kafka_lag import LagReader
from serving.health import HealthMonitor
from serving.metrics import ApiMetrics
from serving.model_versions import VersionInfo
from serving.registry import ModelRegistry
from serving.settings import Settings
from serving.web.problems import request_id

log = logging.getLogger("api")

HUELLA_VISIBLE = 8
"""Hex digits of a key's hash in the audit: enough to tell two keys of one name apart."""


@dataclass(frozen=True, slots=True)
class Recursos:
    """Everything that an app holds while it runs."""

    settings: Settings
    ahora: Callable[[], datetime]  # the clock; an aware instant
    historico: HistoryQueries
    anomalias: AnomalyQueries
    veredictos: VeredictosMongo
    casos: MongoCaseMoves
    auditoria: AuditoriaPostgres
    salud: PostgresHealth
    modelos: MongoModelLog
    registro: ModelRegistry
    versiones: RememberedAnswer[list[VersionInfo]]
    metricas: ApiMetrics
    claves: KnownKeys
    preparacion: StorePreparation
    vigia: HealthMonitor
    medidas: SystemReader
    retraso: LagReader
    flujos: EventStreams

    def close(self) -> None:
        """Stop what runs in the background and close every store."""
        self.preparacion.close()
        self.vigia.close()
        self.medidas.close()
        for almacen in (
            self.historico, self.anomalias, self.veredictos, self.casos, self.auditoria,
            self.salud, self.modelos, self.retraso,
        ):  # fmt: skip
            almacen.close()


def recursos_de(peticion: Request) -> Recursos:
    """Return what the app of a request holds."""
    recursos: Recursos = peticion.app.state.recursos
    return recursos


async def get_recursos(peticion: Request) -> Recursos:
    """Return what the app of a request holds, to a route."""
    return recursos_de(peticion)


Todo = Annotated[Recursos, Depends(get_recursos)]


async def _ahora(peticion: Request) -> datetime:
    return recursos_de(peticion).ahora()


async def _historico(peticion: Request) -> HistoryQueries:
    recursos = recursos_de(peticion)
    recursos.preparacion.check()
    return recursos.historico


async def _anomalias(peticion: Request) -> AnomalyQueries:
    return recursos_de(peticion).anomalias


async def _modelos(peticion: Request) -> MongoModelLog:
    return recursos_de(peticion).modelos


Ahora = Annotated[datetime, Depends(_ahora)]
"""The time, aware, in UTC."""
Historico = Annotated[HistoryQueries, Depends(_historico)]
"""Queries on PostgreSQL; 503 until its schema is known to be there."""
AnomaliasDep = Annotated[AnomalyQueries, Depends(_anomalias)]
"""Queries on MongoDB."""
ModelosDep = Annotated[MongoModelLog, Depends(_modelos)]
"""Drift reports and the runs of the retraining job."""

LectorDep = Annotated[ApiKey, Depends(RoleRequired("lectura"))]
Analista = Annotated[ApiKey, Depends(RoleRequired("analista"))]
"""The key of a request that changes verdicts: 401 without one, 403 with a lesser role."""
Administrador = Annotated[ApiKey, Depends(RoleRequired("administracion"))]
"""The same for models and the audit."""

LIMITE_MAXIMO = 1000


def tope(defecto: int, maximo: int = LIMITE_MAXIMO) -> Any:
    """Return what a ``limite`` parameter is: ``limite: Annotated[int, tope(50)] = 50``."""
    return Query(
        ge=1, le=maximo, description=f"Cuántos como mucho ({defecto} si falta)", examples=[defecto]
    )


CursorPedido = Annotated[
    str | None,
    Query(
        max_length=CURSOR_MAXIMO,
        pattern=r"^[A-Za-z0-9_=-]+$",
        description="Por dónde seguir: el «siguiente» de la página anterior",
    ),
]


class Auditor:
    """Writes down who changes what, before it is changed; without that nothing is changed."""

    def __init__(self, recursos: Todo, peticion: Request) -> None:
        self._recursos = recursos
        self._peticion = peticion

    @contextmanager
    def cambio(self, accion: str, objeto: str, detalle: Mapping[str, Any]) -> Iterator[int]:
        """Note a change that the block makes, and give the note's number; note a failure too.

        ``TransientError``: it cannot be written down; the block has not run.
        """
        numero = self.note(accion, objeto, detalle)
        try:
            yield numero
        except Exception as error:
            try:
                self.note(accion, objeto, {**detalle, "fallo": type(error).__name__})
            except TransientError as otro:
                error.add_note(f"y no se pudo anotar: {otro}")
            raise

    def note(self, accion: str, objeto: str, detalle: Mapping[str, Any]) -> int:
        """Write a row and return its number; ``TransientError`` if it cannot be written."""
        self._recursos.preparacion.check()
        clave: ApiKey = self._peticion.scope["state"]["clave"]
        return self._recursos.auditoria.write(
            clave=f"{clave.nombre} ({clave.huella[:HUELLA_VISIBLE]})",
            rol=clave.rol,
            accion=accion,
            objeto=objeto,
            detalle=detalle,
            ip=address_of(self._peticion.scope),
            peticion_id=request_id(self._peticion.scope),
        )


AuditorDep = Annotated[Auditor, Depends(Auditor)]
"""The audit, for whoever changes something."""


NO_EXISTE = "Nunca ha habido una lectura de ese cliente"
"""What the 404 of such a route means, for the documentation."""


def check_cliente(
    historico: HistoryQueries, propietario_id: str, suyas: Sequence[object] = ()
) -> None:
    """Return if there has ever been a reading of a customer; 404 otherwise.

    ``suyas``: what has been found of it: where there is anything nobody has to be asked.
    """
    if not suyas and not historico.readings.exists(propietario_id):
        raise HTTPException(404, f"no existe el cliente «{propietario_id}»")


def check_cliente_sin_nada(recursos: Recursos, propietario_id: str) -> None:
    """Return if a customer of whom MongoDB has nothing exists; 404 otherwise.

    Only the history knows. While it is away, "nothing" is still true of a customer, and better
    than no answer.
    """
    try:
        recursos.preparacion.check()
        check_cliente(recursos.historico, propietario_id)
    except TransientError as error:
        log.warning("no se sabe si existe un cliente: %s", error)
