"""When a reading is, and how long: what a file does not say for certain is refused, and why."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from apoyo_tiempos import (
    CNMC,
    DATADIS,
    DUDOSO,
    OTRO,
    clock,
    cnmc,
    datadis,
    hours_of,
    motives,
)
from disposiciones import CUPS, workbook
from lector_archivos import Leido, leer, leer_texto

from pipeline.ingest.files.blocks import MotivoArchivo
from pipeline.ingest.validation import Motivo

# ---- Ends that look like beginnings

FIN = """
nombre = "Fines"
separador = ";"
decimal = ","
[tiempo]
forma = "instante"
marca = "fin"
pasos = [15, 60]
[columnas]
id = "id"
instante = "t"
[[valor]]
columna = "kWh"
unidad = "kWh"
"""
ESB = "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\n"


def instants(desde: datetime, hasta: datetime, minutos: int, cliente: str = "X") -> str:
    cuantos = (hasta - desde) // timedelta(minutes=minutos) + 1
    momentos = (desde + timedelta(minutes=minutos * i) for i in range(cuantos))
    return "".join(f"{cliente};{t:%d/%m/%Y %H:%M};0,1\n" for t in momentos)


def read_ends(carpeta: Path, filas: str) -> Leido:
    perfil = carpeta / "fines.toml"
    perfil.write_text(FIN)
    return leer_texto(carpeta, "id;t;kWh\n" + filas, perfil=perfil)


@pytest.mark.parametrize("primera", [0, 5])
@pytest.mark.parametrize("minutos", [15, 60])
def test_ends_that_look_like_beginnings_are_refused(
    minutos: int, primera: int, tmp_path: Path
) -> None:
    """From 00:00 to the last interval before midnight, also where the first day begins later."""
    ultima = datetime(2025, 6, 13) - timedelta(minutes=minutos)
    leido = read_ends(tmp_path, instants(datetime(2025, 6, 10, primera), ultima, minutos))
    assert leido.rechazado
    assert 'marca = "inicio"' in leido.motivos[0]
    primer_fin = datetime(2025, 6, 10, primera) + timedelta(minutes=minutos)
    leido = read_ends(tmp_path, instants(primer_fin, datetime(2025, 6, 13), minutos))
    assert leido.motivos == []
    assert sorted(hours_of(leido, "X")) == list(range(primera, 72))


def test_half_hours_that_look_like_beginnings_are_refused(tmp_path: Path) -> None:
    """The newest first, as ESB writes them."""
    filas = [
        f"10099990001,1,0.1,Active Import Interval (kW),{dia}-06-2025 {m // 60:02}:{m % 60:02}\n"
        for dia in (10, 11)
        for m in range(0, 1440, 30)
    ]
    leido = leer_texto(tmp_path, ESB + "".join(reversed(filas)))
    assert leido.rechazado
    assert "fin del intervalo" in leido.motivos[0]


def test_hours_of_the_clock_from_0_to_23_behind_a_day_that_is_cut_are_refused(
    tmp_path: Path,
) -> None:
    """Datadis' hours are ends: 05:00 to 23:00, and 00:00 to 23:00, are not."""
    texto = datadis("2025/06/10", clock(range(5, 24))) + datadis("2025/06/11", clock(range(24)))
    assert leer_texto(tmp_path, DATADIS + texto).rechazado
    # A last hour that is missing is no proof where the first one is there.
    texto = datadis("2025/06/10", clock(range(1, 25))) + datadis("2025/06/11", clock(range(1, 24)))
    leido = leer_texto(tmp_path, DATADIS + texto)
    assert leido.motivos == []
    assert sorted(hours_of(leido)) == list(range(47))


def test_a_midnight_that_is_no_24_is_of_no_day_where_the_layout_writes_24(tmp_path: Path) -> None:
    """Datadis' days end at 24:00: 09:00 to 23:00, a day from 00:00 on and 00:00 to 15:00 do not."""
    horas = [range(9, 24), range(24), range(16)]
    texto = "".join(datadis(f"2025/06/{10 + i}", clock(h)) for i, h in enumerate(horas))
    leido = leer_texto(tmp_path, DATADIS + texto)
    assert leido.rechazado
    assert "no se sabe de qué día son" in leido.motivos[0]
    # Another customer's ends are certain, and a third one's hours prove nothing.
    otro = datadis("2025/06/10", clock(range(1, 25))).replace(CUPS, OTRO)
    mudo = datadis("2025/06/10", clock(range(9, 15))).replace(CUPS, "ES0031000000000000CC")
    leido = leer_texto(tmp_path, DATADIS + texto + otro + mudo)
    assert leido.clientes == {OTRO}
    assert all("no se sabe de qué día son" in motivo for motivo in leido.motivos)
    assert len(leido.rechazadas) == 15 + 24 + 16 + 6


def test_of_two_customers_only_the_one_that_proves_its_ends_is_read(tmp_path: Path) -> None:
    """One that looks like beginnings leaves a third, which proves nothing, in doubt too."""
    principio, fin = datetime(2025, 6, 10), datetime(2025, 6, 12)
    leido = read_ends(
        tmp_path,
        instants(principio, fin - timedelta(hours=1), 60, "malo")
        + instants(principio + timedelta(hours=1), fin, 60, "bueno")
        + instants(principio + timedelta(hours=3), principio + timedelta(hours=9), 60, "mudo"),
    )
    assert leido.clientes == {"bueno"}
    assert motives(leido) == {DUDOSO}
    assert len(leido.rechazadas) == 48 + 7


# ---- What a file says of its steps


def enedis(paso: int, minutos: int) -> str:
    inicio = datetime(2025, 6, 10)
    filas = "".join(
        f"{inicio + timedelta(minutes=minutos * i):%Y-%m-%dT%H:%M:%S}+02:00;1000\n"
        for i in range(1, 1440 // minutos + 1)
    )
    return (
        "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;"
        "Grandeur metier;Etape metier;Unite;Pas en minutes\n"
        "09999912345678;Courbe de charge;10/06/2025;11/06/2025;Energie active;Consommation;"
        f"Comptage Brut;W;{paso}\nHorodate;Valeur\n{filas}"
    )


def test_rows_further_apart_than_the_file_says_are_what_is_left_of_others(tmp_path: Path) -> None:
    """Enedis' «Pas en minutes» 30 and rows on the hour: half of each hour is missing."""
    leido = leer_texto(tmp_path, enedis(30, 60))
    assert not leido.horas
    assert motives(leido) == {MotivoArchivo.HORA_INCOMPLETA}
    assert "30 de 60 minutos, sin el de :00" in leido.motivos[0]
    assert len(leer_texto(tmp_path, enedis(60, 60)).horas) == 24
    assert len(leer_texto(tmp_path, enedis(30, 30)).horas) == 24


PGE = "Account Number,9990001112\n\nTYPE,DATE,START TIME,END TIME,IMPORT (kWh),COST,NOTES\n"
SDGE = "Meter Number,Date,Start Time,Duration,Consumption,Generation,Net\n"
FLUVIUS = (
    "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Register;Volume;Eenheid;"
    "Validatiestatus\n"
)


def pge(dia: int, desde: str, hasta: str) -> str:
    return f"Electric usage,2025-06-{dia},{desde},{hasta},0.5,$0,\n"


def sdge(hora: int, minuto: int, duracion: int) -> str:
    mitad = "AM" if hora < 12 else "PM"
    return f"1,6/10/2025,{hora % 12 or 12}:{minuto:02} {mitad},{duracion},0.1,0,0.1\n"


def fluvius(hora: int, minuto: int, largo: int) -> str:
    fin = hora * 60 + minuto + largo
    return (
        f"10-06-2025;{hora:02}:{minuto:02}:00;10-06-2025;{fin // 60 % 24:02}:{fin % 60:02}:00;"
        "541449999900001234;Afname Dag;0,05;kWh;Uitgelezen\n"
    )


@pytest.mark.parametrize(
    ("texto", "horas", "motivo"),
    [
        (PGE + "".join(pge(10, f"{h:02}:00", f"{h:02}:59") for h in range(24)), 24, None),
        (PGE + "".join(pge(10, f"{h:02}:00", f"{h:02}:14") for h in range(24)), 0,
         MotivoArchivo.HORA_INCOMPLETA),
        (PGE + "".join(pge(d, "00:00", "23:59") for d in range(10, 30)), 0,
         MotivoArchivo.INTERVALO_NO_HORARIO),
        (SDGE + "".join(sdge(h, 0, 60) for h in range(24)), 24, None),
        (SDGE + "".join(sdge(h, 0, 15) for h in range(24)), 0, MotivoArchivo.HORA_INCOMPLETA),
        (SDGE + "".join(sdge(h, m, 60) for h in range(24) for m in (0, 15, 30, 45)), 0,
         MotivoArchivo.INTERVALO_NO_HORARIO),
        (SDGE + sdge(0, 0, 1440), 0, MotivoArchivo.INTERVALO_NO_HORARIO),
        (SDGE + sdge(0, 0, 60).replace(",60,", ",una,"), 0, Motivo.TIEMPO_ILEGIBLE),
        (FLUVIUS + "".join(fluvius(h, 0, 60) for h in range(24)), 24, None),
        (FLUVIUS + "".join(fluvius(h, 0, 15) for h in range(24)), 0,
         MotivoArchivo.HORA_INCOMPLETA),
    ],
    ids=["PG&E", "PG&E de 15", "PG&E diario", "SDG&E", "SDG&E de 15", "SDG&E que se pisan",
         "SDG&E diario", "SDG&E sin duración", "Fluvius", "Fluvius de 15"],
)  # fmt: skip
def test_how_long_a_row_says_that_it_is_counts(
    texto: str, horas: int, motivo: str | None, tmp_path: Path
) -> None:
    """A quarter on the hour is no hour, a day is none either, and what overlaps is refused."""
    leido = leer_texto(tmp_path, texto)
    assert len(leido.horas) == horas
    assert motives(leido) == ({motivo} if motivo else set())


@pytest.mark.parametrize(
    "texto",
    [
        "propietario_id,timestamp,consumo_kwh\n"
        + "".join(f"C,2025-06-{d:02}T00:00:00Z,12.5\n" for d in range(1, 30)),
        "propietario_id,timestamp,consumo_kwh\nC,2025-06-10T00:00Z,12\nC,2025-06-11T00:00Z,13\n",
        CNMC + cnmc([f"{d:02}/06/2025" for d in range(1, 30)], [1]),
        DATADIS + "".join(datadis(f"2025/06/{d:02}", ["24:00"]) for d in range(1, 30)),
        "propietario_id,timestamp,consumo_kwh\n"
        + "".join(f"C,2025-06-{d:02}T{h:02}:00:00Z,3\n" for d in (1, 2) for h in (0, 8, 16)),
        "propietario_id,timestamp,consumo_kwh\n"
        + "".join(f"C,2025-{m:02}-01T00:00:00,300\n" for m in range(2, 7)),
        f"CUPS,{CUPS}\nFecha,Hora,Consumo (Wh)\n10/06/2025,00:00-24:00,9000\n",
    ],
    ids=["tabla", "dos días", "CNMC", "Datadis", "cada 8 horas", "meses", "Endesa"],
)
def test_totals_of_a_day_are_no_hours(texto: str, tmp_path: Path) -> None:
    """One row a day, or three, is never sent as an hour."""
    leido = leer_texto(tmp_path, texto)
    assert not leido.horas
    assert motives(leido) == {MotivoArchivo.INTERVALO_NO_HORARIO}


def test_hours_that_are_there_on_some_days_only_are_read(tmp_path: Path) -> None:
    """Two hours a day, at the same times, are no totals."""
    filas = "".join(f"C,2025-06-{d}T{h}:00:00Z,1\n" for d in (10, 11, 12) for h in (10, 11))
    leido = leer_texto(tmp_path, "propietario_id,timestamp,consumo_kwh\n" + filas)
    assert leido.motivos == []
    assert len(leido.horas) == 6


def test_more_values_than_their_time_can_hold_are_refused(tmp_path: Path) -> None:
    """A message of two hours with twelve quarters: none of them is certain."""

    def message(cuantos: int) -> str:
        valores = "".join(
            f"<r:Observation><r:Position><r:Sequence>{n}</r:Sequence></r:Position>"
            "<r:Volume>0.1</r:Volume></r:Observation>\n"
            for n in range(1, cuantos + 1)
        )
        return (
            '<r:ValidatedMeteredData_16 xmlns:r="http://www.strom.ch"><r:MeteringData><r:Interval>'
            "<r:StartDateTime>2025-06-09T22:00:00Z</r:StartDateTime>"
            "<r:EndDateTime>2025-06-10T00:00:00Z</r:EndDateTime></r:Interval><r:Resolution>"
            "<r:Resolution>15</r:Resolution><r:Unit>MIN</r:Unit></r:Resolution>"
            "<r:ConsumptionMeteringPoint><r:VSENationalID>CH99</r:VSENationalID>"
            "</r:ConsumptionMeteringPoint><r:Product><r:MeasureUnit>KWH</r:MeasureUnit></r:Product>"
            f"\n{valores}</r:MeteringData></r:ValidatedMeteredData_16>"
        )

    assert len(leer_texto(tmp_path, message(8)).horas) == 2
    leido = leer_texto(tmp_path, message(12))
    assert not leido.horas
    assert leido.rechazadas == [(2, DUDOSO)]
    assert "caben 8 valores" in leido.motivos[0]


def test_a_few_days_of_hours_in_front_of_quarters_are_not_certain(tmp_path: Path) -> None:
    """One day with rows on the hour may have lost the others; seven such days have not."""
    cuartos = [f"{m // 60:02}:{m % 60:02}" for m in range(15, 1441, 15)]

    def read(dias: int) -> Leido:
        texto = "".join(datadis(f"2025/06/{d:02}", clock(range(1, 25))) for d in range(1, dias + 1))
        return leer_texto(tmp_path, DATADIS + texto + datadis("2025/06/10", cuartos))

    leido = read(1)
    assert len(leido.horas) == 24
    assert leido.rechazadas == [(linea, DUDOSO) for linea in range(2, 26)]
    leido = read(7)
    assert leido.motivos == []
    assert len(leido.horas) == 24 * 8


# ---- Changes of the clock

MARZO, OCTUBRE = "2025/03/30", "2025/10/26"
RELOJ_DE_OCTUBRE = clock([1, 2, 3, *range(3, 25)])


def test_a_march_that_may_have_a_ghost_and_no_last_hour_is_refused(tmp_path: Path) -> None:
    """1 to 23 with a zero for the hour 3: a day by the clock without its 24, or one that runs."""

    def read(tercera: str, otros: str) -> Leido:
        filas = "".join(
            f"{CUPS};30/03/2025;{n};{tercera if n == 3 else '0,5'};R\n" for n in range(1, 24)
        )
        return leer_texto(tmp_path, CNMC + filas + otros)

    leido = read("0,000", "")
    assert not leido.horas
    assert motives(leido) == {MotivoArchivo.DIA_CONTRADICE_CALENDARIO}
    assert "a cero" in leido.motivos[0]
    assert len(read("0,100", "").horas) == 23
    # Of a house with hours of nothing it is an hour like others.
    otros = "".join(f"{CUPS};31/03/2025;{n};0,000;R\n" for n in range(1, 25))
    assert len(read("0,000", otros).horas) == 47


def test_a_ghost_hour_without_a_value_is_left_out(tmp_path: Path) -> None:
    """24 rows in March, the third one empty: 23 hours, and the row is told."""
    filas = "".join(f"{CUPS};30/03/2025;{n};{'' if n == 3 else '0,5'};R\n" for n in range(1, 25))
    leido = leer_texto(tmp_path, CNMC + filas)
    assert len(leido.horas) == 23
    assert {linea for linea, _ in leido.rechazadas} == {4}


def test_a_correction_beside_its_row_is_no_second_hour(tmp_path: Path) -> None:
    """24 rows by the clock, estimated, and a real 03:00 beside the estimated one."""
    estimadas = datadis(OCTUBRE, clock(range(1, 25)), "Estimada").splitlines(keepends=True)
    real = datadis(OCTUBRE, ["03:00"], "Real", 777)
    for filas in ([*estimadas[:3], real, *estimadas[3:]], [*estimadas, real]):
        leido = leer_texto(tmp_path, DATADIS + "".join(filas))
        assert not leido.horas
        assert motives(leido) == {MotivoArchivo.DIA_CONTRADICE_CALENDARIO}
        assert "una y su corrección" in leido.motivos[0]


def test_two_rows_of_october_alone_are_not_certain(tmp_path: Path) -> None:
    """Without the rest of the day, two rows at 03:00 may be one hour and another value of it."""
    leido = leer_texto(tmp_path, DATADIS + datadis(OCTUBRE, ["03:00", "03:00"]))
    assert not leido.horas
    assert "falta el resto del día" in leido.motivos[0]


def test_rows_that_all_come_twice_are_no_second_hour(tmp_path: Path) -> None:
    """24 hours, each row doubled: the two at 03:00 are one."""
    filas = datadis(OCTUBRE, clock(range(1, 25))).splitlines(keepends=True)
    leido = leer_texto(tmp_path, DATADIS + "".join(fila * 2 for fila in filas))
    assert not leido.horas


@pytest.mark.parametrize("real_delante", [False, True])
def test_the_better_method_wins_on_the_day_of_25_hours_too(
    real_delante: bool, tmp_path: Path
) -> None:
    """The whole day twice, estimated and real: the real one, both hours 2 among it."""
    partes = [
        datadis(OCTUBRE, RELOJ_DE_OCTUBRE, "Estimada", 500),
        datadis(OCTUBRE, RELOJ_DE_OCTUBRE, "Real", 100),
    ]
    leido = leer_texto(tmp_path, DATADIS + "".join(partes[::-1] if real_delante else partes))
    assert leido.motivos == []
    assert [kwh for *_, kwh, _ in leido.filas] == [(100 + i) / 1000 for i in range(25)]
    assert {metodo for *_, metodo in leido.filas} == {"real"}


def test_the_day_of_25_hours_in_two_downloads_is_one_day(tmp_path: Path) -> None:
    """The same rows twice, one file behind the other."""
    leido = leer_texto(tmp_path, DATADIS + datadis(OCTUBRE, RELOJ_DE_OCTUBRE) * 2)
    assert leido.motivos == []
    assert len(leido.horas) == 25


# ---- Workbooks


def test_midnight_is_a_time_in_a_workbook_too(tmp_path: Path) -> None:
    """A cell that is a day's midnight, and an hour that is a whole day: the 24th hour."""
    serie = (date(2025, 6, 10) - date(1899, 12, 30)).days
    por_instantes = excel_dates(
        ["CUPS", "FECHA-HORA", "INV / VER", "CONSUMO Wh", "GENERACION Wh"],
        [[CUPS, ("fecha y hora", serie + h / 24), 1, 200 + h, 0] for h in range(1, 25)],
    )
    por_horas = excel_dates(
        ["cups", "fecha", "hora", "consumo_kWh", "metodoObtencion"],
        [[CUPS, ("fecha", serie), ("hora", h / 24), 0.2 + h / 1000, "Real"] for h in range(1, 25)],
    )
    for contenido in (por_instantes, por_horas):
        leido = leer_texto(tmp_path, contenido, "libro.xlsx")
        assert leido.motivos == []
        assert hours_of(leido) == pytest.approx({h: (201 + h) / 1000 for h in range(24)})


def excel_dates(cabecera: list[str], filas: list[list[object]]) -> bytes:
    """Return a workbook in which a pair (kind, serial) is a cell with a date's format."""
    import io
    import zipfile

    formatos = {"fecha": 14, "hora": 20, "fecha y hora": 22}
    marca = "@@"
    planas = [
        [f"{marca}{v[0]}{marca}{v[1]}{marca}" if isinstance(v, tuple) else v for v in fila]
        for fila in filas
    ]
    with zipfile.ZipFile(io.BytesIO(workbook([list(cabecera), *planas]))) as antes:
        partes = {nombre: antes.read(nombre).decode() for nombre in antes.namelist()}
    hoja = partes["xl/worksheets/sheet1.xml"]
    for k, clase in enumerate(formatos, 1):
        hoja = hoja.replace(f'<c t="inlineStr"><is><t>{marca}{clase}{marca}', f'<c s="{k}"><v>')
    partes["xl/worksheets/sheet1.xml"] = hoja.replace(f"{marca}</t></is></c>", "</v></c>")
    espacio = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    estilos = "".join(f'<xf numFmtId="{n}" applyNumberFormat="1"/>' for n in formatos.values())
    partes["xl/styles.xml"] = (
        f'<styleSheet xmlns="{espacio}"><fonts count="1"><font/></fonts><fills count="1"><fill/>'
        '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="{len(formatos) + 1}"><xf numFmtId="0"/>{estilos}</cellXfs></styleSheet>'
    )
    relacion = (
        '<Relationship Id="s" Target="styles.xml" Type="http://schemas.openxmlformats.org/'
        'officeDocument/2006/relationships/styles"/></Relationships>'
    )
    sitio = "xl/_rels/workbook.xml.rels"
    partes[sitio] = partes[sitio].replace("</Relationships>", relacion)
    memoria = io.BytesIO()
    with zipfile.ZipFile(memoria, "w") as libro:
        for nombre, texto in partes.items():
            libro.writestr(nombre, texto)
    return memoria.getvalue()


def test_a_profile_whose_lengths_cannot_be_says_so(tmp_path: Path) -> None:
    """An end beside numbers, minutes beside an instant: a wrong profile, said in one line."""
    perfil = tmp_path / "mal.toml"
    con_fin = 'fecha = "t"\nhora = "h"\nfin = "f"'
    for antes, ahora, dice in (
        ('instante = "t"', 'instante = "t"\nduracion = "d"', "columnas.duracion"),
        ('"instante"\n', '"fecha_y_hora"\n', "columnas.fecha"),
        ('instante = "t"', con_fin, "columnas.instante"),
        ("pasos =", "paso_encima = true\npasos =", "tiempo.paso_encima"),
        ("pasos =", 'medianoche = "24:00"\npasos =', "tiempo.medianoche"),
    ):
        perfil.write_text(FIN.replace(antes, ahora))
        leido = leer(perfil, perfil=perfil)
        assert leido.rechazado
        assert dice in leido.motivos[0]
