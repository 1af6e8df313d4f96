"""Saving, archiving, restoring and deleting at the same time: each reading in exactly one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date

import pytest
from apoyo_a_la_vez import DIAS, HOY, LIMITE, TANDA, Casa, Mundo, claves_de, insistir
from apoyo_turnos import por_orden, por_turnos, se_detiene
from contracts.fakes import hacer_lote
from contracts.sondas import conectar

from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.migrations.apply import downgrade
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import Settings

pytestmark = pytest.mark.timeout(600)

SEMILLAS = 3
BUSQUEDA = 60
"""Seeds in all; the others with the slow tests."""
LOTES, MOVIMIENTOS = 6, 4
CORREGIDAS = claves_de(DIAS[:1], ["A", "B"])
DEL_DIA = f"fecha = '{DIAS[0]}'"


@pytest.fixture
def casa(entorno: Settings) -> Iterator[Casa]:
    with closing(Casa(entorno)) as abierta:
        yield abierta


def _corregir(entorno: Settings) -> None:
    with closing(PostgresStore(entorno)) as store:
        lote = hacer_lote(CORREGIDAS, [50.0] * len(CORREGIDAS))
        assert insistir(lambda: store.save(*lote)).repetida.all()


def _restaurar(entorno: Settings) -> None:
    with closing(PostgresArchive(entorno, tanda=TANDA)) as archivo:
        insistir(lambda: archivo.restaurar(DIAS[0], DIAS[0], HOY))


def _archivar(entorno: Settings) -> None:
    with closing(PostgresArchive(entorno, tanda=TANDA)) as archivo:
        insistir(lambda: archivo.archivar(LIMITE, HOY))


def _eliminar(entorno: Settings) -> None:
    with closing(PostgresArchive(entorno, tanda=TANDA)) as archivo:
        insistir(lambda: archivo.eliminar(LIMITE))


def _cuantas(casa: Casa, tabla: str, donde: str = "true") -> int:
    return int(casa.sql(f"SELECT count(*) FROM {tabla} WHERE {donde}")[0][0])


@pytest.mark.parametrize("parada", ["WITH fuera", "COMMIT"])
def test_una_correccion_mientras_su_dia_se_restaura(casa: Casa, parada: str) -> None:
    """The restorer has copied some of the day and not committed: the correction finds its reading.

    Nobody fails, and whoever restores the day again finds nothing left to do.
    """
    original = casa.poner(archivados=True)
    elegir = se_detiene("restaurador", "INSERT INTO consumos_diarios\n", parada)
    enviadas = por_turnos(
        casa.entorno, elegir, {"restaurador": _restaurar, "consumidor": _corregir}
    )
    # The restorer was in the middle of it when the consumer came.
    assert "restaurador" in enviadas[enviadas.index("consumidor") :]
    assert casa.comprobar() == original | dict.fromkeys(CORREGIDAS, 50.0)
    _restaurar(casa.entorno)
    assert _cuantas(casa, "consumos_diarios", DEL_DIA) == len(CORREGIDAS)
    assert casa.interbloqueos() == 0


@pytest.mark.lenta
@pytest.mark.parametrize("otro", [_restaurar, _archivar])
def test_una_correccion_en_cada_paso(casa: Casa, otro: object) -> None:
    """The same, wherever the restorer or the archiver is when it comes."""
    for pasos in range(99):
        original = casa.poner(archivados=otro is _restaurar)
        elegir = por_orden(("otro", pasos), ("consumidor", 99), ("otro", 999))
        enviadas = por_turnos(casa.entorno, elegir, {"otro": otro, "consumidor": _corregir})
        assert casa.comprobar() == original | dict.fromkeys(CORREGIDAS, 50.0), pasos
        if enviadas.count("otro") < pasos:
            break
    assert casa.interbloqueos() == 0


@pytest.mark.parametrize(
    "semilla",
    [
        *range(SEMILLAS),
        *(pytest.param(s, marks=pytest.mark.lenta) for s in range(SEMILLAS, BUSQUEDA)),
    ],
)
def test_todos_a_la_vez(casa: Casa, semilla: int) -> None:
    """Two consumers, and whoever archives, restores and deletes, a command of whomever at a time.

    At the end each reading is in its day's table, once, with the last kWh, and everybody can go on.
    """
    mundo = Mundo(casa, semilla, eliminan=semilla % 3 != 0)
    mundo.correr(LOTES, MOVIMIENTOS)
    mundo.comprobar()
    _archivar(casa.entorno)
    mundo.comprobar()
    with closing(PostgresArchive(casa.entorno)) as archivo:
        archivo.restaurar(date(2026, 1, 1), HOY, HOY)
    mundo.comprobar()
    assert _cuantas(casa, "consumos_diarios_archivo") == 0
    assert casa.interbloqueos() == 0


# As the consumer left it when it did not see what the restorer had not committed.
DOBLAR = """
INSERT INTO consumos_diarios (propietario_id, fecha, hora, timestamp_consumo, consumo_kwh,
    anomalia_detectada, score_anomalia, severidad, es_sospechoso, version_modelo,
    timestamp_procesado)
SELECT propietario_id, fecha, hora, timestamp_consumo, consumo_kwh + 10,
    anomalia_detectada, score_anomalia, severidad, es_sospechoso, version_modelo,
    timestamp_procesado + interval '1 minute' * %s
FROM consumos_diarios_archivo WHERE fecha = %s AND propietario_id = %s
"""


def _doblar(casa: Casa) -> dict[tuple[str, int], float]:
    """Leave a day in both tables, a customer's newer rows in either, and return what counts."""
    original = casa.poner(archivados=True)
    casa.sql(DOBLAR, (1, DIAS[0], "A"))
    casa.sql(DOBLAR, (-1, DIAS[0], "B"))
    return original | {clave: original[clave] + 10 for clave in claves_de(DIAS[:1], ["A"])}


def test_lo_que_estaba_en_las_dos_tablas_se_arregla_al_migrar(
    casa: Casa, caplog: pytest.LogCaptureFixture
) -> None:
    """The newer row stays; what lies in the archive and is not its day's goes to its place."""
    esperado = _doblar(casa)
    casa.sql("DELETE FROM dias_archivados WHERE fecha = %s", (DIAS[1],))
    casa.sql("UPDATE dias_archivados SET en_archivo = false WHERE fecha = %s", (DIAS[2],))
    downgrade(casa.entorno, "0004")
    # The readings of these tests are an hour from UTC all the year round.
    migrate(casa.entorno.model_copy(update={"zona_horaria": "Etc/GMT-1"}))
    assert "4 lecturas estaban en las dos tablas" in caplog.text
    assert casa.comprobar() == esperado
    assert _cuantas(casa, "consumos_diarios", f"fecha = '{DIAS[2]}'") == len(CORREGIDAS)
    assert _cuantas(casa, "consumos_diarios_archivo", f"fecha = '{DIAS[1]}'") == len(CORREGIDAS)


@pytest.mark.parametrize("mover", [_archivar, _restaurar, _corregir])
def test_y_por_quien_lo_encuentre(casa: Casa, mover: object) -> None:
    """Whoever comes upon a reading that is in both tables leaves it in one, and goes on."""
    esperado = _doblar(casa)
    mover(casa.entorno)  # type: ignore[operator]
    if mover is _corregir:
        esperado |= dict.fromkeys(CORREGIDAS, 50.0)
    assert casa.comprobar() == esperado


def test_lo_que_llega_antes_del_primer_dia_no_se_archiva_sin_marca(casa: Casa) -> None:
    """A reading of an earlier day that comes while others are archived waits for the next time."""
    casa.poner(archivados=False)
    temprana = claves_de([date(2026, 2, 11)], ["A"])

    def guardar(entorno: Settings) -> None:
        with closing(PostgresStore(entorno)) as store:
            insistir(lambda: store.save(*hacer_lote(temprana)))

    elegir = se_detiene("archivador", "INSERT INTO dias_archivados", "SELECT c.relname")
    por_turnos(casa.entorno, elegir, {"archivador": _archivar, "consumidor": guardar})
    assert casa.comprobar().keys() > set(temprana)
    _archivar(casa.entorno)
    assert casa.comprobar().keys() > set(temprana)
    assert _cuantas(casa, "consumos_diarios", f"fecha < '{LIMITE}'") == 0


@pytest.mark.parametrize("parada", ["DROP TABLE", "ALTER TABLE consumos_diarios DETACH"])
def test_quien_lee_y_quien_archiva_no_se_esperan_en_circulo(casa: Casa, parada: str) -> None:
    """Whoever reads all the history meanwhile gets it, and so does the archiver its months."""
    original = casa.poner(archivados=False)
    leidas: list[int] = []

    def leer(entorno: Settings) -> None:
        with closing(conectar(entorno)) as sonda, sonda, sonda.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM consumos_historia")
            leidas.append(cursor.fetchone()[0])

    elegir = se_detiene("archivador", "INSERT INTO dias_archivados", parada)
    enviadas = por_turnos(casa.entorno, elegir, {"archivador": _archivar, "lector": leer})
    # The archiver was in the middle of it when the reader came.
    assert "archivador" in enviadas[enviadas.index("lector") :]
    assert leidas == [len(original)]
    assert casa.comprobar() == original
    assert casa.interbloqueos() == 0


def test_eliminar_no_espera_a_un_lector_lento(casa: Casa) -> None:
    """With a month in a reader's hands its readings are deleted all the same, and nobody waits."""
    casa.poner(archivados=True)
    sonda = casa.abrir()
    with closing(sonda), sonda.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM consumos_diarios_archivo_2026_02")
        _eliminar(casa.entorno)
    assert _cuantas(casa, "consumos_diarios_archivo") == 0
