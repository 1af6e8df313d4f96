"""Anomalies to where their days live, beside an archiver that may be moving them."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO, ColeccionAnomalias, LoteAnomalias
from pipeline.stores.mongo.day_marks import HORAS_SIEMPRE_VIVAS, Base, Sitio, places
from pipeline.stores.mongo.transfer import Traslado, raw

log = logging.getLogger(__name__)


class AnomaliasRepartidas:
    """``anomalias_detectadas`` and ``anomalias_archivo`` as one collection to write to."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._vivas = ColeccionAnomalias(base[ANOMALIAS])
        self._archivadas = ColeccionAnomalias(base[ARCHIVO])
        vivas, archivadas = raw(base[ANOMALIAS]), raw(base[ARCHIVO])
        self._de_vuelta = Traslado(archivadas, vivas, al_archivo=False)
        self._al_archivo = Traslado(vivas, archivadas, al_archivo=True)

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        self._vivas.ensure_indexes()
        self._archivadas.ensure_indexes()

    def write(self, lote: LoteAnomalias, ahora_hora: int) -> None:
        """Store the batch as ``ColeccionAnomalias.write`` does, each reading where its day lives.

        ``ahora_hora``: absolute hour of now; of fresh readings nobody has to be asked.
        """
        viejas = lote.lecturas.hora_utc < ahora_hora - HORAS_SIEMPRE_VIVAS
        if not (viejas & lote.posibles()).any():
            self._write_live(lote)
            return
        dias = lote.veredictos.hora_local // HORAS_POR_DIA
        preguntados = sorted(set(dias[viejas].tolist()))
        sitios = places(self._base, preguntados)
        self._write_by(lote, dias, sitios)
        # Whoever moved or marked a day while we wrote may not have seen what we wrote.
        while (ahora := places(self._base, preguntados)) != sitios:
            otros = [dia for dia in preguntados if ahora.get(dia) is not sitios.get(dia)]
            sitios = ahora
            movidas = np.flatnonzero(np.isin(dias, otros))
            suyas = lote.elegir(movidas)
            self._write_by(suyas, dias[movidas], sitios)
            # What we have written where the day was may be a second one of its reading.
            self._unite(suyas)

    def _write_by(
        self, lote: LoteAnomalias, dias: NDArray[np.int64], sitios: dict[int, Sitio]
    ) -> None:
        """Store each reading of the batch as its day's mark says."""
        if not sitios:
            self._write_live(lote)
            return
        archivo, volviendo = (
            np.isin(dias, [dia for dia, suyo in sitios.items() if suyo is sitio])
            for sitio in (Sitio.ARCHIVO, Sitio.VOLVIENDO)
        )
        self._write_live(lote.elegir(np.flatnonzero(~archivo & ~volviendo)))
        if archivo.any():
            self._write_archived(lote.elegir(np.flatnonzero(archivo)))
        if volviendo.any():
            self._write_returning(lote.elegir(np.flatnonzero(volviendo)))

    def _write_live(self, lote: LoteAnomalias) -> None:
        """Store readings of days that are not marked."""
        while not self._vivas.write(lote):
            log.debug("unas anomalías cambian de sitio mientras se guardan: otra vez")

    def _write_archived(self, lote: LoteAnomalias) -> None:
        """Store readings of archived days where their anomalies are; new ones in the archive."""
        while True:
            # Those that are still on their way; copies of them in the archive do not count yet.
            en_camino = self._vivas.renew(lote)
            if en_camino is None:
                continue
            if en_camino.size:
                self._unite(lote.elegir(en_camino))
            resto = np.setdiff1d(np.arange(len(lote)), en_camino)
            if self._archivadas.write(lote.elegir(resto)):
                return

    def _unite(self, lote: LoteAnomalias) -> None:
        """Leave one anomaly of each reading of which both collections have one of their own."""
        vivas = self._vivas.stored(lote, np.arange(len(lote)))
        self._al_archivo.unite([doc["_id"] for doc, _ in vivas])

    def _write_returning(self, lote: LoteAnomalias) -> None:
        """Store readings of days that are on their way back."""
        posibles = np.flatnonzero(lote.posibles())
        while True:
            # Only copied: that they go from the archive is the restorer's business, who would take
            # one that has gone for one that was taken back.
            ids = [doc["_id"] for doc, _ in self._archivadas.stored(lote, posibles)]
            self._de_vuelta.copy_ids(ids)
            if self._vivas.write(lote, retirar=False):
                return
