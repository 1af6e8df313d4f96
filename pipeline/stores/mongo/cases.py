"""Cases in MongoDB: ``casos``, a document each, by the customer and the day on which it opened.

The detector's fields are replaced with every write, what people have said stays. Of ``estado`` the
detector says two things alone: ``nuevo`` while a case goes on that nobody has dealt with, and
``terminado`` once it is over; whatever else it says, people have said.

Days are texts (``2026-11-03``): a local day is no instant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, DeleteOne, UpdateOne
from pymongo.errors import BulkWriteError

from detection.cases.records import CaseGoingOn, Caso
from pipeline.stores.case_records import DESCARTADO, NUEVO, TERMINADO
from pipeline.stores.mongo.chunks import TRAMO_IDS, bulk_write
from pipeline.stores.mongo.connection import DUPLICADO, connect, traducidos, write_concern
from pipeline.stores.mongo.documents import now
from serving.settings import Settings

CASOS = "casos"
MOVIDO = "movido"
"""When a case was found, changed its ``estado``, or was last moved by a person."""
_SUYO = f"${MOVIDO}"
INDICES = (
    [("fecha_cierre", ASCENDING), ("recuperable_kwh", DESCENDING), ("_id", ASCENDING)],
    [("fecha_cierre", ASCENDING), ("probabilidad", DESCENDING), ("_id", ASCENDING)],
    [("fecha_cierre", ASCENDING), ("fecha_inicio", ASCENDING), ("_id", ASCENDING)],
    [("propietario_id", ASCENDING), ("fecha_apertura", DESCENDING)],
    [("estado", ASCENDING), ("fecha_inicio", ASCENDING)],
    [(MOVIDO, ASCENDING), ("_id", ASCENDING)],
    [("fecha_cierre", ASCENDING), ("asignado_a", ASCENDING)],
    [("visita.fecha", ASCENDING)],
)
"""Cases that go on have no ``fecha_cierre``, and come first."""
NO_INOCENTES = {"inocente": {"$ne": True}}
"""Which cases may make somebody suspicious; older documents do not say."""
TRAMO_CASOS = 200
"""Cases a request: the embedded server takes some 10 ms for each (by hand, 2026-11-30)."""
_DE_OTRO = dict.fromkeys(("propietario_id", "hasta", "estado", "revision", "inocente"), 1)


class MongoCaseStore:
    """``CaseStore`` over ``casos``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo casos")
        self._casos = self._cliente[settings.mongo_db][CASOS]

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        with traducidos(self._settings):
            for campos in INDICES:
                self._casos.create_index(campos)

    def save(self, casos: Sequence[Caso]) -> None:
        """Store what is thought of cases now, in place of what was thought of them before.

        What was thought later (``hasta``) stays: a consumer that has lost a customer without
        knowing it does not take its case back. A customer has one open case (``CaseStore.save``).
        """
        with traducidos(self._settings):
            for desde in range(0, len(casos), TRAMO_CASOS):
                self._save(casos[desde : desde + TRAMO_CASOS])

    def _save(self, casos: Sequence[Caso]) -> None:
        operaciones = []
        for caso in casos:
            campos = case_fields(caso)
            filtro = {"_id": caso.clave, "hasta": {"$lte": campos["hasta"]}}
            operaciones.append(UpdateOne(filtro, [{"$set": _replacement(campos)}], upsert=True))
        try:
            bulk_write(self._casos, operaciones)
        except BulkWriteError as error:
            # One that is there and not found is of a later day.
            fallos = error.details["writeErrors"]
            if any(f["code"] != DUPLICADO for f in fallos) or write_concern(error):
                raise
        bulk_write(self._casos, list(self._superseded(casos)))

    def _superseded(self, casos: Sequence[Caso]) -> Iterator[UpdateOne | DeleteOne]:
        """Yield what is to become of cases that are open beside another one of their customer."""
        # One of innocent kind supersedes others of its kind alone.
        en_orden = sorted(casos, key=lambda caso: not caso.inocente)
        abiertos = {caso.propietario_id: caso for caso in en_orden if caso.fecha_cierre is None}
        clientes = list(abiertos)
        for desde in range(0, len(clientes), TRAMO_IDS):
            suyos = {"propietario_id": {"$in": clientes[desde : desde + TRAMO_IDS]}}
            for doc in self._casos.find({**suyos, "fecha_cierre": None}, _DE_OTRO):
                caso, hasta, estado = abiertos[doc["propietario_id"]], doc["hasta"], doc["estado"]
                if doc["_id"] == caso.clave or hasta > caso.hasta.isoformat():
                    continue
                if caso.inocente and not doc.get("inocente"):
                    continue
                revision = doc.get("revision")
                como_estaba = {
                    "_id": doc["_id"], "estado": estado, "hasta": hasta, "revision": revision,
                }  # fmt: skip
                nadie = estado == NUEVO and revision is None
                if nadie and hasta >= caso.fecha_apertura.isoformat():
                    yield DeleteOne(como_estaba)
                else:
                    queda = TERMINADO if estado == NUEVO else estado
                    yield UpdateOne(como_estaba, {"$set": {"fecha_cierre": hasta, "estado": queda}})

    def discarded(self, propietario_id: Sequence[str]) -> dict[str, date]:
        """Return the onset of the latest discarded case of customers (``CaseStore.discarded``)."""
        salida: dict[str, date] = {}
        with traducidos(self._settings):
            for desde in range(0, len(propietario_id), TRAMO_IDS):
                suyos = {"propietario_id": {"$in": propietario_id[desde : desde + TRAMO_IDS]}}
                salida |= self._onsets(suyos)
        return salida

    def discarded_since(self, momento: datetime) -> dict[str, date]:
        """Return what was discarded from an instant on (``CaseStore.discarded_since``)."""
        with traducidos(self._settings):
            return self._onsets({MOVIDO: {"$gte": momento}})

    def _onsets(self, condiciones: dict[str, Any]) -> dict[str, date]:
        pedidos = {**condiciones, "estado": DESCARTADO}
        campos = dict.fromkeys(("propietario_id", "fecha_inicio"), 1)
        docs = self._casos.find(pedidos, campos).sort("fecha_inicio", ASCENDING)
        return {d["propietario_id"]: date.fromisoformat(d["fecha_inicio"]) for d in docs}

    def going_on(self, propietario_id: Sequence[str]) -> list[CaseGoingOn]:
        """Return the cases of customers that go on (``CaseStore.going_on``)."""
        salida: list[CaseGoingOn] = []
        with traducidos(self._settings):
            for desde in range(0, len(propietario_id), TRAMO_IDS):
                suyos = {"propietario_id": {"$in": propietario_id[desde : desde + TRAMO_IDS]}}
                salida += self._going_on(suyos)
        return salida

    def going_on_since(self, momento: datetime) -> list[CaseGoingOn]:
        """Return those found or moved from an instant on (``CaseStore.going_on_since``)."""
        with traducidos(self._settings):
            return self._going_on({MOVIDO: {"$gte": momento}})

    def _going_on(self, condiciones: dict[str, Any]) -> list[CaseGoingOn]:
        pedidos = {**condiciones, "fecha_cierre": None, "estado": {"$ne": DESCARTADO}}
        docs = self._casos.find(pedidos, dict.fromkeys(CaseGoingOn._fields, 1))
        return [
            CaseGoingOn(
                doc["propietario_id"], date.fromisoformat(doc["fecha_inicio"]),
                date.fromisoformat(doc["fecha_apertura"]), doc["tipo"],
            )
            for doc in docs
        ]  # fmt: skip

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        with traducidos(self._settings):
            self._cliente.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()


def case_fields(caso: Caso) -> dict[str, Any]:
    """Return what the detector says of a case; of a closed one ``estado`` is another."""
    return {
        "propietario_id": caso.propietario_id,
        "fecha_apertura": caso.fecha_apertura.isoformat(),
        "fecha_inicio": caso.fecha_inicio.isoformat(),
        "fecha_cierre": None if caso.fecha_cierre is None else caso.fecha_cierre.isoformat(),
        "hasta": caso.hasta.isoformat(),
        "tipo": str(caso.tipo),
        "inocente": caso.inocente,
        "probabilidad": float(caso.probabilidad),
        "consumo_antes_kwh": float(caso.consumo_antes_kwh),
        "consumo_despues_kwh": float(caso.consumo_despues_kwh),
        "energia_en_juego_kwh": float(caso.energia_en_juego_kwh),
        "energia_minima_kwh": float(caso.energia_minima_kwh),
        "energia_maxima_kwh": float(caso.energia_maxima_kwh),
        # By which they are sorted.
        "recuperable_kwh": float(caso.probabilidad * caso.energia_en_juego_kwh),
        "evidencia": [
            {"fecha": dia.fecha.isoformat(), "probabilidad": float(dia.probabilidad)}
            for dia in caso.evidencia
        ],
        "frase": caso.frase,
        "version_modelo": caso.version_modelo,
    }


def _replacement(campos: dict[str, Any]) -> dict[str, Any]:
    """Return the stage that puts the detector's fields into a document, there already or not."""
    acaba = campos["fecha_cierre"]
    suyo = NUEVO if acaba is None else TERMINADO
    sigue = {"$eq": [{"$ifNull": ["$fecha_cierre", None]}, None]}
    dicho = {"$ifNull": ["$estado", NUEVO]}
    estado = {"$cond": [{"$in": [dicho, [NUEVO, TERMINADO]]}, suyo, dicho]}
    ahora = now()
    return {
        # In a stage "$" begins the name of a field; a customer's name may, too.
        **{campo: {"$literal": valor} for campo, valor in campos.items()},
        "estado": estado,
        # A new one has no ``estado`` yet.
        MOVIDO: {
            "$cond": [
                {"$and": [{"$eq": ["$estado", estado]}, {"$eq": [sigue, acaba is None]}]},
                {"$ifNull": [f"${MOVIDO}", ahora]},
                ahora,
            ]
        },
    }
