"""A file is read exactly, in the order of the log; what is no reading is left out and told."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detection.domain import hora_absoluta
from detection.errors import PermanentError
from training.evaluation.labelled_file import UN_TIPO, LabelledReadings, read_labelled_file

ZONA = "Europe/Madrid"
MAXIMO_KWH = 100.0
CABECERA = "propietario_id,timestamp,consumo_kwh"
ENERO = hora_absoluta(datetime(2026, 1, 15, 1, tzinfo=UTC))
"""02:00 in Madrid."""
BUENA = "A,2026-01-15T02:00,1.0\n"


def _leer(ruta: Path, contenido: str | bytes) -> LabelledReadings:
    datos = contenido.encode() if isinstance(contenido, str) else contenido
    ruta.write_bytes(datos)
    return read_labelled_file(ruta, ZONA, MAXIMO_KWH)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "lecturas.csv"


def _filas(archivo: LabelledReadings) -> list[tuple[str, int, float]]:
    return [
        (archivo.clientes[c], int(h), float(k))
        for c, h, k in zip(archivo.cliente, archivo.hora_utc, archivo.consumo_kwh, strict=True)
    ]


def test_en_el_orden_del_registro(csv: Path) -> None:
    """By hour, then customer."""
    archivo = _leer(
        csv,
        f"{CABECERA}\nB,2026-01-15T03:00,2\nB,2026-01-15T02:00,1.5\nA,2026-01-15T03:00,3\n",
    )
    assert archivo.clientes == ["A", "B"]
    assert _filas(archivo) == [
        ("B", ENERO, 1.5), ("A", ENERO + 1, 3.0), ("B", ENERO + 1, 2.0),
    ]  # fmt: skip
    assert archivo.tipo is None
    assert archivo.tipos == []
    lecturas = archivo.lecturas(slice(0, 2))
    assert lecturas.propietario_id == ["B", "A"]
    assert lecturas.consumo_kwh.tolist() == [1.5, 3.0]
    assert len(archivo) == 3


def test_la_misma_hora_dos_veces(csv: Path) -> None:
    """With one value it is one reading; with two neither is judged, and both rows are told."""
    archivo = _leer(csv, f"{CABECERA}\n{BUENA}{BUENA}A,2026-01-15T03:00,3\n")
    assert _filas(archivo) == [("A", ENERO, 1.0), ("A", ENERO + 1, 3.0)]
    assert archivo.rechazos == ()
    archivo = _leer(csv, f"{CABECERA}\n{BUENA}A,2026-01-15T02:00,2\nA,2026-01-15T03:00,3\n")
    assert _filas(archivo) == [("A", ENERO + 1, 3.0)]
    assert [(r.motivo, r.filas) for r in archivo.rechazos] == [("hora_repetida", [2, 3])]


@pytest.mark.parametrize(
    "hora",
    ["2026-01-15T02:00", "2026-01-15 02:00:00", "2026-01-15T02:00:00.000", "2026-01-15T01:00Z",
     "2026-01-15T02:00+01:00", "2026-01-14T20:00-0500", "2026-01-15T01:00+00"],
)  # fmt: skip
def test_la_misma_hora_escrita_de_varias_formas(csv: Path, hora: str) -> None:
    """With an offset it is exact, without one it is local."""
    assert _filas(_leer(csv, f"{CABECERA}\nA,{hora},1\n")) == [("A", ENERO, 1.0)]


def test_punto_y_coma_con_coma_decimal_y_marca_de_orden(csv: Path) -> None:
    """As a Spanish spreadsheet saves it; columns in any order, others are ignored."""
    archivo = _leer(
        csv, "\ufeffConsumo_kWh;otra;TIMESTAMP;propietario_id\n1,25;x;2026-01-15T02:00;A\n"
    )
    assert _filas(archivo) == [("A", ENERO, 1.25)]


def test_la_hora_repetida_de_octubre(csv: Path) -> None:
    """Of the hour that comes twice, a customer's second row is the second hour.

    One row alone may be either, unless it says its offset.
    """
    archivo = _leer(
        csv,
        f"{CABECERA}\nA,2026-10-25T01:00,1\nA,2026-10-25T02:00,2\nB,2026-10-25T02:00,9\n"
        "A,2026-10-25T02:00,3\nA,2026-10-25T03:00,4\nB,2026-10-25T02:00+01:00,8\n",
    )
    una = hora_absoluta(datetime(2026, 10, 24, 23, tzinfo=UTC))
    de_a = [(h - una, k) for c, h, k in _filas(archivo) if c == "A"]
    assert de_a == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]
    assert [(h - una, k) for c, h, k in _filas(archivo) if c == "B"] == [(2, 8.0)]


@pytest.mark.parametrize(
    ("columnas", "tipos", "tipo"),
    [
        ("label\n1\n0\nTrue\nfalse", [UN_TIPO], [0, -1, 0, -1]),
        ("tipo\npicos\n\nnormal\ncannabis", [UN_TIPO, "cannabis", "picos"], [2, -1, -1, 1]),
        ("label,tipo\n1,picos\n0,picos\n1,\n0,normal", [UN_TIPO, "picos"], [1, -1, 0, -1]),
    ],
)
def test_las_etiquetas(csv: Path, columnas: str, tipos: list[str], tipo: list[int]) -> None:
    """``label`` decides whether, ``tipo`` which; a labelled reading without a kind has one."""
    cabecera, *valores = columnas.split("\n")
    filas = [f"A,2026-01-15T0{h}:00,1,{v}" for h, v in enumerate(valores)]
    archivo = _leer(csv, "\n".join([f"{CABECERA},{cabecera}", *filas]) + "\n")
    assert archivo.tipos == tipos
    assert archivo.tipo is not None
    assert archivo.tipo.tolist() == tipo


def _parquet(ruta: Path, **columnas: Any) -> Path:
    pq.write_table(pa.table(columnas), ruta)
    return ruta


def test_parquet_por_su_contenido_y_no_por_su_nombre(tmp_path: Path) -> None:
    """Instants of either kind, short floats as the decimals that they mean, and row numbers."""
    momentos = [datetime(2026, 1, 15, 2), datetime(2026, 1, 15, 3)]
    ruta = _parquet(
        tmp_path / "sin_extension",
        propietario_id=pa.array(["A", "A"]).dictionary_encode(),
        timestamp=pa.array(momentos, pa.timestamp("ns")),
        consumo_kwh=pa.array([0.1, 2.3], pa.float32()),
    )
    assert _filas(read_labelled_file(ruta, ZONA, MAXIMO_KWH)) == [
        ("A", ENERO, 0.1),
        ("A", ENERO + 1, 2.3),
    ]
    con_zona = _parquet(
        tmp_path / "zona.parquet",
        propietario_id=["A"],
        timestamp=pa.array([datetime(2026, 1, 15, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        consumo_kwh=[3],
    )
    assert _filas(read_labelled_file(con_zona, ZONA, MAXIMO_KWH)) == [("A", ENERO, 3.0)]


def test_parquet_con_una_fila_mala_dice_cual(tmp_path: Path) -> None:
    """Rows of a Parquet file are counted from 1: it has no header."""
    ruta = _parquet(
        tmp_path / "m.parquet", propietario_id=["A", "A"],
        timestamp=["2026-01-15T02:00", "2026-01-15T03:00"], consumo_kwh=[1.0, -1.0],
    )  # fmt: skip
    archivo = read_labelled_file(ruta, ZONA, MAXIMO_KWH)
    assert _filas(archivo) == [("A", ENERO, 1.0)]
    assert str(archivo.rechazos[0]) == (
        "consumo_kwh_negativo: 1 (fila 2); la primera: -1 es menor que cero"
    )


def test_las_medias_horas_se_suman(csv: Path) -> None:
    """As the producer does before it sends: what is evaluated is hourly too."""
    archivo = _leer(csv, f"{CABECERA}\n{BUENA}{BUENA.replace('02:00', '02:30')}")
    assert _filas(archivo) == [("A", ENERO, 2.0)]


@pytest.mark.parametrize(
    ("cuerpo", "texto"),
    [
        ("A,2026-01-15T03:00,-0.5\n", "fila 3: -0.5 es menor que cero"),
        ("A,2026-01-15T03:00,101\n", "fila 3: 101 kWh supera el máximo de 100"),
        ("A,2026-01-15T03:00,nan\n", "fila 3: «nan» no es un número finito"),
        ("A,2026-01-15T03:00,\n", "fila 3: falta el consumo"),
        ("A,2026-01-15T03:00,mucho\n", "fila 3: «mucho» no es un número"),
        (",2026-01-15T03:00,1\n", "fila 3: falta propietario_id"),
        (f"{'x' * 21},2026-01-15T03:00,1\n", "fila 3: 21 caracteres; el máximo es 20"),
        ("A,,1\n", "fila 3: falta el instante"),
        ("A,15/01/2026 03:00,1\n", "fila 3: «15/01/2026» no es una fecha"),
        ("A,2026-02-30T03:00,1\n", "fila 3: «2026-02-30» no existe"),
        ("A,2026-03-29T02:00,1\n", "fila 3: .*el día tiene 23 horas"),
        ("A,2026-01-15T03:07,1\n", "fila 3: .* no está en punto"),
        ("A,1999-01-15T03:00,1\n", "fila 3: «1999-01-15»"),
        ("A,2026-01-15T03:00\n", "fila 3: falta el consumo"),
    ],
)
def test_una_fila_mala_se_deja_fuera_y_se_dice_con_su_numero(
    csv: Path, cuerpo: str, texto: str
) -> None:
    """A bad row costs no other one its place, and is told with its number as an editor counts."""
    archivo = _leer(csv, f"{CABECERA}\n{BUENA}{cuerpo}{BUENA.replace('02:00', '04:00')}")
    assert _filas(archivo) == [("A", ENERO, 1.0), ("A", ENERO + 2, 1.0)]
    (rechazo,) = archivo.rechazos
    fila, que = texto.split(": ", 1)
    assert rechazo.filas == [int(fila.removeprefix("fila "))]
    assert re.search(que, rechazo.ejemplo)
    assert "\n" not in str(rechazo)


def test_medias_horas_se_suman_y_las_sueltas_no_son_horas(csv: Path) -> None:
    """Where a file has half hours, a few rows at the full hour may be halves too: none is sent."""
    medias = "".join(f"A,2026-01-15T0{h // 2}:{h % 2 * 30:02},0.5\n" for h in range(12))
    archivo = _leer(csv, f"{CABECERA}\n{medias}A,2026-01-15T06:00,0.5\nB,2026-01-15T02:00,1\n")
    assert archivo.consumo_kwh.tolist() == [1.0] * 6
    assert [(r.motivo, r.filas) for r in archivo.rechazos] == [("hora_incompleta", [14, 15])]


def test_muchas_filas_malas_se_cuentan_por_su_motivo(csv: Path) -> None:
    """The numbers are those of the file although rows before are left out for other reasons."""
    malas = [
        "A,2026-01-15T03:00,-1\n", "A,2026-01-15T05:00\n", "A,2026-01-15T06:00,inf\n",
        "A,2026-01-15T07:00,-2\n", "A,2026-01-15T08:00,1e3\n", "A,2026-01-15T09:00,1e\n",
        ",2026-01-15T10:00,-3\n", "A,2026-01-15T11:00,-4\n",
    ]  # fmt: skip
    archivo = _leer(csv, f"{CABECERA}\n{BUENA}{''.join(malas)}{BUENA.replace('A', 'B')}")
    assert _filas(archivo) == [("A", ENERO, 1.0), ("B", ENERO, 1.0)]
    assert {r.motivo: r.filas for r in archivo.rechazos} == {
        "consumo_kwh_negativo": [3, 6, 10],
        "consumo_kwh_ausente": [4],
        "consumo_kwh_no_es_finito": [5],
        "consumo_kwh_excesivo": [7],
        "consumo_kwh_no_es_numero": [8],
        "propietario_id_ausente": [9],
    }
    assert "consumo_kwh_negativo: 3 (filas 3, 6, 10); la primera: -1 es menor que cero" in [
        str(rechazo) for rechazo in archivo.rechazos
    ]


def test_una_etiqueta_que_no_es_0_ni_1_deja_fuera_su_fila(csv: Path) -> None:
    """NaN, nothing, another class: the reading has no truth to be judged by."""
    etiquetas = ["0", "1", "2", "", "nan", "sí", "1"]
    filas = [f"A,2026-01-15T0{h}:00,1,{v}" for h, v in enumerate(etiquetas)]
    archivo = _leer(csv, "\n".join([f"{CABECERA},label", *filas]) + "\n")
    assert archivo.tipo is not None
    assert archivo.tipo.tolist() == [-1, 0, 0]
    assert sorted(n for r in archivo.rechazos for n in r.filas) == [4, 5, 6, 7]


def test_la_coma_de_miles_no_es_un_decimal(csv: Path) -> None:
    """Where a number could be two, it is none: in neither kind of CSV."""
    con_comas = _leer(csv, f'{CABECERA}\n{BUENA}A,2026-01-15T03:00,"1,234"\n')
    con_punto_y_coma = _leer(
        csv,
        "propietario_id;timestamp;consumo_kwh\nA;2026-01-15T02:00;1,5\nA;2026-01-15T03:00;1.234\n",
    )
    assert _filas(con_comas) == [("A", ENERO, 1.0)]
    assert _filas(con_punto_y_coma) == [("A", ENERO, 1.5)]
    for archivo in (con_comas, con_punto_y_coma):
        assert [r.motivo for r in archivo.rechazos] == ["numero_dudoso"]


@pytest.mark.parametrize(
    ("contenido", "texto"),
    [
        ("", "está vacío"),
        (f"{CABECERA}\n", "no tiene ninguna fila"),
        ("propietario_id,consumo_kwh\nA,1\n", "falta timestamp"),
        ("a,b\n1,2\n", "no se reconoce su formato; su primera línea es «a,b»"),
        (b"PAR1 y nada mas", "el Parquet no se puede leer"),
        (
            f"{CABECERA},label\nA,2026-01-15T02:00,1,2\n",
            r"ninguna fila .*; label_no_valido: 1 .fila 2.; .* label es «2», no 0 o 1",
        ),
    ],
)
def test_lo_que_no_es_un_archivo_de_lecturas(csv: Path, contenido: str | bytes, texto: str) -> None:
    """What is wrong with the file as a whole, in one line of Spanish."""
    with pytest.raises(PermanentError, match=texto):
        _leer(csv, contenido)


def test_un_archivo_que_no_existe(tmp_path: Path) -> None:
    """Neither is a folder read as one."""
    with pytest.raises(PermanentError, match="no existe"):
        read_labelled_file(tmp_path / "nada.csv", ZONA, MAXIMO_KWH)
    with pytest.raises(PermanentError, match="no se puede leer"):
        read_labelled_file(tmp_path, ZONA, MAXIMO_KWH)


def test_los_decimales_se_leen_exactos(csv: Path) -> None:
    """Every reading is the float64 nearest to what is written, and minus zero is zero."""
    escritos = ["0.1", "1.234", "12.000001", "-0.0", "99.99"]
    filas = [f"A,2026-01-15T0{h}:00,{x}" for h, x in enumerate(escritos)]
    archivo = _leer(csv, "\n".join([CABECERA, *filas]) + "\n")
    assert archivo.consumo_kwh.tolist() == [float(x) + 0.0 for x in escritos]
    assert not np.signbit(archivo.consumo_kwh).any()
