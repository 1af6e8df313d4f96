"""What each customer used in each month, in MongoDB (``consumos_mensuales``).

Beside it, ``marcas_agregacion`` remembers from which readings each month was made. A month's
mark goes before its first document changes and comes back after its last one: a run that dies
half way leaves no mark, so the next one makes the month again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from pymongo import ASCENDING, DeleteOne, ReplaceOne
from pymongo.database import Database

from pipeline.stores.mongo.connection import connect, traducidos
from pipeline.stores.months import TRAMO, ResumenCliente, mes_de, mes_str
from serving.settings import Settings

MENSUALES = "consumos_mensuales"
MARCAS = "marcas_agregacion"


def ensure_mensuales(base: Database[dict[str, Any]]) -> None:
    """Create the indexes of ``consumos_mensuales`` that are missing: the specification's."""
    base[MENSUALES].create_index([("mes_str", ASCENDING)])
    base[MENSUALES].create_index([("propietario_id", ASCENDING)])


class MesesMongo:
    """``consumos_mensuales`` and the marks of how far it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo agregar")
        self._base = self._cliente[settings.mongo_db]

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        with traducidos(self._settings):
            ensure_mensuales(self._base)

    def marcas(self) -> dict[date, dict[str, Any] | None]:
        """Return the mark of each month that has documents or a mark.

        None = the month was not finished, or somebody has taken its documents away.
        """
        with traducidos(self._settings):
            con_documentos = {mes_de(texto) for texto in self._base[MENSUALES].distinct("mes_str")}
            marcas = {mes_de(doc.pop("_id")): doc for doc in self._base[MARCAS].find()}
        for marca in marcas.values():
            marca.pop("agregado_en")
        return {
            mes: marcas.get(mes) if mes in con_documentos else None
            for mes in con_documentos | marcas.keys()
        }

    def begin(self, mes: date) -> None:
        """Take note that the month's documents are about to change."""
        with traducidos(self._settings):
            self._base[MARCAS].delete_one({"_id": mes_str(mes)})

    def save(
        self,
        mes: date,
        resumenes: Sequence[ResumenCliente],
        comunes: Mapping[str, Any],
        momento: datetime,
    ) -> None:
        """Store the month of some customers in place of what was there.

        ``comunes``: fields that all of the month's documents have. ``momento``: when their readings
        were looked at, aware.
        """
        cambios = []
        for resumen in resumenes:
            documento = {
                "_id": f"{resumen.propietario_id}_{mes_str(mes)}",
                "propietario_id": resumen.propietario_id,
                "mes": datetime.combine(mes, time(), UTC),
                "mes_str": mes_str(mes),
                **resumen._asdict(),
                **comunes,
                "agregado_en": momento,
            }
            cambios.append(ReplaceOne({"_id": documento["_id"]}, documento, upsert=True))
        if cambios:
            with traducidos(self._settings):
                self._base[MENSUALES].bulk_write(cambios, ordered=False)

    def finish(self, mes: date, marca: Mapping[str, Any] | None, momento: datetime) -> int:
        """Remove the month's documents that were not saved at ``momento``; return how many.

        ``marca``: from which readings the month was made; None = it has none.
        """
        clave = {"_id": mes_str(mes)}
        with traducidos(self._settings):
            borrados = self._remove_older(mes, momento)
            if marca is not None:
                nueva = {**clave, **marca, "agregado_en": momento}
                self._base[MARCAS].replace_one(clave, nueva, upsert=True)
        return borrados

    def _remove_older(self, mes: date, momento: datetime) -> int:
        """Remove the month's documents from before ``momento``, as many at a time as are saved."""
        mensuales = self._base[MENSUALES]
        # Not merely other: should somebody else write the month after us, that stays.
        filtro = {"mes_str": mes_str(mes), "agregado_en": {"$not": {"$gte": momento}}}
        borrados = 0
        while restos := list(mensuales.find(filtro, {"_id": 1}).limit(TRAMO)):
            operaciones = [DeleteOne({"_id": doc["_id"]}) for doc in restos]
            borrados += mensuales.bulk_write(operaciones, ordered=False).deleted_count
        return borrados

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()
