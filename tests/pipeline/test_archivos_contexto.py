"""What a file says around its values: above its header, in other columns, in its names."""

from __future__ import annotations

from pathlib import Path

import pytest
from lector_archivos import leer_texto

CUPS = "ES0021999900001234ZX"
CNMC = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion"
SDGE = "Meter Number,Date,Start Time,Duration,Consumption,Generation,Net"
CASA = [0.2, 0.913, 0.509, 1.205, 0.801, 0.414] * 4


def cnmc(encima: str = "", nombre: str = "", celda: str = "") -> str:
    """Return a day, with a line above its header or one more column."""
    filas = "".join(
        f"{CUPS};10/06/2025;{h};{str(kwh).replace('.', ',')};R{';' * bool(nombre)}{celda}\n"
        for h, kwh in enumerate(CASA, 1)
    )
    return f"{encima}\n{CNMC}{';' * bool(nombre)}{nombre}\n{filas}".lstrip("\n")


def eredes(encima: str) -> str:
    filas = "".join(
        f"2025/06/10;{m // 60:02}:{m % 60:02};0,3{m % 7};Real\n" for m in range(15, 1440, 15)
    )
    return (
        f"CPE;PT0002000099991234ZX\n{encima}\nData;Hora;Consumo registado, Ativa (kW);Estado\n"
        f"{filas}2025/06/10;24:00;0,300;Real\n"
    )


def sdge(encima: str) -> str:
    horas = [f"{h % 12 or 12}:00 {'AM' if h < 12 else 'PM'}" for h in range(24)]
    filas = "".join(
        f"09999999,6/10/2025,{hora},60,{kwh},0.0,{kwh}\n"
        for hora, kwh in zip(horas, CASA, strict=True)
    )
    return f"Name,A\nTitle,CSV Export Electric Meter(s)\n{encima}\n{SDGE}\n{filas}"


@pytest.mark.parametrize(
    "linea",
    [
        "Unidad: Wh", "Unidad;MWh", "Magnitud;AS", "Magnitud: R1 (kVArh)", "Energía reactiva",
        "Curva de generación", "CURVA DE EXCEDENTES", "Energía vertida a la red (kWh)",
        "Curva de carga de exportación", "Curva de producción del 10/06/2025 al 11/06/2025",
        "Energía exportada", "Potencia (kW)", "Zona horaria;UTC", "Fecha y hora en UTC",
        "Zona horaria: Atlantic/Canary", "Intervalo: 15 min",
    ],
)  # fmt: skip
def test_una_linea_encima_que_contradice_a_la_disposicion_la_rechaza(
    tmp_path: Path, linea: str
) -> None:
    """Unit, quantity, direction, step and zone are the layout's, or the file says otherwise."""
    leido = leer_texto(tmp_path, cnmc(linea))
    assert not leido.horas
    assert linea[:30] in leido.motivos[0]


@pytest.mark.parametrize(
    "linea",
    [
        "Unidad: kWh", "Magnitud;AE", "Energía activa", "Curva de consumo horario",
        "Titular;Generación Eólica SL", "Comercializadora: Gas Natural", "Producto: 2.0TD",
        "Potencia contratada (kW): 4,6", "Potencia contratada;4,6 kW", "Generado el 12/06/2025",
        "Fecha de exportación;12/06/2025 10:00", "Modalidad: Autoconsumo con excedentes",
        "Energía activa y reactiva", "Zona horaria: Europe/Madrid", "Intervalo;60 min",
        "Exportado: 2025-06-12 10:00 UTC", "Energía vertida total (kWh): 12,3",
        "Zona horaria: (UTC+01:00) Bruselas, Copenhague, Madrid, París",
    ],
)  # fmt: skip
def test_una_linea_encima_que_no_habla_de_la_columna_no_estorba(tmp_path: Path, linea: str) -> None:
    """What says the same, or speaks of contract, customer or file, changes nothing."""
    leido = leer_texto(tmp_path, cnmc(linea))
    assert len(leido.horas) == 24, leido.motivos


@pytest.mark.parametrize(
    ("texto", "dicho"),
    [
        (eredes("Unidade;kWh"), "Unidade;kWh"),
        (eredes("Tipo;Energia injetada na rede"), "injetada"),
        (eredes("Energia Reativa"), "Reativa"),
        (sdge("Resource,Gas"), "Gas"),
        (sdge("UOM,therms"), "therms"),
        (sdge("UOM,Wh"), "Wh"),
        (sdge("UOM,kW"), "kW"),
    ],
)
def test_lo_de_encima_cuenta_en_todas_las_disposiciones(
    tmp_path: Path, texto: str, dicho: str
) -> None:
    """No layout has to list what it is not."""
    leido = leer_texto(tmp_path, texto)
    assert not leido.horas
    assert dicho in leido.motivos[0]


@pytest.mark.parametrize("texto", [eredes("Unidade;kW"), sdge("Resource,Electric\nUOM,kWh")])
def test_lo_de_encima_que_es_lo_suyo_se_lee(tmp_path: Path, texto: str) -> None:
    """E-REDES is in kW, SDG&E's title says that it is an export of a file."""
    assert len(leer_texto(tmp_path, texto).horas) == 24


@pytest.mark.parametrize(
    ("nombre", "celda"),
    [
        ("Tipo", "Exportada"), ("Energía", "Vertida"), ("Flujo", "Exportación"),
        ("Tipo de lectura", "Reactiva inductiva"), ("Concepto", "Generación"), ("magnitude", "AS"),
        ("Unidades", "Wh"),
    ],
)  # fmt: skip
def test_una_columna_que_dice_lo_que_es_la_fila_cuenta_se_llame_como_se_llame(
    tmp_path: Path, nombre: str, celda: str
) -> None:
    """It is the contents that say that a row is no consumption."""
    leido = leer_texto(tmp_path, cnmc(nombre=nombre, celda=celda))
    assert not leido.horas
    assert f"«{celda}»" in leido.motivos[0]


@pytest.mark.parametrize(
    ("nombre", "celda"),
    [
        ("Periodo", "P1"), ("Provincia", "AS"), ("Tipo de energía", "Activa"), ("Concepto", "AE"),
        ("Autoconsumo", "Con excedentes"), ("Observaciones", "casa con generación"),
        ("Tipo", "Consumo"), ("Titular", "Generación Eólica SL"),
    ],
)  # fmt: skip
def test_una_columna_que_dice_otra_cosa_no_estorba(tmp_path: Path, nombre: str, celda: str) -> None:
    """Periods, places, contracts and notes say nothing of a row's energy."""
    leido = leer_texto(tmp_path, cnmc(nombre=nombre, celda=celda))
    assert len(leido.horas) == 24, leido.motivos
