"""Formats with shorter intervals than an hour, counters and XML; and the shared samples."""

from __future__ import annotations

import csv
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detection.domain import hora_absoluta, instante
from detection.errors import PermanentError
from pipeline.ingest.files.column_chunk import MotivoArchivo, Trozo
from pipeline.ingest.files.recognition import read_archivo
from pipeline.ingest.validation import Motivo, Reglas

AHORA = hora_absoluta(datetime(2026, 11, 24, 12, tzinfo=UTC))
EREDES = "Data;Hora;Consumo registado, Ativa (kW);Estado\r\n"
NEM = "100,NEM12,200405011135,MDA1,Ret1\n"
HISTORIAL = "entity_id,state,last_changed\n"


def read(ruta: Path) -> list[Trozo]:
    return list(read_archivo(ruta, Reglas("Europe/Madrid", 10_000.0), AHORA, "Europe/Madrid"))


def read_text(carpeta: Path, texto: str, nombre: str = "curva.dat") -> Trozo:
    ruta = carpeta / nombre
    ruta.write_text(texto, encoding="utf-8")
    (trozo,) = read(ruta)
    return trozo


def rows(trozos: list[Trozo]) -> list[tuple[str, str, float, str | None]]:
    """Return customer, UTC start, kWh and provenance."""
    return [
        (p, f"{instante(h):%Y-%m-%dT%H:%M:%SZ}", kwh, metodo)
        for trozo in trozos
        for p, h, kwh, metodo in zip(
            trozo.lecturas.propietario_id,
            trozo.lecturas.hora_utc.tolist(),
            trozo.lecturas.consumo_kwh.tolist(),
            trozo.metodo or [None] * len(trozo.lecturas),
            strict=True,
        )
    ]


def rejected(trozo: Trozo) -> list[tuple[int, str]]:
    return [(linea, error.motivo) for linea, error in trozo.rechazadas]


# ---- E-REDES


def quarters(desde: datetime, cuantos: int, kw: str = "1,000") -> str:
    """Return rows with the stamps that a clock on a wall would give, one a quarter."""
    from zoneinfo import ZoneInfo

    lisboa = ZoneInfo("Europe/Lisbon")
    fines = (desde + timedelta(minutes=15 * (i + 1)) for i in range(cuantos))
    return "".join(f"{f.astimezone(lisboa):%Y/%m/%d;%H:%M};{kw};Real\r\n" for f in fines)


@pytest.mark.parametrize("dia", [datetime(2024, 3, 30, 22), datetime(2024, 10, 26, 21)])
def test_eredes_hours_across_the_change_of_the_clock(tmp_path: Path, dia: datetime) -> None:
    """Thirty hours of Lisbon time give thirty readings, whatever the zone of the settings."""
    desde = dia.replace(tzinfo=UTC)
    trozo = read_text(tmp_path, EREDES + quarters(desde, 120))
    primera = hora_absoluta(desde)
    assert trozo.lecturas.hora_utc.tolist() == list(range(primera, primera + 30))
    assert trozo.lecturas.consumo_kwh.tolist() == [1.0] * 30
    assert trozo.metodo == ["real"] * 30
    assert trozo.rechazadas == []


def test_eredes_stamps_that_put_the_clock_back_after_the_hour(tmp_path: Path) -> None:
    """01:15 to 02:00 twice: the other way to write October, the same readings."""
    sellos = [f"0{h}:{m:02}" for h in (0, 1) for m in (15, 30, 45)]
    sellos[3:3], sellos[7:] = ["01:00"], ["02:00"]
    texto = "".join(f"2024/10/27;{s};2,0;Estimado\r\n" for s in sellos + sellos[4:])
    trozo = read_text(tmp_path, EREDES + texto)
    assert [(t, kwh, m) for _, t, kwh, m in rows([trozo])] == [
        (f"2024-10-{d}T{h:02}:00:00Z", 2.0, "estimada") for d, h in [(26, 23), (27, 0), (27, 1)]
    ]
    assert trozo.rechazadas == []


def test_only_complete_hours_become_readings(tmp_path: Path) -> None:
    """A quarter that is missing or bad, a stamp that is no quarter: the hour is told, not sent."""
    filas = [
        *("01:15;1;Real", "01:30;1;Real", "01:45;0,5;Estimado", "02:00;1;Real"),
        *("02:15;1;Real", "02:45;1;Real", "03:00;1;Real"),
        *("03:15;1;Real", "03:30;-1;Real", "03:45;1;Real", "04:00;1;Real"),
        "04:20;1;Real",
    ]
    trozo = read_text(tmp_path, EREDES + "".join(f"2024/07/01;{f}\n" for f in filas), "PT12.csv")
    assert rows([trozo]) == [("PT12", "2024-07-01T00:00:00Z", 0.875, "estimada")]
    assert rejected(trozo) == [
        (6, MotivoArchivo.HORA_INCOMPLETA),
        (10, Motivo.CONSUMO_NEGATIVO),
        (13, Motivo.TIEMPO_ILEGIBLE),
    ]
    assert "45 de 60 minutos" in trozo.rechazadas[0][1].detalle


def test_the_customer_of_an_eredes_file(tmp_path: Path) -> None:
    """The CPE above the header, else that of the file's name, else the name itself."""
    cpe, texto = "PT0002000012345678AB", quarters(datetime(2024, 7, 1, tzinfo=UTC), 4)
    ids = [
        rows([read_text(tmp_path, f"CPE;{cpe}\n\n" + EREDES + texto)])[0][0],
        rows([read_text(tmp_path, EREDES + texto, f"carga_{cpe.lower()}_2024.csv")])[0][0],
        rows([read_text(tmp_path, EREDES + texto, "un_nombre_bastante_largo.csv")])[0][0],
    ]
    assert ids[:2] == [cpe, cpe]
    assert ids[2].startswith("un_nombre_b_")
    assert len(ids[2]) == 20


# ---- NEM12


def day(fecha: str, valores: int, cada: str, calidad: str) -> str:
    return f"300,{fecha}," + ",".join([cada] * valores) + f",{calidad},,,20040202120025,\n"


def test_nem12_sums_the_channels_of_consumption(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """E1 + E2 in Wh and kWh, 15 and 30 minutes; B1 is told once, Q1 is no energy; UTC+10."""
    caplog.set_level(logging.INFO)
    trozo = read_text(
        tmp_path,
        NEM
        + "200,NMI1,E1E2B1Q1,1,E1,N1,M,kWh,30,\n" + day("20040201", 48, ".5", "A")
        + "200,NMI1,E1E2B1Q1,1,B1,N1,M,kWh,30,\n" + day("20040201", 48, "9", "A")
        + "200,NMI1,E1E2B1Q1,1,Q1,N1,M,kVArh,30,\n" + day("20040201", 48, "9", "A")
        + "200,NMI1,E1E2B1Q1,1,E2,N1,M,Wh,15,\n" + day("20040201", 96, "250", "S14")
        + "200,NMI2,E1B1,1,B1,N1,M,Wh,15,\n" + day("20040201", 96, "1", "A")
        + "200,NMI2,E1B1,1,E1,N1,M,KWH,30\n" + day("20040201", 48, "2", "A") + "900\n",
    )  # fmt: skip
    leidas = rows([trozo])
    assert leidas[0] == ("NMI1", "2004-01-31T14:00:00Z", 2.0, "estimada")
    assert leidas[24] == ("NMI2", "2004-01-31T14:00:00Z", 4.0, "real")
    assert len(leidas) == 48
    assert trozo.rechazadas == []
    assert sum("vertida" in r.getMessage() for r in caplog.records) == 1


def test_nem12_channel_without_its_sibling(tmp_path: Path) -> None:
    """Half of a customer's consumption is none: the hours of E1 alone are told."""
    trozo = read_text(
        tmp_path, NEM + "200,N,E1E2,1,E1,N1,M,kWh,30,\n" + day("20040201", 48, "1", "A")
    )
    assert len(trozo.lecturas) == 0
    assert rejected(trozo) == [(3, MotivoArchivo.HORA_INCOMPLETA)] * 24
    assert "falta el canal E2" in trozo.rechazadas[0][1].detalle


def test_nem12_qualities_of_some_intervals(tmp_path: Path) -> None:
    """Records 400 say which intervals are real, substituted or null."""
    cabeza = NEM + "200,N,E1,1,E1,N1,M,kWh,30,\n" + day("20040201", 48, "1", "V")
    trozo = read_text(tmp_path, cabeza + "400,1,2,A,,\n400,3,46,F14,76,\n400,47,48,N,,\n900\n")
    assert [m for *_, m in rows([trozo])] == ["real"] + ["estimada"] * 22
    assert rejected(trozo) == [(3, MotivoArchivo.HORA_INCOMPLETA)]
    for cola in ("400,1,46,A,,\n900\n", "900\n"):
        trozo = read_text(tmp_path, cabeza + cola)
        assert rejected(trozo) == [(3, MotivoArchivo.REGISTRO_NO_VALIDO)]
    trozo = read_text(tmp_path, cabeza + "400,1,49,A,,\n900\n")
    assert rejected(trozo) == [(4, MotivoArchivo.REGISTRO_NO_VALIDO)]


def test_nem12_wrong_records_are_told_with_their_line(tmp_path: Path) -> None:
    """A short day, a text, a unit, an interval, a record that is none; the rest is read."""
    doce = "200,N,E1,1,E1,N1,M,kWh,30,\n"
    trozo = read_text(
        tmp_path,
        NEM + doce
        + day("20040201", 47, "1", "A")
        + day("20040202", 48, "1", "A").replace(",1,", ",x,", 1)
        + day("20040230", 48, "1", "A")
        + "200,N,E1,1,E1,N1,M,kVArh,30,\n200,N,E1,1,E1,N1,M,kWh,7,\n777,x\n200,N\n900\n",
    )  # fmt: skip
    assert len(trozo.lecturas) == 23
    assert rejected(trozo) == [
        (3, MotivoArchivo.REGISTRO_NO_VALIDO),
        (4, Motivo.CONSUMO_NO_NUMERO),
        (5, Motivo.TIEMPO_ILEGIBLE),
        *[(n, MotivoArchivo.REGISTRO_NO_VALIDO) for n in (6, 7, 8, 9)],
    ]
    assert "tiene 48 valores; aquí son 47" in trozo.rechazadas[0][1].detalle


@pytest.mark.parametrize(
    ("texto", "falta"),
    [
        ("\n200,N,E1,1,E1,N1,M,kWh,30,\n", "la línea 2 es un registro «200» y falta el 100"),
        ("100,NEM13,200401101030,M,R\n250,N\n900\n", "es un NEM13"),
        (NEM + "200,N,B1,1,B1,N1,M,kWh,30,\n900\n", "ningún canal de consumo"),
    ],
)
def test_nem12_files_that_are_none(tmp_path: Path, texto: str, falta: str) -> None:
    """A file without its header, of monthly reads or without consumption fails in one line."""
    with pytest.raises(PermanentError, match=falta):
        read_text(tmp_path, texto)


# ---- Green Button


def feed(*entradas: str, cabeza: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{cabeza}\n<feed xmlns="http://www.w3.org/2005/Atom" '
        f'xmlns:e="http://naesb.org/espi">\n' + "\n".join(entradas) + "\n</feed>"
    )


def entry(objeto: str, **enlaces: str) -> str:
    links = "".join(f'<link rel="{rel}" href="{href}"/>' for rel, href in enlaces.items())
    return f"<entry>{links}<content>{objeto}</content></entry>"


def kind(nombre: str, **campos: Any) -> str:
    defecto = {"uom": 72, "flowDirection": 1, "powerOfTenMultiplier": 0, "commodity": 1}
    dentro = "".join(f"<e:{k}>{v}</e:{k}>" for k, v in (defecto | campos).items())
    return entry(f"<e:ReadingType>{dentro}</e:ReadingType>", self=f"/ReadingType/{nombre}")


def meter(punto: str, medida: str, tipo: str) -> str:
    return entry(
        "<e:MeterReading/>",
        self=f"https://a.example/espi/UsagePoint/{punto}/MeterReading/{medida}",
        related=f"https://a.example/ReadingType/{tipo}",
    )


def block(punto: str, medida: str, *lecturas: str) -> str:
    return entry(
        f"<e:IntervalBlock>{''.join(lecturas)}</e:IntervalBlock>",
        up=f"/espi/UsagePoint/{punto}/MeterReading/{medida}/IntervalBlock",
    )


def reading(inicio: int, segundos: int, valor: Any, calidad: int | None = None) -> str:
    dicha = (
        ""
        if calidad is None
        else f"<e:ReadingQuality><e:quality>{calidad}</e:quality></e:ReadingQuality>"
    )
    return (
        f"<e:IntervalReading>{dicha}<e:timePeriod><e:duration>{segundos}</e:duration>"
        f"<e:start>{inicio}</e:start></e:timePeriod><e:value>{valor}</e:value></e:IntervalReading>\n"
    )


T0 = 1_330_578_000  # 2012-03-01T05:00Z


def test_green_button_reads_what_flows_to_the_customer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wh by its power of ten, quarters summed, quality carried; gas and exported energy are not."""
    caplog.set_level(logging.INFO)
    trozo = read_text(
        tmp_path,
        feed(
            meter("1234567", "a", "casa"),
            meter("1234567", "b", "vertida"),
            meter("7654321", "a", "gas"),
            meter("99", "a", "milesimas"),
            block("1234567", "a", *(reading(T0 + i * 900, 900, 250 + i, 17) for i in range(4))),
            block("1234567", "b", reading(T0, 3600, 5), reading(T0 + 3600, 3600, 5)),
            block("7654321", "a", reading(T0, 3600, 5)),
            block("99", "a", reading(T0, 3600, 224_400, 8), reading(T0 + 3600, 3600, 1)),
            kind("casa"),
            kind("vertida", flowDirection=19),
            kind("gas", uom=169, commodity=7),
            kind("milesimas", powerOfTenMultiplier=-3, defaultQuality=19),
        ),
    )
    corto = rows([trozo])[1][0]
    assert rows([trozo]) == [
        ("1234567", "2012-03-01T05:00:00Z", 1.006, "real"),
        (corto, "2012-03-01T05:00:00Z", 0.2244, "estimada"),
        (corto, "2012-03-01T06:00:00Z", 0.000001, "real"),
    ]
    assert corto.startswith("GB_")
    assert len(corto) == 19
    assert trozo.rechazadas == []
    assert sum("vertida" in r.getMessage() for r in caplog.records) == 1


def test_green_button_readings_that_are_none(tmp_path: Path) -> None:
    """Days in one number, missing quarters, negative and odd values: line and reason."""
    trozo = read_text(
        tmp_path,
        feed(
            kind("casa"),
            meter("1234567", "a", "casa"),
            block(
                "1234567",
                "a",
                reading(T0, 86_400, 5),
                reading(T0 + 3600, 900, 5),
                reading(T0 + 7200, 3600, -5),
                reading(T0 + 10_800, 3600, "x"),
                reading(T0 + 14_400, 3600, 1),
                reading(3600 * 10**9, 3600, 1),
            ),
        ),
    )
    assert [kwh for _, _, kwh, _ in rows([trozo])] == [0.001]
    assert rejected(trozo) == [
        (5, MotivoArchivo.INTERVALO_NO_HORARIO),
        (6, MotivoArchivo.HORA_INCOMPLETA),
        (7, Motivo.CONSUMO_NEGATIVO),
        (8, Motivo.CONSUMO_NO_NUMERO),
        (10, Motivo.TIEMPO_ILEGIBLE),
    ]


@pytest.mark.parametrize(
    ("texto", "falta"),
    [
        (
            feed(cabeza='<!DOCTYPE feed [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'),
            "la línea 1 declara un DOCTYPE",
        ),
        (feed()[:-3], "no es XML bien formado"),
        (feed(kind("casa")), "no tiene consumo eléctrico"),
        (
            feed().replace('"1.0"', '"1.0" encoding="marciano"'),
            "codificación desconocida|no es XML",
        ),
        (feed().replace("<feed", "<feed a='" + "x" * 2_000_000 + "'"), "no se reconoce"),
        (feed("<entry b='" + "x" * 2_000_000 + "'/>"), "no acaba de ser XML"),
    ],
)
def test_green_button_files_that_are_none(tmp_path: Path, texto: str, falta: str) -> None:
    """Entity bombs are refused where they are declared, broken XML by its line."""
    with pytest.raises(PermanentError, match=falta):
        read_text(tmp_path, texto)


# ---- Home Assistant


def states(*estados: tuple[str, str]) -> str:
    return HISTORIAL + "".join(f"sensor.luz,{estado},2024-10-{t}\n" for t, estado in estados)


def test_a_counter_gives_the_hours_between_its_states(tmp_path: Path) -> None:
    """A state holds until the next one; the hours that the file cuts are no hours of it."""
    trozo = read_text(
        tmp_path,
        states(
            ("27T00:30:00.000Z", "10"),
            ("27T01:00:00.000Z", "10.5"),
            ("27T01:20:00.000Z", "11.0"),
            ("27T02:10:00.000Z", "11.25"),
            ("27T04:00:00.000Z", "12.0"),
            ("27T04:30:00.000Z", "13.0"),
        ),
    )
    assert rows([trozo]) == [
        ("luz", "2024-10-27T01:00:00Z", 0.5, None),
        ("luz", "2024-10-27T02:00:00Z", 0.25, None),
        ("luz", "2024-10-27T03:00:00Z", 0.75, None),
    ]
    assert trozo.rechazadas == []


def test_a_counter_that_cannot_be_trusted(tmp_path: Path) -> None:
    """Unknown at an hour's end, gone back, or silent for long: told, and nothing invented."""
    trozo = read_text(
        tmp_path,
        states(
            ("01T00:00:00Z", "10"),
            ("01T00:30:00Z", "unavailable"),
            ("01T01:30:00Z", "11"),
            ("01T02:00:00Z", "12"),
            ("01T02:30:00Z", "1"),
            ("01T03:00:00Z", "13"),
            ("01T04:00:00Z", "14"),
            ("01T14:00:00Z", "20"),
            ("01T15:00:00Z", "21"),
            ("01T14:30:00Z", "22"),
            ("ayer", "22"),
        ),
    )
    assert [(t[11:13], kwh) for _, t, kwh, _ in rows([trozo])] == [("03", 1.0), ("14", 1.0)]
    assert rejected(trozo) == [
        (4, MotivoArchivo.HORA_INCOMPLETA),
        (5, MotivoArchivo.HORA_INCOMPLETA),
        (7, MotivoArchivo.CONTADOR_RETROCEDE),
        (9, MotivoArchivo.HORA_INCOMPLETA),
        (11, Motivo.TIEMPO_ILEGIBLE),
        (12, Motivo.TIEMPO_ILEGIBLE),
    ]


def test_long_term_statistics(tmp_path: Path) -> None:
    """``change`` is the hour's energy, in the row's unit; a power is none."""
    trozo = read_text(
        tmp_path,
        "statistic_id,unit,start,state,sum,change\n"
        "sensor.luz,kWh,2024-10-27T00:00:00+00:00,5,5,0.5\n"
        "sensor.luz,Wh,2024-10-27T01:00:00+00:00,5,5,250\n"
        "sensor.luz,W,2024-10-27T02:00:00+00:00,5,5,250\n"
        "sensor.luz,kWh,2024-10-27T03:00:00+00:00,5,5,\n",
    )
    assert [kwh for _, _, kwh, _ in rows([trozo])] == [0.5, 0.25]
    assert rejected(trozo) == [
        (4, MotivoArchivo.REGISTRO_NO_VALIDO),
        (5, Motivo.CONSUMO_AUSENTE),
    ]


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
            fila["inicio_utc"]: (float(fila["consumo_kwh"]), metodos[fila["metodo"]])
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
    ],
)
def test_samples_give_the_expected_answer(
    formatos: Path, esperado: dict[str, tuple[float, str]], muestra: str, horas: int
) -> None:
    """Each sample is the same household: hour by hour what ESPERADO_utc.csv says, 25 h included."""
    trozos = read(formatos / muestra)
    leidas = rows(trozos)
    assert not any(trozo.rechazadas for trozo in trozos)
    assert len({(p, t) for p, t, _, _ in leidas}) == len(leidas) == horas
    for _, inicio, kwh, metodo in leidas:
        assert kwh == esperado[inicio][0]
        assert metodo in {None, esperado[inicio][1]}


def test_sample_of_eredes(formatos: Path, esperado: dict[str, tuple[float, str]]) -> None:
    """Its 96 hours are the first ones of the household, on other dates."""
    leidas = rows(read(formatos / "portugal" / "eredes_diagrama_carga_15min.csv"))
    assert [kwh for _, _, kwh, _ in leidas] == [kwh for kwh, _ in esperado.values()][:96]


def test_sample_of_a_history(formatos: Path, esperado: dict[str, tuple[float, str]]) -> None:
    """Its states are those of the end of each hour, stamped with its beginning: an hour later."""
    (trozo,) = read(formatos / "home_assistant" / "historial_sensor.csv")
    assert len(trozo.lecturas) == 833
    for _, inicio, kwh, _ in rows([trozo]):
        siguiente = datetime.fromisoformat(inicio) + timedelta(hours=1)
        assert kwh == esperado[f"{siguiente:%Y-%m-%dT%H:%M:%SZ}"][0]
    assert {error.motivo for _, error in trozo.rechazadas} == {MotivoArchivo.HORA_INCOMPLETA}
    assert len(trozo.rechazadas) == 7


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
    trozos = read(formatos / "nem12" / f"{muestra}.csv")
    leidas = rows(trozos)
    assert (len(leidas), round(sum(kwh for _, _, kwh, _ in leidas), 3)) == NEM12[muestra]
    assert not any(trozo.rechazadas for trozo in trozos)


def test_invalid_samples_of_nem12(formatos: Path) -> None:
    """Each fails with its line and its reason."""
    carpeta = formatos / "nem12"
    for nombre, cuantos in (("15min_200_30min_300", "96.*48"), ("incomplete_interval", "48.*0")):
        (trozo,) = read(carpeta / f"INVALIDO_Example_NEM12_{nombre}.csv")
        assert rejected(trozo) == [(3, MotivoArchivo.REGISTRO_NO_VALIDO)]
        with pytest.raises(Exception, match=cuantos):
            raise trozo.rechazadas[0][1]
    for nombre in ("missing_header", "powercor"):
        with pytest.raises(PermanentError, match=r"la línea 2 .* falta el 100"):
            read(carpeta / f"INVALIDO_Example_NEM12_{nombre}.csv")
    for nombre in ("consumption_data", "forward_estimate"):
        with pytest.raises(PermanentError, match="es un NEM13"):
            read(carpeta / f"Example_NEM13_{nombre}.csv")


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
    trozos = read(formatos / "greenbutton" / muestra)
    leidas = rows(trozos)
    assert {p for p, *_ in leidas} == {cliente}
    assert (len(leidas), round(sum(k for _, _, k, _ in leidas), 3)) == (horas, kwh)
    assert not any(trozo.rechazadas for trozo in trozos)
