"""What a file says around its values: above its header, in other columns, in its names."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from lector_archivos import AHORA, leer_texto

from pipeline.ingest.files.hourly_file import OpcionesLectura
from pipeline.ingest.files.meter_file import open_meter_file

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
        "Zona horaria: Atlantic/Canary", "Intervalo: 15 min", "Energía vertida;2025",
        "Curva de generación;10/06/2025;11/06/2025",
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
        "Exported: 2025-06-12 10:00", "CSV export;12/06/2025",
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


# ---- registers, gas, names and directions


def fluvius(*registros: tuple[str, str, str], columna: str = "Omschrijving") -> str:
    """Return quarters of a day, each with a row for each register, value and unit."""
    filas = "".join(
        f"10-06-2025;{m // 60:02}:{m % 60:02}:00;10-06-2025;{(m + 15) // 60 % 24:02}:"
        f"{(m + 15) % 60:02}:00;541449999900001234;1SAG;Digitale meter;{registro};{valor};{unidad};"
        "Uitgelezen;\n"
        for m in range(0, 1440, 15)
        for registro, valor, unidad in registros
    )
    return (
        "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Meter;Metertype;Register;"
        f"Volume;Eenheid;Validatiestatus;{columna}\n{filas}"
    )


@pytest.mark.parametrize("total", ["Afname", "Afname Totaal"])
def test_un_total_junto_a_sus_partes_no_se_suma(tmp_path: Path, total: str) -> None:
    """Day and night are parts of a home; what has their name without theirs is both."""
    partes = ("Afname Dag", "0,100", "kWh"), ("Afname Nacht", "0,000", "kWh")
    assert set(leer_texto(tmp_path, fluvius(*partes)).horas.values()) == {0.4}
    assert set(leer_texto(tmp_path, fluvius((total, "0,100", "kWh"))).horas.values()) == {0.4}
    leido = leer_texto(tmp_path, fluvius(*partes, (total, "0,100", "kWh")))
    assert not leido.horas
    assert any("un total junto a sus partes" in motivo for motivo in leido.motivos)


def test_los_kwh_de_un_contador_de_gas_no_son_de_electricidad(tmp_path: Path) -> None:
    """Fluvius tells gas in m³ and in kWh: by the m³, or by a column that only gas has."""
    gas = fluvius(("Afname", "1,200", "kWh"), ("Afname", "0,118", "m³"))
    leido = leer_texto(tmp_path, gas)
    assert not leido.horas
    assert "gas" in leido.motivos[0]
    solo_kwh = fluvius(("Afname", "1,200", "kWh"), columna="Calorische Bovenwaarde")
    assert leer_texto(tmp_path, solo_kwh).rechazado


def statistics(nombre: str) -> str:
    filas = (f"{nombre},kWh,2025-06-10T{h:02}:00:00+00:00,{v}\n" for h, v in enumerate(CASA))
    return "statistic_id,unit,start,change\n" + "".join(filas)


@pytest.mark.parametrize(
    "nombre",
    [
        "bateria_descarga", "battery_charge_energy", "placas_kwh", "energy_to_grid",
        "ev_charger_energy", "lavadora_energia", "p1_energia_devuelta", "inverter_pv_energy",
    ],
)  # fmt: skip
def test_una_estadistica_que_no_es_de_la_red_no_se_envia(tmp_path: Path, nombre: str) -> None:
    """Batteries, panels, cars and appliances are behind the meter."""
    assert not leer_texto(tmp_path, statistics(f"sensor.{nombre}")).horas


@pytest.mark.parametrize("nombre", ["red", "energy_consumed", "contador_casa", "p1_energia_total"])
def test_una_estadistica_que_puede_ser_de_la_red_se_envia(tmp_path: Path, nombre: str) -> None:
    """A meter has any name."""
    assert len(leer_texto(tmp_path, statistics(f"sensor.{nombre}")).horas) == 24


@pytest.mark.parametrize(("salto", "reinicio", "faltan"), [(5000, 0, 1), (0, 0, 0), (0, 1000, 0)])
def test_la_suma_que_salta_donde_el_contador_no_no_se_envia(
    tmp_path: Path, salto: int, reinicio: int, faltan: int
) -> None:
    """Home Assistant's sum goes on where the meter is exchanged, and may jump by itself."""
    filas, contador = "", 0.0
    for h, kwh in enumerate(CASA):
        contador += kwh
        estado = 1000 + contador - reinicio * (h >= 12)
        suma = contador + salto * (h >= 12)
        filas += f"sensor.red,kWh,2025-06-10T{h:02}:00:00+00:00,{estado:.3f},{suma:.3f}\n"
    leido = leer_texto(tmp_path, f"statistic_id,unit,start,state,sum\n{filas}")
    assert len(leido.horas) == 23 - faltan
    assert max(leido.horas.values()) < 2
    assert sum("sum sube" in motivo for motivo in leido.motivos) == faltan


def with_change(factor: float, hora: int, al_reves: bool) -> str:
    """Return statistics that tell what moved beside the counter; in one hour by a factor."""
    filas, suma = [], 0.0
    for h, kwh in enumerate(CASA):
        suma += kwh
        cambio = kwh * (factor if h == hora else 1)
        filas.append(f"sensor.red,kWh,2025-06-10T{h:02}:00:00+00:00,{suma:.3f},{cambio:.3f}\n")
    filas = filas[::-1] if al_reves else filas
    return "statistic_id,unit,start,sum,change\n" + "".join(filas)


@pytest.mark.parametrize("al_reves", [False, True])
@pytest.mark.parametrize(("factor", "hora", "faltan"), [(1, 5, 0), (2, 5, 1), (0.5, 23, 1)])
def test_lo_que_se_movio_y_la_suma_se_contradicen(
    tmp_path: Path, factor: float, hora: int, faltan: int, al_reves: bool
) -> None:
    """An hour whose change is not what the sum grew is not sent; the first one has no other."""
    leido = leer_texto(tmp_path, with_change(factor, hora, al_reves))
    assert len(leido.horas) == 24 - faltan
    assert sum("no es lo que sube sum" in motivo for motivo in leido.motivos) == faltan
    assert len(leido.motivos) == faltan


@pytest.mark.parametrize("columnas", ["sum", "sum,change"])
def test_la_ultima_linea_de_un_contador_puede_estar_cortada(tmp_path: Path, columnas: str) -> None:
    """Its last number may have lost figures: the hour that it ends is told and not sent."""
    texto = with_change(1, 0, False)
    if columnas == "sum":
        texto = "".join(linea.rpartition(",")[0] + "\n" for linea in texto.splitlines())
    enteras = len(leer_texto(tmp_path, texto).horas)
    leido = leer_texto(tmp_path, texto[:-2])
    assert len(leido.horas) == enteras - 1
    assert ["sin fin de línea" in motivo for motivo in leido.motivos] == [True]


@pytest.mark.parametrize("columnas", ["sum", "change,sum"])
def test_una_fila_de_un_contador_con_otras_celdas_no_vale(tmp_path: Path, columnas: str) -> None:
    """Decimal commas between commas: which number is whose is not known."""
    numeros = {"sum": "{:.3f}", "change,sum": "0.400,{:.3f}"}[columnas]
    filas = [
        f"red,kWh,2025-06-10T{h:02}:00:00+00:00,{numeros.format(0.4 * h)}\n" for h in range(24)
    ]
    cabecera = f"statistic_id,unit,start,{columnas}\n"
    enteras = len(leer_texto(tmp_path, cabecera + "".join(filas)).horas)
    filas[10] = filas[10].replace(".", ",")
    leido = leer_texto(tmp_path, cabecera + "".join(filas))
    malas = 2 if columnas == "sum" else 1
    assert len(leido.horas) == enteras - malas
    assert set(leido.horas.values()) == {0.4}
    assert sum("celdas y la cabecera" in motivo for motivo in leido.motivos) == malas


def test_lo_que_un_contador_escribe_con_ruido_se_lee(tmp_path: Path) -> None:
    """Binary fractions in full: 0.30000000000000004 is a number, and agrees with 0.3."""
    filas = "".join(
        f"sensor.red,kWh,2025-06-10T{h:02}:00:00+00:00,{sum([0.1] * (h + 3))!r},{0.1 + 1e-15!r}\n"
        for h in range(24)
    )
    for columnas, horas in (("sum,change", 24), ("sum,mean", 23)):
        leido = leer_texto(tmp_path, f"statistic_id,unit,start,{columnas}\n{filas}")
        assert not leido.motivos
        assert len(leido.horas) == horas


def test_un_tipo_que_no_es_de_consumo_cuenta(tmp_path: Path) -> None:
    """The own table's kinds are those of what is suspicious; a generator's hours are none."""
    horas = "".join(f"C,2025-06-10T{h:02}:00:00Z,{kwh},@\n" for h, kwh in enumerate(CASA))
    tabla = f"propietario_id,timestamp,consumo_kwh,tipo\n{horas}"
    assert len(leer_texto(tmp_path, tabla.replace("@", "fraude_escala")).horas) == 24
    assert leer_texto(tmp_path, tabla.replace("@", "generacion")).rechazado


def test_una_sola_columna_del_panel_no_dice_cuanto_dura(tmp_path: Path) -> None:
    """The panel downloads hours, days or months."""
    texto = "entity_id,type,unit,2025-06-09T22:00:00.000Z\nsensor.red,grid_consumption,kWh,12.5\n"
    leido = leer_texto(tmp_path, texto)
    assert leido.rechazado
    assert "una sola columna" in leido.motivos[0]


@pytest.mark.parametrize(("cada", "paso"), [(120, 1.0), (420, 3.5), (1440, 12.0)])
def test_una_hora_entre_dos_estados_mas_separados_no_se_conoce(
    tmp_path: Path, cada: int, paso: float
) -> None:
    """A counter that is read every two hours says nothing of one."""
    estados = "".join(
        f"sensor.contador,{1000 + paso * i:g},2025-06-{10 + cada * i // 1440:02}T"
        f"{cada * i // 60 % 24:02}:00:00.417Z\n"
        for i in range(12)
    )
    leido = leer_texto(tmp_path, f"entity_id,state,last_changed\n{estados}")
    assert not leido.horas
    assert len(leido.rechazadas) == 11


@pytest.mark.parametrize("cada", [40, 100])
def test_un_contador_fino_dice_las_horas_aunque_calle(tmp_path: Path, cada: int) -> None:
    """One that moves by a step of 10 Wh in an empty house is known at each hour."""
    estados = "".join(
        f"sensor.contador,{1000 + 0.01 * i:g},2025-06-10T{cada * i // 60:02}:"
        f"{cada * i % 60:02}:00.417Z\n"
        for i in range(12)
    )
    leido = leer_texto(tmp_path, f"entity_id,state,last_changed\n{estados}")
    assert len(leido.horas) == cada * 11 // 60
    assert not leido.rechazadas


@pytest.mark.parametrize(("sentido", "horas"), [("1", 2), ("0", 0), ("4", 0), ("19", 0)])
def test_solo_se_lee_lo_que_va_hacia_el_cliente(tmp_path: Path, sentido: str, horas: int) -> None:
    """ESPI's flowDirection: net energy, and what has no direction, is no consumption."""
    punto = "/espi/1_1/resource/RetailCustomer/7/UsagePoint/6300112244"
    lecturas = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{1_749_513_600 + 3600 * i}"
        "</start></timePeriod><value>400</value></IntervalReading>"
        for i in range(2)
    )
    leido = leer_texto(
        tmp_path,
        '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">'
        f'<entry><link rel="self" href="{punto}/MeterReading/1"/><link rel="related" href="/r/1"/>'
        '<content><MeterReading xmlns="http://naesb.org/espi"/></content></entry>'
        '<entry><link rel="self" href="/r/1"/><content><ReadingType xmlns="http://naesb.org/espi">'
        f"<flowDirection>{sentido}</flowDirection><uom>72</uom></ReadingType></content></entry>"
        f'<entry><link rel="up" href="{punto}/MeterReading/1/IntervalBlock"/><content>'
        f'<IntervalBlock xmlns="http://naesb.org/espi">{lecturas}</IntervalBlock></content>'
        "</entry></feed>",
        "curva.xml",
    )
    assert len(leido.horas) == horas
    if sentido in {"0", "4"}:
        assert f"flowDirection {sentido}" in leido.motivos[0]


# ---- containers


def test_gzip_dentro_de_gzip_se_lee(tmp_path: Path) -> None:
    """A download that was compressed again."""
    texto = cnmc().encode()
    leido = leer_texto(tmp_path, gzip.compress(gzip.compress(texto)), "curva.csv.gz")
    assert len(leido.horas) == 24


@pytest.mark.parametrize(("nombre", "avisos"), [("generacion", 1), ("vertido", 1), ("curva", 0)])
def test_un_nombre_que_dice_otra_cosa_se_avisa(tmp_path: Path, nombre: str, avisos: int) -> None:
    """Inside it says that it is consumption: the name alone refuses nothing."""
    caja = io.BytesIO()
    with zipfile.ZipFile(caja, "w") as comprimido:
        comprimido.writestr(f"{nombre}.csv", cnmc())
    ruta = tmp_path / "curvas.zip"
    ruta.write_bytes(caja.getvalue())
    archivo = open_meter_file(ruta, OpcionesLectura("Europe/Madrid", 10_000.0, AHORA, None, None))
    assert sum(len(trozo.lecturas) for trozo in archivo.trozos()) == 24
    assert sum(f"«{nombre}.csv»" in aviso for aviso in archivo.notes()) == avisos
