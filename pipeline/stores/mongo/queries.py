"""What the API and the dashboard ask of MongoDB; everything here only reads, within limits."""

from __future__ import annotations

from functools import partial

from pipeline.stores.anomaly_records import Anomalia, FiltroAnomalias
from pipeline.stores.mongo.query_months import ConsultasMeses
from pipeline.stores.query_limits import Pagina, check_limit, check_words

ORDENES = ("deteccion", "consumo", "score")
PRIMERA_MAXIMA = 200
_TODAS = FiltroAnomalias()


class MongoConsultas(ConsultasMeses):
    """All that is asked of anomalies and months by whoever only looks; safe from many threads.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> MongoConsultas(Settings()).close()
    """

    def anomalias(
        self,
        filtro: FiltroAnomalias = _TODAS,
        *,
        orden: str = "deteccion",
        descendente: bool = True,
        limite: int = 50,
        cursor: str | None = None,
        con_archivo: bool = False,
    ) -> Pagina[Anomalia]:
        """Return a page of anomalies.

        Parameters
        ----------
        orden : str
            "deteccion" (when it was found), "consumo" (the instant of the reading) or "score"; the
            last one of at most ``RANKING_MAXIMO`` at a time, out of 92 days, or of 400 of one
            customer.
        limite : int
            1 to ``LIMITE_PAGINA``.
        con_archivo : bool
            Those in ``anomalias_archivo`` too.
        """
        check_words("orden", [orden], ORDENES)
        if orden == "score":
            return self._by_score(filtro, descendente, limite, cursor, con_archivo)
        check_limit(limite)
        # Cursors are as many as there are pages; the first one is what all screens show.
        if cursor is not None or limite > PRIMERA_MAXIMA:
            return self._by_time(filtro, orden, descendente, limite, cursor, con_archivo)
        clave = ("lista", filtro, orden, descendente, limite, con_archivo)
        return self._recuerdo.get(
            clave, partial(self._by_time, filtro, orden, descendente, limite, None, con_archivo)
        )
