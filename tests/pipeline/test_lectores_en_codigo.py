"""Formats that are no tables: NEM12, Green Button, SDAT, Home Assistant, Datadis' JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lector_archivos import leer_texto

from pipeline.ingest.files.blocks import MotivoArchivo
from pipeline.ingest.validation import Motivo

NEM = "100,NEM12,200405011135,MDA1,Ret1\n"
HISTORIAL = "entity_id,state,last_changed\n"

# ---- NEM12


def day(fecha: str, valores: int, cada: str, calidad: str, puesta: str = "20040202120025") -> str:
    return f"300,{fecha}," + ",".join([cada] * valores) + f",{calidad},,,{puesta},\n"


def test_nem12_sums_the_channels_of_consumption(tmp_path: Path) -> None:
    """E1 + E2 in Wh and kWh, 15 and 30 minutes; B1 and Q1 are no consumption; UTC+10."""
    leido = leer_texto(
        tmp_path,
        NEM
        + "200,NMI1,E1E2B1Q1,1,E1,N1,M,kWh,30,\n" + day("20040201", 48, ".5", "A")
        + "200,NMI1,E1E2B1Q1,1,B1,N1,M,kWh,30,\n" + day("20040201", 48, "9", "A")
        + "200,NMI1,E1E2B1Q1,1,Q1,N1,M,kVArh,30,\n" + day("20040201", 48, "9", "A")
        + "200,NMI1,E1E2B1Q1,1,E2,N1,M,Wh,15,\n" + day("20040201", 96, "250", "S14")
        + "200,NMI2,E1B1,1,B1,N1,M,Wh,15,\n" + day("20040201", 96, "1", "A")
        + "200,NMI2,E1B1,1,E1,N1,M,KWH,30\n" + day("20040201", 48, "2", "A") + "900\n",
    )  # fmt: skip
    assert leido.filas[0] == ("NMI1", "2004-01-31T14", 2.0, "estimada")
    assert leido.filas[24] == ("NMI2", "2004-01-31T14", 4.0, "real")
    assert len(leido.filas) == 48
    assert leido.rechazadas == []


def test_nem12_channel_without_its_sibling(tmp_path: Path) -> None:
    """Half of a customer's consumption is none: the hours of E1 alone are told."""
    leido = leer_texto(
        tmp_path, NEM + "200,N,E1E2,1,E1,N1,M,kWh,30,\n" + day("20040201", 48, "1", "A")
    )
    assert leido.horas == {}
    assert {motivo for _, motivo in leido.rechazadas} == {MotivoArchivo.HORA_INCOMPLETA}


def test_nem12_qualities_of_some_intervals(tmp_path: Path) -> None:
    """Records 400 say which intervals are real, substituted or null."""
    cabeza = NEM + "200,N,E1,1,E1,N1,M,kWh,30,\n" + day("20040201", 48, "1", "V")
    leido = leer_texto(tmp_path, cabeza + "400,1,2,A,,\n400,3,46,F14,76,\n400,47,48,N,,\n900\n")
    assert [m for *_, m in leido.filas] == ["real"] + ["estimada"] * 22
    assert leido.rechazadas == [(3, MotivoArchivo.HORA_INCOMPLETA)]
    for cola in ("400,1,46,A,,\n900\n", "900\n"):
        leido = leer_texto(tmp_path, cabeza + cola)
        assert leido.rechazadas == [(3, MotivoArchivo.REGISTRO_NO_VALIDO)]
    leido = leer_texto(tmp_path, cabeza + "400,1,49,A,,\n900\n")
    assert leido.rechazadas == [(4, MotivoArchivo.REGISTRO_NO_VALIDO)]


def test_nem12_wrong_records_are_told_with_their_line(tmp_path: Path) -> None:
    """A short day, a text, a unit, an interval, a record that is none; the rest is read."""
    doce = "200,N,E1,1,E1,N1,M,kWh,30,\n"
    leido = leer_texto(
        tmp_path,
        NEM + doce
        + day("20040201", 47, "1", "A")
        + day("20040202", 48, "1", "A").replace(",1,", ",x,", 1)
        + day("20040230", 48, "1", "A")
        + "200,N,E1,1,E1,N1,M,kVArh,30,\n200,N,E1,1,E1,N1,M,kWh,7,\n777,x\n200,N\n900\n",
    )  # fmt: skip
    assert len(leido.horas) == 23
    assert leido.rechazadas == [
        (3, MotivoArchivo.REGISTRO_NO_VALIDO),
        (4, Motivo.CONSUMO_NO_NUMERO),
        (5, Motivo.TIEMPO_ILEGIBLE),
        *[(n, MotivoArchivo.REGISTRO_NO_VALIDO) for n in (6, 7, 8, 9)],
    ]
    assert any("tiene 48 valores; aquí son 47" in motivo for motivo in leido.motivos)


@pytest.mark.parametrize("primero", ["20040205000000", "20040203000000"])
def test_nem12_the_later_revision_of_a_day_wins(tmp_path: Path, primero: str) -> None:
    """Whichever of both stands first in the file; without dates, both are refused."""
    cabeza = NEM + "200,N,E1,1,E1,N1,M,kWh,30,\n"
    uno, otro = (
        day("20040201", 48, "1", "A", primero),
        day("20040201", 48, "3", "A", "20040204000000"),
    )
    leido = leer_texto(tmp_path, cabeza + uno + otro + "900\n")
    assert {kwh for _, _, kwh, _ in leido.filas} == {2.0 if primero > "20040204" else 6.0}
    assert len(leido.filas) == 24
    leido = leer_texto(
        tmp_path, cabeza + day("20040201", 48, "1", "A", "") + day("20040201", 48, "3", "A", "")
    )
    assert leido.horas == {}
    assert {motivo for _, motivo in leido.rechazadas} == {MotivoArchivo.HORA_REPETIDA}


def test_nem12_the_day_of_an_exchange_is_that_of_both_meters(tmp_path: Path) -> None:
    """Each has zeros where the other measured; where both did, nobody knows, and it is told."""
    viejo = ["2"] * 10 + ["0"] * 38
    nuevo = ["0"] * 10 + ["500"] * 37 + ["0"]

    def record(valores: list[str], puesta: str) -> str:
        return f"300,20040201,{','.join(valores)},A,,,{puesta},\n"

    def file(viejo: list[str]) -> str:
        return (
            NEM
            + "200,N,E1,1,E1,N1,OLD,kWh,30,\n" + day("20040131", 48, "1", "A")
            + record(viejo, "20040202000000")
            + "200,N,E1,1,E1,N1,NEW,Wh,30,\n" + record(nuevo, "20040203000000")
            + day("20040202", 48, "1000", "A") + "900\n"
        )  # fmt: skip

    leido = leer_texto(tmp_path, file(viejo))
    horas = [kwh for _, _, kwh, _ in leido.filas]
    assert horas == [2.0] * 24 + [4.0] * 5 + [1.0] * 18 + [0.5] + [2.0] * 24
    assert leido.rechazadas == []
    leido = leer_texto(tmp_path, file(["2"] * 11 + ["0"] * 37))
    assert len(leido.horas) == 71
    assert [motivo for _, motivo in leido.rechazadas] == [Motivo.CONSUMO_NO_NUMERO]


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
    leido = leer_texto(tmp_path, texto)
    assert leido.rechazado
    assert falta in leido.motivos[0]


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


TWO_PERIODS = (
    kind("punta", tou=1),
    kind("valle", tou=2),
    meter("1234567", "a", "punta"),
    meter("1234567", "b", "valle"),
)
"""A point with a register for each of two tariff periods."""


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
        f"<e:start>{inicio}</e:start></e:timePeriod><e:value>{valor}</e:value>"
        "</e:IntervalReading>\n"
    )


T0 = 1_330_578_000  # 2012-03-01T05:00Z


def test_green_button_reads_what_flows_to_the_customer(tmp_path: Path) -> None:
    """Wh by its power of ten, quarters summed, quality carried; gas and exported energy are not."""
    leido = leer_texto(
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
    corto = leido.filas[1][0]
    assert leido.filas == [
        ("1234567", "2012-03-01T05", 1.006, "real"),
        (corto, "2012-03-01T05", 0.2244, "estimada"),
        (corto, "2012-03-01T06", 0.000001, "real"),
    ]
    assert corto.startswith("GB_")
    assert len(corto) == 19
    assert leido.rechazadas == []


def test_green_button_sums_the_tariff_periods_of_a_point(tmp_path: Path) -> None:
    """Each register tells 0 out of its period; an hour that one of them lacks is no hour."""
    leido = leer_texto(
        tmp_path,
        feed(
            *TWO_PERIODS,
            block("1234567", "a", *(reading(T0 + h * 3600, 3600, 100 * h) for h in range(4))),
            block("1234567", "b", *(reading(T0 + h * 3600, 3600, 7) for h in range(3))),
        ),
    )
    assert [kwh for _, _, kwh, _ in leido.filas] == [0.007, 0.107, 0.207]
    assert [motivo for _, motivo in leido.rechazadas] == [MotivoArchivo.HORA_INCOMPLETA]


def test_green_button_periods_that_never_run_at_once_are_one_curve(tmp_path: Path) -> None:
    """Registers that only tell their own hours lack nothing."""
    leido = leer_texto(
        tmp_path,
        feed(
            *TWO_PERIODS,
            block("1234567", "a", reading(T0, 3600, 100)),
            block("1234567", "b", reading(T0 + 3600, 3600, 7)),
        ),
    )
    assert [kwh for _, _, kwh, _ in leido.filas] == [0.1, 0.007]
    assert leido.rechazadas == []


def test_green_button_readings_that_are_none(tmp_path: Path) -> None:
    """Days in one number, missing quarters, negative and odd values: line and reason."""
    leido = leer_texto(
        tmp_path,
        feed(
            kind("casa"),
            meter("1234567", "a", "casa"),
            block(
                "1234567",
                "a",
                reading(T0, 86_400, 5),
                reading(T0 + 360_000, 900, 5),
                reading(T0 + 720_000, 3600, -5),
                reading(T0 + 1_080_000, 3600, "x"),
                reading(T0 + 1_440_000, 3600, 1),
                reading(T0 + 1_800_000, 3600, "0.5"),
                reading(3600 * 10**9, 3600, 1),
            ),
        ),
    )
    assert [kwh for _, _, kwh, _ in leido.filas] == [0.001]
    assert leido.rechazadas == [
        (5, MotivoArchivo.INTERVALO_NO_HORARIO),
        (6, MotivoArchivo.HORA_INCOMPLETA),
        (7, Motivo.CONSUMO_NEGATIVO),
        (8, Motivo.CONSUMO_NO_NUMERO),
        (10, Motivo.CONSUMO_NO_NUMERO),
        (11, Motivo.TIEMPO_ILEGIBLE),
    ]
    assert any("ha de ser un número entero" in motivo for motivo in leido.motivos)


@pytest.mark.parametrize(
    ("texto", "falta"),
    [
        (
            feed(cabeza='<!DOCTYPE feed [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'),
            ["la línea 1 declara un DOCTYPE"],
        ),
        (feed()[:-3], ["no es XML bien formado"]),
        (feed(kind("casa")), ["no tiene consumo eléctrico"]),
        (
            feed().replace('"1.0"', '"1.0" encoding="marciano"'),
            ["codificación desconocida", "no es XML"],
        ),
        (feed("<entry b='" + "x" * 2_000_000 + "'/>"), ["no acaba de ser XML"]),
    ],
)
def test_green_button_files_that_are_none(tmp_path: Path, texto: str, falta: list[str]) -> None:
    """Entity bombs are refused where they are declared, broken XML by its line."""
    leido = leer_texto(tmp_path, texto)
    assert leido.rechazado
    assert any(f in leido.motivos[0] for f in falta)


# ---- SDAT


def message(observaciones: str, **cambios: str) -> str:
    texto = (
        '<rsm:ValidatedMeteredData_16 xmlns:rsm="http://www.strom.ch"><rsm:MeteringData>'
        "<rsm:Interval><rsm:StartDateTime>2025-06-09T22:00:00Z</rsm:StartDateTime></rsm:Interval>"
        "<rsm:Resolution><rsm:Resolution>15</rsm:Resolution><rsm:Unit>MIN</rsm:Unit>"
        "</rsm:Resolution><rsm:ConsumptionMeteringPoint><rsm:VSENationalID>CH99</rsm:VSENationalID>"
        "</rsm:ConsumptionMeteringPoint><rsm:Product><rsm:MeasureUnit>KWH</rsm:MeasureUnit>"
        f"</rsm:Product>\n{observaciones}</rsm:MeteringData></rsm:ValidatedMeteredData_16>"
    )
    for antes, ahora in cambios.items():
        texto = texto.replace(antes, ahora)
    return texto


def observation(puesto: object, kwh: object, condicion: str = "") -> str:
    dicha = f"<rsm:Condition>{condicion}</rsm:Condition>" if condicion else ""
    return (
        f"<rsm:Observation><rsm:Position><rsm:Sequence>{puesto}</rsm:Sequence></rsm:Position>"
        f"<rsm:Volume>{kwh}</rsm:Volume>{dicha}</rsm:Observation>\n"
    )


def test_sdat_values_follow_one_another_from_the_start(tmp_path: Path) -> None:
    """By their number, in whatever order; 21 is temporary; a bad one costs its hour."""
    buenas = [observation(n, f"0.{n}") for n in (1, 2, 4, 3)] + [
        observation(n, "0.5", "21") for n in (5, 6, 7, 8)
    ]
    malas = [observation("x", 1), observation(9, "-1"), observation(13, "uno")]
    leido = leer_texto(tmp_path, message("".join(buenas + malas)))
    assert leido.filas == [
        ("CH99", "2025-06-09T22", 1.0, None),
        ("CH99", "2025-06-09T23", 2.0, "estimada"),
    ]
    assert leido.rechazadas == [
        (10, MotivoArchivo.REGISTRO_NO_VALIDO),
        (11, Motivo.CONSUMO_NEGATIVO),
        (12, Motivo.CONSUMO_NO_NUMERO),
    ]


@pytest.mark.parametrize(
    ("antes", "ahora", "dice"),
    [
        ("ConsumptionMeteringPoint", "ProductionMeteringPoint", "no tiene consumo"),
        ("KWH", "KVR", "no tiene consumo"),
        ("CH99", "", "no dice de qué punto de medida es"),
        (">15<", ">1440<", "han de ser minutos que quepan en una hora"),
        ("2025-06-09T22:00:00Z", "ayer", "no dice cuándo empieza"),
        ("2025-06-09T22:00:00Z", "2025-06-09T22:00:00", "no dice su desfase"),
        ("</rsm:MeteringData>", "", "no es XML bien formado"),
    ],
)
def test_sdat_messages_that_are_none(tmp_path: Path, antes: str, ahora: str, dice: str) -> None:
    """Production, reactive energy, a month in one value: refused whole, in one line."""
    leido = leer_texto(tmp_path, message(observation(1, 1)).replace(antes, ahora))
    assert leido.rechazado
    assert dice in leido.motivos[0]


# ---- Datadis' JSON


RECORD = {
    "cups": "ES0021000000000000AA",
    "date": "2025/06/10",
    "time": "01:00",
    "consumptionKWh": 0.25,
    "obtainMethod": "Real",
}
PRIVATE = {
    "cups": "ES0021000000000000AA",
    "date": "2025/06/10",
    "hour": "01:00",
    "measureMagnitudeActive": 0.25,
    "obtainingMethod": 1,
    "metodoObtencion": "Real",
    "energyPoured": 0.0,
}


@pytest.mark.parametrize(
    "contenido",
    [
        [RECORD, RECORD | {"time": "02:00"}],
        {"timeCurve": [RECORD, RECORD | {"time": "02:00"}], "distributorError": []},
        {"response": {"timeCurveList": [PRIVATE, PRIVATE | {"hour": "02:00"}]}},
    ],
)
def test_the_answers_of_datadis(tmp_path: Path, contenido: object) -> None:
    """A list, timeCurve, or timeCurveList of the private web: the same hour."""
    for texto in (json.dumps(contenido), json.dumps(contenido, indent=2)):
        leido = leer_texto(tmp_path, texto)
        assert leido.filas == [
            ("ES0021000000000000AA", f"2025-06-09T{hora}", 0.25, "real") for hora in (22, 23)
        ]
        assert leido.rechazadas == []


def test_an_answer_that_is_cut_off_is_none(tmp_path: Path) -> None:
    """Wherever it ends: nothing of it is sent, and the line is told."""
    entero = json.dumps([RECORD, RECORD | {"time": "02:00"}], indent=1)
    for corte in (len(entero) - 1, len(entero) - 9, len(entero) // 2):
        leido = leer_texto(tmp_path, entero[:corte])
        assert leido.rechazado
        assert "cortado o no es válido en la línea" in leido.motivos[0]


def test_an_answer_with_odd_records(tmp_path: Path) -> None:
    """A value that is missing or no number costs its hour; what is no record, the file."""
    rara = RECORD | {"time": "03:00", "consumptionKWh": [1]}
    leido = leer_texto(
        tmp_path,
        json.dumps([RECORD, RECORD | {"time": "02:00", "consumptionKWh": None}, rara], indent=0),
    )
    assert [kwh for _, _, kwh, _ in leido.filas] == [0.25]
    assert {motivo for _, motivo in leido.rechazadas} <= {
        Motivo.CONSUMO_AUSENTE,
        Motivo.CONSUMO_NO_NUMERO,
        MotivoArchivo.HORA_INCOMPLETA,
    }
    assert len(leido.rechazadas) == 2
    leido = leer_texto(tmp_path, json.dumps([RECORD, 3]))
    assert leido.rechazado
    leido = leer_texto(tmp_path, '[{"cups": "ES1", "consumptionKWh": ' + "[" * 200_000)
    assert leido.rechazado


# ---- Home Assistant


def states(*estados: tuple[str, str]) -> str:
    return HISTORIAL + "".join(f"sensor.luz,{estado},2024-10-{t}\n" for t, estado in estados)


def test_a_counter_gives_the_hours_between_its_states(tmp_path: Path) -> None:
    """A state holds until the next one; the hours that the file cuts are no hours of it."""
    leido = leer_texto(
        tmp_path,
        states(
            ("27T00:30:00.417Z", "10"),
            ("27T01:00:00.417Z", "10.5"),
            ("27T01:20:00.417Z", "11.0"),
            ("27T02:10:00.417Z", "11.25"),
            ("27T03:00:00.417Z", "12.0"),
            ("27T04:00:00.417Z", "12.0"),
            ("27T04:30:00.417Z", "13.0"),
        ),
    )
    assert [(t[-2:], kwh) for _, t, kwh, _ in leido.filas] == [
        ("01", 0.5),
        ("02", 1.0),
        ("03", 0.0),
    ]
    assert leido.rechazadas == []


def test_a_counter_that_cannot_be_trusted(tmp_path: Path) -> None:
    """Unknown at an hour's end, gone back, or silent while it moved: told, nothing invented."""
    leido = leer_texto(
        tmp_path,
        states(
            ("01T00:00:00Z", "10"),
            ("01T00:30:00Z", "unavailable"),
            ("01T01:30:00Z", "11"),
            ("01T02:00:00Z", "12"),
            ("01T02:30:00Z", "1"),
            ("01T03:00:00Z", "13"),
            ("01T04:00:00Z", "14"),
            ("01T06:30:00Z", "17"),
            ("01T07:00:00Z", "20"),
            ("01T08:00:00Z", "21"),
            ("ayer", "22"),
        ),
    )
    assert [(t[-2:], kwh) for _, t, kwh, _ in leido.filas] == [("03", 1.0), ("07", 1.0)]
    assert leido.rechazadas == [
        (4, MotivoArchivo.HORA_INCOMPLETA),
        (5, MotivoArchivo.HORA_INCOMPLETA),
        (7, MotivoArchivo.CONTADOR_RETROCEDE),
        (9, MotivoArchivo.HORA_INCOMPLETA),
        (12, Motivo.TIEMPO_ILEGIBLE),
    ]


def test_in_which_hour_a_whole_kwh_was_used_is_not_known(tmp_path: Path) -> None:
    """One that stands for hours and then moves by a whole kWh gives none of these hours."""
    leido = leer_texto(
        tmp_path,
        states(
            ("01T00:00:00.417Z", "10"),
            ("01T03:20:00.417Z", "11"),
            ("01T05:10:00.417Z", "12"),
            ("01T06:00:00.417Z", "13"),
        ),
    )
    assert leido.filas == []
    assert leido.rechazadas == [
        (3, MotivoArchivo.HORA_INCOMPLETA),
        (4, MotivoArchivo.HORA_INCOMPLETA),
    ]


def test_a_counter_in_another_unit_is_asked_for(tmp_path: Path) -> None:
    """A history does not say its unit: one that no home has is refused, ``unidad`` decides."""
    texto = states(*((f"01T0{h}:00:00.417Z", str(300 * h)) for h in range(6)))
    leido = leer_texto(tmp_path, texto)
    assert leido.rechazado
    assert "--unidad Wh" in leido.motivos[0]
    leido = leer_texto(tmp_path, texto, unidad="Wh")
    assert [kwh for _, _, kwh, _ in leido.filas] == [0.3] * 5


def test_a_history_out_of_order_is_refused_whole(tmp_path: Path) -> None:
    """What a counter was between two rows is not known where the rows are shuffled."""
    leido = leer_texto(tmp_path, states(("01T02:00:00.417Z", "12"), ("01T01:00:00.417Z", "11")))
    assert leido.rechazado
    assert "la línea 3 es anterior" in leido.motivos[0]


def test_statistics_in_a_history_are_stamped_with_the_beginning(tmp_path: Path) -> None:
    """To the millisecond: the counter at the hour's end; a missing one leaves its hours out."""
    leido = leer_texto(
        tmp_path,
        states(
            ("01T00:00:00.000Z", "10"),
            ("01T01:00:00.000Z", "11"),
            ("01T02:00:00.000Z", "13"),
            ("01T04:00:00.000Z", "19"),
            ("01T05:00:00.000Z", "20"),
            ("01T05:40:00.417Z", "19.8"),
            ("01T06:10:00.417Z", "20.5"),
            ("01T07:00:00.417Z", "21"),
        ),
    )
    assert [(t[-2:], kwh) for _, t, kwh, _ in leido.filas] == [
        ("01", 1.0),
        ("02", 2.0),
        ("05", 1.0),
        ("06", 1.0),
    ]
    assert [motivo for _, motivo in leido.rechazadas] == [MotivoArchivo.HORA_INCOMPLETA]


def test_long_term_statistics(tmp_path: Path) -> None:
    """``change`` is the hour's energy, in the row's unit; a power is none."""
    leido = leer_texto(
        tmp_path,
        "statistic_id,unit,start,state,sum,change\n"
        "sensor.luz,kWh,2024-10-27T00:00:00+00:00,5,5,0.5\n"
        "sensor.luz,Wh,2024-10-27T01:00:00+00:00,5,5,250\n"
        "sensor.luz,°C,2024-10-27T02:00:00+00:00,5,5,250\n"
        "sensor.luz,kWh,2024-10-27T03:00:00+00:00,5,5,\n",
    )
    assert [kwh for _, _, kwh, _ in leido.filas] == [0.5, 0.25]
    assert {linea for linea, _ in leido.rechazadas} == {4, 5}


def test_statistics_that_only_have_the_counter(tmp_path: Path) -> None:
    """The difference to the hour before; a hole gives no hour, nor does what goes back."""
    leido = leer_texto(
        tmp_path,
        "statistic_id\tunit\tstart\tmean\tstate\tsum\n"
        "sensor.sala\t°C\t01.06.2025 00:00\t20\t\t\n"
        "sensor.luz\tkWh\t01.06.2025 00:00\t\t5\t100\n"
        "sensor.luz\tkWh\t01.06.2025 01:00\t\t5\t101,5\n"
        "sensor.luz\tkWh\t01.06.2025 03:00\t\t5\t109\n"
        "sensor.luz\tkWh\t01.06.2025 04:00\t\t5\t109,25\n"
        "sensor.luz\tkWh\t01.06.2025 05:00\t\t5\t3\n",
    )
    assert [(t[-2:], kwh) for _, t, kwh, _ in leido.filas] == [("23", 1.5), ("02", 0.25)]
    assert leido.rechazadas == [(7, Motivo.CONSUMO_NEGATIVO)]
