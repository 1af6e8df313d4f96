"""Writers of the layouts in which utilities hand out curves: one known curve, as each writes it.

Independent of the readers: a layout is written from the instants of its intervals, never from what
a profile says. Energy is in whole Wh, so that every unit and every decimal mark is exact.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

CUPS = "ES0021000000000000AA"
MADRID, LISBOA, PARIS = (ZoneInfo(f"Europe/{ciudad}") for ciudad in ("Madrid", "Lisbon", "Paris"))


class Intervalo(NamedTuple):
    """Start and end in UTC, and Wh."""

    inicio: datetime
    fin: datetime
    wh: int


@dataclass(frozen=True)
class Curva:
    """What a house consumed, in intervals without gaps between two local midnights."""

    zona: ZoneInfo
    intervalos: tuple[Intervalo, ...]

    @property
    def horas(self) -> dict[datetime, float]:
        """Return the right answer: kWh by the UTC start of each hour."""
        sumas: Counter[datetime] = Counter()
        for inicio, _, wh in self.intervalos:
            sumas[inicio.replace(minute=0)] += wh
        return {hora: wh / 1000 for hora, wh in sumas.items()}


def make_curva(
    zona: ZoneInfo, desde: date, dias: int, minutos: int, semilla: int, multiplo: int = 20
) -> Curva:
    """Return a house's curve: some days with hours of nothing, and none like another."""
    rng = np.random.default_rng(semilla)
    hasta = desde + timedelta(days=dias)
    inicio, fin = (
        datetime(d.year, d.month, d.day, tzinfo=zona).astimezone(UTC) for d in (desde, hasta)
    )
    paso = timedelta(minutes=minutos)
    cuantos = (fin - inicio) // paso
    # Multiples of 20 Wh have few digits in kW, W and kWh alike.
    wh = rng.integers(1, 150, cuantos) * multiplo * (rng.random(cuantos) > 0.05)
    instantes = [inicio + i * paso for i in range(cuantos + 1)]
    tramos = map(Intervalo, instantes, instantes[1:], wh.tolist())
    return Curva(zona, tuple(tramos))


def coma(valor: float, decimales: int = 3) -> str:
    """Return a number with a decimal comma."""
    return f"{valor:.{decimales}f}".replace(".", ",")


def minutes_of(tramo: Intervalo) -> int:
    return (tramo.fin - tramo.inicio) // timedelta(minutes=1)


def to_kw(tramo: Intervalo) -> float:
    """Return the mean power of an interval, in kW."""
    return tramo.wh * 60 / minutes_of(tramo) / 1000


def starts(curva: Curva) -> Iterator[tuple[datetime, Intervalo]]:
    """Yield the local start of each interval, as the wall clock shows it."""
    for tramo in curva.intervalos:
        yield tramo.inicio.astimezone(curva.zona).replace(tzinfo=None), tramo


def ends(curva: Curva) -> Iterator[tuple[datetime, Intervalo]]:
    """Yield the local end of each interval, as the clock shows it at that instant."""
    for tramo in curva.intervalos:
        yield tramo.fin.astimezone(curva.zona).replace(tzinfo=None), tramo


def run_ends(curva: Curva) -> Iterator[tuple[datetime, Intervalo]]:
    """Yield the local end of each interval by the clock at its beginning: a change comes after."""
    for local, tramo in starts(curva):
        yield local + (tramo.fin - tramo.inicio), tramo


def numbered(curva: Curva) -> Iterator[tuple[date, int, Intervalo]]:
    """Yield the local day of each interval and its number in it, from 1, as they pass."""
    vistos: Counter[date] = Counter()
    for local, tramo in starts(curva):
        vistos[local.date()] += 1
        yield local.date(), vistos[local.date()], tramo


def by_the_clock(curva: Curva) -> Iterator[tuple[date, int, Intervalo]]:
    """Yield the local day of each hour and the number that ends it on the clock: 1 to 24."""
    for local, tramo in starts(curva):
        yield local.date(), local.hour + 1, tramo


def season(curva: Curva, instante: datetime) -> int:
    """Return 1 in summer time, 0 in winter time."""
    return int(bool(instante.astimezone(curva.zona).dst()))


def lines(cabecera: str, filas: Iterator[str], fin: str = "\n") -> bytes:
    """Return a file of a header, where there is one, and rows."""
    textos = ([cabecera] if cabecera else []) + list(filas)
    return (fin.join(textos) + fin).encode()


# --- Spain: numbered hours ------------------------------------------------------------------------


def cnmc(curva: Curva) -> bytes:
    filas = (
        f"{CUPS};{dia:%d/%m/%Y};{n};{coma(tramo.wh / 1000)};R" for dia, n, tramo in numbered(curva)
    )
    return lines("CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion", filas, "\r\n")


def cnmc_desde_cero(curva: Curva) -> bytes:
    """Write hours by their beginning on the clock, 0 to 23: October has its 2 twice."""
    filas = (
        f"{CUPS};{dia:%d/%m/%Y};{n - 1};{coma(tramo.wh / 1000)};R"
        for dia, n, tramo in by_the_clock(curva)
    )
    return lines("CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion", filas)


def cnmc_parentesis(curva: Curva) -> bytes:
    texto = cnmc(curva).decode().replace("Consumo_kWh", "Consumo (kWh)", 1)
    return texto.replace("Metodo_obtencion", "Método obtención", 1).encode("cp1252")


def edistribucion(curva: Curva) -> bytes:
    filas = (
        f"{CUPS};{dia:%d/%m/%Y};{n};{coma(tramo.wh / 1000)};R" for dia, n, tramo in numbered(curva)
    )
    return lines("CUPS;Fecha;Hora;AE_kWh;REAL/ESTIMADO", filas)


def edistribucion_autoconsumo(curva: Curva) -> bytes:
    """20 Wh of each hour come from the roof, where there are so many; what goes out is 5 Wh."""
    filas = (
        f"{CUPS};{dia:%d/%m/%Y};{n};{coma((tramo.wh - min(tramo.wh, 20)) / 1000)};0,005;"
        f"{coma(min(tramo.wh, 20) / 1000)};R"
        for dia, n, tramo in numbered(curva)
    )
    return lines("CUPS;Fecha;Hora;AE_kWh;AS_KWh;AE_AUTOCONS_kWh;REAL/ESTIMADO", filas)


def ufd(curva: Curva) -> bytes:
    filas = (
        f"{CUPS};{dia:%d/%m/%Y};{n};{coma(tramo.wh / 1000)};0,100"
        for dia, n, tramo in numbered(curva)
    )
    return lines("CUPS;FECHA;HORA;EHCR (kWh);EHEX (kWh)", filas)


def datadis_web(curva: Curva) -> bytes:
    """Numbered by the clock, as Datadis does: October's hour 3 twice, March's hour 3 never."""
    filas = (
        f'"{CUPS}";"{dia:%Y/%m/%d}";"{n:02}:00";"{coma(tramo.wh / 1000)}";"Real";"0,010"'
        for dia, n, tramo in by_the_clock(curva)
    )
    return lines("cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh", filas)


def datadis_web_corrida(curva: Curva) -> bytes:
    filas = (
        f'"{CUPS}";"{dia:%Y/%m/%d}";"{n:02}:00";"{coma(tramo.wh / 1000)}";"Real";""'
        for dia, n, tramo in numbered(curva)
    )
    return lines("cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh", filas)


def datadis_cuartos(curva: Curva) -> bytes:
    """Write ends of quarters, 00:15 to 24:00; the clock goes back after those of the first hour."""

    def stamp(fin: datetime) -> str:
        dia = fin - timedelta(days=1) if fin.time() == datetime.min.time() else fin
        hora = "24:00" if dia is not fin else f"{fin:%H:%M}"
        return f'"{dia:%Y/%m/%d}";"{hora}"'

    filas = (
        f'"{CUPS}";{stamp(fin)};"{coma(tramo.wh / 1000)}";"Real";;;'
        for fin, tramo in run_ends(curva)
    )
    return lines(
        "cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh;energiaGenerada_kWh;"
        "energiaAutoconsumida_kWh",
        filas,
    )


def datadis_api_csv(curva: Curva) -> bytes:
    filas = (
        f"{CUPS},{dia:%Y/%m/%d},{n:02}:00,{tramo.wh / 1000},Real,0.0"
        for dia, n, tramo in by_the_clock(curva)
    )
    return lines("cups,date,time,consumptionKWh,obtainMethod,surplusEnergyKWh", filas)


def datadis_records(curva: Curva) -> list[dict[str, object]]:
    return [
        {
            "cups": CUPS,
            "date": f"{dia:%Y/%m/%d}",
            "time": f"{n:02}:00",
            "consumptionKWh": tramo.wh / 1000,
            "obtainMethod": "Real",
            "surplusEnergyKWh": 0.01,
        }
        for dia, n, tramo in by_the_clock(curva)
    ]


def datadis_json(curva: Curva) -> bytes:
    return json.dumps(datadis_records(curva), indent=1).encode()


def datadis_time_curve(curva: Curva) -> bytes:
    return json.dumps({"timeCurve": datadis_records(curva), "distributorError": []}).encode()


# --- Spain: the exchange between system operator and distributors ---------------------------------


def exchange(curva: Curva, segundos: str, resto: Callable[[str], str]) -> bytes:
    """Rows without header: CUPS, end of the interval, its season, and the rest of the row."""
    filas = (
        f"{CUPS}1P;{segundos.format(fin=fin)};{season(curva, tramo.fin)};" + resto(str(tramo.wh))
        for fin, tramo in ends(curva)
    )
    return lines("", filas)


def p5d(curva: Curva) -> bytes:
    return exchange(curva, "{fin:%Y/%m/%d %H:%M}", lambda wh: f"{wh};0")


def f5(curva: Curva) -> bytes:
    return exchange(curva, "{fin:%Y/%m/%d %H:%M}", lambda wh: f"{wh};0;12;0;0;3;1;1")


def f5d(curva: Curva) -> bytes:
    return exchange(curva, "{fin:%Y/%m/%d %H:%M}", lambda wh: f"{wh};0;12;0;0;3;1;1;FE25000123;")


def a5d(curva: Curva) -> bytes:
    return exchange(curva, "{fin:%Y/%m/%d %H:%M}", lambda wh: f"{wh};;;;;;;;FE25000123;")


def b5d(curva: Curva) -> bytes:
    return exchange(curva, "{fin:%Y/%m/%d %H:%M}", lambda wh: f"{wh};0;1;0;0;2;;;FE25000123;")


def p1(curva: Curva) -> bytes:
    """KWh with three decimals, each magnitude with its quality; measure type 11."""
    ceros = ";".join(["0.000;0"] * 7)
    return exchange(
        curva,
        "11;{fin:%Y/%m/%d %H:%M:%S}",
        lambda wh: f"{int(wh) / 1000:.3f};0;{ceros};1;1;",
    )


def p2(curva: Curva) -> bytes:
    """As a P1, without the last field."""
    ceros = ";".join(["0;0"] * 7)
    return exchange(
        curva, "11;{fin:%Y/%m/%d %H:%M:%S}", lambda wh: f"{int(wh) / 1000:.3f};0;{ceros};1;"
    )


def f1(curva: Curva) -> bytes:
    return exchange(
        curva, "11;{fin:%Y/%m/%d %H:%M:%S}", lambda wh: f"{int(wh) // 1000};0;0;0;0;0;0;0;1;1;"
    )


def ide(curva: Curva) -> bytes:
    filas = (
        f"{CUPS};{fin:%Y/%m/%d %H:%M};{season(curva, tramo.fin)};{tramo.wh};0;"
        for fin, tramo in ends(curva)
    )
    return lines("CUPS;FECHA-HORA;INV / VER;CONSUMO Wh;GENERACION Wh;", filas)


def ide_periodo(curva: Curva) -> bytes:
    filas = (
        f"{CUPS};{fin:%Y/%m/%d %H:%M};{season(curva, tramo.fin)};VALLE;{tramo.wh};3;"
        for fin, tramo in ends(curva)
    )
    return lines("CUPS;FECHA-HORA;INV / VER;PERIODO TARIFARIO;CONSUMO Wh;GENERACION Wh;", filas)


def endesa(curva: Curva) -> bytes:
    filas = [
        f"{local:%d/%m/%Y},{local:%H}:00-{(local.hour + 1) % 24:02}:00,{tramo.wh}"
        for local, tramo in starts(curva)
    ]
    antes = f"CUPS:,{CUPS}\nTitular:,X\n\nFecha,Hora,Consumo (Wh)"
    return lines(antes, iter([*filas, "Total,,123456"]))


# --- Portugal, France, Belgium, Italy, Austria ----------------------------------------------------

CPE = "PT0002000099991234ZX"
EREDES_10 = (
    "Data;Hora;Consumo medido na IC, Ativa (kW);Estado;Injeção na rede medida na IC, Ativa (kW);"
    "Estado;Consumo registado (kW);Estado;Injeção registada (kW);Estado"
)


def eredes(curva: Curva) -> bytes:
    filas = (f"{fin:%Y/%m/%d;%H:%M};{coma(to_kw(tramo))};Real" for fin, tramo in run_ends(curva))
    antes = f"CPE;{CPE}\n\nData;Hora;Consumo registado, Ativa (kW);Estado"
    return lines(antes, filas)


def eredes_10(curva: Curva) -> bytes:
    """Write what the grid gave, and 1 kW more as what the house itself consumed."""
    filas = (
        f"{fin:%Y/%m/%d;%H:%M};{coma(to_kw(t))};Real;0,1;Real;{coma(to_kw(t) + 1)};Real;0;Real"
        for fin, t in run_ends(curva)
    )
    return lines(f"Dados Globais\n\nCPE;{CPE}\n\n{EREDES_10}", filas)


def eredes_xlsx(curva: Curva) -> bytes:
    filas: list[list[object]] = [
        ["Dados Gerais"],
        [],
        ["CPE", CPE],
        ["Intervalo", "15 min"],
        [],
        ["Contador", "Data", "Hora", "Consumo registado, Ativa (kW)", "Estado"],
    ]
    for fin, tramo in run_ends(curva):
        filas.append(
            ["000001234567890", f"{fin:%Y/%m/%d}", f"{fin:%H:%M}", round(to_kw(tramo), 3), "Real"]
        )
    return workbook(filas)


def workbook(filas: list[list[object]]) -> bytes:
    """Return an Office Open XML workbook of one sheet, strings in line."""

    def cell(valor: object) -> str:
        if isinstance(valor, int | float):
            return f"<c><v>{valor}</v></c>"
        return f'<c t="inlineStr"><is><t>{valor}</t></is></c>' if valor else "<c/>"

    cuerpo = "".join(
        f'<row r="{n}">{"".join(map(cell, fila))}</row>' for n, fila in enumerate(filas, 1)
    )
    espacio = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    oficina = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    paquete = "http://schemas.openxmlformats.org/package/2006"
    tipo = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    partes = {
        "[Content_Types].xml": f'<Types xmlns="{paquete}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{tipo}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{tipo}.worksheet+xml"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{paquete}/relationships"><Relationship Id="a" '
        f'Type="{oficina}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{espacio}" xmlns:r="{oficina}"><sheets>'
        '<sheet name="Leituras" sheetId="1" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{paquete}/relationships">'
        f'<Relationship Id="a" Type="{oficina}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{espacio}"><sheetData>{cuerpo}'
        "</sheetData></worksheet>",
    }
    memoria = io.BytesIO()
    with zipfile.ZipFile(memoria, "w", zipfile.ZIP_DEFLATED) as libro:
        for nombre, texto in partes.items():
            libro.writestr(nombre, f'<?xml version="1.0" encoding="UTF-8"?>{texto}')
    return memoria.getvalue()


PRM = "09999912345678"


def enedis(curva: Curva) -> bytes:
    filas = (
        f"{tramo.fin.astimezone(curva.zona).isoformat()};{round(to_kw(tramo) * 1000)}"
        for tramo in curva.intervalos
    )
    antes = (
        "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;"
        "Grandeur metier;Etape metier;Unite;Pas en minutes\n"
        f"{PRM};Courbe de charge;26/10/2025;27/10/2025;Energie active;Consommation;"
        f"Comptage Brut;W;{minutes_of(curva.intervalos[0])}\nHorodate;Valeur"
    )
    return b"\xef\xbb\xbf" + lines(antes, filas)


def enedis_debut_fin(curva: Curva) -> bytes:
    filas = (
        f'{inicio:%Y-%m-%dT%H:%M};{fin:%Y-%m-%dT%H:%M};"{coma(to_kw(tramo))}"'
        for (inicio, tramo), (fin, _) in zip(starts(curva), ends(curva), strict=True)
    )
    return lines("debut;fin;kW", filas)


EAN = "541449999900001234"
FLUVIUS = (
    "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Meter;Metertype;Register;"
    "Volume;Eenheid;Validatiestatus;Omschrijving"
)


def fluvius_rows(curva: Curva, meter: str, dia: str, nombres: tuple[str, str, str]) -> list[str]:
    """Day and night are parts of the consumption; what is injected has its own rows.

    In October the two quarters of the same label stand side by side, as in real files, and not
    one hour after the other.
    """
    filas: dict[datetime, list[str]] = defaultdict(list)
    for (inicio, tramo), (fin, _) in zip(starts(curva), ends(curva), strict=True):
        registro = nombres[0] if 7 <= inicio.hour < 22 else nombres[1]
        comienzo = f"{inicio:{dia};%H:%M:%S};{fin:{dia};%H:%M:%S}"
        comun = f'{comienzo};="{EAN}";1SAG9999999999;{meter}'
        filas[inicio].append(f"{comun};{registro};{coma(tramo.wh / 1000)};kWh;Uitgelezen;")
        filas[inicio].append(f"{comun};{nombres[2]};0,010;kWh;Uitgelezen;")
    return [fila for juntas in filas.values() for fila in juntas]


def fluvius(curva: Curva) -> bytes:
    nombres = ("Afname Dag", "Afname Nacht", "Injectie Dag")
    return b"\xef\xbb\xbf" + lines(
        FLUVIUS, iter(fluvius_rows(curva, "Digitale meter", "%d-%m-%Y", nombres))
    )


def fluvius_en(curva: Curva) -> bytes:
    nombres = ("Offtake Day", "Offtake Night", "Injection Day")
    cabecera = (
        "From (date);From (time);Until (date);Until (time);EAN code;Meter;Meter type;Register;"
        "Volume;Unit;Validation status;Description"
    )
    return lines(cabecera, iter(fluvius_rows(curva, "Digital meter", "%d/%m/%Y", nombres)))


def quarter_names() -> list[str]:
    horas = [f"{m // 60:02}:{m % 60:02}" for m in range(0, 1440, 15)]
    return [f"{a}-{b}" for a, b in zip(horas, [*horas[1:], horas[0]], strict=True)]


def edistribuzione(curva: Curva) -> bytes:
    """Write a row a day, 96 quarters by the clock; a day of another length does not fit."""
    dias: dict[date, dict[str, float]] = defaultdict(dict)
    for local, tramo in starts(curva):
        dias[local.date()][f"{local:%H:%M}"] = tramo.wh / 1000
    filas = (
        f'"{dia:%d/%m/%Y}";'
        + ";".join(f'"{coma(valores.get(n[:5], 0))}"' for n in quarter_names())
        + ";"
        for dia, valores in dias.items()
    )
    return lines("Giorno;" + ";".join(quarter_names()), filas)


def netz_noe(curva: Curva) -> bytes:
    filas = (f"{fin:%d.%m.%Y %H:%M};{coma(t.wh / 1000, 6)};;" for fin, t in run_ends(curva))
    return lines("Messzeitpunkt;Gemessener Verbrauch (kWh);Ersatzwert;", filas)


def netz_noe_calidad(curva: Curva) -> bytes:
    filas = (f"{fin:%d.%m.%Y %H:%M};{coma(t.wh / 1000, 6)};L1;;;" for fin, t in run_ends(curva))
    return lines("Messzeitpunkt;Verbrauch (kWh);Qualität;Restnetzbezug (kWh);Qualität EG;", filas)


# --- United Kingdom and Ireland -------------------------------------------------------------------


def octopus(curva: Curva) -> bytes:
    filas = (
        f"{t.wh / 1000}, {t.inicio.astimezone(curva.zona).isoformat()}, "
        f"{t.fin.astimezone(curva.zona).isoformat()}"
        for t in curva.intervalos
    )
    return lines(" Consumption (kwh), Start, End", filas)


def lcl(curva: Curva) -> bytes:
    filas = (
        f"MAC009999,Std,{t.inicio:%Y-%m-%d %H:%M:%S}.0000000, {t.wh / 1000} "
        for t in curva.intervalos
    )
    return lines("LCLid,stdorToU,DateTime,KWH/hh (per half hour) ", filas)


MPRN = "10099990001"


def esb(curva: Curva) -> bytes:
    """Newest first, as it is handed out; half of the rows are what goes out."""
    filas = []
    for fin, tramo in run_ends(curva):
        comun = f"{MPRN},000000000099999999"
        filas.append(f"{comun},{to_kw(tramo):.6f},Active Import Interval (kW),{fin:%d-%m-%Y %H:%M}")
        filas.append(f"{comun},0.100000,Active Export Interval (kW),{fin:%d-%m-%Y %H:%M}")
    return lines(
        "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time", reversed(filas)
    )


# --- United States --------------------------------------------------------------------------------

PGE = "TYPE,DATE,START TIME,END TIME,IMPORT (kWh),EXPORT (kWh),COST,NOTES"


def pge(curva: Curva) -> bytes:
    """Write ends as the last minute; the hour that comes twice has one label, with the sum."""
    sumas: dict[tuple[date, str, str], int] = defaultdict(int)
    for local, tramo in starts(curva):
        ultimo = local + (tramo.fin - tramo.inicio) - timedelta(minutes=1)
        sumas[local.date(), f"{local:%H:%M}", f"{ultimo:%H:%M}"] += tramo.wh
    filas = (
        f"Electric usage,{dia:%Y-%m-%d},{desde},{hasta},{wh / 1000:.2f},0.10,$0.10,"
        for (dia, desde, hasta), wh in sumas.items()
    )
    antes = f"Name,A CUSTOMER\nAddress,1 SAMPLE ST\nAccount Number,9990001112\n\n{PGE}"
    return lines(antes, filas)


def sdge(curva: Curva) -> bytes:
    """Clock of twelve hours; the hour that comes twice has its rows twice, in order."""
    filas = (
        f'"09999999","{local.month}/{local.day}/{local.year}",'
        f'"{local.hour % 12 or 12}:{local:%M} {local:%p}","{minutes_of(tramo)}",'
        f'"{tramo.wh / 1000:.4f}","0.0100","{tramo.wh / 1000 - 0.01:.4f}"'
        for local, tramo in starts(curva)
    )
    antes = (
        "Name,A CUSTOMER\nAddress,1 SAMPLE ST\nAccount Number,9990001113\n"
        "Title,CSV Export Electric Meter(s)\nResource,Electric\nMeter Number,09999999\n"
        "Interval UOM,Minute(s)\nTotal Usage,817.415\nUOM,kWh\n"
        "Meter Number,Date,Start Time,Duration,Consumption,Generation,Net"
    )
    return lines(antes, filas)


# --- Home Assistant and the product's own table ---------------------------------------------------

SENSOR = "sensor.contador_red"


def readings_of(curva: Curva) -> Iterator[tuple[datetime, int, int]]:
    """Yield the start of each interval, its Wh, and the counter at its end."""
    contador = 1_000_000
    for inicio, _, wh in curva.intervalos:
        contador += wh
        yield inicio, wh, contador


def ha_estadisticas(curva: Curva) -> bytes:
    filas = (
        f"{SENSOR},kWh,{inicio.isoformat()},{contador / 1000},{contador / 1000},{wh / 1000}"
        for inicio, wh, contador in readings_of(curva)
    )
    return lines("statistic_id,unit,start,state,sum,change", filas)


def ha_tsv(curva: Curva) -> bytes:
    """Write the export of import_statistics: local starts without offset."""
    filas = (
        f"{SENSOR}\t{inicio.astimezone(curva.zona):%d.%m.%Y %H:%M}\tkWh\t{wh / 1000}"
        for inicio, wh, _ in readings_of(curva)
    )
    return lines("statistic_id\tstart\tunit\tdelta", filas)


def ha_tsv_contador(curva: Curva) -> bytes:
    """Write the same with the counter instead of what it moved, the newest first."""
    filas = [
        f"{SENSOR}\tkWh\t{inicio.astimezone(curva.zona):%d.%m.%Y %H:%M}\t"
        f"{coma(contador / 1000)}\t{coma(contador / 1000 - 900)}"
        for inicio, _, contador in readings_of(curva)
    ]
    # The hour before the first one tells where the counter stood.
    primera = curva.intervalos[0].inicio - timedelta(hours=1)
    antes = f"{SENSOR}\tkWh\t{primera.astimezone(curva.zona):%d.%m.%Y %H:%M}\t1000,0\t100,0"
    return lines("statistic_id\tunit\tstart\tstate\tsum", reversed([antes, *filas]))


def ha_historial(curva: Curva) -> bytes:
    """States: the counter as it stood, with the seconds at which Home Assistant saw it."""
    primero = curva.intervalos[0].inicio
    filas = [f"{SENSOR},1000,{primero:%Y-%m-%dT%H:%M}:00.417Z"]
    filas += [
        f"{SENSOR},{contador / 1000},{tramo.fin:%Y-%m-%dT%H:%M}:00.417Z"
        for tramo, (_, _, contador) in zip(curva.intervalos, readings_of(curva), strict=True)
    ]
    return lines("entity_id,state,last_changed", iter(filas))


def ha_panel(curva: Curva) -> bytes:
    """Write a column an hour and a row a counter, among them what goes out and a sum."""
    instantes = [f"{t.inicio:%Y-%m-%dT%H:%M:%S}.000Z" for t in curva.intervalos]

    def row(nombre: str, tipo: str, valores: Iterator[object]) -> str:
        return f"{nombre},{tipo},kWh," + ",".join(map(str, valores))

    unos = (0.1 for _ in instantes)
    filas = [
        row("sensor.red_importada", "grid_consumption", (t.wh / 1000 for t in curva.intervalos)),
        row("sensor.red_vertida", "grid_return", unos),
        row("", "calculated_consumed_grid", (t.wh / 1000 for t in curva.intervalos)),
    ]
    return lines("entity_id,type,unit," + ",".join(instantes), iter(filas))


def tabla(curva: Curva) -> bytes:
    filas = (f"MAC009999,{t.inicio:%Y-%m-%dT%H:%M:%SZ},{t.wh / 1000}" for t in curva.intervalos)
    return lines("propietario_id,timestamp,consumo_kwh", filas)


# --- What is no table -----------------------------------------------------------------------------

NMI = "6999912345"


def nem12(curva: Curva) -> bytes:
    """Market time, UTC+10 all the year: days of 24 hours always."""
    dias: dict[date, list[str]] = defaultdict(list)
    for local, tramo in starts(curva):
        dias[local.date()].append(f"{tramo.wh / 1000}")
    minutos = minutes_of(curva.intervalos[0])
    filas = [f"200,{NMI},E1B1,1,E1,N1,SER0001,kWh,{minutos},"]
    filas += [f"300,{d:%Y%m%d},{','.join(v)},A,,,20260101040000," for d, v in dias.items()]
    filas += [f"200,{NMI},E1B1,2,B1,N1,SER0001,kWh,{minutos},"]
    filas += [f"300,{d:%Y%m%d},{','.join(['1'] * len(v))},A,,,20260101040000,"
              for d, v in dias.items()]  # fmt: skip
    return lines("100,NEM12,202601010900,MDP1,RET1", iter([*filas, "900"]))


def green_button(curva: Curva) -> bytes:
    punto = "/espi/1_1/resource/RetailCustomer/7/UsagePoint/6300112244"

    def entry(enlaces: dict[str, str], contenido: str) -> str:
        textos = "".join(f'<link rel="{r}" href="{h}"/>' for r, h in enlaces.items())
        return f"<entry>{textos}<content>{contenido}</content></entry>"

    lecturas = "\n".join(
        f"<IntervalReading><timePeriod><duration>{minutes_of(t) * 60}</duration>"
        f"<start>{int(t.inicio.timestamp())}</start></timePeriod><value>{t.wh}</value>"
        "</IntervalReading>"
        for t in curva.intervalos
    )
    espi = 'xmlns="http://naesb.org/espi"'
    partes = [
        entry({"self": punto}, f"<UsagePoint {espi}/>"),
        entry(
            {"self": f"{punto}/MeterReading/1", "related": "/espi/1_1/resource/ReadingType/1"},
            f"<MeterReading {espi}/>",
        ),
        entry(
            {"self": "/espi/1_1/resource/ReadingType/1"},
            f"<ReadingType {espi}><commodity>1</commodity><flowDirection>1</flowDirection>"
            "<accumulationBehaviour>4</accumulationBehaviour>"
            "<powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom></ReadingType>",
        ),
        entry(
            {
                "self": f"{punto}/MeterReading/1/IntervalBlock/1",
                "up": f"{punto}/MeterReading/1/IntervalBlock",
            },
            f"<IntervalBlock {espi}>\n{lecturas}\n</IntervalBlock>",
        ),
    ]
    cuerpo = "\n".join(partes)
    return f'<?xml version="1.0"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n{cuerpo}\n</feed>\n'.encode()


VSE = "CH9999901234500000000000000099999"


def sdat(curva: Curva) -> bytes:
    observaciones = "\n".join(
        f"<rsm:Observation><rsm:Position><rsm:Sequence>{n}</rsm:Sequence></rsm:Position>"
        f"<rsm:Volume>{t.wh / 1000}</rsm:Volume></rsm:Observation>"
        for n, t in enumerate(curva.intervalos, 1)
    )
    desde, hasta = curva.intervalos[0].inicio, curva.intervalos[-1].fin
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rsm:ValidatedMeteredData_12 xmlns:rsm="http://www.strom.ch"><rsm:MeteringData>'
        f"<rsm:Interval><rsm:StartDateTime>{desde:%Y-%m-%dT%H:%M:%SZ}</rsm:StartDateTime>"
        f"<rsm:EndDateTime>{hasta:%Y-%m-%dT%H:%M:%SZ}</rsm:EndDateTime></rsm:Interval>"
        f"<rsm:Resolution><rsm:Resolution>{minutes_of(curva.intervalos[0])}</rsm:Resolution>"
        "<rsm:Unit>MIN</rsm:Unit></rsm:Resolution><rsm:ConsumptionMeteringPoint>"
        f"<rsm:VSENationalID>{VSE}</rsm:VSENationalID></rsm:ConsumptionMeteringPoint>"
        f"<rsm:Product><rsm:MeasureUnit>KWH</rsm:MeasureUnit></rsm:Product>\n{observaciones}\n"
        "</rsm:MeteringData></rsm:ValidatedMeteredData_12>\n"
    ).encode()


# --- Containers -----------------------------------------------------------------------------------


def in_zip(contenido: bytes, nombre: str = "curva.csv") -> bytes:
    memoria = io.BytesIO()
    with zipfile.ZipFile(memoria, "w", zipfile.ZIP_DEFLATED) as archivo:
        archivo.writestr(nombre, contenido)
    return memoria.getvalue()


ENVASES: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda contenido: gzip.compress(contenido, mtime=0),
    "bz2": bz2.compress,
    "zip": in_zip,
    "utf-16": lambda contenido: contenido.decode("utf-8-sig").encode("utf-16"),
    "utf-8 con BOM": lambda c: b"\xef\xbb\xbf" + c.removeprefix(b"\xef\xbb\xbf"),
    "CRLF": lambda c: c.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
}


@dataclass(frozen=True)
class Disposicion:
    """A layout as the tests write it.

    Parameters
    ----------
    minutos : tuple of int
        Steps in which it is handed out.
    zona : ZoneInfo
        That of its local times; UTC or the market's where it has others.
    por_filas : bool
        Whether its intervals are one a line, so that a line can be taken out or doubled. Of a
        counter's states none can: a state holds until the next one that there is.
    sin_cambios : bool
        Whether it cannot say the days on which the clock changes: they may be refused.
    tramo_wh : int
        What all its values are whole multiples of.
    """

    escribir: Callable[[Curva], bytes]
    minutos: tuple[int, ...] = (60,)
    zona: ZoneInfo = MADRID
    por_filas: bool = True
    sin_cambios: bool = False
    tramo_wh: int = 20


UK, DUBLIN, ROMA = (ZoneInfo(f"Europe/{c}") for c in ("London", "Dublin", "Rome"))
BRUSELAS, VIENA = ZoneInfo("Europe/Brussels"), ZoneInfo("Europe/Vienna")
CALIFORNIA, MERCADO = ZoneInfo("America/Los_Angeles"), ZoneInfo("Etc/GMT-10")
ZURICH, SIN_HORARIO = ZoneInfo("Europe/Zurich"), ZoneInfo("UTC")

DISPOSICIONES: dict[str, Disposicion] = {
    "CNMC": Disposicion(cnmc),
    # A piece of these that has no number past 25, or no 0, is a day of hours from 1.
    "CNMC en cuartos, 1 a 96": Disposicion(cnmc, (15,), por_filas=False),
    "CNMC de 0 a 23": Disposicion(cnmc_desde_cero, por_filas=False),
    "CNMC con paréntesis": Disposicion(cnmc_parentesis),
    "e-distribución": Disposicion(edistribucion),
    "e-distribución con autoconsumo": Disposicion(edistribucion_autoconsumo),
    "UFD": Disposicion(ufd),
    "Datadis web por el reloj": Disposicion(datadis_web),
    "Datadis web corrida": Disposicion(datadis_web_corrida),
    "Datadis web en cuartos": Disposicion(datadis_cuartos, (15,)),
    "Datadis API en CSV": Disposicion(datadis_api_csv),
    "Datadis JSON": Disposicion(datadis_json, por_filas=False),
    "Datadis timeCurve": Disposicion(datadis_time_curve, por_filas=False),
    "P5D": Disposicion(p5d),
    "F5": Disposicion(f5),
    "F5D": Disposicion(f5d),
    "A5D": Disposicion(a5d),
    "B5D": Disposicion(b5d),
    "P1": Disposicion(p1),
    "P2": Disposicion(p2, (15,)),
    "F1": Disposicion(f1, tramo_wh=1000),
    "i-DE": Disposicion(ide),
    "i-DE con periodo": Disposicion(ide_periodo),
    "Endesa": Disposicion(endesa),
    "E-REDES": Disposicion(eredes, (15,), LISBOA),
    "E-REDES de 10 columnas": Disposicion(eredes_10, (15,), LISBOA),
    "E-REDES xlsx": Disposicion(eredes_xlsx, (15,), LISBOA, por_filas=False),
    "Enedis": Disposicion(enedis, (30, 15, 60), PARIS),
    "Enedis debut;fin": Disposicion(enedis_debut_fin, (30,), PARIS),
    "Fluvius": Disposicion(fluvius, (15,), BRUSELAS),
    "Fluvius en inglés": Disposicion(fluvius_en, (15,), BRUSELAS),
    "e-distribuzione": Disposicion(edistribuzione, (15,), ROMA, False, sin_cambios=True),
    "Netz NÖ": Disposicion(netz_noe, (15,), VIENA),
    "Netz NÖ con calidad": Disposicion(netz_noe_calidad, (15,), VIENA),
    "Octopus": Disposicion(octopus, (30,), UK),
    "LCL": Disposicion(lcl, (30,), SIN_HORARIO),
    "ESB": Disposicion(esb, (30,), DUBLIN),
    "PG&E": Disposicion(pge, (60, 15), CALIFORNIA, sin_cambios=True),
    "SDG&E": Disposicion(sdge, (60, 15), CALIFORNIA),
    "Home Assistant, estadísticas": Disposicion(ha_estadisticas, zona=SIN_HORARIO),
    "Home Assistant, TSV": Disposicion(ha_tsv),
    "Home Assistant, TSV con el contador": Disposicion(ha_tsv_contador),
    "Home Assistant, historial": Disposicion(ha_historial, (15,), SIN_HORARIO, por_filas=False),
    "Home Assistant, panel": Disposicion(ha_panel, zona=SIN_HORARIO, por_filas=False),
    "tabla propia": Disposicion(tabla, (60, 30, 15), SIN_HORARIO),
    "NEM12": Disposicion(nem12, (30, 15, 5, 60), MERCADO, por_filas=False),
    "Green Button": Disposicion(green_button, (60, 15), SIN_HORARIO),
    "SDAT": Disposicion(sdat, (15,), ZURICH),
}
