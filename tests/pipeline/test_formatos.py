"""Utilities' own tables: recognised by content, read to the hour, wrong rows named."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from disposiciones import DISPOSICIONES, make_curva
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lector_archivos import Leido, leer, leer_texto
from test_producer import en_entorno, read_all  # noqa: F401  (a fixture)

from pipeline import producer
from pipeline.ingest.files.blocks import MotivoArchivo
from pipeline.ingest.validation import Motivo
from serving.cli import FALLO, HECHO, run
from serving.settings import Settings

CUPS = "ES0021000000000000AA"
CNMC = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\r\n"
EDIS = "CUPS;Fecha;Hora;AE_kWh;AS_KWh;AE_AUTOCONS_kWh;REAL/ESTIMADO\r\n"
WEB = (
    "cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh;energiaGenerada_kWh;"
    "energiaAutoconsumida_kWh\n"
)
API = "cups,date,time,consumptionKWh,obtainMethod,surplusEnergyKWh\n"
NEM = "100,NEM12,200405011135,MDA1,Ret1\n"
EREDES = "Data;Hora;Consumo registado, Ativa (kW);Estado\r\n"


def hours(leido: Leido) -> list[str]:
    return [t for _, t, _, _ in leido.filas]


def hours_from(primera: datetime, cuantas: int) -> list[str]:
    return [f"{primera + timedelta(hours=i):%Y-%m-%dT%H}" for i in range(cuantas)]


def test_what_is_unknown_is_told_with_its_first_line(tmp_path: Path) -> None:
    """One Spanish line; a file that could be two layouts is refused too."""
    leido = leer_texto(tmp_path, "a,b\n1,2\n")
    assert leido.rechazado
    assert "a,b" in leido.motivos[0]
    assert "\n" not in leido.motivos[0]
    doble = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion;AE_kWh;EHCR (kWh)\n"
    leido = leer_texto(tmp_path, doble + f"{CUPS};14/10/2024;1;0,580;E;1;1\n")
    assert leido.rechazado
    assert "podría ser" in leido.motivos[0]
    for contenido, dice in (
        ("propietario_id,consumo_kwh\n", "falta"),
        (" \n", "está vacío"),
        (CNMC, "ninguna fila"),
    ):
        leido = leer_texto(tmp_path, contenido)
        assert leido.rechazado
        assert dice in leido.motivos[0]


def test_the_cnmc_curve_counts_hours_by_their_end(tmp_path: Path) -> None:
    """Hour 1 is 00-01 local; decimal comma; E and R are carried; 22 characters become 20."""
    leido = leer_texto(
        tmp_path,
        CNMC
        + f"{CUPS}1F;14/10/2024;1;0,580;E\r\n"
        + f"{CUPS};14/10/2024;24;1;R\r\n{CUPS};14/10/2024;2;3;\r\n",
    )
    assert leido.filas == [
        (CUPS, "2024-10-13T22", 0.58, "estimada"),
        (CUPS, "2024-10-13T23", 3.0, None),
        (CUPS, "2024-10-14T21", 1.0, "real"),
    ]


@pytest.mark.parametrize("forma", ["cnmc", "web", "api"])
def test_all_25_hours_of_october_survive(tmp_path: Path, forma: str) -> None:
    """27 October 2024 numbered to 25: 25 readings, both hours 2 among them."""
    horas = range(1, 26)
    textos = {
        "cnmc": CNMC + "".join(f"{CUPS};27/10/2024;{n};0,{n:03};R\r\n" for n in horas),
        "web": WEB
        + "".join(f'"{CUPS}";"2024/10/27";"{n:02}:00";"0,{n:03}";"Real";;;\n' for n in horas),
        "api": API + "".join(f"{CUPS},2024/10/27,{n:02}:00,0.{n:03},Real,0.0\n" for n in horas),
    }
    leido = leer_texto(tmp_path, textos[forma])
    assert hours(leido) == hours_from(datetime(2024, 10, 26, 22), 25)
    assert [kwh for _, _, kwh, _ in leido.filas] == [n / 1000 for n in horas]
    assert {metodo for *_, metodo in leido.filas} == {"real"}


def test_days_numbered_by_the_clock_are_understood(tmp_path: Path) -> None:
    """23 hours with an hour 24 and no 3, 25 hours with two hours 3: the day itself shows it."""
    marzo = [n for n in range(1, 25) if n != 3]
    octubre = sorted([*range(1, 25), 3])
    leido = leer_texto(
        tmp_path,
        CNMC
        + "".join(f"{CUPS};31/03/2024;{n};1;R\r\n" for n in marzo)
        + "".join(f"{CUPS};27/10/2024;{n};1;R\r\n" for n in octubre),
    )
    assert hours(leido) == [
        *hours_from(datetime(2024, 3, 30, 23), 23),
        *hours_from(datetime(2024, 10, 26, 22), 25),
    ]
    assert leido.rechazadas == []


def test_a_day_that_contradicts_the_calendar_is_refused_whole(tmp_path: Path) -> None:
    """24 rows in October's 25 hours may be two things; an hour 25 in summer is none."""
    for fecha, numeros in (("27/10/2024", range(1, 25)), ("14/07/2024", [*range(1, 24), 25])):
        leido = leer_texto(
            tmp_path,
            CNMC
            + "".join(f"{CUPS};{fecha};{n};1;R\r\n" for n in numeros)
            + "".join(f"{CUPS};28/10/2024;{n};1;R\r\n" for n in range(1, 25)),
        )
        assert hours(leido) == hours_from(datetime(2024, 10, 27, 23), 24)
        assert leido.rechazadas


def test_a_curve_says_which_rows_are_none(tmp_path: Path) -> None:
    """Days that do not exist, values that are no numbers, customers that are none."""
    malas = [
        f"{CUPS};31/02/2024;1;1;R",
        f"{CUPS};ayer;1;1;R",
        f"{CUPS};14/10/2024;tarde;1;R",
        f"{CUPS};14/10/2024;2;-1;R",
        f"{CUPS};14/10/2024;3;mucho;R",
        f"{CUPS};14/10/2024",
        ";14/10/2024;1;1;R",
        f"{CUPS}0000;14/10/2024;1;1;R",
        f"{CUPS};14/10/1924;1;1;R",
    ]
    leido = leer_texto(tmp_path, "\r\n" + CNMC + "\r\n".join([*malas, f"{CUPS};14/10/2024;1;1;R"]))
    assert len(leido.horas) == 1
    assert leido.rechazadas == [
        (3, Motivo.TIEMPO_ILEGIBLE),
        (4, Motivo.TIEMPO_ILEGIBLE),
        (5, Motivo.TIEMPO_ILEGIBLE),
        (6, Motivo.CONSUMO_NEGATIVO),
        (7, Motivo.CONSUMO_NO_NUMERO),
        (8, Motivo.TIEMPO_AUSENTE),
        (9, Motivo.PROPIETARIO_AUSENTE),
        (10, Motivo.PROPIETARIO_LARGO),
        (11, Motivo.TIEMPO_ANTIGUO),
    ]


def test_self_consumption_is_consumption_and_what_goes_out_is_not(tmp_path: Path) -> None:
    """Consumption = from the grid + self-consumed; AS_KWh is neither."""
    leido = leer_texto(
        tmp_path,
        EDIS + "".join(f"{CUPS};14/10/2024;{n};0,192;5,000;0,388;R\r\n" for n in (1, 2)),
    )
    assert [kwh for _, _, kwh, _ in leido.filas] == [0.58, 0.58]


def test_a_p5d_tells_october_by_its_season(tmp_path: Path) -> None:
    """Wh at the end of the hour; season of the end or of the start, both are understood."""
    fin = [f"{CUPS}00;2024/10/27 0{h}:00;{e};{wh};9\n" for h, e, wh in
           [(2, 1, 450), (2, 0, 650), (3, 0, 560)]]  # fmt: skip
    inicio = [f"{CUPS}00;2024/10/27 0{h}:00;{e};{wh};9\n" for h, e, wh in
              [(2, 1, 450), (3, 1, 650), (3, 0, 560)]]  # fmt: skip
    esperado = [
        (CUPS, "2024-10-26T23", 0.45, None),
        (CUPS, "2024-10-27T00", 0.65, None),
        (CUPS, "2024-10-27T01", 0.56, None),
    ]
    assert leer_texto(tmp_path, "".join(fin)).filas == esperado
    assert leer_texto(tmp_path, "".join(inicio)).filas == esperado


def test_a_p5d_with_wrong_rows(tmp_path: Path) -> None:
    """A season that cannot be, fields that are missing: each told with its line."""
    buena = f"{CUPS};2024/10/27 24:00;0;1;0\n"
    leido = leer_texto(
        tmp_path,
        buena + f"{CUPS};2024/01/14 01:00;1;5;0\n{CUPS};2024/01/14\n{CUPS};2024/01/14 01:00;0;;0\n",
    )
    assert leido.filas == [(CUPS, "2024-10-27T22", 0.001, None)]
    assert {linea for linea, _ in leido.rechazadas} == {2, 3, 4}


def test_the_fields_of_the_exchange(tmp_path: Path) -> None:
    """Method 1 to 3 of an F5 is real and 4 to 6 estimated; a P1 has its energy in kWh."""
    f5 = [f"{CUPS}1P;2025/06/10 0{h}:00;1;{h}00;0;0;0;0;0;{m};1\n" for h, m in ((1, 3), (2, 5))]
    assert leer_texto(tmp_path, "".join(f5)).filas == [
        (CUPS, "2025-06-09T22", 0.1, "real"),
        (CUPS, "2025-06-09T23", 0.2, "estimada"),
    ]
    ceros = ";".join(["0.000;0"] * 7)
    p1 = [
        f"{CUPS}1P;11;2025/06/10 0{h}:00:00;1;{h}.125;128;{ceros};{m};1;\n"
        for h, m in ((1, 6), (2, 22))
    ]
    assert leer_texto(tmp_path, "".join(p1)).filas == [
        (CUPS, "2025-06-09T22", 1.125, "real"),
        (CUPS, "2025-06-09T23", 2.125, "estimada"),
    ]


def test_endesa_in_windows_encoding(tmp_path: Path) -> None:
    """CUPS above the header, Wh, hours by their start, October by order, no total."""
    filas = "".join(
        f"27/10/2024,{h:02}:00-{(h + 1) % 24:02}:00,{wh},1\n"
        for h, wh in [(0, 1), (1, 2), (2, 100), (2, 200), *((n, 300) for n in range(3, 24))]
    )
    texto = (
        f"CUPS:,{CUPS}\nTarifa:,2.0TD\n\nFecha,Hora,Consumo (Wh),Precio (€/kWh)\n"
        f"{filas}mal,00:00-01:00,1,1\nTotal (Wh):,,600,\n"
    )
    leido = leer_texto(tmp_path, texto.encode("cp1252"))
    assert hours(leido) == hours_from(datetime(2024, 10, 26, 22), 25)
    assert [kwh for _, _, kwh, _ in leido.filas][2:5] == [0.1, 0.2, 0.3]
    assert leido.rechazadas == [(30, Motivo.TIEMPO_ILEGIBLE)]
    leido = leer_texto(tmp_path, texto.partition("\n")[2])
    assert leido.rechazado


def test_gzip_is_opened_whatever_is_inside(tmp_path: Path) -> None:
    """The same readings out of the packed file; a cut one is told and nothing of it is sent."""
    texto = (CNMC + f"{CUPS};14/10/2024;1;0,580;E\r\n").encode()
    assert leer_texto(tmp_path, gzip.compress(texto)).filas == leer_texto(tmp_path, texto).filas
    leido = leer_texto(tmp_path, gzip.compress(texto)[:-12])
    assert leido.rechazado
    assert "incompleto o dañado" in leido.motivos[0]


# ---- E-REDES


def quarters(desde: datetime, cuantos: int, kw: str = "1,000") -> str:
    """Return rows with the stamps that a clock on a wall would give, one a quarter."""
    lisboa = ZoneInfo("Europe/Lisbon")
    fines = (desde + timedelta(minutes=15 * (i + 1)) for i in range(cuantos))
    return "".join(f"{f.astimezone(lisboa):%Y/%m/%d;%H:%M};{kw};Real\r\n" for f in fines)


@pytest.mark.parametrize("dia", [datetime(2024, 3, 30, 22), datetime(2024, 10, 26, 21)])
def test_eredes_hours_across_the_change_of_the_clock(tmp_path: Path, dia: datetime) -> None:
    """Thirty hours of Lisbon time give thirty readings, whatever the zone of the settings."""
    leido = leer_texto(tmp_path, EREDES + quarters(dia.replace(tzinfo=UTC), 120))
    assert hours(leido) == hours_from(dia, 30)
    assert {(kwh, metodo) for _, _, kwh, metodo in leido.filas} == {(1.0, "real")}
    assert leido.rechazadas == []


def test_only_complete_hours_become_readings(tmp_path: Path) -> None:
    """A quarter that is missing or bad, a stamp that is no quarter: the hour is told, not sent."""
    filas = [
        *("01:15;1;Real", "01:30;1;Real", "01:45;0,5;Estimado", "02:00;1;Real"),
        *("02:15;1;Real", "02:45;1;Real", "03:00;1;Real"),
        *("03:15;1;Real", "03:30;-1;Real", "03:45;1;Real", "04:00;1;Real"),
        "04:20;1;Real",
    ]
    leido = leer_texto(tmp_path, EREDES + "".join(f"2024/07/01;{f}\n" for f in filas), "PT12.csv")
    assert leido.filas == [("PT12", "2024-07-01T00", 0.875, "estimada")]
    motivos = [motivo for _, motivo in leido.rechazadas]
    assert motivos[:2] == [MotivoArchivo.HORA_INCOMPLETA, Motivo.CONSUMO_NEGATIVO]
    assert leido.rechazadas[-1][0] == 13


def test_the_customer_of_an_eredes_file(tmp_path: Path) -> None:
    """The CPE above the header, else that of the file's name, else the name itself."""
    cpe, texto = "PT0002000012345678AB", quarters(datetime(2024, 7, 1, tzinfo=UTC), 4)
    ids = [
        leer_texto(tmp_path, f"CPE;{cpe}\n\n" + EREDES + texto).filas[0][0],
        leer_texto(tmp_path, EREDES + texto, f"carga_{cpe}_2024.csv").filas[0][0],
        leer_texto(tmp_path, EREDES + texto, "un_nombre_bastante_largo.csv").filas[0][0],
    ]
    assert ids[:2] == [cpe, cpe]
    assert ids[2].startswith("un_nombre_b_")
    assert len(ids[2]) == 20


def test_absurd_values_are_refused_not_summed(tmp_path: Path) -> None:
    """Four quarters whose sum is no number any more are no reading."""
    filas = "".join(f"2024/07/01;01:{m};1e308\n" for m in (15, 30, 45)) + "2024/07/01;02:00;1e308\n"
    leido = leer_texto(tmp_path, EREDES + filas * 2)
    assert leido.horas == {}
    assert leido.motivos


# ---- What is not consumption


@pytest.mark.parametrize(
    ("nombre", "antes", "ahora"),
    [
        ("Enedis", ";Consommation;", ";Production;"),
        ("ESB", "Active Import", "Active Export"),
        ("Fluvius", "Afname", "Injectie"),
        ("Home Assistant, panel", "grid_consumption", "solar_production"),
        ("Netz NÖ", "Gemessener Verbrauch (kWh)", "Gemessene Menge (kWh)"),
        ("SDAT", "ConsumptionMeteringPoint", "ProductionMeteringPoint"),
        ("PG&E", "Electric usage", "Natural gas usage"),
    ],
)
def test_what_goes_out_is_no_consumption(
    tmp_path: Path, nombre: str, antes: str, ahora: str
) -> None:
    """The same file of what is produced, or of gas, sends nothing and says why."""
    d = DISPOSICIONES[nombre]
    curva = make_curva(d.zona, date(2025, 6, 2), 2, d.minutos[0], 3)
    texto = d.escribir(curva).decode()
    assert antes in texto
    leido = leer_texto(tmp_path, texto.replace(antes, ahora))
    assert leido.horas == {}
    assert leido.motivos


# ---- The producer


@pytest.mark.usefixtures("en_entorno")
def test_the_producer_sends_a_curve_with_its_provenance(
    entorno: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--archivo`` with a distributor's file: messages bear ``metodo``; bad rows leave with 1."""
    ruta = tmp_path / "curva"
    ruta.write_text(CNMC + f"{CUPS};14/10/2024;1;0,5;R\n{CUPS};14/10/2024;2;1;E\n")
    assert run(producer.main, ["--archivo", str(ruta)]) == HECHO
    assert [(m["timestamp"], m["consumo_kwh"], m["metodo"]) for m in read_all(entorno, 2)] == [
        ("2024-10-14T00:00:00+02:00", 0.5, "real"),
        ("2024-10-14T01:00:00+02:00", 1.0, "estimada"),
    ]
    ruta.write_text(NEM + "200,N,E1,1,E1,N1,M,kWh,30,\n300,20040201,V,,,,\n900\n")
    assert run(producer.main, ["--archivo", str(ruta)]) == FALLO
    errores = capsys.readouterr().err.splitlines()
    assert any("registro_no_valido: 1 (línea 3); la primera: un día de" in e for e in errores)


# ---- Any bytes


COMIENZOS = [
    b"", CNMC.encode(), EDIS.encode(), WEB.encode(), API.encode(), NEM.encode(), b"PAR1",
    NEM.encode() + b"200,N,E1,1,E1,N1,M,kWh,30,\n300,20040201,",
    f"{CUPS};2024/10/14 01:00;1;580;0\n".encode(),
    f"CUPS:,{CUPS}\nFecha,Hora,Consumo (Wh)\n".encode(),
    b"Data;Hora;Consumo registado, Ativa (kW);Estado\n2024/10/25;",
    b"entity_id,state,last_changed\na,1,", b"statistic_id,unit,start,state,sum,change\na,kWh,",
    b"statistic_id\tunit\tstart\tsum\na\tkWh\t",
    b'<feed xmlns:e="http://naesb.org/espi"><entry><link rel="self" href="/UsagePoint/1"/>'
    b"<e:IntervalBlock>", b"\x1f\x8b\x08\x00", b"BZh9", b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff",
    b'<x xmlns:r="http://www.strom.ch"><r:MeteringData><r:Observation>',
    b'[{"cups": "ES1", "consumptionKWh": ', b"propietario_id,timestamp,consumo_kwh\nA,",
]  # fmt: skip
_PALABRAS = st.sampled_from(
    [b";", b",", b"\t", b"\n", b"\r\n", b'"', b"\x00", b"\xff", b"\x0c", b"25", b"27/10/2024",
     b"2024/03/31", b"300,20240101,1,A\n", b"400,1,9999999999999999999999,A\n", b"<entry>",
     b"</entry>", b"<link/>", b"</r:Observation>", b"<r:Volume>1</r:Volume>", b"[", b"}", b"{",
     b"<e:IntervalReading><e:value>1</e:value></e:IntervalReading></e:IntervalBlock></entry>",
     b"nan", b"1e999", b"1e308", b"2024-10-27T02:00:00Z", b"27.10.2024 02:00",
     b"9999-12-31T23:59:59Z", b"unavailable", b"kWh"]
)  # fmt: skip


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    comienzo=st.sampled_from(COMIENZOS),
    resto=st.lists(st.one_of(st.binary(max_size=40), _PALABRAS), max_size=25),
)
def test_any_bytes_are_a_file_or_an_error_of_ours(
    tmp_path: Path, comienzo: bytes, resto: list[bytes]
) -> None:
    """Whatever a file holds, its readings are valid and its only error is a Spanish line."""
    leido = leer_texto(tmp_path, comienzo + b"".join(resto), "cualquiera")
    if leido.rechazado:
        assert leido.motivos[0].startswith(("«", "no se puede leer «"))
    assert all(motivo.isprintable() for motivo in leido.motivos)
    assert all(linea >= 1 for linea, _ in leido.rechazadas)
    assert all(0.0 <= kwh <= 10_000.0 for kwh in leido.horas.values())
    assert all(1 <= len(p) <= 20 for p in leido.clientes)


# ---- The shared samples


@pytest.fixture(scope="module")
def formatos(shared: Path) -> Path:
    carpeta = shared / "data" / "formatos"
    if not carpeta.is_dir():
        pytest.skip(f"no existe la carpeta de muestras {carpeta}")
    return carpeta


@pytest.fixture(scope="module")
def esperado(formatos: Path) -> dict[str, tuple[float, str]]:
    metodos = {"R": "real", "E": "estimada"}
    with (formatos / "espana" / "ESPERADO_utc.csv").open() as archivo:
        return {
            fila["inicio_utc"][:13]: (float(fila["consumo_kwh"]), metodos[fila["metodo"]])
            for fila in csv.DictReader(archivo)
        }


@pytest.mark.parametrize(
    ("muestra", "horas"),
    [
        ("espana/cnmc_distribuidora.csv", 841),
        ("espana/datadis_api.csv", 841),
        ("espana/datadis_web.csv", 841),
        ("espana/edistribucion.csv", 841),
        ("espana/edistribucion_autoconsumo.csv", 841),
        ("espana/P5D_0021_0999_20241118.0", 841),
        ("espana/endesa_area_cliente.csv", 336),
        ("home_assistant/estadisticas_largo_plazo.csv", 841),
        # On the hour to the millisecond: statistics, with the counter at the end of their hour.
        ("home_assistant/historial_sensor.csv", 833),
    ],
)
def test_samples_give_the_expected_answer(
    formatos: Path, esperado: dict[str, tuple[float, str]], muestra: str, horas: int
) -> None:
    """Each sample is the same household: hour by hour what ESPERADO_utc.csv says, 25 h included."""
    leido = leer(formatos / muestra)
    assert leido.repetidas == 0
    assert len(leido.horas) == horas
    for _, inicio, kwh, metodo in leido.filas:
        assert kwh == esperado[inicio][0]
        assert metodo in {None, esperado[inicio][1]}
    del_historial = {MotivoArchivo.HORA_INCOMPLETA} if "historial" in muestra else set()
    assert {motivo for _, motivo in leido.rechazadas} == del_historial


def test_sample_of_eredes(formatos: Path, esperado: dict[str, tuple[float, str]]) -> None:
    """Its hours are the first ones of the household, on other dates; October's day is refused.

    It was made up with 96 quarters on the day of 100: which of them are missing nobody knows.
    """
    leido = leer(formatos / "portugal" / "eredes_diagrama_carga_15min.csv")
    casa = [kwh for kwh, _ in esperado.values()][:96]
    assert [kwh for _, _, kwh, _ in leido.filas] == casa[:48] + casa[72:]
    assert {motivo for _, motivo in leido.rechazadas} == {MotivoArchivo.DIA_CONTRADICE_CALENDARIO}


# Totals by hand: sums of the E channels in the files.
NEM12 = {
    "Example_NEM12_actual_interval": (24, 53.328),
    "Example_NEM12_different_interval_length": (24, 374.0),
    "Example_NEM12_month_solar": (744, 270.738),
    "Example_NEM12_multiple_meters": (48, 21.12),
    "Example_NEM12_multiple_quality": (24, 896.99),
    "Example_NEM12_no_scheduled_read": (24, 5.84),
    "Example_NEM12_partialchannel": (744, 270.738),
    "Example_NEM12_substituted_interval": (24, 110.976),
    "Example_NEM12_upper_case_units": (24, 53.328),
    "Example_WesternPower": (24, 0.0),
}


@pytest.mark.parametrize("muestra", sorted(NEM12))
def test_samples_of_nem12(formatos: Path, muestra: str) -> None:
    """All hours of each example are read; totals agree with nemreader's (to 1e-14, once)."""
    leido = leer(formatos / "nem12" / f"{muestra}.csv")
    assert (len(leido.horas), round(sum(leido.horas.values()), 3)) == NEM12[muestra]
    assert leido.motivos == []


def test_invalid_samples_of_nem12(formatos: Path) -> None:
    """Each fails with its line and its reason."""
    carpeta = formatos / "nem12"
    for nombre, dice in (("15min_200_30min_300", "48"), ("incomplete_interval", "son 0")):
        leido = leer(carpeta / f"INVALIDO_Example_NEM12_{nombre}.csv")
        assert (3, MotivoArchivo.REGISTRO_NO_VALIDO) in leido.rechazadas
        assert any(dice in motivo for motivo in leido.motivos)
    for nombre in ("INVALIDO_Example_NEM12_missing_header", "INVALIDO_Example_NEM12_powercor"):
        leido = leer(carpeta / f"{nombre}.csv")
        assert leido.rechazado
        assert "la línea 2" in leido.motivos[0]
    for nombre in ("Example_NEM13_consumption_data", "Example_NEM13_forward_estimate"):
        leido = leer(carpeta / f"{nombre}.csv")
        assert leido.rechazado
        assert "es un NEM13" in leido.motivos[0]


@pytest.mark.parametrize(
    ("muestra", "cliente", "horas", "kwh"),
    [
        ("espi_test_usage_data_01.xml", "5446AF3F", 24, 93.846),
        ("espi_test_usage_data_1.xml", "5446AF3F", 120, 511.688),
        ("espi_eemeter_electricity.xml.gz", "6345172663", 313, 114.721),
    ],
)
def test_samples_of_green_button(
    formatos: Path, muestra: str, cliente: str, horas: int, kwh: float
) -> None:
    """Quarters and hours, plain and packed; only what flows to the customer."""
    leido = leer(formatos / "greenbutton" / muestra)
    assert leido.clientes == {cliente}
    assert (len(leido.horas), round(sum(leido.horas.values()), 3)) == (horas, kwh)
    assert leido.motivos == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """One line, and no traceback."""
    leido = leer(tmp_path / "no_existe.csv")
    assert leido.rechazado
    assert "no existe" in leido.motivos[0]
