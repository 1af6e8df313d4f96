"""MongoDB: drift reports, runs of the retraining job, and what people say of anomalies."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import hora_absoluta
from detection.errors import TransientError
from pipeline.stores.mongo import model_log
from pipeline.stores.mongo.model_log import HTML_MAXIMO, MongoModelLog
from serving.settings import Settings

H = hora_absoluta(datetime(2050, 1, 15, 2, tzinfo=UTC))
FECHA = datetime(2026, 11, 24, 9, 30, 15, 123000, UTC)


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture
def modelos(entorno: Settings) -> Iterator[MongoModelLog]:
    abierto = MongoModelLog(entorno)
    abierto.ensure_indexes()
    yield abierto
    abierto.close()


def _informe(dias: int, **otros: object) -> dict:
    return {
        "fecha": FECHA + timedelta(days=dias),
        "desde": FECHA - timedelta(days=7),
        "hasta": FECHA,
        "version": "consumo-detector-3",
        "semaforo": "verde",
        "columnas": [{"nombre": "z_hora", "psi": 0.02, "movida": False}],
        "resumen": {"movidas": 0, "nada": None},
        "html": "<html>ñ€😀</html>",
        **otros,
    }


def _sin_id(documentos: list[dict]) -> list[dict]:
    assert all(isinstance(doc["id"], str) and "_id" not in doc for doc in documentos)
    return [{k: v for k, v in doc.items() if k != "id"} for doc in documentos]


def test_sin_informes_no_hay_ultimo(modelos: MongoModelLog) -> None:
    """An empty database has no report and no run."""
    assert modelos.latest_informe() is None
    assert modelos.informes(5) == modelos.historial(5) == []
    assert modelos.confirmadas() == modelos.descartadas() == []


def test_el_ultimo_informe_vuelve_entero(modelos: MongoModelLog) -> None:
    """The latest by its date, however they arrived, with its HTML; lists come without it."""
    for dias in (2, 5, 1):
        informe = _informe(dias)
        assert modelos.save_informe(informe)
        assert informe == _informe(dias), "what the caller gave is the caller's"
    ultimo = modelos.latest_informe()
    assert ultimo is not None
    assert _sin_id([ultimo]) == [_informe(5)]
    sin_html = [{k: v for k, v in _informe(d).items() if k != "html"} for d in (5, 2, 1)]
    assert _sin_id(modelos.informes(9)) == sin_html
    assert _sin_id(modelos.informes(2)) == sin_html[:2]
    assert modelos.informes(0) == []


def test_de_la_misma_fecha_el_ultimo_es_el_que_llego_despues(modelos: MongoModelLog) -> None:
    """Two reports of one moment: the one that was stored later is the latest."""
    for semaforo in ("verde", "rojo"):
        modelos.save_informe(_informe(0, semaforo=semaforo))
    assert [doc["semaforo"] for doc in modelos.informes(2)] == ["rojo", "verde"]


def test_un_html_enorme_se_queda_fuera(
    modelos: MongoModelLog, caplog: pytest.LogCaptureFixture
) -> None:
    """A report that no document can hold is stored without its HTML, and the log says so once."""
    enorme = "ñ" * (HTML_MAXIMO // 2 + 1)  # two bytes each
    with caplog.at_level(logging.WARNING):
        assert not modelos.save_informe(_informe(0, html=enorme))
    ultimo = modelos.latest_informe()
    assert ultimo is not None
    assert (ultimo["html"], ultimo["semaforo"]) == (None, "verde")
    assert [r.message for r in caplog.records if r.name == model_log.__name__] == [
        "El informe de deriva se guarda sin su HTML: ocupa 12582914 bytes y caben 12582912"
    ]


def test_el_html_mas_grande_que_cabe(modelos: MongoModelLog) -> None:
    """Exactly at the limit it goes in, whole, with everything else."""
    html = "x" * HTML_MAXIMO
    assert modelos.save_informe(_informe(0, html=html))
    ultimo = modelos.latest_informe()
    assert ultimo is not None
    assert ultimo["html"] == html
    assert not modelos.save_informe(_informe(1, html=None))


def test_el_historial_guarda_cada_ejecucion(modelos: MongoModelLog) -> None:
    """Every run with its reason stays; the newest comes first, under the id that was given."""
    ejecuciones = [
        {
            "inicio": FECHA + timedelta(hours=i),
            "fin": FECHA + timedelta(hours=i, minutes=3),
            "motivo": "deriva: rojo",
            "resultado": "promovido" if i % 2 else "sin cambios",
            "version": "consumo-detector-4" if i % 2 else None,
            "criterios": [{"nombre": "precisión media", "cumple": True, "valor": 0.91}],
        }
        for i in (1, 0, 2)
    ]
    ids = [modelos.append_historial(ejecucion) for ejecucion in ejecuciones]
    assert len(set(ids)) == 3
    historial = modelos.historial(9)
    assert [doc["id"] for doc in historial] == [ids[2], ids[0], ids[1]]
    assert _sin_id(historial) == [ejecuciones[2], ejecuciones[0], ejecuciones[1]]
    assert [doc["id"] for doc in modelos.historial(1)] == [ids[2]]
    assert modelos.historial(0) == []


def test_los_indices(modelos: MongoModelLog, entorno: Settings) -> None:
    """Latest reports and runs are found by an index, and asking again is harmless."""
    sonda = AnomaliasMongo(entorno)
    modelos.ensure_indexes()
    indices = {
        coleccion: sorted(
            tuple(indice["key"])
            for nombre, indice in sonda.base[coleccion].index_information().items()
            if nombre != "_id_"
        )
        for coleccion in ("informes_deriva", "historial_modelos")
    }
    assert indices == {
        "informes_deriva": [(("fecha", -1),), (("version", 1), ("fecha", -1))],
        "historial_modelos": [(("inicio", -1),)],
    }
    sonda.store.close()
    sonda.cliente.close()


def test_lo_que_dicen_las_personas(modelos: MongoModelLog, entorno: Settings) -> None:
    """Confirmed and rejected anomalies by customer and hour, sorted; open ones are in neither."""
    sonda = AnomaliasMongo(entorno)
    claves = [("B", H), ("A", H + 3), ("A", H + 1), ("C", H), ("D", H)]
    lote = hacer_lote(claves, severidad=[3] * 5, score=[85] * 5)
    sonda.store.save(*lote, explicar(lote[1]), np.zeros(5, np.bool_), H)
    for clave in claves[:3]:
        sonda.poner_estado(clave, "confirmada")
    sonda.poner_estado(claves[3], "descartada")
    assert modelos.confirmadas() == [("A", H + 1), ("A", H + 3), ("B", H)]
    assert modelos.descartadas() == [("C", H)]
    sonda.store.close()
    sonda.cliente.close()


def test_sin_servidor_el_error_es_transitorio() -> None:
    """Every operation says, in Spanish, who is away."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        puerto = int(enchufe.getsockname()[1])
    modelos = MongoModelLog(Settings(mongo_host="127.0.0.1", mongo_port=puerto))
    for operacion in (modelos.ping, modelos.latest_informe, modelos.confirmadas):
        with pytest.raises(TransientError, match="no responde"):
            operacion()
    modelos.close()
