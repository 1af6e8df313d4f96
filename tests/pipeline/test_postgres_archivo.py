"""The archive in PostgreSQL: nothing lost, nothing twice, whatever happens at whatever instant."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from bases import base_llena
from contracts.fakes import hacer_lote
from contracts.sondas import HistorialPostgres, conectar

from detection.domain import hora_absoluta
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

HOY = date(2026, 4, 10)
RETENIDO = date(2026, 5, 10)
CLIENTES = [f"C{i}" for i in range(6)]
# From the middle of January to the tenth of April: two whole months and two parts.
DESDE = hora_absoluta(datetime(2026, 1, 20, tzinfo=UTC))
HASTA = hora_absoluta(datetime(2026, 4, 10, tzinfo=UTC))
TANDA = 1_000
"""Less than a month's readings and more than a day's, so that both kinds of step happen."""

TODAS = "SELECT * FROM {tabla} ORDER BY propietario_id, timestamp_consumo"


def hora(texto: str) -> int:
    return hora_absoluta(datetime.fromisoformat(texto).replace(tzinfo=UTC))


class Casa:
    def __init__(self, sonda: HistorialPostgres) -> None:
        self.sonda = sonda
        self.sql = sonda.sql
        self.store = sonda.store
        self.archivo = PostgresArchive(sonda.entorno, tanda=TANDA)

    def todas(self, tabla: str = "consumos_historia") -> list[Any]:
        return self.sql(TODAS.format(tabla=tabla))

    def cuantas(self, tabla: str, donde: str = "true") -> int:
        return int(self.sql(f"SELECT count(*) FROM {tabla} WHERE {donde}")[0][0])

    def en_las_dos(self) -> int:
        return int(
            self.sql(
                "SELECT count(*) FROM consumos_diarios "
                "JOIN consumos_diarios_archivo USING (propietario_id, timestamp_consumo)"
            )[0][0]
        )


def _llenar(entorno: Settings) -> None:
    azar = np.random.default_rng(7)
    claves = [(c, h) for h in range(DESDE, HASTA) for c in CLIENTES]
    kwh = azar.gamma(2.0, 0.4, len(claves)).round(3)
    with closing(PostgresStore(entorno)) as store:
        for i in range(0, len(claves), 5_000):
            store.save(*hacer_lote(claves[i : i + 5_000], kwh[i : i + 5_000]))


@pytest.fixture
def casa(servicios: EmbeddedServices) -> Iterator[Casa]:
    """Give the readings of all customers, copied."""
    with base_llena(servicios, _llenar) as (entorno, _):
        abierta = Casa(HistorialPostgres(entorno))
        yield abierta
        abierta.archivo.close()
        abierta.store.close()


def test_se_archiva_lo_anterior_al_limite_y_vuelve_igual(casa: Casa) -> None:
    """Whole months and single days go and come back, every column of every row as it was."""
    original = casa.todas()
    limite = date(2026, 3, 11)
    pasos: list[int] = []
    movidos = casa.archivo.archivar(limite, HOY, pasos.append)
    viejas = casa.cuantas("consumos_historia", "fecha < '2026-03-11'")
    assert movidos.registros == sum(pasos) == viejas == casa.cuantas("consumos_diarios_archivo")
    assert casa.cuantas("consumos_diarios", "fecha < '2026-03-11'") == 0
    assert casa.todas() == original
    # January's and February's partitions went whole, so their space is free at once.
    assert movidos.espacio_liberado_mb is not None
    assert movidos.espacio_liberado_mb > 0.5
    assert casa.archivo.archivar(limite, HOY).registros == 0
    vueltos = casa.archivo.restaurar(date(2026, 1, 1), date(2026, 3, 31), RETENIDO)
    assert vueltos.registros == viejas
    assert casa.cuantas("consumos_diarios_archivo") == 0
    assert casa.todas("consumos_diarios") == original
    assert casa.archivo.restaurar(date(2026, 1, 1), date(2026, 3, 31), RETENIDO).registros == 0
    registro = "SELECT operacion, estado, registros_movidos FROM log_archivado ORDER BY id DESC"
    assert casa.sql(registro) == [
        ("restaurar", "completado", 0),
        ("restaurar", "completado", viejas),
        ("archivar", "completado", 0),
        ("archivar", "completado", viejas),
    ]


def test_lo_restaurado_se_queda_hasta_su_fecha(casa: Casa) -> None:
    """The nightly archiver leaves restored days alone, and takes them back when it is time."""
    limite = date(2026, 3, 11)
    casa.archivo.archivar(limite, HOY)
    n = casa.archivo.restaurar(date(2026, 2, 3), date(2026, 2, 5), RETENIDO).registros
    assert n == 3 * 24 * len(CLIENTES)
    assert casa.archivo.pendientes(limite, HOY) == []
    assert casa.archivo.archivar(limite, HOY).registros == 0
    assert casa.archivo.archivar(limite, date(2026, 5, 11)).registros == n


def test_el_reporte_dice_lo_que_se_moveria(casa: Casa) -> None:
    """What is announced is what then moves, and announcing changes nothing."""
    original = casa.todas()
    limite = date(2026, 3, 11)
    meses = casa.archivo.pendientes(limite, HOY)
    assert [m.mes for m in meses] == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    assert casa.cuantas("consumos_diarios_archivo") == 0
    assert sum(m.registros for m in meses) == casa.archivo.archivar(limite, HOY).registros
    assert casa.archivo.pendientes(limite, HOY) == []
    archivados = casa.archivo.listar()
    assert [(m.mes, m.registros, m.desde, m.hasta) for m in archivados] == [
        (m.mes, m.registros, m.desde, m.hasta) for m in meses
    ]
    assert all(m.espacio_mb for m in (*meses, *archivados))
    assert casa.todas() == original


@pytest.mark.parametrize(
    "paso", [0, 4, *(pytest.param(p, marks=pytest.mark.lenta) for p in (1, 2, 3))]
)
def test_interrumpido_entre_dos_pasos_se_reanuda(casa: Casa, paso: int) -> None:
    """Whatever step is the last one, the union is complete; the next run finishes."""
    original = casa.todas()
    limite = date(2026, 3, 4)

    def cortar(_n: int, cuenta: list[int] = [0]) -> None:  # noqa: B006 - counts the steps
        cuenta[0] += 1
        if cuenta[0] > paso:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        casa.archivo.archivar(limite, HOY, cortar)
    assert casa.todas() == original
    assert casa.en_las_dos() == 0
    casa.archivo.archivar(limite, HOY)
    estados = casa.sql("SELECT estado FROM log_archivado ORDER BY id")
    assert estados == [("interrumpido",), ("completado",)]
    assert casa.cuantas("consumos_diarios", "fecha < '2026-03-04'") == 0
    cuenta = [0]
    with pytest.raises(KeyboardInterrupt):
        casa.archivo.restaurar(
            date(2026, 2, 27), date(2026, 3, 3), RETENIDO, lambda n: cortar(n, cuenta)
        )
    assert casa.todas() == original
    casa.archivo.restaurar(date(2026, 2, 27), date(2026, 3, 3), RETENIDO)
    assert casa.todas() == original
    assert casa.en_las_dos() == 0
    assert casa.cuantas("consumos_diarios_archivo", "fecha >= '2026-02-27'") == 0


def test_lo_que_llega_tarde_va_donde_vive_su_dia(casa: Casa) -> None:
    """New, repeated and corrected readings of archived days: one row each, in the archive."""
    casa.archivo.archivar(date(2026, 3, 11), HOY)
    vieja, nueva = hora("2026-02-10T10:00"), hora("2026-04-01T10:00")
    antes = len(casa.todas())
    claves = [("NUEVO", vieja), ("C1", vieja), ("C2", nueva), ("NUEVO", nueva)]
    original = casa.sql("SELECT consumo_kwh FROM consumos_historia WHERE propietario_id = 'C2' "
                        "AND timestamp_consumo = to_timestamp(%s * 3600.0)", (nueva,))  # fmt: skip
    kwh = [5.0, 77.0, float(original[0][0]), 3.0]
    score = [10, 95, 95, 10]
    guardado = casa.store.save(
        *hacer_lote(claves, kwh, score=score, severidad=[0, 4, 4, 0], version="otra")
    )
    assert guardado.repetida.tolist() == [False, True, True, False]
    # C2 came with the same kWh: its stored verdict stands.
    assert guardado.conservadas.tolist() == [2]
    assert guardado.severidad.tolist() == [0]
    assert len(casa.todas()) == antes + 2
    assert casa.en_las_dos() == 0
    donde = "timestamp_consumo = to_timestamp(%s * 3600.0) AND propietario_id IN ('NUEVO', 'C1')"
    filas = casa.sql(
        f"SELECT propietario_id, consumo_kwh, severidad FROM consumos_diarios_archivo "
        f"WHERE {donde} ORDER BY 1",
        (vieja,),
    )
    assert [(c, float(k), s) for c, k, s in filas] == [
        ("C1", 77.0, "crítica"),
        ("NUEVO", 5.0, "normal"),
    ]
    repetida = casa.store.save(*hacer_lote(claves, kwh, score=score, severidad=[0, 4, 4, 0]))
    assert repetida.repetida.all()
    assert len(casa.todas()) == antes + 2


def test_una_correccion_a_mitad_del_traslado_encuentra_su_fila(casa: Casa) -> None:
    """While a day is moving, in either direction, what comes again is never stored twice."""
    antes = len(casa.todas())
    dia = hora("2026-03-03T12:00")
    claves = [(c, h) for c in CLIENTES for h in (dia, dia + 1)]

    def corregir(n: int, kwh: list[float] = [100.0]) -> None:  # noqa: B006 - another one each time
        kwh[0] += 1.0
        lote = hacer_lote(claves, [kwh[0]] * len(claves))
        assert casa.store.save(*lote).repetida.all()

    casa.archivo._tanda = 50
    casa.archivo.archivar(date(2026, 3, 5), HOY, corregir)
    assert len(casa.todas()) == antes
    assert casa.en_las_dos() == 0
    assert casa.cuantas("consumos_diarios", "fecha < '2026-03-05'") == 0
    casa.archivo.restaurar(date(2026, 3, 2), date(2026, 3, 4), RETENIDO, corregir)
    assert len(casa.todas()) == antes
    assert casa.en_las_dos() == 0
    assert casa.cuantas("consumos_diarios", "fecha = '2026-03-03'") == 24 * len(CLIENTES)
    corregidas = casa.cuantas("consumos_diarios", "consumo_kwh > 100")
    assert corregidas == len(claves)


def test_archivar_y_guardar_a_la_vez(casa: Casa) -> None:
    """A consumer that stores old and new readings meanwhile: all of them are there, once."""
    antes = len(casa.todas())
    fallos: list[BaseException] = []
    extra = [(f"X{k}", h) for k in range(40) for h in range(hora("2026-02-26"), HASTA, 37)]

    def consumir() -> None:
        try:
            for i in range(0, len(extra), 40):
                casa.store.save(*hacer_lote(extra[i : i + 40]))
        except BaseException as error:  # noqa: BLE001 - told to the test
            fallos.append(error)

    casa.archivo._tanda = 100
    hilo = threading.Thread(target=consumir)
    hilo.start()
    casa.archivo.archivar(date(2026, 3, 11), HOY)
    hilo.join()
    assert fallos == []
    assert len(casa.todas()) == antes + len(extra)
    assert casa.en_las_dos() == 0
    casa.archivo.archivar(date(2026, 3, 11), HOY)
    assert casa.cuantas("consumos_diarios", "fecha < '2026-03-11'") == 0


def test_un_lector_lento_no_detiene_el_archivado(casa: Casa) -> None:
    """With the table in somebody's hands, whole months go day by day; nobody waits for long."""
    original = casa.todas()
    for mes in ("01", "02", "03"):
        # VACUUM itself would wait 5 s for each table whose end it could give back.
        casa.sql(f"ALTER TABLE consumos_diarios_2026_{mes} SET (vacuum_truncate = off)")
    impaciente = PostgresArchive(casa.sonda.entorno, tanda=TANDA, espera_ms=100)
    with (
        closing(impaciente),
        conectar(casa.sonda.entorno) as conexion,
        conexion.cursor() as cursor,
    ):
        cursor.execute("SELECT count(*) FROM consumos_diarios WHERE fecha = '2026-02-10'")
        movidos = impaciente.archivar(date(2026, 3, 11), HOY)
        conexion.rollback()
    conexion.close()
    assert movidos.registros == casa.cuantas("consumos_diarios_archivo") > 0
    assert casa.todas() == original


def test_la_historia_que_se_carga_no_depende_del_archivo(casa: Casa) -> None:
    """Windows and training see the same past, archived or not."""
    antes_de = np.full(2, hora("2026-03-01"), np.int64)

    def cargar() -> list[Any]:
        historias = [
            casa.store.load_latest(["C1", "C5"], 672),
            casa.store.load_before(["C1", "NADIE"], antes_de, 672),
            casa.store.load_range(["C3"], hora("2026-02-20"), hora("2026-03-20")),
        ]
        return [
            [a.tolist() for a in (h.indice, h.hora_utc, h.consumo_kwh, h.score_centesimas)]
            for h in historias
        ]

    de_todos = ["C1", "C3", "C5"], hora("2026-02-20"), hora("2026-03-20")

    def contar() -> list[Any]:
        return [
            casa.store.contar(),
            casa.store.count_by_hour(*de_todos),
            casa.store.count_anomalies(*de_todos),
        ]

    antes = cargar(), casa.store.customers(DESDE, HASTA), contar()
    assert all(len(h[0]) == n for h, n in zip(antes[0], (1344, 672, 672), strict=True))
    casa.archivo.archivar(date(2026, 4, 3), HOY)
    assert (cargar(), casa.store.customers(DESDE, HASTA), contar()) == antes


def test_se_elimina_solo_del_archivo_y_para_siempre(casa: Casa) -> None:
    """Deleting takes archived readings before the day, and no other; twice equals once."""
    casa.archivo.archivar(date(2026, 3, 11), HOY)
    casa.archivo.restaurar(date(2026, 2, 1), date(2026, 2, 1), RETENIDO)
    vivas = casa.todas("consumos_diarios")
    quedan = casa.cuantas("consumos_diarios_archivo", "fecha >= '2026-03-05'")
    n = casa.archivo.contar(date(2026, 3, 5))
    assert casa.archivo.eliminar(date(2026, 3, 5)).registros == n > 0
    assert casa.cuantas("consumos_diarios_archivo") == quedan
    assert casa.todas("consumos_diarios") == vivas
    assert casa.store.deleted_until() == date(2026, 3, 4)
    assert casa.archivo.eliminar(date(2026, 3, 5)).registros == 0
    # A reading that still comes of a day that is gone lives where its day lived.
    casa.store.save(*hacer_lote([("TARDE", hora("2026-02-10T10:00"))]))
    assert casa.cuantas("consumos_diarios_archivo", "propietario_id = 'TARDE'") == 1


def test_las_particiones_se_hacen_por_adelantado(casa: Casa) -> None:
    """The nightly job makes the months to come, once."""
    assert casa.archivo.ensure_partitions(date(2031, 12, 5), 2) == 3
    assert casa.archivo.ensure_partitions(date(2031, 12, 5), 2) == 0
    hijas = casa.sql("SELECT relname FROM pg_class WHERE relname LIKE 'consumos_diarios_203%%'")
    nombres = sorted(n for (n,) in hijas if len(n) == len("consumos_diarios_2031_12"))
    assert nombres == [
        *("consumos_diarios_2031_12", "consumos_diarios_2032_01", "consumos_diarios_2032_02"),
    ]


@pytest.mark.parametrize(
    "donde",
    [
        "fecha = '2026-02-10'",
        "fecha BETWEEN '2026-02-08' AND '2026-02-14' AND propietario_id = 'C1'",
        "timestamp_consumo >= '2026-02-10' AND timestamp_consumo < '2026-02-11'",
    ],
)
def test_las_consultas_por_fecha_solo_miran_su_mes(casa: Casa, donde: str) -> None:
    """Queries by local date or by instant leave the other months' partitions out."""
    plan = str(casa.sql(f"EXPLAIN SELECT * FROM consumos_diarios WHERE {donde}"))
    assert "consumos_diarios_2026_02" in plan
    for otro in ("2026_01", "2026_03", "2026_04"):
        assert otro not in plan
