"""PostgreSQL: the schema of the specification, its plans, and what happens when it is away."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg2
import pytest
from contracts.fakes import filas_de, hacer_lote
from contracts.sondas import HistorialPostgres

from detection.domain import hora_absoluta, instante
from pipeline.stores.postgres.history import ANTERIORES, RANGO, ULTIMAS, customers_query
from pipeline.stores.postgres.migrations import versions
from pipeline.stores.postgres.migrations.apply import downgrade
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import Settings

H = hora_absoluta(datetime(2026, 1, 15, 2, tzinfo=UTC))

COLUMNAS = {
    "consumos_diarios": {
        "id": ("bigint", "NO"),
        "propietario_id": ("character varying(20)", "NO"),
        "fecha": ("date", "NO"),
        "hora": ("integer", "NO"),
        "consumo_kwh": ("numeric", "NO"),
        "anomalia_detectada": ("boolean", "NO"),
        "score_anomalia": ("numeric(3,2)", "NO"),
        "severidad": ("character varying(20)", "NO"),
        "es_sospechoso": ("boolean", "NO"),
        "timestamp_procesado": ("timestamp without time zone", "NO"),
        "timestamp_consumo": ("timestamp with time zone", "NO"),
        "tipos_anomalia": ("text[]", "NO"),
        "consumo_esperado_kwh": ("real", "YES"),
        "version_modelo": ("text", "NO"),
    },
    "modelo_online": {
        "topic": ("text", "NO"),
        "particion": ("integer", "NO"),
        "registro": ("text", "NO"),
        "siguiente_offset": ("bigint", "NO"),
        "estado": ("bytea", "NO"),
        "guardado": ("timestamp with time zone", "NO"),
    },
    "comparacion_sombra": {
        "propietario_id": ("character varying(20)", "NO"),
        "timestamp_consumo": ("timestamp with time zone", "NO"),
        "version_campeon": ("text", "NO"),
        "version_aspirante": ("text", "NO"),
        "score_campeon": ("numeric(3,2)", "NO"),
        "score_aspirante": ("numeric(3,2)", "NO"),
        "severidad_campeon": ("character varying(20)", "NO"),
        "severidad_aspirante": ("character varying(20)", "NO"),
    },
    "memoria_clientes": {
        "propietario_id": ("character varying(20)", "NO"),
        "hoy": ("date", "NO"),
        "primero": ("date", "NO"),
        "sucio": ("date", "YES"),
        "inicio": ("date", "YES"),
        "apertura": ("date", "YES"),
        "niveles": ("bytea", "NO"),
        "inocente_inicio": ("date", "YES"),
        "inocente_apertura": ("date", "YES"),
        "inocente_cierre": ("date", "YES"),
        "inocente_tipo": ("integer", "YES"),
    },
    "memoria_dias": {
        "propietario_id": ("character varying(20)", "NO"),
        "mes": ("date", "NO"),
        "dias": ("bytea", "NO"),
    },
    "contexto_clientes": {
        "propietario_id": ("character varying(20)", "NO"),
        "direccion": ("character varying(200)", "YES"),
        "latitud": ("double precision", "YES"),
        "longitud": ("double precision", "YES"),
        "potencia_contratada_kw": ("double precision", "YES"),
        "tarifa": ("character varying(40)", "YES"),
        "actividad": ("character varying(100)", "YES"),
        "transformador": ("character varying(40)", "YES"),
    },
    "log_archivado": {
        "id": ("integer", "NO"),
        "fecha_archivado": ("timestamp without time zone", "NO"),
        "registros_movidos": ("integer", "NO"),
        "espacio_liberado_mb": ("numeric(10,2)", "YES"),
        "estado": ("character varying(20)", "NO"),
        "operacion": ("character varying(20)", "NO"),
        "desde": ("date", "YES"),
        "hasta": ("date", "YES"),
    },
    "dias_archivados": {
        "fecha": ("date", "NO"),
        "en_archivo": ("boolean", "NO"),
        "retenido_hasta": ("date", "YES"),
    },
}
ULTIMA = max(p.name[1:5] for p in Path(versions.__file__).parent.glob("r0*.py"))
"""The newest revision of the schema."""
COLUMNAS["consumos_diarios_archivo"] = COLUMNAS["consumos_diarios"]


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[HistorialPostgres]:
    abierta = HistorialPostgres(entorno)
    yield abierta
    abierta.store.close()


# ---- Schema ----


@pytest.mark.parametrize("tabla", COLUMNAS)
def test_las_tablas_son_las_de_la_especificacion(sonda: HistorialPostgres, tabla: str) -> None:
    """Every table has exactly its columns, each with a comment for people."""
    filas = sonda.sql(
        """SELECT attname, format_type(atttypid, atttypmod),
                CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END,
                col_description(attrelid, attnum)
            FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum""",
        (tabla,),
    )
    assert {nombre: (tipo, nulo) for nombre, tipo, nulo, _ in filas} == COLUMNAS[tabla]
    assert all(comentario for *_, comentario in filas)
    assert sonda.sql("SELECT obj_description(%s::regclass)", (tabla,))[0][0]


def test_los_indices_son_los_de_la_especificacion(sonda: HistorialPostgres) -> None:
    """The three named indexes are there, on their columns, and the identity is unique."""
    filas = dict(sonda.sql("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname='public'"))
    for tabla, prefijo in (
        ("consumos_diarios", "idx_"),
        ("consumos_diarios_archivo", "idx_archivo_"),
    ):
        for nombre, columnas in (
            ("propietario", "propietario_id"),
            ("fecha", "fecha"),
            ("propietario_fecha", "propietario_id, fecha"),
        ):
            definicion = filas[prefijo + nombre]
            assert definicion.endswith(f"public.{tabla} USING btree ({columnas})")
        assert filas[f"{tabla}_identidad"].startswith("CREATE UNIQUE INDEX")
        assert filas[f"{tabla}_identidad"].endswith("(propietario_id, timestamp_consumo)")


@pytest.mark.parametrize("tabla", ["consumos_diarios", "consumos_diarios_archivo"])
@pytest.mark.parametrize(
    ("columna", "valor"),
    [
        ("hora", "24"),
        ("hora", "-1"),
        ("consumo_kwh", "-0.001"),
        ("consumo_kwh", "'NaN'"),
        ("consumo_kwh", "'Infinity'"),
        ("score_anomalia", "1.01"),
        ("score_anomalia", "-0.01"),
        ("severidad", "'critica'"),
    ],
)
def test_la_tabla_rechaza_valores_imposibles(
    sonda: HistorialPostgres, tabla: str, columna: str, valor: str
) -> None:
    """No program, ours or not, can store what contract 3 excludes."""
    fila = {
        "id": "1",
        "propietario_id": "'A'",
        "fecha": "'2026-01-15'",
        "hora": "2",
        "consumo_kwh": "1",
        "anomalia_detectada": "false",
        "score_anomalia": "0.1",
        "severidad": "'normal'",
        "es_sospechoso": "false",
        "timestamp_procesado": "now()",
        "timestamp_consumo": "'2026-01-15 01:00+00'",
        "tipos_anomalia": "'{}'",
        "version_modelo": "'v'",
    }
    orden = f"INSERT INTO {tabla} ({', '.join(fila)}) VALUES ({{}})"
    sonda.crear_mes("2026-01-15", tabla)
    sonda.sql(orden.format(", ".join(fila.values())))
    fila |= {"id": "2", "propietario_id": "'B'", columna: valor}
    with pytest.raises(psycopg2.errors.CheckViolation):
        sonda.sql(orden.format(", ".join(fila.values())))


def test_migrar_dos_veces_no_cambia_nada(sonda: HistorialPostgres) -> None:
    """Migrating again keeps the data and returns the same revision."""
    sonda.store.save(*hacer_lote([("A", H)]))
    assert migrate(sonda.entorno) == migrate(sonda.entorno) == ULTIMA
    assert len(sonda.filas()) == 1


def test_una_base_de_la_version_anterior_se_migra_con_sus_datos(sonda: HistorialPostgres) -> None:
    """What was stored before the models' tables is there after them, untouched."""
    sonda.store.save(*hacer_lote([("A", H)]))
    assert downgrade(sonda.entorno, "0001") == "0001"
    antes = sonda.sql("SELECT * FROM consumos_diarios")
    assert migrate(sonda.entorno) == ULTIMA
    assert sonda.sql("SELECT * FROM consumos_diarios") == antes
    assert sonda.store.load_online("log", [0]) == [None]


def test_migran_varios_procesos_a_la_vez(
    variables: dict[str, str], entorno_vacio: Settings
) -> None:
    """Consumers that start together all find the newest schema, and none fails."""
    base = entorno_vacio.postgres_db
    vacia = {**variables, "POSTGRES_DB": base}
    orden = [sys.executable, "-m", "pipeline.stores.postgres.migrate_command"]
    procesos = [
        subprocess.Popen(orden, env=vacia, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    salidas = [(p.communicate(timeout=60), p.returncode) for p in procesos]
    for (salida, error), estado in salidas:
        assert estado == 0, error.decode()
        assert salida.decode() == f"Esquema de {base} en la revisión {ULTIMA}.\n"


def test_se_puede_volver_atras(sonda: HistorialPostgres) -> None:
    """Downgrading leaves no table of ours, and migrating brings them back."""
    sonda.store.close()
    tablas = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p', 'v') AND NOT relispartition AND relname <> 'alembic_version'"""
    todas = sorted(sonda.sql(tablas))
    assert {nombre for (nombre,) in todas} >= {*COLUMNAS, "consumos_historia"}
    assert downgrade(sonda.entorno, "base") == "base"
    assert sonda.sql(tablas) == []
    assert migrate(sonda.entorno) == ULTIMA
    assert sorted(sonda.sql(tablas)) == todas


def test_partir_las_tablas_conserva_cada_fila(sonda: HistorialPostgres) -> None:
    """Rows of whole tables come into their months with every column, and out of them again."""
    claves = [("A", H + 24 * d) for d in range(0, 70, 7)]
    sonda.store.save(*hacer_lote(claves, [1 + i / 7 for i in range(len(claves))]))
    filas = "SELECT * FROM consumos_diarios ORDER BY id"
    antes = sonda.sql(filas)
    assert downgrade(sonda.entorno, "0002") == "0002"
    assert sonda.sql(filas) == antes
    assert migrate(sonda.entorno) == ULTIMA
    assert sonda.sql(filas) == antes
    sonda.store.save(*hacer_lote([("A", H + 1)]))
    assert sonda.sql("SELECT max(id) FROM consumos_diarios")[0][0] > antes[-1][0]


# ---- Writing ----


def test_lo_mismo_otra_vez_no_toca_la_fila(sonda: HistorialPostgres) -> None:
    """The same bytes again change nothing, not even when they were processed; a correction does."""
    procesado = "SELECT id, timestamp_procesado FROM consumos_diarios ORDER BY propietario_id"
    lote = hacer_lote([("A", H), ("B", H)], esperado=[np.nan, 1.1])
    sonda.store.save(*lote)
    antes = sonda.sql(procesado)
    sonda.store.save(*lote)
    assert sonda.sql(procesado) == antes
    sonda.store.save(*hacer_lote([("A", H), ("B", H)], [1.0, 1.5], version="v2", score=[30, 40]))
    despues = sonda.sql(procesado)
    assert despues[0] == antes[0]
    assert despues[1][0] == antes[1][0]
    assert despues[1][1] > antes[1][1]


@pytest.mark.parametrize("mezcla", [False, True])
def test_todo_o_nada(sonda: HistorialPostgres, mezcla: bool) -> None:
    """A batch that fails half way, by either way of writing, leaves nothing of itself."""
    if mezcla:
        for _ in range(2):
            sonda.store.save(*hacer_lote([("A", H)]))
    antes = sonda.filas()
    with pytest.raises(psycopg2.errors.CheckViolation):
        sonda.store.save(*hacer_lote([("A", H), ("B", H), ("C", H)], [9.0, 9.0, -1.0]))
    assert sonda.filas() == antes
    assert sonda.store.save(*hacer_lote([("B", H)])).repetida.tolist() == [False]


def test_dos_escritores_de_lo_mismo_no_se_bloquean(sonda: HistorialPostgres) -> None:
    """Two consumers with the same readings in opposite orders: each identity is new once."""
    claves = [(f"C{i:03d}", H + h) for i in range(60) for h in range(20)]
    lotes = [hacer_lote(claves), hacer_lote(claves[::-1])]
    salida = threading.Barrier(2)

    def escribir(lote: tuple) -> int:
        store = PostgresStore(sonda.entorno)
        salida.wait()
        nuevas = int((~store.save(*lote).repetida).sum())
        store.close()
        return nuevas

    with ThreadPoolExecutor(2) as hilos:
        nuevas = list(hilos.map(escribir, lotes))
    assert sum(nuevas) == len(claves)
    assert len(sonda.filas()) == len(claves)


def test_un_hilo_guarda_mientras_otro_lee(sonda: HistorialPostgres) -> None:
    """The writer thread and the scoring thread use one store at once, each undisturbed."""
    lotes = [hacer_lote([(f"C{i}", H + t) for i in range(50)]) for t in range(30)]
    with ThreadPoolExecutor(2) as hilos:
        escritura = hilos.submit(lambda: [sonda.store.save(*lote).repetida.any() for lote in lotes])
        lectura = hilos.submit(
            lambda: [len(sonda.store.load_latest(["C1", "C2"], 672)) for _ in range(30)]
        )
        assert not any(escritura.result())
        cuentas = lectura.result()
    assert cuentas == sorted(cuentas)
    assert all(cuenta % 2 == 0 for cuenta in cuentas)
    assert sonda.filas() == {c: f for lote in lotes for c, f in filas_de(*lote).items()}


# ---- Reading ----


def test_la_historia_se_lee_por_el_indice(sonda: HistorialPostgres) -> None:
    """Loading some customers of many walks the identity's index and never the whole table."""
    sonda.crear_mes("2026-01-15")
    sonda.sql(
        """INSERT INTO consumos_diarios (propietario_id, fecha, hora, consumo_kwh,
            anomalia_detectada, score_anomalia, severidad, es_sospechoso, timestamp_consumo,
            version_modelo)
        SELECT 'C' || c, to_timestamp((%s + h) * 3600.0)::date, h %% 24, 1, false, 0.1, 'normal',
            false, to_timestamp((%s + h) * 3600.0), 'v'
        FROM generate_series(1, 300) AS c, generate_series(1, 200) AS h""",
        (H, H),
    )
    sonda.sql("ANALYZE consumos_diarios")
    ids = [f"C{i}" for i in range(1, 300, 3)]
    parametros = {"ids": ids, "antes": [H + 100] * len(ids), "horas": 48}
    parametros |= {"desde": instante(H), "hasta": instante(H + 48)}
    with psycopg2.connect(
        host=sonda.entorno.postgres_host,
        port=sonda.entorno.postgres_port,
        user=sonda.entorno.postgres_user,
        password=sonda.entorno.postgres_password,
        dbname=sonda.entorno.postgres_db,
    ) as conexion:
        cursor = conexion.cursor()
        for consulta in (ULTIMAS, ANTERIORES, RANGO, customers_query(H, H + 48, 4)):
            cursor.execute("EXPLAIN " + consulta, parametros)
            plan = "\n".join(linea for (linea,) in cursor.fetchall())
            assert "consumos_diarios_2026_01_propietario_id_timestamp_consumo_key" in plan, consulta
            # Partitions made ahead are empty, and quicker to look at than their index.
            assert "Seq Scan on consumos_diarios_2026_01" not in plan, consulta
    conexion.close()


def test_la_cuenta_de_una_base_vacia(sonda: HistorialPostgres) -> None:
    """An empty history counts zero, without first or last reading."""
    assert sonda.store.contar() == {
        "lecturas": 0,
        "clientes": 0,
        "anomalias": {"crítica": 0, "alta": 0, "media": 0, "baja": 0},
        "desde": None,
        "hasta": None,
    }
    assert sonda.store.anomalias_de_hora(H) == []


def test_la_cuenta(sonda: HistorialPostgres) -> None:
    """The summary counts readings, customers and anomalies by severidad."""
    claves = [("A", H), ("A", H + 5), ("B", H - 3), ("C", H)]
    sonda.store.save(*hacer_lote(claves, severidad=[0, 4, 4, 1], score=[0, 95, 91, 50]))
    assert sonda.store.count_by_hour(["A", "B"], H - 3, H + 5) == {H: (1, 1), H - 3: (1, 1)}
    assert sonda.store.count_by_hour(["A", "C"], H, H + 1) == {H: (2, 2)}
    assert sonda.store.count_anomalies(["A", "C"], H, H + 5) == {"baja": 1}
    assert sonda.store.count_anomalies(["A", "B", "C"], H - 3, H + 6) == {"crítica": 2, "baja": 1}
    assert sonda.store.contar() == {
        "lecturas": 4,
        "clientes": 3,
        "anomalias": {"crítica": 2, "alta": 0, "media": 0, "baja": 1},
        "desde": instante(H - 3),
        "hasta": instante(H + 5),
    }


def test_las_anomalias_de_una_hora(sonda: HistorialPostgres) -> None:
    """The anomalies of one hour, the highest score first, whatever the local date is."""
    for hora in (H, H - 2, H + 20):  # 02:00, midnight, 22:00 UTC
        lote = hacer_lote(
            [("A", hora), ("B", hora), ("C", hora)],
            severidad=[1, 0, 3],
            score=[55, 10, 85],
            tipos=[1, 0, 6],
            desfase=[12, 12, 12],
        )
        sonda.store.save(*lote)
        assert sonda.store.anomalias_de_hora(hora) == [
            ("C", "alta", ["pico_consumo", "consumo_noche_anomalo"]),
            ("A", "baja", ["desviacion_estadistica"]),
        ]
