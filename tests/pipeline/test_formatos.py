"""Utilities' own files: recognised by content, read to the hour, wrong rows named."""

from __future__ import annotations

import gzip
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_producer import en_entorno, read_all  # noqa: F401  (a fixture)

from detection.domain import hora_absoluta, instante
from detection.errors import PermanentError
from pipeline import producer
from pipeline.ingest.files.column_chunk import FILAS_POR_TROZO, MotivoArchivo, Trozo
from pipeline.ingest.files.recognition import NOMBRES, read_archivo, recognise
from pipeline.ingest.files.source_file import Entrada
from pipeline.ingest.validation import Motivo, Reglas
from serving.cli import FALLO, HECHO, run
from serving.settings import Settings

AHORA = hora_absoluta(datetime(2026, 11, 24, 12, tzinfo=UTC))
CUPS = "ES0021000000000000AA"
CNMC = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\r\n"
EDIS = "CUPS;Fecha;Hora;AE_kWh;AS_KWh;AE_AUTOCONS_kWh;REAL/ESTIMADO\r\n"
WEB = (
    "cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh;energiaGenerada_kWh;"
    "energiaAutoconsumida_kWh\n"
)
API = "cups,date,time,consumptionKWh,obtainMethod,surplusEnergyKWh\n"
NEM = "100,NEM12,200405011135,MDA1,Ret1\n"


def read(ruta: Path, zona: str = "Europe/Madrid") -> list[Trozo]:
    return list(read_archivo(ruta, Reglas(zona, 10_000.0), AHORA, zona))


def read_text(
    carpeta: Path, texto: str | bytes, nombre: str = "curva.dat", zona: str = "Europe/Madrid"
) -> Trozo:
    ruta = carpeta / nombre
    ruta.write_bytes(texto if isinstance(texto, bytes) else texto.encode())
    (trozo,) = read(ruta, zona)
    return trozo


def rows(trozo: Trozo) -> list[tuple[str, str, float, str | None]]:
    """Return customer, UTC start as mm-ddThh, kWh and provenance."""
    lecturas = trozo.lecturas
    return [
        (p, f"{instante(h):%m-%dT%H}", kwh, metodo)
        for p, h, kwh, metodo in zip(
            lecturas.propietario_id,
            lecturas.hora_utc.tolist(),
            lecturas.consumo_kwh.tolist(),
            trozo.metodo or [None] * len(lecturas),
            strict=True,
        )
    ]


def rejected(trozo: Trozo) -> list[tuple[int, str]]:
    return [(linea, error.motivo) for linea, error in trozo.rechazadas]


def name_of(carpeta: Path, texto: str) -> str:
    from zoneinfo import ZoneInfo

    ruta = carpeta / "cual.dat"
    ruta.write_text(texto)
    return recognise(Entrada(ruta, ZoneInfo("Europe/Madrid"))).nombre


@pytest.mark.parametrize(
    ("texto", "nombre"),
    [
        (CNMC, "CNMC o distribuidora"),
        ("CUPS;Fecha;Hora;Consumo;Método_obtención\n", "CNMC o distribuidora"),
        (EDIS, "e-distribución"),
        ("CUPS;Fecha;Hora;AE_kWh;REAL/ESTIMADO\n", "e-distribución"),
        (API, "Datadis (API)"),
        (WEB, "Datadis (web)"),
        (f"{CUPS}1P;2024/10/14 01:00;1;580;0\n", "P5D"),
        (f"CUPS:,{CUPS}\n\nFecha,Hora,Consumo (Wh)\n", "Endesa (área de cliente)"),
        ("Data;Hora;Consumo registado, Ativa (kW);Estado\n", "E-REDES (15 minutos)"),
        (NEM, "NEM12"),
        (
            '<?xml version="1.0"?><feed><x xmlns="http://naesb.org/espi"/>',
            "Green Button (ESPI XML)",
        ),
        ("entity_id,state,last_changed\n", "Home Assistant (historial)"),
        ("statistic_id,unit,start,state,sum,change\n", "Home Assistant (estadísticas)"),
        ("timestamp,propietario_id,consumo_kwh\n", "CSV con propietario_id,timestamp,consumo_kwh"),
    ],
)
def test_a_format_is_told_by_its_content(tmp_path: Path, texto: str, nombre: str) -> None:
    """The first lines say which format it is, whatever the file is called."""
    assert name_of(tmp_path, texto) == nombre


def test_what_is_unknown_is_told_with_what_is_known(tmp_path: Path) -> None:
    """One Spanish line that lists every format; a file that could be two is refused too."""
    with pytest.raises(PermanentError, match="no se reconoce su formato; se admiten") as error:
        read_text(tmp_path, "a,b\n1,2\n")
    assert all(nombre in str(error.value) for nombre in NOMBRES)
    assert "\n" not in str(error.value)
    doble = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion;AE_kWh;REAL/ESTIMADO\n"
    with pytest.raises(PermanentError, match="podría ser CNMC o distribuidora o e-distribución"):
        read_text(tmp_path, doble)
    with pytest.raises(PermanentError, match="falta timestamp"):
        read_text(tmp_path, "propietario_id,consumo_kwh\n")
    with pytest.raises(PermanentError, match="está vacío"):
        read_text(tmp_path, b" \n")


def test_the_cnmc_curve_counts_hours_by_their_end(tmp_path: Path) -> None:
    """Hour 1 is 00-01 local; decimal comma; E and R are carried; 22 characters become 20."""
    trozo = read_text(
        tmp_path,
        CNMC
        + f"{CUPS}1F;14/10/2024;1;0,580;E\r\n"
        + f"{CUPS};14/10/2024;24;1;R\r\n{CUPS};14/10/2024;2;3;\r\n",
    )
    assert rows(trozo) == [
        (CUPS, "10-13T22", 0.58, "estimada"),
        (CUPS, "10-14T21", 1.0, "real"),
        (CUPS, "10-13T23", 3.0, None),
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
    trozo = read_text(tmp_path, textos[forma])
    primera = hora_absoluta(datetime(2024, 10, 26, 22, tzinfo=UTC))
    assert trozo.lecturas.hora_utc.tolist() == list(range(primera, primera + 25))
    assert trozo.lecturas.consumo_kwh.tolist() == [n / 1000 for n in horas]
    assert trozo.metodo == ["real"] * 25


def test_days_numbered_by_the_clock_are_understood(tmp_path: Path) -> None:
    """23 hours with an hour 24 and no 3, 25 hours with two hours 3: the day itself shows it."""
    marzo = [n for n in range(1, 25) if n != 3]
    octubre = sorted([*range(1, 25), 3])
    trozo = read_text(
        tmp_path,
        CNMC
        + "".join(f"{CUPS};31/03/2024;{n};1;R\r\n" for n in marzo)
        + "".join(f"{CUPS};27/10/2024;{n};1;R\r\n" for n in octubre),
    )
    horas = trozo.lecturas.hora_utc.tolist()
    primera = hora_absoluta(datetime(2024, 3, 30, 23, tzinfo=UTC))
    segunda = hora_absoluta(datetime(2024, 10, 26, 22, tzinfo=UTC))
    assert horas == [*range(primera, primera + 23), *range(segunda, segunda + 25)]


def test_a_curve_says_which_rows_are_none(tmp_path: Path) -> None:
    """Hours that a day does not have, days that do not exist, values that are no numbers."""
    malas = [
        f"{CUPS};14/10/2024;25;1;R",
        f"{CUPS};31/03/2024;0;1;R",
        f"{CUPS};31/02/2024;1;1;R",
        f"{CUPS};ayer;1;1;R",
        f"{CUPS};14/10/2024;tarde;1;R",
        f"{CUPS};14/10/2024;1;-1;R",
        f"{CUPS};14/10/2024;1;mucho;R",
        f"{CUPS};14/10/2024",
        ";14/10/2024;1;1;R",
        f"{CUPS}0000;14/10/2024;1;1;R",
        f"{CUPS};14/10/1924;1;1;R",
    ]
    trozo = read_text(tmp_path, "\r\n" + CNMC + "\r\n".join([*malas, f"{CUPS};14/10/2024;1;1;R"]))
    assert len(trozo.lecturas) == 1
    assert rejected(trozo) == [
        (3, Motivo.HORA_INEXISTENTE),
        (4, Motivo.HORA_INEXISTENTE),
        (5, Motivo.TIEMPO_ILEGIBLE),
        (6, Motivo.TIEMPO_ILEGIBLE),
        (7, Motivo.TIEMPO_ILEGIBLE),
        (8, Motivo.CONSUMO_NEGATIVO),
        (9, Motivo.CONSUMO_NO_NUMERO),
        (10, Motivo.TIEMPO_AUSENTE),
        (11, Motivo.PROPIETARIO_AUSENTE),
        (12, Motivo.PROPIETARIO_LARGO),
        (13, Motivo.TIEMPO_ANTIGUO),
    ]
    assert "hora 25 el 2024-10-14, que tiene 24" in trozo.rechazadas[0][1].detalle


def test_exported_energy_is_told_once_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Consumption = from the grid + self-consumed; AS_KWh is neither."""
    caplog.set_level(logging.INFO)
    trozo = read_text(
        tmp_path,
        EDIS + "".join(f"{CUPS};14/10/2024;{n};0,192;5,000;0,388;R\r\n" for n in (1, 2)),
    )
    assert trozo.lecturas.consumo_kwh.tolist() == [0.58, 0.58]
    avisos = [r.getMessage() for r in caplog.records if "vertida" in r.getMessage()]
    assert len(avisos) == 1
    assert "as_kwh" in avisos[0]


def test_no_day_is_cut_between_two_pieces(tmp_path: Path) -> None:
    """A long file comes in pieces; a day numbered by the clock at the seam is still whole."""
    dias = [datetime(2019, 1, 1) + timedelta(days=i) for i in range(FILAS_POR_TROZO // 24)]
    marzo = "".join(f"{CUPS};31/03/2024;{n};1;R\r\n" for n in range(1, 25) if n != 3)
    ruta = tmp_path / "larga.csv"
    relleno = "".join(f"{CUPS};{dia:%d/%m/%Y};{n};1;R\r\n" for dia in dias for n in range(1, 24))
    sobra = FILAS_POR_TROZO - relleno.count("\n") - 10
    relleno += "".join(f"B{i};01/01/2018;1;1;R\r\n" for i in range(sobra))
    ruta.write_text(CNMC + relleno + marzo + f"{CUPS};01/04/2024;1;1;R\r\n")
    trozos = read(ruta)
    primera = hora_absoluta(datetime(2024, 3, 30, 23, tzinfo=UTC))
    assert [len(t.lecturas) for t in trozos] == [FILAS_POR_TROZO + 13, 1]
    assert trozos[0].lecturas.hora_utc.tolist()[-23:] == list(range(primera, primera + 23))
    assert not any(t.rechazadas for t in trozos)


def test_a_p5d_tells_october_by_its_season(tmp_path: Path) -> None:
    """Wh at the end of the hour; season of the end or of the start, both are understood."""
    fin = [f"{CUPS}00;2024/10/27 0{h}:00;{e};{wh};9\n" for h, e, wh in
           [(2, 1, 450), (2, 0, 650), (3, 0, 560)]]  # fmt: skip
    inicio = [f"{CUPS}00;2024/10/27 0{h}:00;{e};{wh};9\n" for h, e, wh in
              [(2, 1, 450), (3, 1, 650), (3, 0, 560)]]  # fmt: skip
    esperado = [
        (CUPS, "10-26T23", 0.45, None),
        (CUPS, "10-27T00", 0.65, None),
        (CUPS, "10-27T01", 0.56, None),
    ]
    assert rows(read_text(tmp_path, "".join(fin))) == esperado
    assert rows(read_text(tmp_path, "".join(inicio))) == esperado


def test_a_p5d_with_wrong_rows(tmp_path: Path) -> None:
    """A season that cannot be, fields that are missing: line and reason."""
    buena = f"{CUPS};2024/10/27 24:00;0;1;0\n"
    trozo = read_text(
        tmp_path,
        buena + f"{CUPS};2024/01/14 01:00;1;5;0\n{CUPS};2024/01/14\n{CUPS};2024/01/14 01:00;0;;0\n",
    )
    assert rows(trozo) == [(CUPS, "10-27T22", 0.001, None)]
    assert rejected(trozo) == [
        (2, Motivo.TIEMPO_ILEGIBLE),
        (3, MotivoArchivo.REGISTRO_NO_VALIDO),
        (4, Motivo.CONSUMO_AUSENTE),
    ]


def test_endesa_in_windows_encoding(tmp_path: Path) -> None:
    """CUPS above the header, Wh, hours by their start, October by order, no total."""
    texto = (
        f"CUPS:,{CUPS}\nTarifa:,2.0TD\n\nFecha,Hora,Consumo (Wh),Precio (€/kWh)\n"
        "27/10/2024,02:00-03:00,100,1\n27/10/2024,02:00-03:00,200,1\n"
        "27/10/2024,23:00-00:00,300,1\nmal,00:00-01:00,1,1\nTotal (Wh):,,600,\n"
    )
    trozo = read_text(tmp_path, texto.encode("cp1252"))
    assert rows(trozo) == [
        (CUPS, "10-27T00", 0.1, None),
        (CUPS, "10-27T01", 0.2, None),
        (CUPS, "10-27T22", 0.3, None),
    ]
    assert rejected(trozo) == [(8, Motivo.TIEMPO_ILEGIBLE)]
    with pytest.raises(PermanentError, match="no dice su CUPS"):
        read_text(tmp_path, texto.partition("\n")[2])


def test_gzip_is_opened_whatever_is_inside(tmp_path: Path) -> None:
    """The same readings out of the packed file; a cut one is told."""
    texto = (CNMC + f"{CUPS};14/10/2024;1;0,580;E\r\n").encode()
    assert rows(read_text(tmp_path, gzip.compress(texto))) == rows(read_text(tmp_path, texto))
    tabla = b"propietario_id,timestamp,consumo_kwh\nA,2026-01-15T02:00Z,1\n"
    assert len(read_text(tmp_path, gzip.compress(tabla)).lecturas) == 1
    with pytest.raises(PermanentError, match="gzip está incompleto o dañado"):
        read_text(tmp_path, gzip.compress(texto)[:-12])


@pytest.mark.usefixtures("en_entorno")
def test_the_producer_sends_a_curve_with_its_provenance(
    entorno: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--archivo`` with a distributor's file: messages bear ``metodo``; bad rows leave with 1."""
    ruta = tmp_path / "curva"
    ruta.write_text(CNMC + f"{CUPS};27/10/2024;3;0,5;R\n{CUPS};27/10/2024;4;1;E\n")
    assert run(producer.main, ["--archivo", str(ruta)]) == HECHO
    assert [(m["timestamp"], m["consumo_kwh"], m["metodo"]) for m in read_all(entorno, 2)] == [
        ("2024-10-27T02:00:00+02:00", 0.5, "real"),
        ("2024-10-27T02:00:00+01:00", 1.0, "estimada"),
    ]
    ruta.write_text(NEM + "200,N,E1,1,E1,N1,M,kWh,30,\n300,20040201,V,,,,\n900\n")
    assert run(producer.main, ["--archivo", str(ruta)]) == FALLO
    errores = capsys.readouterr().err.splitlines()
    assert errores[-1].startswith("  registro_no_valido: 1 (línea 3); la primera: un día de")


def test_absurd_values_are_refused_not_summed(tmp_path: Path) -> None:
    """Four quarters whose sum is no number any more are a reading too large, told as such."""
    filas = "".join(f"2024/07/01;01:{m};1e308\n" for m in (15, 30, 45)) + "2024/07/01;02:00;1e308\n"
    trozo = read_text(tmp_path, "Data;Hora;Consumo registado, Ativa (kW)\n" + filas * 2)
    assert len(trozo.lecturas) == 0
    assert {motivo for _, motivo in rejected(trozo)} <= {
        Motivo.CONSUMO_EXCESIVO,
        Motivo.CONSUMO_NO_FINITO,
    }


COMIENZOS = [
    b"", CNMC.encode(), EDIS.encode(), WEB.encode(), API.encode(), NEM.encode(), b"PAR1",
    NEM.encode() + b"200,N,E1,1,E1,N1,M,kWh,30,\n300,20040201,",
    f"{CUPS};2024/10/14 01:00;1;580;0\n".encode(),
    f"CUPS:,{CUPS}\nFecha,Hora,Consumo (Wh)\n".encode(),
    b"Data;Hora;Consumo registado, Ativa (kW);Estado\n2024/10/25;",
    b"entity_id,state,last_changed\na,1,", b"statistic_id,unit,start,state,sum,change\na,kWh,",
    b'<feed xmlns:e="http://naesb.org/espi"><entry><link rel="self" href="/UsagePoint/1"/>'
    b"<e:IntervalBlock>", b"\x1f\x8b\x08\x00", b"propietario_id,timestamp,consumo_kwh\nA,",
]  # fmt: skip
_PALABRAS = st.sampled_from(
    [b";", b",", b"\n", b"\r\n", b'"', b"\x00", b"\xff", b"\x0c", b"25", b"27/10/2024",
     b"2024/03/31", b"300,20240101,1,A\n", b"400,1,9999999999999999999999,A\n", b"<entry>",
     b"</entry>", b"<link/>",
     b"<e:IntervalReading><e:value>1</e:value></e:IntervalReading></e:IntervalBlock></entry>",
     b"nan", b"1e999", b"1e308", b"2024-10-27T02:00:00Z",
     b"9999-12-31T23:59:59Z", b"unavailable", b"kWh"]
)  # fmt: skip


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    comienzo=st.sampled_from(COMIENZOS),
    resto=st.lists(st.one_of(st.binary(max_size=40), _PALABRAS), max_size=25),
)
def test_any_bytes_are_a_file_or_an_error_of_ours(
    tmp_path: Path, comienzo: bytes, resto: list[bytes]
) -> None:
    """Whatever a file holds, its readings are valid and its only error is a Spanish line."""
    ruta = tmp_path / "cualquiera"
    ruta.write_bytes(comienzo + b"".join(resto))
    trozos: list[Trozo] = []
    try:
        trozos = read(ruta)
    except PermanentError as error:
        texto = str(error)
    else:
        texto = "«"
    assert texto.startswith(("«", "no se puede leer «"))
    assert texto.isprintable()
    for trozo in trozos:
        assert trozo.metodo is None or len(trozo.metodo) == len(trozo.lecturas)
        assert all(0.0 <= kwh <= 10_000.0 for kwh in trozo.lecturas.consumo_kwh)
        assert all(1 <= len(p) <= 20 for p in trozo.lecturas.propietario_id)
        assert all(linea >= 1 and str(e).isprintable() for linea, e in trozo.rechazadas)
