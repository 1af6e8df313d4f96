"""Readings out of CSV and Parquet files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detection.domain import hora_absoluta
from detection.errors import PermanentError
from pipeline.ingest.files.blocks import FILAS_POR_TROZO, MotivoArchivo
from pipeline.ingest.files.hourly_file import OpcionesLectura, Trozo
from pipeline.ingest.files.meter_file import open_meter_file
from pipeline.ingest.validation import Motivo

AHORA = hora_absoluta(datetime(2026, 11, 24, 12, tzinfo=UTC))
CABECERA = "propietario_id,timestamp,consumo_kwh\n"
BUENA = "A,2026-01-15T02:00:00+01:00,1.25\n"


def hour(texto: str) -> int:
    return hora_absoluta(datetime.fromisoformat(texto))


def read(ruta: Path) -> list[Trozo]:
    return list(open_meter_file(ruta, OpcionesLectura("Europe/Madrid", 10_000.0, AHORA)).trozos())


def read_csv(carpeta: Path, texto: str | bytes) -> Trozo:
    ruta = carpeta / "lecturas.csv"
    ruta.write_bytes(texto if isinstance(texto, bytes) else texto.encode())
    (trozo,) = read(ruta)
    return trozo


def read_parquet(carpeta: Path, **columnas: pa.Array) -> Trozo:
    ruta = carpeta / "lecturas.parquet"
    pq.write_table(pa.table(columnas), ruta)
    (trozo,) = read(ruta)
    return trozo


def readings(trozo: Trozo) -> list[tuple[str, int, float]]:
    lecturas = trozo.lecturas
    return list(
        zip(
            lecturas.propietario_id,
            lecturas.hora_utc.tolist(),
            lecturas.consumo_kwh.tolist(),
            strict=True,
        )
    )


def test_a_csv_is_read_in_its_order(tmp_path: Path) -> None:
    """Commas, a BOM, CRLF, blank lines, columns in any order and others beside them."""
    trozo = read_csv(
        tmp_path,
        b"\xef\xbb\xbfconsumo_kwh,otra,Propietario_ID , timestamp\r\n"
        b"1.25,x,B,2026-01-15 02:00\r\n\r\n0,,A, 2026-01-15T01:00:00Z \r\n",
    )
    hora = hour("2026-01-15T01:00Z")
    assert readings(trozo) == [("B", hora, 1.25), ("A", hora, 0.0)]
    assert trozo.etiqueta is None
    assert trozo.rechazadas == []
    assert trozo.avance == 1.0


def test_semicolons_come_with_decimal_commas(tmp_path: Path) -> None:
    """As Spanish spreadsheets write; what the numbers prove of their marks counts for all."""
    cabecera = "propietario_id;timestamp;consumo_kwh\n"
    trozo = read_csv(
        tmp_path,
        f"{cabecera}A;2026-01-15 02:00;1,25\nA;2026-01-15 03:00;2.5\nA;2026-01-15 04:00;1.234\n",
    )
    assert trozo.lecturas.consumo_kwh.tolist() == [1.25, 2.5]
    assert [(linea, error.motivo) for linea, error in trozo.rechazadas] == [
        (4, MotivoArchivo.NUMERO_DUDOSO)
    ]
    trozo = read_csv(tmp_path, f"{cabecera}A;2026-01-15 02:00;1.234,5\nA;2026-01-15 03:00;1.002\n")
    assert trozo.lecturas.consumo_kwh.tolist() == [1234.5, 1002.0]


def test_bad_rows_come_out_with_line_and_reason(tmp_path: Path) -> None:
    """No row is dropped in silence, and the good ones around it are read."""
    trozo = read_csv(
        tmp_path,
        CABECERA
        + BUENA
        + "A,2026-01-15T03:00:00Z,-1\n"
        + ",2026-01-15T03:00:00Z,1\n"
        + "A\n"
        + "A,ayer,1\n"
        + "A,2026-01-15T03:00:00Z,\n"
        + "A,2026-01-15T03:00:00Z,1_0\n"
        + "A,2026-01-15T03:00:00Z,nan\n"
        + "B,2026-03-29 02:00,1\n"
        + "A,2027-01-15T03:00:00Z,1\n"
        + "A,2026-01-15T04:00:00Z,2\n",
    )
    assert [kwh for _, _, kwh in readings(trozo)] == [1.25, 2.0]
    assert [(linea, error.motivo) for linea, error in trozo.rechazadas] == [
        (3, Motivo.CONSUMO_NEGATIVO),
        (4, Motivo.PROPIETARIO_AUSENTE),
        (5, Motivo.TIEMPO_AUSENTE),
        (6, Motivo.TIEMPO_ILEGIBLE),
        (7, Motivo.CONSUMO_AUSENTE),
        (8, Motivo.CONSUMO_NO_NUMERO),
        (9, Motivo.CONSUMO_NO_FINITO),
        (10, MotivoArchivo.DIA_CONTRADICE_CALENDARIO),
        (11, Motivo.TIEMPO_FUTURO),
    ]


def test_labels_stay_beside_their_readings(tmp_path: Path) -> None:
    """The label of a bad row goes with it; 0 and 1 are numbers, the rest is text."""
    trozo = read_csv(
        tmp_path,
        "propietario_id,timestamp,consumo_kwh,label\n"
        "A,2026-01-15T02:00:00Z,1,1\nA,x,1,0\nA,2026-01-15T03:00:00Z,1,fraude\n"
        "A,2026-01-15T04:00:00Z,1,\n",
    )
    assert trozo.etiqueta == [1, "fraude", None]


def test_the_repeated_hour_of_october_is_told_apart_by_order(tmp_path: Path) -> None:
    """Local times without offset: both hours 2 of each customer survive."""
    trozo = read_csv(
        tmp_path,
        CABECERA
        + "A,2026-10-25 02:00,1\nB,2026-10-25 02:00,2\nA,2026-10-25 02:00,3\n"
        + "B,2026-10-25 02:00,4\nA,2026-10-25 03:00,5\n",
    )
    primera = hour("2026-10-25T00:00Z")
    assert [(p, hora - primera, kwh) for p, hora, kwh in readings(trozo)] == [
        ("A", 0, 1.0),
        ("B", 0, 2.0),
        ("A", 1, 3.0),
        ("B", 1, 4.0),
        ("A", 2, 5.0),
    ]


def test_a_long_file_comes_in_pieces(tmp_path: Path) -> None:
    """The memory holds a piece, the lines go on counting, the part read only grows."""
    filas = 2 * FILAS_POR_TROZO + 5
    ruta = tmp_path / "largo.csv"
    horas = (datetime(2021, 1, 1) + timedelta(hours=i) for i in range(filas - 1))
    ruta.write_text(CABECERA + "".join(f"A,{h:%Y-%m-%dT%H:%M}Z,1\n" for h in horas) + "A,x,1\n")
    trozos = read(ruta)
    assert [len(t.lecturas) for t in trozos] == [FILAS_POR_TROZO] * 2 + [4]
    assert [linea for t in trozos for linea, _ in t.rechazadas] == [filas + 1]
    avances = [t.avance for t in trozos]
    assert avances == sorted(avances)
    assert avances[-1] == 1.0


def test_a_reading_that_comes_twice_is_one_reading(tmp_path: Path) -> None:
    """With the same value once; with another one neither, and all of them are told."""
    trozo = read_csv(tmp_path, CABECERA + BUENA * 3)
    assert [kwh for _, _, kwh in readings(trozo)] == [1.25]
    assert trozo.rechazadas == []
    trozo = read_csv(tmp_path, CABECERA + BUENA + BUENA.replace("1.25", "3"))
    assert readings(trozo) == []
    assert [(linea, error.motivo) for linea, error in trozo.rechazadas] == [
        (2, MotivoArchivo.HORA_REPETIDA),
        (3, MotivoArchivo.HORA_REPETIDA),
    ]


@pytest.mark.parametrize(
    ("contenido", "texto"),
    [
        (b"", "está vacío"),
        (b"\n\n", "está vacío"),
        (CABECERA.encode(), "no tiene ninguna fila"),
        (b"a,b,c\n1,2,3\n", "no se reconoce su formato; su primera línea es «a,b,c»"),
        (b"propietario_id,consumo_kwh\nA,1\n", "falta timestamp"),
        (CABECERA.encode() + b'"A' + b"x" * 200_000, "no es CSV"),
        (CABECERA.encode() + b"x" * 1_200_000, "la línea 2 tiene más de 1048576 caracteres"),
        (CABECERA.encode() + b'"A\nB\nC,1,1\n', "no es CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "es una imagen"),
        (b"PAR1 y nada", "el Parquet no se puede leer"),
        (b"PAR1", "el Parquet no se puede leer"),
    ],
)
def test_a_file_that_is_no_table_is_said_in_one_line(
    tmp_path: Path, contenido: bytes, texto: str
) -> None:
    """Empty, without its columns, in another encoding, cut: one Spanish line with the name."""
    ruta = tmp_path / "malo.csv"
    ruta.write_bytes(contenido)
    with pytest.raises(PermanentError, match=texto) as caso:
        read(ruta)
    assert "malo.csv" in str(caso.value)
    assert "\n" not in str(caso.value)


def test_a_table_in_windows_encoding_is_read(tmp_path: Path) -> None:
    """As a spreadsheet saves it where the letters are western."""
    trozo = read_csv(tmp_path, CABECERA.encode() + b"Mu\xf1oz,2026-01-15T02:00Z,1\n")
    assert trozo.lecturas.propietario_id == ["Muñoz"]


def test_a_file_that_cannot_be_opened_is_said_in_one_line(tmp_path: Path) -> None:
    """Missing, or a folder."""
    with pytest.raises(PermanentError, match="no existe"):
        read(tmp_path / "nada.csv")
    with pytest.raises(PermanentError, match="es una carpeta"):
        read(tmp_path)


def test_a_cut_parquet_is_said_in_one_line(tmp_path: Path) -> None:
    """A file whose data is damaged behind an intact footer."""
    ruta = tmp_path / "roto.parquet"
    columnas = {"propietario_id": ["A" * 9] * 999, "timestamp": ["x"] * 999}
    pq.write_table(pa.table({**columnas, "consumo_kwh": [1.0] * 999}), ruta, compression="zstd")
    datos = bytearray(ruta.read_bytes())
    datos[4:60] = b"\xff" * 56
    ruta.write_bytes(datos)
    with pytest.raises(PermanentError, match="el Parquet no se puede leer"):
        read(ruta)


def test_parquet_float32_is_read_as_the_shortest_decimal(tmp_path: Path) -> None:
    """0.12 measured in 32 bits is 0.12, not 0.11999999731779099."""
    hora = pa.array(["2026-01-15T02:00:00Z", "2026-01-15T03:00:00Z"])
    trozo = read_parquet(
        tmp_path,
        propietario_id=pa.array(["A", "A"]).dictionary_encode(),
        timestamp=hora,
        consumo_kwh=pa.array([0.12, 1234.567], pa.float32()),
    )
    assert trozo.lecturas.consumo_kwh.tolist() == [0.12, 1234.567]


@pytest.mark.parametrize(
    ("columna", "esperada"),
    [
        (pa.array([datetime(2026, 7, 15, 2, tzinfo=UTC)]), "2026-07-15T02:00Z"),
        (
            pa.array([datetime(2026, 7, 15, tzinfo=UTC)], pa.timestamp("ns", "Europe/Madrid")),
            "2026-07-15T00:00Z",
        ),
        (pa.array([datetime(2026, 7, 15, 2)], pa.timestamp("ms")), "2026-07-15T00:00Z"),
        (pa.array(["2026-07-15 02:00"]), "2026-07-15T00:00Z"),
    ],
)
def test_parquet_times_of_any_kind(tmp_path: Path, columna: pa.Array, esperada: str) -> None:
    """With a zone they are exact, without one local; text is read as in a CSV."""
    trozo = read_parquet(
        tmp_path, propietario_id=pa.array([7]), timestamp=columna, consumo_kwh=pa.array([2])
    )
    assert readings(trozo) == [("7", hour(esperada), 2.0)]


def test_parquet_rows_that_are_no_readings(tmp_path: Path) -> None:
    """Nulls and odd types have their reason; rows count from 1."""
    trozo = read_parquet(
        tmp_path,
        propietario_id=pa.array(["A", None, "A", "A"]),
        timestamp=pa.array(["2026-01-15T02:00Z"] * 3 + [None]),
        consumo_kwh=pa.array([Decimal("1.25"), Decimal("1.25"), None, Decimal("1.25")]),
        label=pa.array([1.0, 0.0, 1.0, None]),
    )
    assert readings(trozo) == [("A", hour("2026-01-15T02:00Z"), 1.25)]
    assert trozo.etiqueta == [1]
    assert [(fila, error.motivo) for fila, error in trozo.rechazadas] == [
        (2, Motivo.PROPIETARIO_AUSENTE),
        (3, Motivo.CONSUMO_AUSENTE),
        (4, Motivo.TIEMPO_AUSENTE),
    ]
