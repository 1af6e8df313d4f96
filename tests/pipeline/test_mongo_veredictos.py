"""What people say of anomalies: kept, taken back, and never lost, whoever else is at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from apoyo_consultas import AHORA
from bson import ObjectId
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import hora_absoluta
from pipeline.stores.anomaly_records import CambioVeredicto, FiltroAnomalias, VeredictoHumano
from pipeline.stores.mongo import reviews
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.query_documents import VEREDICTOS_MAXIMOS
from pipeline.stores.mongo.reviews import VeredictosMongo
from pipeline.stores.query_limits import ConsultaInvalidaError
from serving.settings import Settings

H = hora_absoluta(AHORA) - 5
CLAVES = [("A", H + i) for i in range(4)]
CUANDO = datetime(2026, 11, 24, 9, 30, 15, 123456, UTC)
CON_ARCHIVO = FiltroAnomalias(con_archivo=True)


class Casa:
    """Four anomalies of a customer, with what asks of them and what judges them."""

    def __init__(self, entorno: Settings) -> None:
        self.entorno = entorno
        self.sonda = AnomaliasMongo(entorno)
        self.lote = hacer_lote(CLAVES, severidad=[1, 2, 3, 4], score=[55, 70, 85, 95])
        self.guardar()
        self.consultas = MongoQueries(entorno, reloj=lambda: AHORA)
        self.consultas.ensure_indexes()
        self.veredictos = VeredictosMongo(entorno, al_cambiar=self.consultas.forget)
        pagina = self.consultas.lists.page(orden="consumo", descendente=False)
        self.ids = [anomalia.id for anomalia in pagina.elementos]

    def guardar(self) -> None:
        repetida = np.ones(len(CLAVES), np.bool_)
        self.sonda.store.save(*self.lote, explicar(self.lote[1]), repetida, H)

    def archivar(self, posicion: int) -> None:
        """Move an anomaly to the archive."""
        base = self.sonda.base
        doc = base["anomalias_detectadas"].find_one_and_delete(
            {"_id": ObjectId(self.ids[posicion])}
        )
        assert doc is not None
        base["anomalias_archivo"].insert_one(doc)

    def dar(
        self, uno: str, estado: str, motivo: str, quien: str, cuando: datetime | None = None
    ) -> CambioVeredicto | None:
        """Give one anomaly a verdict; None = there is none."""
        cambios = self.veredictos.dar_varios([uno], estado, motivo, quien, cuando).cambios
        return cambios[0] if cambios else None

    def historial(self, uno: str) -> list[VeredictoHumano] | None:
        """Return what people said of an anomaly, the oldest first; None = it does not exist."""
        detalle = self.consultas.lists.one(uno)
        return None if detalle is None else detalle.veredictos

    def close(self) -> None:
        for abierto in (self.consultas, self.veredictos, self.sonda.store, self.sonda.cliente):
            abierto.close()


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture
def casa(entorno: Settings) -> Iterator[Casa]:
    abierta = Casa(entorno)
    yield abierta
    abierta.close()


def test_un_veredicto_queda_en_la_anomalia(casa: Casa) -> None:
    """State, reason, name and time are seen wherever the anomaly is."""
    uno = casa.ids[3]
    cambio = casa.dar(uno, "confirmada", "lámparas", "ana", CUANDO)
    assert cambio is not None
    dado = VeredictoHumano(
        estado="confirmada",
        estado_anterior="abierta",
        motivo="lámparas",
        quien="ana",
        cuando=CUANDO.replace(microsecond=123000),
        anotacion=None,
    )
    assert cambio.estado_anterior == "abierta"
    assert (cambio.anomalia.id, cambio.anomalia.estado) == (uno, "confirmada")
    assert cambio.anomalia.veredicto == dado
    detalle = casa.consultas.lists.one(uno)
    assert detalle is not None
    assert dict(cambio.anomalia).items() <= dict(detalle).items()
    assert detalle.veredictos == [dado]
    filtro = FiltroAnomalias(estados=("confirmada",))
    assert [a.id for a in casa.consultas.lists.page(filtro).elementos] == [uno]
    assert [(v.anomalia, v.veredicto) for v in casa.consultas.lists.latest_reviews()] == [
        (cambio.anomalia, dado)
    ]
    assert casa.historial(casa.ids[0]) == []


def test_quien_entrena_se_entera(casa: Casa) -> None:
    """Training gets what was confirmed and what was rejected, and not what is open again."""
    casa.dar(casa.ids[0], "confirmada", "sí", "ana")
    casa.veredictos.dar_varios(casa.ids[1:3], "descartada", "no", "ana")
    casa.dar(casa.ids[2], "abierta", "me equivoqué", "ana")
    modelos = MongoModelLog(casa.entorno)
    assert (modelos.confirmadas(), modelos.descartadas()) == ([CLAVES[0]], [CLAVES[1]])
    modelos.close()


def test_la_historia_sobrevive_a_todo(casa: Casa) -> None:
    """Another opinion, reopening, and a new verdict of the model: all that was said stays."""
    uno = casa.ids[1]
    pasos = [("confirmada", "sí"), ("descartada", "pues no"), ("abierta", "ya veremos")]
    for i, (estado, motivo) in enumerate(pasos):
        casa.dar(uno, estado, motivo, f"persona {i}", CUANDO + timedelta(hours=i))
        casa.guardar()
    historia = casa.historial(uno)
    assert historia is not None
    assert [(v.estado_anterior, v.estado, v.motivo, v.quien) for v in historia] == [
        ("abierta", "confirmada", "sí", "persona 0"),
        ("confirmada", "descartada", "pues no", "persona 1"),
        ("descartada", "abierta", "ya veremos", "persona 2"),
    ]
    detalle = casa.consultas.lists.one(uno)
    assert detalle is not None
    assert (detalle.estado, detalle.veredicto) == ("abierta", historia[-1])
    assert len(casa.sonda.anomalias()) == len(CLAVES)


def test_de_dos_a_la_vez_gana_el_ultimo_y_quedan_los_dos(casa: Casa) -> None:
    """Each verdict says what it found; the last one stands; none is lost."""
    uno = casa.ids[0]

    def juzgar(i: int) -> None:
        casa.dar(uno, ("confirmada", "descartada", "abierta")[i % 3], "x", f"p{i}")

    with ThreadPoolExecutor(4) as hilos:
        list(hilos.map(juzgar, range(24)))
    historia = casa.historial(uno)
    assert historia is not None
    assert sorted(v.quien for v in historia) == sorted(f"p{i}" for i in range(24))
    anteriores = ["abierta", *(v.estado for v in historia[:-1])]
    assert [v.estado_anterior for v in historia] == anteriores
    detalle = casa.consultas.lists.one(uno)
    assert detalle is not None
    assert detalle.veredicto == historia[-1]
    assert detalle.estado == historia[-1].estado


def test_la_historia_tiene_un_tope(casa: Casa, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of endless verdicts on one anomaly the latest are kept."""
    monkeypatch.setattr(reviews, "VEREDICTOS_MAXIMOS", 3)
    for i in range(5):
        casa.dar(casa.ids[0], "confirmada", f"vez {i}", "ana")
    historia = casa.historial(casa.ids[0])
    assert historia is not None
    assert [v.motivo for v in historia] == ["vez 2", "vez 3", "vez 4"]
    assert VEREDICTOS_MAXIMOS >= 100


def test_tambien_las_archivadas(casa: Casa) -> None:
    """An archived anomaly is judged where it is, and its history goes with it."""
    casa.dar(casa.ids[2], "confirmada", "antes", "ana", CUANDO)
    casa.archivar(2)
    cambio = casa.dar(casa.ids[2], "descartada", "después", "luis")
    assert cambio is not None
    assert cambio.anomalia.archivada
    historia = casa.historial(casa.ids[2])
    assert historia is not None
    assert [v.motivo for v in historia] == ["antes", "después"]
    (dado,) = casa.consultas.lists.latest_reviews()
    assert dado.veredicto == historia[-1]
    assert casa.consultas.lists.latest_reviews(propietario_id="B") == []


def test_la_que_se_esta_archivando_cuenta_una_vez(casa: Casa) -> None:
    """An anomaly that is in both collections, on its way, is the live one wherever it is shown."""
    base = casa.sonda.base
    doc = base["anomalias_detectadas"].find_one({"_id": ObjectId(casa.ids[1])})
    assert doc is not None
    base["anomalias_archivo"].insert_one(doc)
    for orden in ("consumo", "deteccion", "score"):
        pagina = casa.consultas.lists.page(CON_ARCHIVO, orden=orden)
        assert sorted(a.id for a in pagina.elementos) == sorted(casa.ids)
        assert not any(a.archivada for a in pagina.elementos)
    assert casa.consultas.summaries.distributions(CON_ARCHIVO).total == 4
    (incidente,) = casa.consultas.summaries.incidents(CON_ARCHIVO).elementos
    assert incidente.anomalia_ids == casa.ids
    cambio = casa.dar(casa.ids[1], "confirmada", "sí", "ana")
    assert cambio is not None
    assert not cambio.anomalia.archivada


def test_varias_a_la_vez(casa: Casa) -> None:
    """Those that exist are judged, archived ones too, and the others are named."""
    casa.archivar(0)
    ajena = str(ObjectId())
    hecho = casa.veredictos.dar_varios([*casa.ids, ajena, casa.ids[0]], "descartada", "no", "ana")
    assert [cambio.anomalia.id for cambio in hecho.cambios] == casa.ids
    assert [cambio.anomalia.archivada for cambio in hecho.cambios] == [True, False, False, False]
    assert hecho.no_encontradas == [ajena]
    assert casa.dar(ajena, "descartada", "no", "ana") is None
    assert casa.historial(ajena) is None
    assert len(casa.consultas.lists.latest_reviews(3)) == 3


def test_los_resumenes_lo_ven_al_momento(casa: Casa) -> None:
    """Rankings, counts and incidents show a verdict as soon as it is given."""
    assert casa.consultas.ranking.first()[0].anomalias == 4
    assert {a.estado for a in casa.consultas.lists.page().elementos} == {"abierta"}
    assert casa.consultas.summaries.overview().por_estado.abierta == 4
    casa.veredictos.dar_varios(casa.ids[:2], "descartada", "no", "ana")
    casa.dar(casa.ids[2], "confirmada", "sí", "ana")
    assert casa.consultas.ranking.first()[0].anomalias == 1
    esperado = {"abierta": 1, "confirmada": 1, "descartada": 2}
    assert Counter(a.estado for a in casa.consultas.lists.page().elementos) == esperado
    assert casa.consultas.summaries.overview().por_estado.model_dump() == esperado
    (incidente,) = casa.consultas.summaries.incidents(FiltroAnomalias()).elementos
    assert incidente.estados.model_dump() == esperado


@pytest.mark.parametrize(
    ("cambio", "texto"),
    [
        ({"ids": ["$ne"]}, "hexadecimales"),
        ({"estado": "cerrada"}, "abierta, confirmada, descartada"),
        ({"motivo": ""}, "motivo"),
        ({"motivo": " \n"}, "motivo"),
        ({"motivo": "x" * 501}, "500"),
        ({"motivo": "a\ud800"}, "caracteres"),
        ({"quien": ""}, "quien"),
        ({"quien": "x" * 101}, "100"),
        ({"cuando": datetime(2026, 1, 1)}, "desfase"),
    ],
)
def test_lo_imposible_se_rechaza(cambio: dict[str, Any], texto: str) -> None:
    """A verdict that says nothing, or too much, is refused before any server hears of it."""
    veredictos = VeredictosMongo(Settings(mongo_port=9))
    pedido = {"ids": ["0" * 24], "estado": "confirmada", "motivo": "m", "quien": "q"} | cambio
    with pytest.raises(ConsultaInvalidaError, match=texto):
        veredictos.dar_varios(**pedido)
    with pytest.raises(ConsultaInvalidaError, match="500"):
        veredictos.dar_varios([str(ObjectId()) for _ in range(501)], "abierta", "m", "q")
    veredictos.close()
