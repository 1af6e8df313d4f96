"""What the demo shows once its past is stored."""

from __future__ import annotations

from contextlib import ExitStack, closing

import numpy as np
from contracts.fakes import explicar, hacer_lote

from detection.domain import hora_absoluta, instante
from pipeline.embedded.demo.command import DemoScene
from pipeline.embedded.demo.report import DemoReport
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.reviews import VeredictosMongo
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

H = hora_absoluta(instante(490_000))
HASTA = instante(H)


def test_lo_que_una_persona_descarta_no_cuenta_en_la_demo(entorno: Settings) -> None:
    """Rejected anomalies make nobody suspicious, nor does the demo give them as reasons."""
    claves = [*(("TALLER", H - i) for i in range(5)), ("PLANTACION", H - 1)]
    lote = hacer_lote(claves, score=[99] * 5 + [70], severidad=[4] * 5 + [2])
    with ExitStack() as pila:
        anomalias = pila.enter_context(closing(MongoAnomalyStore(entorno)))
        consultas = pila.enter_context(closing(MongoQueries(entorno, reloj=lambda: HASTA)))
        veredictos = pila.enter_context(closing(VeredictosMongo(entorno)))
        historial = pila.enter_context(closing(PostgresStore(entorno)))
        anomalias.save(*lote, explicar(lote[1]), np.zeros(len(claves), np.bool_), H)
        del_taller = [
            a.id for a in consultas.lists.page().elementos if a.propietario_id == "TALLER"
        ]
        veredictos.dar_varios(del_taller, "descartada", "es un horno", "ana")
        consultas.forget()
        escena = DemoScene(1, 2, 30, H - 30 * 24, H)
        informe = DemoReport(escena, historial, anomalias, consultas, len(claves), 1.0, False)
        assert [c.propietario_id for c in informe.ranking(10)] == ["PLANTACION"]
        assert informe.ranking(10) == consultas.ranking.first(10, HASTA)
        assert informe.consultas.ranking.reasons(["TALLER"], 2, informe.hasta) == {"TALLER": []}
