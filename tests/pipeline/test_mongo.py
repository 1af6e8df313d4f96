"""MongoDB: indexes, what it shows to people, and what happens when it is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import Explicacion, hora_absoluta, instante
from detection.errors import TransientError
from pipeline.stores.mongo import chunks
from pipeline.stores.mongo.store import MongoAnomalyStore
from serving.settings import Settings

# Far ahead: MongoDB itself forgets hours of the past, whenever it comes round to it.
H = hora_absoluta(datetime(2050, 1, 15, 2, tzinfo=UTC))
CONTRASENA = "s3creta-de-verdad"
DEMASIADO_S = 12
"""Within this time a consumer has to know that the server is away: it polls every few seconds."""


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[AnomaliasMongo]:
    abierta = AnomaliasMongo(entorno)
    yield abierta
    abierta.store.close()
    abierta.cliente.close()


def _indices(sonda: AnomaliasMongo, coleccion: str) -> list[tuple]:
    return [
        (indice["key"], indice.get("unique", False), indice.get("expireAfterSeconds"))
        for nombre, indice in sorted(sonda.base[coleccion].index_information().items())
        if nombre != "_id_"
    ]


def test_los_indices_son_los_de_la_especificacion(sonda: AnomaliasMongo) -> None:
    """Every index of the specification and of contract 4 is there, and asking again is harmless."""
    for _ in range(2):
        assert _indices(sonda, "anomalias_detectadas") == [
            ([("propietario_id", 1)], False, None),
            ([("propietario_id", 1), ("timestamp_consumo", 1)], True, None),
            ([("timestamp_deteccion", -1)], False, None),
        ]
        assert _indices(sonda, "consumos_mensuales") == [
            ([("mes_str", 1)], False, None),
            ([("propietario_id", 1)], False, None),
        ]
        assert _indices(sonda, "consumos_horarios") == [
            ([("timestamp_consumo", 1)], False, 48 * 3600)
        ]
        sonda.store.ensure_indexes()


def test_otra_retencion_cambia_el_indice(sonda: AnomaliasMongo, entorno: Settings) -> None:
    """A new ``RETENCION_HORARIOS_HORAS`` takes effect at the next start, and data stay."""
    sonda.store.save(*hacer_lote([("A", H)]), [[]], np.zeros(1, np.bool_), H)
    for horas in (24, 72):
        otra = MongoAnomalyStore(entorno.model_copy(update={"retencion_horarios_horas": horas}))
        otra.ensure_indexes()
        otra.close()
        assert _indices(sonda, "consumos_horarios") == [
            ([("timestamp_consumo", 1)], False, horas * 3600)
        ]


def test_los_documentos_tienen_los_campos_del_contrato(sonda: AnomaliasMongo) -> None:
    """The names and types are those of the specification and of contract 4, and no others."""
    lote = hacer_lote([("A", H)], [8.5], score=[95], severidad=[4], tipos=[0b10100], desfase=[1])
    ex = [[Explicacion("fraude", 0.9, 0.4, True, "Frase."), Explicacion("x", None, 0, False, "")]]
    sonda.store.save(*lote, ex, np.zeros(1, np.bool_), H)
    anomalia = sonda.base["anomalias_detectadas"].find_one({}, {"_id": 0})
    assert anomalia is not None
    assert abs((datetime.now(UTC) - anomalia.pop("timestamp_deteccion")).total_seconds()) < 60
    assert anomalia == {
        "propietario_id": "A",
        "timestamp_consumo": instante(H),
        "consumo_kwh": 8.5,
        "hora": 3,
        "tipos_anomalia": ["consumo_noche_anomalo", "plantacion_cannabis"],
        "score_anomalia": 0.95,
        "severidad": "crítica",
        "es_sospechoso": False,
        "consumo_esperado_kwh": 1.0,
        "version_modelo": "reglas-1",
        "estado": "abierta",
        "explicacion": [
            {"detector": "fraude", "score": 0.9, "peso": 0.4, "dispara": True, "frase": "Frase."},
            {"detector": "x", "score": None, "peso": 0.0, "dispara": False, "frase": ""},
        ],
    }
    assert sonda.base["consumos_horarios"].find_one() == {
        "_id": "A_2050-01-15T02:00:00+00:00",
        "propietario_id": "A",
        "timestamp_consumo": instante(H),
        "hora": 3,
        "consumo_kwh": 8.5,
        "score_anomalia": 0.95,
        "severidad": "crítica",
    }


def test_un_lote_mayor_que_un_tramo(sonda: AnomaliasMongo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that takes several requests is stored whole, its repeats included."""
    monkeypatch.setattr(chunks, "TRAMO", 7)
    claves = [("A", H + i) for i in range(40)]
    for kwh in (1.0, 2.0):
        lote = hacer_lote(claves, [kwh] * 40, severidad=[1] * 40, score=[50] * 40)
        sonda.store.save(*lote, explicar(lote[1]), np.zeros(40, np.bool_), H)
        assert {a.fila.consumo_kwh for a in sonda.anomalias().values()} == {kwh}
        assert sonda.horarios() == dict.fromkeys(claves, kwh)


def test_cuenta_las_anomalias(sonda: AnomaliasMongo) -> None:
    """Anomalies by severidad; one that turned normal but was confirmed is none any more."""
    assert sonda.store.count_anomalies(["A"], H, H + 4) == {}
    lote = hacer_lote([("A", H + i) for i in range(4)], severidad=[1, 4, 4, 2], score=[60] * 4)
    sonda.store.save(*lote, explicar(lote[1]), np.zeros(4, np.bool_), H)
    sonda.poner_estado(("A", H), "confirmada")
    sonda.store.save(*hacer_lote([("A", H)]), [[]], np.ones(1, np.bool_), H)
    assert sonda.store.count_anomalies(["A"], H, H + 4) == {"crítica": 2, "media": 1}
    assert sonda.store.count_anomalies(["A"], H + 1, H + 3) == {"crítica": 2}
    assert sonda.store.count_anomalies(["B"], H, H + 4) == {}


def _exigir_transitorio(puerto: int) -> None:
    """Every operation says within seconds, in Spanish and without the password, who is away."""
    ajustes = Settings(
        mongo_host="127.0.0.1", mongo_port=puerto, mongo_user="admin", mongo_password=CONTRASENA
    )
    store = MongoAnomalyStore(ajustes)
    lote = hacer_lote([("A", H)], severidad=[1])
    for operacion in (
        store.ping,
        lambda: store.save(*lote, explicar(lote[1]), np.zeros(1, np.bool_), H),
    ):
        inicio = time.monotonic()
        with pytest.raises(TransientError) as error:
            operacion()
        assert time.monotonic() - inicio < DEMASIADO_S
        assert str(error.value) == f"MongoDB en 127.0.0.1:{puerto} no responde"
    store.close()


def test_sin_servidor_el_error_es_transitorio() -> None:
    """Nothing listens: try again later."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        puerto = int(enchufe.getsockname()[1])
    _exigir_transitorio(puerto)


def test_un_servidor_mudo_tambien_es_transitorio() -> None:
    """Something accepts and never answers: the wait ends by itself."""
    with socket.socket() as mudo:
        mudo.bind(("127.0.0.1", 0))
        mudo.listen()
        _exigir_transitorio(mudo.getsockname()[1])
