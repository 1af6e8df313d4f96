"""Units, columns, directions and containers: what a file says is believed, or it is refused."""

from __future__ import annotations

import csv
import io
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from disposiciones import CUPS, DISPOSICIONES, make_curva
from lector_archivos import Leido, leer, leer_texto
from test_producer import en_entorno, read_all  # noqa: F401  (a fixture)

import consumo
from pipeline import producer
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from serving.cli import FALLO, HECHO, run
from serving.settings import Settings

COLUMNAS = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\n"
UFD = "CUPS;FECHA;HORA;EHCR (kWh);EHEX (kWh)\n"
OTRO = "ES0021000000000000BB"
CASA = [round(0.3 + 0.25 * (h % 5) + 0.011 * h * (h % 2), 3) for h in range(24)]
HISTORIAL = "entity_id,state,last_changed\n"


def coma(valor: float) -> str:
    return f"{valor:.3f}".replace(".", ",")


def rows(valores: Sequence[float | str], dia: int = 10, cups: str = CUPS, resto: str = ";R") -> str:
    """Return a day of numbered hours."""
    textos = [v if isinstance(v, str) else coma(v) for v in valores]
    return "".join(
        f"{cups};{dia:02}/06/2025;{hora};{texto}{resto}\n" for hora, texto in enumerate(textos, 1)
    )


def written(nombre: str, dias: int = 2) -> str:
    """Return a curve of June as a layout writes it."""
    d = DISPOSICIONES[nombre]
    return d.escribir(make_curva(d.zona, date(2025, 6, 2), dias, d.minutos[0], 3)).decode()


def history(entidades: dict[str, Sequence[float]], cada: int = 20) -> str:
    """Return the states of some entities, so many minutes apart."""
    return HISTORIAL + "".join(
        f"{nombre},{estado:g},2025-06-{10 + cada * i // 1440:02}T{cada * i // 60 % 24:02}:"
        f"{cada * i % 60:02}:10.123Z\n"
        for nombre, estados in entidades.items()
        for i, estado in enumerate(estados)
    )


def shown(
    capsys: pytest.CaptureFixture[str], *argumentos: str | Path, estado: int | None = None
) -> str:
    """Return what ``consumo leer`` says."""
    hecho = consumo.main(["leer", *map(str, argumentos)])
    assert estado is None or hecho == estado
    capturado = capsys.readouterr()
    return capturado.out + capturado.err


def refused(leido: Leido, *textos: str) -> None:
    assert leido.rechazado
    assert not leido.horas
    for texto in textos:
        assert texto in leido.motivos[0]


# ---- What a file states of itself


@pytest.mark.parametrize(
    ("antes", "ahora", "dice"),
    [
        (";W;", ";kW;", "kW"),
        (";W;", ";Wh;", "Wh"),
        (";W;", ";VAr;", "VAr"),
        ("Energie active", "Energie reactive", "Energie reactive"),
        (";Consommation;", ';"Production";', "Production"),
        ("Courbe de charge", "Puissance maximale quotidienne", "Puissance maximale"),
    ],
)
def test_enedis_is_read_in_the_unit_that_its_layout_documents(
    antes: str, ahora: str, dice: str, tmp_path: Path
) -> None:
    """What the contract above the header says is compared: other units and quantities are not W."""
    texto = written("Enedis")
    assert antes in texto
    refused(leer_texto(tmp_path, texto.replace(antes, ahora, 1)), "Enedis", dice)


def test_enedis_names_and_values_may_stand_side_by_side(tmp_path: Path) -> None:
    """The contract in one line, name after value, says as much."""
    cabeza = "Identifiant PRM;12345678901234;Type de donnees;Courbe de charge;Unite;{};\n"
    filas = written("Enedis").split("Horodate", 1)[1]
    assert leer_texto(tmp_path, cabeza.format("W") + "Horodate" + filas).horas
    refused(leer_texto(tmp_path, cabeza.format("kW") + "Horodate" + filas), "kW")


@pytest.mark.parametrize(
    ("columna", "celda"),
    [("Unidad", "Wh"), ("Unit", "kVArh"), ("Magnitud", "AS"), ("Sentido", "Vertida"),
     ("Direction", "Export")],
)  # fmt: skip
def test_a_column_that_the_layout_does_not_use_may_contradict_it(
    columna: str, celda: str, tmp_path: Path
) -> None:
    """A column of units or of directions beside the energy: Wh in kWh, exported, reactive."""
    cabecera = COLUMNAS.replace("\n", f";{columna}\n")
    refused(leer_texto(tmp_path, cabecera + rows(CASA, resto=f";R;{celda}")), celda)


@pytest.mark.parametrize(
    ("columna", "celda"), [("Unidad", "kWh"), ("Magnitud", "AE"), ("Zona", "r1")]
)
def test_a_column_that_agrees_is_no_matter(columna: str, celda: str, tmp_path: Path) -> None:
    """The same columns with what the layout says."""
    leido = leer_texto(
        tmp_path, COLUMNAS.replace("\n", f";{columna}\n") + rows(CASA, resto=f";R;{celda}")
    )
    assert list(leido.horas.values()) == CASA


def test_reactive_rows_cost_no_hour(tmp_path: Path) -> None:
    """Fluvius with an inductive register beside day and night: kWh are read, kVArh are told."""
    texto = written("Fluvius")
    filas = texto.splitlines()
    reactivas = [
        fila.replace("Dag", "inductief").replace("Nacht", "inductief").replace(";kWh;", ";kVArh;")
        for fila in filas[1:]
    ]
    leido = leer_texto(tmp_path, "\n".join([*filas, *reactivas]) + "\n")
    assert leido.horas == leer_texto(tmp_path, texto).horas
    assert leido.rechazadas == []


@pytest.mark.parametrize("unidad", ["kW", "W", "GJ"])
def test_power_in_statistics_is_no_energy(unidad: str, tmp_path: Path) -> None:
    """Home Assistant's statistics are of counters: kW times an hour is not what they mean."""
    filas = "".join(f"sensor.casa,{unidad},2025-06-10T{h:02}:00:00+02:00,0.5\n" for h in range(24))
    leido = leer_texto(tmp_path, "statistic_id,unit,start,change\n" + filas)
    assert not leido.horas
    assert leido.motivos


def test_sdat_of_another_product_or_of_both_directions(tmp_path: Path) -> None:
    """Reactive energy by its product, and a series that is of consumption and of production."""
    texto = written("SDAT", 1)
    reactiva = texto.replace("<rsm:MeasureUnit>", "<rsm:ID>8716867000047</rsm:ID><rsm:MeasureUnit>")
    activa = reactiva.replace("8716867000047", "8716867000030")
    assert leer_texto(tmp_path, activa).horas == leer_texto(tmp_path, texto).horas
    refused(leer_texto(tmp_path, reactiva), "no tiene consumo")
    nombre = "ProductionMeteringPoint>"
    punto = f"<rsm:{nombre}<rsm:VSENationalID>CH1</rsm:VSENationalID></rsm:{nombre}"
    assert "<rsm:Product>" in texto
    refused(
        leer_texto(tmp_path, texto.replace("<rsm:Product>", f"{punto}<rsm:Product>", 1)), "a la vez"
    )


@pytest.mark.parametrize(
    ("antes", "ahora"),
    [("E1,1,E1", "E1,B1,E1"), ("E1,1,E1", "B1,1,E1"), ("kWh", "kVArh")],
    ids=["registro B1", "configuración sin E1", "kVArh"],
)
def test_nem12_suffixes_that_contradict_one_another(antes: str, ahora: str, tmp_path: Path) -> None:
    """A channel E1 whose register or configuration says that it is B1, or that is reactive."""
    dia = "300,20250610," + ",".join(["0.5"] * 48) + ",A,,,20250611000000,\n"
    texto = f"100,NEM12,202506120900,MDP1,RET1\n200,6999912345,E1,1,E1,N1,S1,kWh,30,\n{dia}900\n"
    assert leer_texto(tmp_path, texto).horas
    leido = leer_texto(tmp_path, texto.replace(antes, ahora))
    assert not leido.horas
    assert leido.motivos


def test_green_button_of_gas_is_left_out(tmp_path: Path) -> None:
    """The service says gas, though its readings say energy in Wh."""
    texto = written("Green Button", 1)
    punto = '<UsagePoint xmlns="http://naesb.org/espi"'
    assert f"{punto}/>" in texto
    for kind, hay in (("0", True), ("1", False)):
        servicio = f"<ServiceCategory><kind>{kind}</kind></ServiceCategory></UsagePoint>"
        leido = leer_texto(tmp_path, texto.replace(f"{punto}/>", f"{punto}>{servicio}"))
        assert leido.rechazado != hay


@pytest.mark.parametrize("campo", ["<kind>8</kind>", "<dataQualifier>8</dataQualifier>"])
def test_green_button_of_demand_or_of_a_maximum(campo: str, tmp_path: Path) -> None:
    """A reading type in Wh that says demand, or the highest value, is no sum of energy."""
    texto = written("Green Button", 1)
    assert "<uom>72</uom>" in texto
    refused(
        leer_texto(tmp_path, texto.replace("<uom>72</uom>", f"{campo}<uom>72</uom>")), "consumo"
    )


# ---- Headers and columns


def test_a_second_header_with_other_columns_is_refused(tmp_path: Path) -> None:
    """UFD with EHCR and EHEX the other way round from line 26 on: exported energy is not sent."""
    cambiada = UFD.replace("EHCR", "x").replace("EHEX", "EHCR").replace("x", "EHEX")
    texto = UFD + rows(CASA, resto=";0,000") + cambiada + rows([0.0] * 24, 11, resto=";0,900")
    refused(leer_texto(tmp_path, texto), "línea 26", "otra cabecera")


@pytest.mark.parametrize(
    "nombre", ["CNMC", "UFD", "i-DE", "Octopus", "Datadis web por el reloj", "tabla propia"]
)
def test_the_same_header_again_is_skipped(nombre: str, tmp_path: Path) -> None:
    """Two files put one behind the other: no row is refused for it."""
    texto = written(nombre)
    cabecera, filas = texto.split("\n", 1)
    corte = filas.index("\n", len(filas) // 2) + 1
    leido = leer_texto(tmp_path, f"{cabecera}\n{filas[:corte]}\ufeff{cabecera}\n{filas[corte:]}")
    assert leido.horas == leer_texto(tmp_path, texto).horas
    assert leido.rechazadas == []


def test_a_second_file_below_another_contract_is_refused(tmp_path: Path) -> None:
    """Enedis names its customer above: what follows is another one's, and nothing is sent."""
    texto = written("Enedis")
    refused(leer_texto(tmp_path, texto + texto.replace("W;", "VAr;")), "dos archivos")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Nobody knows which one is meant; E-REDES' two «Estado» are of the columns before them."""
    doble = COLUMNAS.replace("Consumo_kWh;", "Consumo_kWh;Consumo (kWh);")
    filas = rows(CASA, resto=";9,999;R")
    refused(leer_texto(tmp_path, doble + filas), "2 columnas «Consumo_kWh»")
    assert leer_texto(tmp_path, written("E-REDES de 10 columnas")).horas


# ---- Home Assistant


CONTADOR = [1000 + 0.15 * i for i in range(72)]
POTENCIA = [0.4 + 0.7 * math.sin(i / 3) ** 2 for i in range(72)]


def test_what_is_no_counter_is_refused_and_the_counter_read(tmp_path: Path) -> None:
    """Power and temperature beside a counter: each is told once, with its reason."""
    solo = leer_texto(tmp_path, history({"sensor.c": CONTADOR}))
    leido = leer_texto(
        tmp_path,
        history({"sensor.c": CONTADOR, "sensor.x": POTENCIA, "sensor.temperatura": CONTADOR}),
    )
    assert solo.horas
    assert leido.horas == solo.horas
    assert leido.rechazadas == [(74, "no_es_contador"), (146, "no_es_contador")]


@pytest.mark.parametrize("nombre", ["sensor.x", "sensor.potencia_casa", "sensor.temperatura"])
def test_a_history_without_a_counter_is_refused_whole(nombre: str, tmp_path: Path) -> None:
    """KW that go up and down, or a name that says what it is."""
    refused(leer_texto(tmp_path, history({nombre: POTENCIA})), "ningún contador de energía")


def test_a_counter_that_is_set_to_zero_is_still_one(tmp_path: Path) -> None:
    """Each midnight, and by an exchange: the hour in which it goes back is told, the rest read."""
    diario = [0.15 * (i % 72) for i in range(216)]
    leido = leer_texto(tmp_path, history({"sensor.energia_hoy": diario}))
    assert len(leido.horas) > 60
    assert {motivo for _, motivo in leido.rechazadas} <= {"contador_retrocede"}


@pytest.mark.parametrize(
    "nombre", ["sensor.energia_exportada", "sensor.red_vertida", "sensor.grid_return_energy",
               "sensor.solar_production"]
)  # fmt: skip
def test_exported_energy_of_home_assistant_is_no_customer(nombre: str, tmp_path: Path) -> None:
    """In statistics with change, in those with a counter, and in histories."""
    horas = [f"2025-06-10T{h:02}:00:00+02:00" for h in range(24)]
    cambios = "".join(f"{nombre},kWh,{h},0.5\n" for h in horas)
    sumas = "".join(f"{nombre},kWh,{h},{100 + i}\n" for i, h in enumerate(horas))
    for texto in (
        "statistic_id,unit,start,change\n" + cambios,
        "statistic_id,unit,start,sum\n" + sumas,
        history({nombre: CONTADOR}),
    ):
        refused(leer_texto(tmp_path, texto), "solo tiene energía vertida")


# ---- Units


def test_whole_numbers_without_a_unit_are_not_taken_for_kwh(tmp_path: Path) -> None:
    """6, 7, 8… in a column «Consumo»: Wh of a small night as much as kWh; --unidad decides."""
    texto = COLUMNAS.replace("Consumo_kWh", "Consumo") + rows([str(6 + h) for h in range(24)])
    refused(leer_texto(tmp_path, texto), "--unidad")
    assert sum(leer_texto(tmp_path, texto, unidad="Wh").horas.values()) == pytest.approx(0.42)
    con_decimales = COLUMNAS.replace("Consumo_kWh", "Consumo") + rows(CASA)
    assert list(leer_texto(tmp_path, con_decimales).horas.values()) == CASA


def test_wh_in_a_column_that_says_kwh_are_refused(tmp_path: Path) -> None:
    """Whole numbers that no home uses in an hour: refused until somebody says the unit."""
    texto = COLUMNAS + rows([f"{1000 * v:.0f}" for v in CASA])
    refused(leer_texto(tmp_path, texto), "parecen Wh", "--unidad Wh")
    assert list(leer_texto(tmp_path, texto, unidad="Wh").horas.values()) == CASA
    assert leer_texto(tmp_path, texto, unidad="kWh").horas


def test_kwh_in_a_column_that_says_wh_are_refused(tmp_path: Path) -> None:
    """The other way round: 0,5 in i-DE's «CONSUMO Wh» is no half of a Wh."""
    filas = "".join(f"{CUPS};2025/06/10 {h:02}:00;1;{coma(CASA[h])};0\n" for h in range(1, 24))
    refused(
        leer_texto(tmp_path, "CUPS;FECHA-HORA;INV / VER;CONSUMO Wh;GENERACION Wh\n" + filas),
        "parecen kWh",
    )


def test_one_customer_of_two_in_another_unit_is_refused_alone(tmp_path: Path) -> None:
    """The unit is looked at customer by customer: the other one's hours go."""
    en_wh = rows([f"{1000 * v:.0f}" for v in CASA], cups=OTRO)
    leido = leer_texto(tmp_path, COLUMNAS + rows(CASA) + rows(CASA, 11) + en_wh)
    assert leido.clientes == {CUPS}
    assert leido.rechazadas == [(linea, "unidad_dudosa") for linea in range(50, 74)]


def test_a_factory_in_kwh_is_read(tmp_path: Path) -> None:
    """Large values with decimals, or of a layout whose numbers are whole, are what they say."""
    assert len(leer_texto(tmp_path, COLUMNAS + rows([100 * v + 0.5 for v in CASA])).horas) == 24
    f1 = "".join(
        f"{CUPS}1P;11;2025/06/10 {h:02}:00:00;1;{237 + h};0;0;0;0;0;0;0;1;1\n" for h in range(1, 24)
    )
    assert len(leer_texto(tmp_path, f1).horas) == 23


def test_readings_of_a_counter_are_no_energy(tmp_path: Path) -> None:
    """Values that never stop growing, up or down the file; a day that grows is a home's."""
    contador = [8500 + 0.4 * h for h in range(96)]
    dias = [rows(contador[24 * d : 24 * d + 24], 10 + d) for d in range(4)]
    arriba = "".join(dias)
    abajo = "".join(f"{linea}\n" for linea in reversed(arriba.splitlines()))
    for texto in (arriba, abajo):
        refused(leer_texto(tmp_path, COLUMNAS + texto), "lecturas del contador")
    leido = leer_texto(tmp_path, COLUMNAS + rows(CASA, cups=OTRO) + arriba)
    assert leido.clientes == {OTRO}
    assert {motivo for _, motivo in leido.rechazadas} == {"lectura_de_contador"}
    rampa = "".join(rows([0.1 * d + 0.004 * h for h in range(24)], d) for d in range(1, 15))
    assert len(leer_texto(tmp_path, COLUMNAS + rampa).horas) == 24 * 14


@pytest.mark.parametrize("marca", ["\u202f", "\u00a0", " "])
def test_a_blank_between_thousands_is_read(marca: str, tmp_path: Path) -> None:
    """French and browsers write 1 234,5; its comma is the decimal mark."""
    valores = [*(coma(v) for v in CASA[:-1]), f"1{marca}234,5"]
    assert list(leer_texto(tmp_path, COLUMNAS + rows(valores)).horas.values()) == [
        *CASA[:-1],
        1234.5,
    ]


# ---- Several files


def test_files_of_one_table_tell_each_hour_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real over estimated; the same value once; two real ones that differ: neither, and told."""
    real, estimada, salida = (tmp_path / n for n in ("real.csv", "est.csv", "s.csv"))
    real.write_text(COLUMNAS + rows(CASA) + rows(CASA, 11) + rows(CASA, 12))
    estimada.write_text(
        COLUMNAS + rows([v + 1 for v in CASA], resto=";E") + rows(CASA, 11)
        + rows([v + 1 for v in CASA], 12)
    )  # fmt: skip
    dicho = shown(capsys, estimada, real, "--salida", salida, estado=FALLO)
    with salida.open() as archivo:
        filas = list(csv.DictReader(archivo))
    assert [float(f["consumo_kwh"]) for f in filas] == CASA * 2
    assert {f["metodo"] for f in filas} == {"real"}
    assert "24 filas repiten otra, con el mismo valor" in dicho
    assert "24 filas repiten otra con un valor que no ha valido" in dicho
    assert "hora_repetida: 24" in dicho
    assert "real.csv" in dicho


def test_the_producer_says_its_notes_before_it_sends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads them can still stop it: they come before the broker is asked for."""
    monkeypatch.setenv("KAFKA_BROKER", f"{ANFITRION}:{puerto_del_sistema()}")
    ruta = tmp_path / "uno.csv"
    ruta.write_text(UFD + rows(CASA, resto=";0,5") * 2)
    assert run(producer.main, ["--archivo", str(ruta)]) == FALLO
    lineas = capsys.readouterr().err.splitlines()
    assert "Kafka no responde" in lineas[-1]
    assert any("la energía vertida (EHEX (kWh)) no es consumo" in linea for linea in lineas[:-1])
    assert any("24 filas repiten otra, con el mismo valor" in linea for linea in lineas[:-1])


@pytest.mark.usefixtures("en_entorno")
def test_the_producer_sends_each_hour_of_several_files_once(
    entorno: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day that is in both files goes once, and it is told."""
    uno, otro = tmp_path / "uno.csv", tmp_path / "otro.csv"
    uno.write_text(COLUMNAS + rows(CASA))
    otro.write_text(COLUMNAS + rows(CASA) + rows(CASA, 11))
    assert run(producer.main, ["--archivo", str(uno), str(otro)]) == HECHO
    dicho = capsys.readouterr()
    assert dicho.out == "enviadas 48 lecturas de 1 clientes; confirmadas 48\n"
    assert "24 filas repiten otra, con el mismo valor" in dicho.err
    assert len({m["timestamp"] for m in read_all(entorno, 48)}) == 48


# ---- Commands and containers


def test_a_console_that_is_not_utf8_gets_its_text(tmp_path: Path, raiz: Path) -> None:
    """ASCII alone: marks in the place of what it lacks, no traceback, the same exit status."""
    ruta = tmp_path / "curva.csv"
    ruta.write_text(UFD + rows(CASA, resto=";0,5"))
    entorno = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    programa = [sys.executable, str(raiz / "consumo.py"), "leer", str(ruta)]
    hecho = subprocess.run(programa, env=entorno, capture_output=True, timeout=120, check=False)
    assert hecho.returncode == HECHO
    assert b"UFD" in hecho.stdout
    assert b"Traceback" not in hecho.stderr


@pytest.mark.parametrize(
    ("nombre", "antes", "ahora"),
    [
        ("UFD", "EHCR", "EHEX2"),
        ("ESB", "Active Import", "Active Export"),
        ("Fluvius", "Afname", "Injectie"),
    ],
)
def test_a_file_of_exported_energy_is_called_so(
    nombre: str, antes: str, ahora: str, tmp_path: Path
) -> None:
    """Not «ninguna fila»: it has rows, and they go out."""
    refused(
        leer_texto(tmp_path, written(nombre).replace(antes, ahora)), "solo tiene energía vertida"
    )


@pytest.mark.parametrize(
    ("contenido", "dice"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, ".xls"),
        (b"\n<!DOCTYPE html>\n<html><body>Error 500</body></html>\n", "HTML"),
        (b'{"error": "invalid_token", "code": 401}', "JSON"),
        (b'<?xml version="1.0"?><a><b>1</b></a>', "XML"),
    ],
)
def test_what_is_no_curve_is_called_by_its_name(
    contenido: bytes, dice: str, tmp_path: Path
) -> None:
    """The page of an error, an invoice, an old workbook: no list of formats, but what it is."""
    refused(leer_texto(tmp_path, contenido), dice)


def make_zip(ruta: Path, **partes: str | bytes) -> Path:
    with zipfile.ZipFile(ruta, "w") as archivo:
        for nombre, contenido in partes.items():
            archivo.writestr(nombre.replace("_", "."), contenido)
    return ruta


def test_a_zip_with_a_foreign_file_gives_its_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A readme and an invoice are told and left; a table of no known layout is refused."""
    ruta = make_zip(
        tmp_path / "c.zip", leeme_txt="Sus lecturas.\n\nUn saludo.\n", factura_pdf=b"%PDF-1.4",
        a_csv=COLUMNAS + rows(CASA), b_csv=COLUMNAS + rows(CASA, 11),
    )  # fmt: skip
    dicho = shown(capsys, ruta, estado=HECHO)
    assert "48 horas" in dicho
    assert "leeme.txt" in dicho
    assert "factura.pdf: es un PDF" in dicho
    ajena = "a;b;c\n1;2;3\n4;5;6\n7;8;9\n"
    refused(leer(make_zip(ruta, a_csv=COLUMNAS + rows(CASA), b_csv=ajena)), "b.csv")


def test_lines_are_those_of_their_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a zip of two, a line is said with the file in which it is, also where both disagree."""
    mala = rows(["x", *CASA[1:]])
    ruta = make_zip(
        tmp_path / "c.zip",
        a_csv=COLUMNAS + rows(CASA), b_csv=COLUMNAS + mala + rows([*CASA[:3], 9.5], 10),
    )  # fmt: skip
    dicho = shown(capsys, ruta, estado=FALLO)
    assert "b.csv: «x» no es un número" in dicho
    assert "(línea 2)" in dicho
    assert "5 de a.csv, 5 de b.csv, 29 de b.csv dicen valores distintos" in dicho


def test_the_preview_tells_method_encoding_and_container(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the zone of the hours that it says, which is the file's own."""
    texto = COLUMNAS.replace("Metodo_obtencion", "Método obtención")
    texto += rows(CASA) + rows(CASA, 11, resto=";E")
    ruta = tmp_path / "c.zip"
    with zipfile.ZipFile(ruta, "w") as archivo:
        archivo.writestr("a.csv", texto.encode("cp1252"))
    dicho = shown(capsys, ruta, estado=HECHO)
    assert "24 reales, 24 estimadas" in dicho
    assert "zip, Windows-1252" in dicho
    assert "2025-06-10 00:00 hasta 2025-06-12 00:00 (Europe/Madrid)" in dicho
    ruta = tmp_path / "esb.csv"
    ruta.write_text(written("ESB", 1))
    assert "2025-06-02 00:00 hasta 2025-06-03 00:00 (Europe/Dublin)" in shown(capsys, ruta)


def test_the_preview_says_what_is_doubtful(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A method that is not known, a last line without its end, rows that contradict each other."""
    ruta = tmp_path / "c.csv"
    ruta.write_text(COLUMNAS + rows(CASA, resto=";Q7") + rows([5.5], resto=";Q7"))
    dicho = shown(capsys, ruta, estado=FALLO)
    assert "«Q7»" in dicho
    assert "y 2 que se rechazan" in dicho
    ruta.write_text((UFD.replace(";EHEX (kWh)", "") + rows(CASA, resto="")).rstrip("\n"))
    assert "la última línea no tiene fin de línea" in shown(capsys, ruta, estado=FALLO)
    ruta.write_text(UFD.replace(";EHEX (kWh)", "") + rows(CASA, resto=""))
    assert "última línea" not in shown(capsys, ruta, estado=HECHO)


def test_a_curve_without_provenance_is_read(tmp_path: Path) -> None:
    """The regulator's columns without the method's: all else is certain."""
    leido = leer_texto(tmp_path, COLUMNAS.replace(";Metodo_obtencion", "") + rows(CASA, resto=""))
    assert list(leido.horas.values()) == CASA
    assert set(leido.metodos.values()) == {None}


def test_a_curve_without_customer_is_not_called_endesa(tmp_path: Path) -> None:
    """«Fecha;Hora;Consumo (kWh)» with numbered hours: what it lacks is its CUPS."""
    filas = "".join(f"10/06/2025;{h};0,5\n" for h in range(1, 25))
    leido = leer_texto(tmp_path, "Fecha;Hora;Consumo (kWh)\n" + filas)
    refused(leido, "falta CUPS")
    assert "Endesa" not in leido.motivos[0]


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody writes to it, and a file is read twice: one clear error, and no waiting."""
    ruta = tmp_path / "tubo"
    os.mkfifo(ruta)
    refused(leer(ruta), "tubería")


def test_control_codes_of_names_are_written_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal's codes in a customer, a file, a method: shown as what they are, never obeyed."""
    ruta = tmp_path / "c\x1b[31m.csv"
    texto = io.StringIO()
    texto.write("propietario_id,timestamp,consumo_kwh,metodo\n")
    for hora in range(24):
        texto.write(f"A\u202eB,2025-06-10T{hora:02}:00:00Z,{CASA[hora]},\x1b[5mr\n")
    ruta.write_text(texto.getvalue())
    dicho = shown(capsys, ruta)
    assert "\x1b" not in dicho
    assert "\u202e" not in dicho
    assert "\\x1b[31m" in dicho
