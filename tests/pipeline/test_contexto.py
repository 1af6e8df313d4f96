"""``consumo contexto``: what a utility tells of its customers is stored whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from bases import nueva_base
from contracts.fakes import hacer_lote
from contracts.memorias import estado, memoria

import consumo
from detection.domain import hora_absoluta
from detection.errors import PermanentError
from pipeline.embedded.services import EmbeddedServices
from pipeline.ingest.context_file import read_context
from pipeline.stores.customer_context import ContextoCliente
from pipeline.stores.postgres.case_memory import forget_customers
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.postgres.customer_context import PostgresContextStore
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

ZONA = "Europe/Madrid"
NADA = dict.fromkeys(ContextoCliente.model_fields)
BUENO = """propietario_id;Dirección;latitud;longitud;potencia_contratada_kw;tarifa;notas
A;Calle del Olmo, 12;40,4168;-3,7038;5,75;2.0TD;hola
B;;;;3,45;2.0TD;
'=C;Plaza;40,5;-3,5;;;
"""


def uno(propietario_id: str, **campos: object) -> ContextoCliente:
    return ContextoCliente.model_validate({**NADA, "propietario_id": propietario_id, **campos})


A = uno(
    "A", direccion="Calle del Olmo, 12", latitud=40.4168, longitud=-3.7038,
    potencia_contratada_kw=5.75, tarifa="2.0TD",
)  # fmt: skip
B = uno("B", potencia_contratada_kw=3.45, tarifa="2.0TD")
C = uno("=C", direccion="Plaza", latitud=40.5, longitud=-3.5)


@pytest.fixture(scope="module")
def base(servicios: EmbeddedServices) -> Iterator[Settings]:
    with nueva_base(servicios, migrada=True) as settings:
        yield settings


@pytest.fixture
def almacen(base: Settings) -> Iterator[PostgresContextStore]:
    with closing(PostgresContextStore(base)) as suyo:
        suyo.delete(list(sabido(base, *"ABCDEF", "=C")))
        yield suyo


def sabido(settings: Settings, *clientes: str) -> dict[str, ContextoCliente]:
    with closing(PostgresQueries(settings)) as consultas:
        return consultas.context.of(clientes)


def orden(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    *argv: str,
) -> tuple[int, str, str]:  # fmt: skip
    for nombre, valor in settings.model_dump().items():
        if nombre.startswith("postgres_"):
            monkeypatch.setenv(nombre.upper(), str(valor))
    return consumo.main(["contexto", *argv]), *capsys.readouterr()


# ---- The file ----


@pytest.mark.parametrize("codigo", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_se_lee_como_lo_escriben_las_hojas_de_calculo(tmp_path: Path, codigo: str) -> None:
    """With semicolons and decimal commas, in any usual encoding; other columns are told."""
    ruta = tmp_path / "c.csv"
    ruta.write_bytes(BUENO.encode(codigo))
    leido = read_context(ruta, ZONA)
    assert leido.contextos == [A, B, C]
    assert leido.ajenas == ["notas"]


def test_se_lee_con_comas_y_punto_decimal(tmp_path: Path) -> None:
    """Columns in any order; blanks within a text are one; quotes as in any CSV."""
    ruta = tmp_path / "c.csv"
    ruta.write_text(
        "tarifa,propietario_id,actividad,transformador,latitud,longitud\n"
        '2.0TD,A,"Bar,  «La\u00a0Esquina»",CT-1,40.417,-3.7\n,B,,,,\n',
        encoding="utf-8",
    )
    primero, segundo = read_context(ruta, ZONA).contextos
    assert primero == uno(
        "A", tarifa="2.0TD", actividad="Bar, «La Esquina»", transformador="CT-1",
        latitud=40.417, longitud=-3.7,
    )  # fmt: skip
    assert segundo == uno("B")


@pytest.mark.parametrize(
    ("cuerpo", "texto"),
    [
        ("", "falta la columna propietario_id"),
        ("cliente;latitud\nA;1\n", "falta la columna propietario_id"),
        ("propietario_id;color\nA;rojo\n", "ninguna de las columnas direccion"),
        ("propietario_id;tarifa;Tarifa\nA;1;2\n", "la columna tarifa está dos veces"),
        ("propietario_id;tarifa\n", "no tiene ningún cliente"),
        ("propietario_id;tarifa\nA;x\nB\n", "la línea 3 tiene 1 celdas y la cabecera 2"),
        (
            "propietario_id;tarifa\nA;x\nB;y\nA;z\n",
            "la línea 4 repite el cliente «A» de la línea 2",
        ),
        ("propietario_id;tarifa\n;x\n", "la línea 2: propietario_id está en blanco"),
        (f"propietario_id;tarifa\n{'A' * 21};x\n", "línea 2: propietario_id: 21 caracteres"),
        (
            f"propietario_id;tarifa\nA;{'x' * 41}\n",
            "línea 2: tarifa tiene 41 caracteres y caben 40",
        ),
        ("propietario_id;tarifa\nA;x\x07\n", "línea 2: tarifa lleva caracteres"),
        ("propietario_id;latitud;longitud\nA;90,1;0\n", "línea 2: latitud va de -90 a 90"),
        ("propietario_id;latitud;longitud\nA;1;-181\n", "línea 2: longitud va de -180 a 180"),
        (
            "propietario_id;latitud;longitud\nA;1;\n",
            "línea 2 tiene una sola de las dos coordenadas",
        ),
        ("propietario_id;latitud;longitud\nA;norte;1\n", "latitud: «norte» no es un número"),
        ("propietario_id;potencia_contratada_kw\nA;0\n", "potencia_contratada_kw va de 0,001 a"),
        ("propietario_id;potencia_contratada_kw\nA;-3\n", "se dio «-3»"),
        ("propietario_id;potencia_contratada_kw\nA;nan\n", "no es un número finito"),
        ("propietario_id;potencia_contratada_kw\nA;3,45\nB;1.150\n", "puede ser decimal"),
    ],
)
def test_un_valor_malo_se_dice_con_su_linea(tmp_path: Path, cuerpo: str, texto: str) -> None:
    """One Spanish line that says what, and where."""
    ruta = tmp_path / "c.csv"
    ruta.write_bytes(cuerpo.encode())
    with pytest.raises(PermanentError, match=str(ruta)) as error:
        read_context(ruta, ZONA)
    assert texto in str(error.value)
    assert "\n" not in str(error.value)


# ---- The store ----


def test_dos_veces_es_una_y_lo_vacio_no_borra(
    base: Settings, almacen: PostgresContextStore
) -> None:
    """What is told comes back; what is not told again stays as it was."""
    for _ in range(2):
        almacen.save([C, A, B])
        assert sabido(base, "A", "B", "=C", "NADIE") == {"A": A, "B": B, "=C": C}
    almacen.save([uno("A", tarifa="3.0TD", transformador="CT-1")])
    despues = A.model_copy(update={"tarifa": "3.0TD", "transformador": "CT-1"})
    assert sabido(base, "A") == {"A": despues}
    assert almacen.delete(["A", "NADIE"]) == ["A"]
    assert sabido(base, "A", "B") == {"B": B}


def test_quien_comparte_algo_con_quien(base: Settings, almacen: PostgresContextStore) -> None:
    """The same tariff and a power of two thirds to one and a half; the same transformer."""
    potencias = {"A": 6.0, "B": 4.1, "C": 9.0, "D": 9.01, "E": 6.1}
    almacen.save(
        [uno(c, tarifa="2.0TD", potencia_contratada_kw=p) for c, p in potencias.items()]
        + [uno("F", transformador="CT-1")]
    )
    almacen.save([uno("A", transformador="CT-1"), uno("D", transformador="CT-1")])
    with closing(PostgresQueries(base)) as consultas:
        contexto = consultas.context
        assert contexto.same_tariff("A") == (3, ["E", "B", "C"])
        assert contexto.same_transformer("A") == (2, ["D", "F"])
        assert contexto.same_tariff("F") == contexto.same_transformer("B") == (0, [])
        assert contexto.same_tariff("NADIE") == (0, [])


def test_quien_se_olvida_se_olvida_entero(entorno: Settings) -> None:
    """Where the last readings of a customer are deleted for good, so is what was known of it."""
    hora = hora_absoluta(datetime(2024, 1, 15, 2, tzinfo=UTC))
    dia = hora // 24
    with (
        closing(PostgresStore(entorno)) as historial,
        closing(PostgresContextStore(entorno)) as almacen,
    ):
        historial.save(*hacer_lote([("A", hora)]), (), memoria({"A": estado(dia, dia)}))
        almacen.save([A, B])
        assert almacen.without_readings(["A", "B"]) == 1
    with closing(Conexion(entorno, "prueba")) as conexion, conexion.transaction() as cursor:
        forget_customers(cursor, date(2024, 2, 1))
    assert sabido(entorno, "A", "B") == {"B": B}


# ---- The command ----


def test_la_orden_guarda_dice_cuantos_y_elimina(
    base: Settings, almacen: PostgresContextStore, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Twice says the same; a file with one bad value changes nothing; who is asked for goes."""
    ruta = tmp_path / "c.csv"
    ruta.write_text(BUENO, encoding="utf-8")
    for _ in range(2):
        estado_, salida, _ = orden(base, monkeypatch, capsys, "--archivo", str(ruta))
        assert estado_ == 0
        assert salida.splitlines() == [
            "contexto de 3 clientes guardado; 3 de ellos sin ninguna lectura todavía",
            "columnas que no se usan: «notas»",
        ]
    antes = sabido(base, "A", "B", "=C")
    assert antes == {"A": A, "B": B, "=C": C}
    malo = tmp_path / "malo.csv"
    malo.write_text("propietario_id;latitud;longitud\nA;1;1\nB;100;1\n", encoding="utf-8")
    estado_, _, errores = orden(base, monkeypatch, capsys, "--archivo", str(malo))
    assert estado_ == 1
    assert errores == f"error: {malo}: la línea 3: latitud va de -90 a 90; se dio «100»\n"
    assert orden(base, monkeypatch, capsys, "--archivo", str(tmp_path / "no.csv"))[0] == 1
    assert sabido(base, "A", "B", "=C") == antes
    hecho = orden(base, monkeypatch, capsys, "--quitar", "A", "NADIE")
    assert hecho == (1, "contexto de 1 cliente eliminado\n", "no se sabía nada de «NADIE»\n")
    assert orden(base, monkeypatch, capsys, "--quitar", "B")[0] == 0
    assert sabido(base, "A", "B", "=C") == {"=C": C}
