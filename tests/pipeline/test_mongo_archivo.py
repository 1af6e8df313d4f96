"""MongoDB's archive: there and back unchanged, whoever dies, and late readings find their day."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from apoyo_archivo_mongo import MuerteError, Orden, Testigo
from contracts.fakes import Identidad, explicar, hacer_lote
from contracts.sondas import AnomaliasMongo, anomalias_de

from detection.domain import hora_absoluta
from detection.errors import PermanentError, TransientError
from pipeline.stores.archive import MesArchivo, Movidos
from pipeline.stores.mongo.archive import MongoArchive
from pipeline.stores.mongo.documents import DEL_DETECTOR, FIJOS, identity, verdict
from pipeline.stores.mongo.model_log import MongoModelLog
from serving.settings import Settings

HOY = date(2026, 3, 10)
AHORA = hora_absoluta(datetime(2026, 3, 10, 9, tzinfo=UTC))
LIMITE = date(2026, 2, 1)
UN_DIA = timedelta(days=1)
VIVAS, ARCHIVO = "anomalias_detectadas", "anomalias_archivo"
# In Madrid the 11th starts at 23:00 UTC of the 10th.
VIEJAS = [
    *((cliente, datetime(2026, 1, 10, 22, tzinfo=UTC)) for cliente in "AB"),
    *((cliente, datetime(2026, 1, 10, 23, tzinfo=UTC)) for cliente in "AB"),
    *((cliente, datetime(2026, 1, 11, 22, tzinfo=UTC)) for cliente in "ABC"),
    ("A", datetime(2026, 1, 11, 23, tzinfo=UTC)),
    ("A", datetime(2026, 1, 31, 22, tzinfo=UTC)),
]
NUEVAS = [("A", datetime(2026, 1, 31, 23, tzinfo=UTC)), ("B", datetime(2026, 3, 9, tzinfo=UTC))]
Documentos = dict[Identidad, dict[str, Any]]
"""Whole documents by their reading."""
DIA_11 = ("A", hora_absoluta(datetime(2026, 1, 11, 2, tzinfo=UTC)))


class Casa(AnomaliasMongo):
    """The live collection with anomalies of many days, and an archive in small steps."""

    def __init__(self, entorno: Settings) -> None:
        super().__init__(entorno)
        self.archivo = MongoArchive(entorno, tanda=5)
        claves = [(cliente, hora_absoluta(momento)) for cliente, momento in VIEJAS + NUEVAS]
        n = len(claves)
        severidad = [1 + i % 4 for i in range(n)]
        lote = hacer_lote(claves, severidad=severidad, score=[20 * s for s in severidad])
        # Where they live matters from here on.
        self.store.save(*lote, explicar(lote[1]), np.zeros(n, np.bool_), claves[0][1])
        self.poner_estado(claves[1], "confirmada")
        self.poner_estado(claves[4], "descartada")
        self.originales = self.crudas(VIVAS)
        self.viejas = {k: v for k, v in self.originales.items() if k not in self.claves(NUEVAS)}
        self.nuevas = {k: v for k, v in self.originales.items() if k in self.claves(NUEVAS)}

    @staticmethod
    def claves(anomalias: list[tuple[str, datetime]]) -> list[Identidad]:
        return [(cliente, hora_absoluta(momento)) for cliente, momento in anomalias]

    def crudas(self, coleccion: str) -> Documentos:
        anomalias_de(self.base[coleccion])  # each at most once
        return {
            (d["propietario_id"], hora_absoluta(d["timestamp_consumo"])): d
            for d in self.base[coleccion].find()
        }

    def poner(
        self, vivas: Documentos, archivadas: Documentos, marcas: Mapping[str, tuple[bool, Any]]
    ) -> None:
        """Put everything where it was before a run."""
        dias = [
            {"_id": dia, "en_archivo": en_archivo, "retenido_hasta": hasta}
            for dia, (en_archivo, hasta) in marcas.items()
        ]
        for coleccion, documentos in (
            (VIVAS, list(vivas.values())),
            (ARCHIVO, list(archivadas.values())),
            ("dias_archivados", dias),
            ("log_archivado_mongo", []),
        ):
            self.base[coleccion].delete_many({})
            if documentos:
                self.base[coleccion].insert_many(documentos)

    def guardar(self, clave: Identidad, severidad: int, repetida: bool = True) -> None:
        lote = hacer_lote([clave], [7.0], severidad=[severidad], score=[20 * severidad])
        self.store.save(*lote, explicar(lote[1], "Tardía."), np.array([repetida]), AHORA)

    def marcas(self) -> dict[str, tuple[bool, str | None]]:
        return {
            d["_id"]: (d["en_archivo"], d["retenido_hasta"])
            for d in self.base["dias_archivados"].find()
        }

    def estados(self) -> list[str]:
        return [doc["estado"] for doc in self.registro()]

    def registro(self) -> list[dict[str, Any]]:
        """Return the runs that the log has, the newest first."""
        orden = [("fecha_archivado", -1), ("_id", -1)]
        return list(self.base["log_archivado_mongo"].find().sort(orden))


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture
def casa(testigo: Testigo, entorno: Settings) -> Iterator[Casa]:
    abierta = Casa(entorno)
    yield abierta
    abierta.archivo.close()
    abierta.store.close()
    abierta.cliente.close()


def _ocupa(casa: Casa, coleccion: str) -> int:
    return int(casa.base.command("collStats", coleccion)["size"])


def test_ida_y_vuelta_documento_a_documento(casa: Casa) -> None:
    """Archived by local day and restored, every document is what it was, ``_id`` included."""
    avances: list[int] = []
    antes = _ocupa(casa, VIVAS)
    movidos = casa.archivo.archivar(LIMITE, HOY, avances.append)
    assert movidos.registros == sum(avances) == len(VIEJAS)
    assert max(avances) <= 5
    assert movidos.espacio_liberado_mb == (antes - _ocupa(casa, VIVAS)) / 1_000_000 > 0
    assert (casa.crudas(VIVAS), casa.crudas(ARCHIVO)) == (casa.nuevas, casa.viejas)

    antes = _ocupa(casa, ARCHIVO)
    assert casa.archivo.restaurar(date(2026, 1, 11), date(2026, 1, 11), HOY) == Movidos(
        5, (antes - _ocupa(casa, ARCHIVO)) / 1_000_000
    )
    dia_11 = {k: d for k, d in casa.viejas.items() if k in casa.claves(VIEJAS[2:7])}
    assert casa.crudas(VIVAS) == casa.nuevas | dia_11
    assert casa.archivo.restaurar(date(2025, 1, 1), LIMITE, HOY).registros == 4
    assert (casa.crudas(VIVAS), casa.crudas(ARCHIVO)) == (casa.originales, {})


def test_se_cuentan_las_mismas_mientras_se_mueven(casa: Casa, testigo: Testigo) -> None:
    """Between any two commands of a move, there and back, each anomaly is counted once."""
    clientes = sorted({cliente for cliente, _ in casa.originales})
    todas = casa.store.count_anomalies(clientes, 0, 2**20)
    assert sum(todas.values()) == len(casa.originales)
    cuentas: list[dict[str, int]] = []

    def contar(_orden: object) -> None:
        cuentas.append(casa.store.count_anomalies(clientes, 0, 2**20))

    with testigo.antes_de_cada(contar):
        casa.archivo.archivar(LIMITE, HOY)
        casa.archivo.restaurar(date(2025, 1, 1), LIMITE, HOY)
    assert len(cuentas) > 20
    assert all(cuenta == todas for cuenta in cuentas)


def test_dos_veces_es_igual_que_una(casa: Casa) -> None:
    """Archiving or restoring again moves nothing and changes nothing."""
    for _ in range(2):
        casa.archivo.archivar(LIMITE, HOY)
        assert (casa.crudas(VIVAS), casa.crudas(ARCHIVO)) == (casa.nuevas, casa.viejas)
    marcas = casa.marcas()
    assert marcas["2026-01-10"] == marcas["2026-01-20"] == marcas["2026-01-31"] == (True, None)
    assert not {"2026-01-09", "2026-02-01"} & marcas.keys()
    for _ in range(2):
        casa.archivo.restaurar(date(2026, 1, 1), LIMITE, HOY)
        assert (casa.crudas(VIVAS), casa.crudas(ARCHIVO)) == (casa.originales, {})
    assert casa.marcas() == dict.fromkeys(marcas, (False, "2026-03-10"))
    movidos = [(d["operacion"], d["documentos_movidos"]) for d in casa.registro()]
    assert movidos == [("restaurar", 0), ("restaurar", 9), ("archivar", 0), ("archivar", 9)]


def test_lo_restaurado_se_queda_hasta_su_dia(casa: Casa) -> None:
    """Restored days stay through ``retenido_hasta`` and go with the first archiver after it."""
    casa.archivo.archivar(LIMITE, HOY)
    casa.archivo.restaurar(date(2026, 1, 11), date(2026, 1, 12), HOY + UN_DIA)
    restauradas = casa.crudas(VIVAS)
    assert len(restauradas) == 2 + 6
    for hoy in (HOY, HOY + UN_DIA):
        assert casa.archivo.pendientes(LIMITE, hoy) == []
        assert casa.archivo.archivar(LIMITE, hoy) == Movidos(0, 0.0)
    assert casa.crudas(VIVAS) == restauradas
    assert sum(m.registros for m in casa.archivo.pendientes(LIMITE, HOY + 2 * UN_DIA)) == 6
    assert casa.archivo.archivar(LIMITE, HOY + 2 * UN_DIA).registros == 6
    assert casa.crudas(ARCHIVO) == casa.viejas


def test_los_ultimos_dias_no_se_archivan(casa: Casa) -> None:
    """Whatever limit is asked for: a save of fresh readings does not ask where they live."""
    casa.archivo.archivar(HOY + UN_DIA, HOY)
    assert casa.crudas(VIVAS).keys() == {casa.claves(NUEVAS)[1]}
    assert max(casa.marcas()) == "2026-03-07"


def test_los_meses_de_lo_pendiente_y_de_lo_archivado(casa: Casa) -> None:
    """By local month: how many, from when to when, how large, how grave; nothing changes."""
    pendientes = casa.archivo.pendientes(date(2026, 2, 2), HOY)
    enero, febrero = pendientes
    assert enero == MesArchivo(
        date(2026, 1, 1),
        9,
        VIEJAS[0][1],
        VIEJAS[-1][1],
        enero.espacio_mb,
        {"crítica": 2, "alta": 2, "media": 2, "baja": 3},
    )
    assert (febrero.mes, febrero.registros, febrero.desde) == (LIMITE, 1, NUEVAS[0][1])
    assert list(enero.por_severidad) == ["crítica", "alta", "media", "baja"]
    assert (casa.crudas(VIVAS), casa.marcas(), casa.estados()) == (casa.originales, {}, [])
    assert casa.archivo.listar() == []
    antes = _ocupa(casa, VIVAS)
    casa.archivo.archivar(date(2026, 2, 2), HOY)
    liberado = (antes - _ocupa(casa, VIVAS)) / 1_000_000
    assert sum(mes.espacio_mb or 0 for mes in pendientes) == pytest.approx(liberado, abs=1e-9)
    assert casa.archivo.listar() == pendientes


def test_eliminar_es_solo_del_archivo_y_para_siempre(casa: Casa) -> None:
    """What is older than the day goes from the archive; its days still live there."""
    casa.archivo.archivar(date(2026, 1, 12), HOY)
    quedan = casa.crudas(VIVAS)
    avances: list[int] = []
    assert casa.archivo.contar(date(2026, 1, 11)) == 2
    assert casa.archivo.contar(LIMITE) == 7
    antes = _ocupa(casa, ARCHIVO)
    eliminados = casa.archivo.eliminar(date(2026, 1, 12), avances.append)
    assert eliminados == Movidos(7, (antes - _ocupa(casa, ARCHIVO)) / 1_000_000)
    assert avances == [5, 2]
    assert casa.archivo.eliminar(date(2026, 1, 12)).registros == 0
    assert (casa.crudas(VIVAS), casa.crudas(ARCHIVO)) == (quedan, {})
    casa.guardar(DIA_11, 3)
    assert casa.crudas(ARCHIVO).keys() == {DIA_11}


@pytest.mark.parametrize("cada", [8, pytest.param(1, marks=pytest.mark.lenta)])
@pytest.mark.parametrize("operacion", ["archivar", "restaurar", "eliminar"])
def test_morir_entre_dos_ordenes_cualesquiera(
    casa: Casa, testigo: Testigo, operacion: str, cada: int
) -> None:
    """Killed before any command: nothing is missing then, and after the next run nothing is double.

    What died leaves ``interrumpido`` in the log.
    """
    hacer: dict[str, Callable[[], Movidos]] = {
        "archivar": lambda: casa.archivo.archivar(LIMITE, HOY),
        "restaurar": lambda: casa.archivo.restaurar(date(2026, 1, 1), date(2026, 1, 31), HOY),
        "eliminar": lambda: casa.archivo.eliminar(LIMITE),
    }
    antes = casa.originales, {}
    if operacion != "archivar":
        casa.archivo.archivar(LIMITE, HOY)
        antes = casa.nuevas, casa.viejas
    despues = {
        "archivar": (casa.nuevas, casa.viejas),
        "restaurar": (casa.originales, {}),
        "eliminar": (casa.nuevas, {}),
    }[operacion]
    marcas = casa.marcas()
    for ordenes in range(0, 999, cada):
        casa.poner(*antes, marcas)
        try:
            with testigo.muerte_tras(ordenes):
                hacer[operacion]()
        except MuerteError:
            pass
        else:
            assert ordenes > 5, "the operation has commands between which to die"
            break
        if operacion != "eliminar":
            assert casa.crudas(ARCHIVO) | casa.crudas(VIVAS) == casa.originales
        muertas = ["interrumpido" if e == "en curso" else e for e in casa.estados()]
        hacer[operacion]()
        assert (casa.crudas(VIVAS), casa.crudas(ARCHIVO)) == despues
        assert casa.estados() == ["completado", *muertas]


def test_un_error_se_anota_y_no_pierde_nada(casa: Casa) -> None:
    """Whoever calls may stop it between two steps; the log says "fallido" and how far it came."""

    def parar(_movidas: int) -> None:
        raise KeyError("basta")

    with pytest.raises(KeyError, match="basta"):
        casa.archivo.archivar(LIMITE, HOY, parar)
    (fallida,) = casa.registro()
    ahora = datetime.now(UTC)
    assert abs((ahora - fallida.pop("fecha_archivado")).total_seconds()) < 60
    assert fallida.pop("espacio_liberado_mb") > 0
    fallida.pop("_id")
    assert fallida == {
        "operacion": "archivar",
        "coleccion": VIVAS,
        "documentos_movidos": 5,
        "estado": "fallido",
        "desde": None,
        "hasta": "2026-01-31",
    }
    assert len(casa.crudas(ARCHIVO)) == 5
    assert casa.crudas(ARCHIVO) | casa.crudas(VIVAS) == casa.originales
    assert casa.archivo.archivar(LIMITE, HOY).registros == 4
    assert casa.estados() == ["completado", "fallido"]


def test_una_copia_que_no_es_igual_no_borra_nada(casa: Casa, testigo: Testigo) -> None:
    """An archive that does not keep what it is given: the originals stay, and the error says it."""

    def estropear(orden: Orden) -> None:
        if orden == ("find", ARCHIVO):
            casa.base[ARCHIVO].update_many({}, {"$inc": {"consumo_kwh": 1}})

    with (
        testigo.antes_de_cada(estropear),
        pytest.raises(PermanentError, match="no es igual al original"),
    ):
        casa.archivo.archivar(LIMITE, HOY)
    assert casa.crudas(VIVAS) == casa.originales
    assert casa.estados() == ["fallido"]
    casa.archivo.archivar(LIMITE, HOY)
    assert (casa.crudas(VIVAS), casa.crudas(ARCHIVO)) == (casa.nuevas, casa.viejas)


def test_lo_que_llega_tarde_va_donde_vive_su_dia(casa: Casa) -> None:
    """An anomaly of an archived day goes to the archive, is mended there, and taken back there."""
    casa.archivo.archivar(LIMITE, HOY)
    de_marzo = ("A", hora_absoluta(datetime(2026, 3, 2, tzinfo=UTC)))
    for clave in (DIA_11, de_marzo):
        casa.guardar(clave, 4, repetida=False)
    assert casa.crudas(VIVAS).keys() == casa.nuevas.keys() | {de_marzo}
    assert casa.crudas(ARCHIVO).keys() == casa.viejas.keys() | {DIA_11}

    casa.guardar(DIA_11, 2)
    assert casa.crudas(ARCHIVO)[DIA_11]["severidad"] == "media"
    abierta, confirmada = casa.claves(VIEJAS)[:2]
    for clave in (DIA_11, abierta, confirmada):
        casa.guardar(clave, 0)
    archivadas = casa.crudas(ARCHIVO)
    assert archivadas.keys() == casa.viejas.keys() - {abierta}
    assert archivadas[confirmada]["severidad"] == "normal"
    assert archivadas[confirmada]["estado"] == "confirmada"
    assert casa.crudas(VIVAS).keys() == casa.nuevas.keys() | {de_marzo}

    casa.archivo.restaurar(date(2026, 1, 11), date(2026, 1, 11), HOY)
    casa.guardar(DIA_11, 3, repetida=False)
    assert DIA_11 in casa.crudas(VIVAS)
    assert DIA_11 not in casa.crudas(ARCHIVO)


def test_lo_que_la_historia_conserva_tambien(casa: Casa) -> None:
    """``restore`` of archived days mends the archive, and leaves alone what agrees."""
    casa.archivo.archivar(LIMITE, HOY)
    quitada, falsa = casa.claves(VIEJAS)[2:4]
    casa.base[ARCHIVO].delete_one({"_id": casa.viejas[quitada]["_id"]})
    cambio = {"$set": {"severidad": "alta", "consumo_kwh": 99.0}}
    casa.base[ARCHIVO].update_one({"_id": casa.viejas[falsa]["_id"]}, cambio)
    severidad = [1 + i % 4 for i in range(len(VIEJAS))]
    lote = hacer_lote(casa.claves(VIEJAS), severidad=severidad, score=[20 * s for s in severidad])
    casa.store.restore(*lote, explicar(lote[1]), AHORA)
    nueva = casa.crudas(ARCHIVO)[quitada]
    cuando = {c: nueva[c] for c in ("_id", "timestamp_deteccion")}
    assert casa.crudas(ARCHIVO) == casa.viejas | {quitada: casa.viejas[quitada] | cuando}
    assert casa.crudas(VIVAS) == casa.nuevas


def test_las_lecturas_frescas_no_preguntan(casa: Casa, testigo: Testigo) -> None:
    """A save of the last hours, or without anything to write, asks for no mark; an old one does."""
    preguntas: list[Orden] = []

    def anotar(orden: Orden) -> None:
        preguntas.extend([orden] if orden[1] == "dias_archivados" else [])

    claves = [("A", AHORA - horas) for horas in range(46)]
    lote = hacer_lote(claves, severidad=[2] * 46, score=[50] * 46)
    with testigo.antes_de_cada(anotar):
        casa.store.save(*lote, explicar(lote[1]), np.ones(46, np.bool_), AHORA)
        casa.guardar(DIA_11, 0, repetida=False)
        assert preguntas == []
        casa.guardar(DIA_11, 1, repetida=False)
        assert preguntas == [("find", "dias_archivados")] * 2


def test_dos_documentos_de_una_lectura_se_hacen_uno(casa: Casa) -> None:
    """The verdict of the live one, the first detection, and what a person has said of either."""
    dicho = {"veredicto": {"quien": "Ana", "motivo": "Pega con la visita."}}
    casa.base[VIVAS].update_many({"estado": {"$ne": "abierta"}}, {"$set": dicho})
    casa.archivo.archivar(LIMITE, HOY)
    claves = casa.claves(VIEJAS)
    dobles = {}
    dichos = ["abierta", "abierta", "confirmada", "abierta", "abierta"]
    for clave, estado in zip(claves[:5], dichos, strict=True):
        doble = dict(casa.viejas[clave], consumo_kwh=50.0, estado=estado)
        doble.pop("_id")
        doble["timestamp_deteccion"] += UN_DIA
        casa.base[VIVAS].insert_one(doble)
        dobles[clave] = doble
    casa.archivo.archivar(LIMITE, HOY)
    archivadas = casa.crudas(ARCHIVO)
    assert archivadas.keys() == casa.viejas.keys()
    assert casa.crudas(VIVAS) == casa.nuevas
    estados = [archivadas[clave]["estado"] for clave in claves[:5]]
    assert estados == ["abierta", "confirmada", "confirmada", "abierta", "descartada"]
    con_dicho = [clave for clave in claves if "veredicto" in archivadas[clave]]
    assert con_dicho == [claves[1], claves[4]]
    for clave, doble in dobles.items():
        assert archivadas[clave]["consumo_kwh"] == 50.0
        primera = casa.viejas[clave]["timestamp_deteccion"]
        assert archivadas[clave]["timestamp_deteccion"] == primera < doble["timestamp_deteccion"]


def test_lo_que_dicen_las_personas_de_lo_archivado(casa: Casa, entorno: Settings) -> None:
    """Confirmed and rejected ones are in the lists wherever they are, once; the live one counts."""
    modelos = MongoModelLog(entorno)
    confirmada, descartada, otra = (casa.claves(VIEJAS)[i] for i in (1, 4, 7))
    for _ in range(2):
        assert modelos.confirmadas() == [confirmada]
        assert modelos.descartadas() == [descartada]
        casa.archivo.archivar(LIMITE, HOY)
    # As while they are on their way: copied and not yet deleted, and changed since.
    for clave, estado in ((confirmada, "abierta"), (descartada, "confirmada")):
        casa.base[VIVAS].insert_one(casa.viejas[clave] | {"estado": estado})
    # And as after a save that had looked at the marks before: another document.
    casa.base[ARCHIVO].update_one(
        {"_id": casa.viejas[otra]["_id"]}, {"$set": {"estado": "descartada"}}
    )
    casa.base[VIVAS].insert_one({k: v for k, v in casa.viejas[otra].items() if k != "_id"})
    assert modelos.confirmadas() == [descartada]
    assert modelos.descartadas() == [otra]
    casa.archivo.archivar(LIMITE, HOY)
    assert modelos.confirmadas() == [descartada]
    assert modelos.descartadas() == [otra]
    modelos.close()


def test_el_dia_de_23_horas(casa: Casa) -> None:
    """A day is from local midnight to local midnight, also when the clocks change in it."""
    horas = [
        datetime(2026, 3, d, h, tzinfo=UTC) for d, h in ((28, 22), (28, 23), (29, 21), (29, 22))
    ]
    claves = [("Z", hora_absoluta(momento)) for momento in horas]
    lote = hacer_lote(claves, severidad=[1] * 4, score=[50] * 4)
    casa.store.save(*lote, explicar(lote[1]), np.zeros(4, np.bool_), claves[-1][1])
    hoy = date(2026, 6, 1)
    casa.archivo.archivar(date(2026, 3, 30), hoy)
    assert {k for k in casa.crudas(VIVAS) if k[0] == "Z"} == {claves[3]}
    casa.archivo.restaurar(date(2026, 3, 29), date(2026, 3, 29), hoy)
    assert {k for k in casa.crudas(ARCHIVO) if k[0] == "Z"} == {claves[0]}


def test_los_campos_del_detector_son_los_que_escribe() -> None:
    """Whatever else an anomaly has, people have said; it survives when two become one."""
    lecturas, veredictos = hacer_lote([("A", AHORA)], severidad=[2])
    documento = verdict(lecturas, veredictos, 0, explicar(veredictos)[0])
    assert documento.keys() == DEL_DETECTOR
    assert identity(lecturas, 0).keys() < FIJOS


def test_los_indices_del_archivo_son_los_de_su_origen(casa: Casa) -> None:
    """So that replays find an archived anomaly as fast, and never make a second one."""
    casa.archivo.ensure_indexes()
    indices = [
        sorted(
            (i["key"], i.get("unique", False)) for i in casa.base[c].index_information().values()
        )
        for c in (VIVAS, ARCHIVO)
    ]
    assert indices[0] == indices[1]
    assert ([("propietario_id", 1), ("timestamp_consumo", 1)], True) in indices[1]


def test_sin_servidor_el_error_es_transitorio() -> None:
    """Every operation says, in Spanish, who is away; all at once, for each waits for him."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        puerto = int(enchufe.getsockname()[1])
    archivo = MongoArchive(Settings(mongo_host="127.0.0.1", mongo_port=puerto))
    operaciones: list[Callable[[], object]] = [
        lambda: archivo.pendientes(LIMITE, HOY),
        archivo.listar,
        lambda: archivo.archivar(LIMITE, HOY),
        lambda: archivo.restaurar(LIMITE, LIMITE, HOY),
        lambda: archivo.contar(LIMITE),
        lambda: archivo.eliminar(LIMITE),
    ]
    with ThreadPoolExecutor(len(operaciones)) as hilos:
        errores = [f.exception() for f in [hilos.submit(o) for o in operaciones]]
    assert {type(error) for error in errores} == {TransientError}
    assert {str(e) for e in errores} == {f"MongoDB en 127.0.0.1:{puerto} no responde"}
    archivo.close()
