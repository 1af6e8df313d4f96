"""The zone of the stored data: another one is refused before anything is read or written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import pytest

from api import app as api_main
from detection.errors import ConfiguracionError
from pipeline import aggregator, archivador, consumer, restaurador
from pipeline.stores.postgres import migrate_command
from pipeline.stores.postgres.connection import connect
from pipeline.stores.postgres.migrations.apply import downgrade
from pipeline.stores.postgres.store import migrate
from pipeline.stores.postgres.time_zone import check_zone
from serving.cli import MAL_USO, run
from serving.settings import Settings

OTRA = "America/New_York"
_LLENAR = """
SELECT crear_particion('consumos_diarios', '2026-01-01');
SELECT crear_particion('consumos_diarios', '2026-07-01');
INSERT INTO consumos_diarios (propietario_id, fecha, hora, consumo_kwh, anomalia_detectada,
    score_anomalia, severidad, es_sospechoso, timestamp_consumo, version_modelo)
SELECT 'C1', (t AT TIME ZONE %(zona)s)::date, extract(hour FROM t AT TIME ZONE %(zona)s), 1, false,
    0.1, 'normal', false, t, 'v'
FROM unnest(ARRAY['2026-01-10T12:00Z', '2026-07-10T12:00Z']::timestamptz[]) AS t
"""

_CAMBIAR = """
UPDATE consumos_diarios SET fecha = (timestamp_consumo AT TIME ZONE %(zona)s)::date,
    hora = extract(hour FROM timestamp_consumo AT TIME ZONE %(zona)s)
WHERE timestamp_consumo > '2026-06-01'
"""


def sql(entorno: Settings, orden: str, **parametros: str) -> list[tuple[object, ...]]:
    with contextlib.closing(connect(entorno, "prueba")) as conexion, conexion:
        cursor = conexion.cursor()
        cursor.execute(orden, parametros)
        return list(cursor.fetchall()) if cursor.description else []


def guardada(entorno: Settings) -> list[tuple[object, ...]]:
    return sql(entorno, "SELECT valor FROM ajustes WHERE nombre = 'zona_horaria'")


def con(entorno: Settings, zona: str) -> Settings:
    return entorno.model_copy(update={"zona_horaria": zona})


def test_la_primera_vez_se_guarda_y_otra_se_rechaza(entorno_vacio: Settings) -> None:
    """Both values, and the way out; the one that was there still works, and its other names."""
    entorno = entorno_vacio
    check_zone(con(entorno, OTRA))  # there is nothing yet
    migrate(entorno)
    assert guardada(entorno) == [("Europe/Madrid",)]
    for preguntar in (migrate, check_zone):
        with pytest.raises(ConfiguracionError, match=f"zona Europe/Madrid .* es {OTRA}: póngala"):
            preguntar(con(entorno, OTRA))
        preguntar(con(entorno, "Africa/Ceuta"))
    assert guardada(entorno) == [("Europe/Madrid",)]


@pytest.mark.parametrize(("zona", "vale"), [("Europe/Madrid", True), ("Africa/Algiers", False),
                                            (OTRA, False)])  # fmt: skip
def test_sobre_datos_de_antes_se_toma_la_zona_con_la_que_casan(
    entorno: Settings, zona: str, vale: bool
) -> None:
    """A database from before the zone was stored: in winter Algiers has Madrid's hours."""
    sql(entorno, _LLENAR, zona="Europe/Madrid")
    downgrade(entorno, "0004")
    if vale:
        migrate(con(entorno, zona))
        assert guardada(entorno) == [(zona,)]
        return
    with pytest.raises(ConfiguracionError, match=f"ZONA_HORARIA es {zona}, pero en .* otra zona"):
        migrate(con(entorno, zona))
    migrate(entorno)
    assert guardada(entorno) == [("Europe/Madrid",)]


def test_donde_la_zona_se_cambio_decide_la_ultima_lectura(
    entorno: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """No zone is that of all of them: the one in use goes on, the older readings are said."""
    sql(entorno, _LLENAR, zona="Europe/Madrid")
    sql(entorno, _CAMBIAR, zona=OTRA)
    downgrade(entorno, "0004")
    with pytest.raises(
        ConfiguracionError, match=r"ZONA_HORARIA es Europe/Madrid, pero en .* póngala"
    ):
        migrate(entorno)
    migrate(con(entorno, OTRA))
    assert guardada(entorno) == [(OTRA,)]
    (aviso,) = [r.getMessage() for r in caplog.records if "lecturas miradas" in r.getMessage()]
    assert aviso.startswith("1 de 2 lecturas miradas")
    assert "la de 2026-01-10T12:00+0000 está guardada como 2026-01-10 13 h" in aviso


@pytest.mark.parametrize(
    ("main", "argumentos"),
    [
        (consumer.main, ["--hasta-vacio"]), (aggregator.main, []), (archivador.main, []),
        (restaurador.main, ["--listar"]), (migrate_command.main, []), (api_main.main, []),
    ],
    ids=["consumir", "agregar", "archivar", "restaurar", "migrar", "api"],
)  # fmt: skip
def test_toda_orden_que_abre_los_almacenes_la_rechaza(
    entorno: Settings,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    main: Callable[[Sequence[str]], int],
    argumentos: list[str],
) -> None:
    """One line, status 2, before anything is done."""
    for nombre, valor in (variables | {"ZONA_HORARIA": OTRA}).items():
        monkeypatch.setenv(nombre, valor)
    assert run(main, argumentos) == MAL_USO
    error = capsys.readouterr().err
    assert f"están en la zona Europe/Madrid y ZONA_HORARIA es {OTRA}" in error
    assert "Traceback" not in error
