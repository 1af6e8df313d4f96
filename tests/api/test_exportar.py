"""Lists as files: whole, typed, harmless to spreadsheets, read back as they were."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from urllib.parse import quote

import httpx
import pyarrow.parquet as pq
import pytest
from apoyo_api import ZONA, Datos, base_nueva, es_problema, llenar, servir
from apoyo_rutas import de_cliente, lee, local, todo
from pydantic import BaseModel

from api.exports import parquet_pieces
from detection.domain import Lecturas, hora_absoluta, instante
from pipeline.embedded.services import EmbeddedServices
from pipeline.ingest.files.hourly_file import OpcionesLectura
from pipeline.ingest.files.meter_file import open_meter_file
from pipeline.stores.anomaly_records import Anomalia
from pipeline.stores.record_base import PorSeveridad
from pipeline.stores.record_columns import columns, csv_pieces
from serving.csv_cells import protect

LISTAS = [
    "/api/consumos/últimas24h/{}", "/api/consumos/rango?propietario_id={}",
    "/api/consumos/diarios?propietario_id={}", "/api/consumos/mapa-calor/{}",
    "/api/consumos/mensuales/{}", "/api/consumos/meses", "/api/consumos/meses/2026-11",
    "/api/anomalias/últimas", "/api/anomalias/últimas?orden=score", "/api/anomalias/críticas",
    "/api/anomalias/cliente/{}", "/api/incidencias", "/api/clientes", "/api/clientes/ranking",
    "/api/estadisticas/dias", "/api/dashboard/top-anomalias",
]  # fmt: skip


def _filas(texto: str, separador: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(texto, newline=""), delimiter=separador))


def _con(ruta: str, formato: str) -> str:
    return f"{ruta}{'&' if '?' in ruta else '?'}formato={formato}"


@pytest.mark.parametrize("ruta", LISTAS)
def test_toda_lista_se_exporta_igual_en_cada_formato(
    cliente: httpx.Client, datos: Datos, ruta: str
) -> None:
    """Every list has the same rows as JSON, CSV, Excel's CSV and Parquet."""
    ruta = ruta.format(datos.clientes[0])
    en_csv = cliente.get(_con(ruta, "csv"))
    assert en_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert en_csv.headers["content-disposition"].startswith('attachment; filename="')
    filas = _filas(en_csv.text)
    excel = cliente.get(_con(ruta, "excel")).content.decode("utf-8-sig")
    en_excel = _filas(excel, ";")
    assert filas
    assert [len(f) for f in en_excel] == [len(f) for f in filas]
    parquet = pq.read_table(io.BytesIO(cliente.get(_con(ruta, "parquet")).content))
    assert parquet.column_names == list(filas[0])
    assert parquet.num_rows == len(filas)
    elementos = cliente.get(ruta).json()["elementos"]
    primero = elementos[0]
    for campo in primero.keys() & filas[0].keys():
        valor = primero[campo]
        if isinstance(valor, float):
            assert float(filas[0][campo]) == valor
            assert float(en_excel[0][campo].replace(",", ".")) == valor
            assert parquet[campo][0].as_py() == valor
        elif isinstance(valor, str) and not valor[:4].isdecimal():
            assert filas[0][campo] == protect(valor)
            assert parquet[campo][0].as_py() == valor


def test_el_fichero_lleva_toda_la_lista(cliente: httpx.Client, datos: Datos) -> None:
    """A file has what all pages have together, in their order."""
    paginas = todo(cliente, "/api/anomalias/últimas", limite=300)
    filas = _filas(cliente.get("/api/anomalias/últimas?formato=csv").text)
    assert [f["id"] for f in filas] == [a["id"] for a in paginas]
    parquet = pq.read_table(
        io.BytesIO(cliente.get("/api/anomalias/últimas?formato=parquet").content)
    )
    assert parquet["score_anomalia"].to_pylist() == [a["score_anomalia"] for a in paginas]
    assert parquet["tipos_anomalia"].to_pylist() == [a["tipos_anomalia"] for a in paginas]
    instantes = [local(a["timestamp_consumo"]) for a in paginas]
    assert parquet["timestamp_consumo"].to_pylist() == instantes
    assert str(parquet.schema.field("timestamp_consumo").type) == "timestamp[us, tz=UTC]"


@pytest.mark.parametrize("formato", ["csv", "excel", "parquet"])
def test_lo_exportado_se_vuelve_a_leer(
    cliente: httpx.Client, datos: Datos, formato: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Readings that were exported are what «consumo producir --archivo» reads, each of them."""
    quien = datos.clientes[0]
    ruta = f"/api/consumos/rango?propietario_id={quien}&desde=2026-10-01&formato={formato}"
    fichero = tmp_path_factory.mktemp("exportado") / "consumos"
    fichero.write_bytes(cliente.get(ruta).content)
    opciones = OpcionesLectura(ZONA, 10_000.0, hora_absoluta(datos.hasta))
    trozos = list(open_meter_file(fichero, opciones).trozos())
    assert [t.rechazadas for t in trozos] == [[]] * len(trozos)
    leidas = {
        instante(hora): kwh
        for t in trozos
        for hora, kwh in zip(t.lecturas.hora_utc, t.lecturas.consumo_kwh, strict=True)
    }
    assert leidas == de_cliente(datos, quien)


def test_lo_que_no_es_un_fichero_entero_se_rechaza(cliente: httpx.Client) -> None:
    """A file is always the whole list: with a page's parameters it is refused."""
    es_problema(cliente.get("/api/anomalias/últimas?formato=csv&limite=5"), 422, "limite")
    es_problema(cliente.get("/api/anomalias/últimas?formato=csv&cursor=AAAA"), 422, "cursor")
    es_problema(cliente.get("/api/anomalias/últimas?formato=xlsx"), 422, "formato")


def test_un_error_no_es_medio_fichero(cliente: httpx.Client, datos: Datos) -> None:
    """What is refused as JSON is refused as a file, with a problem and not with a broken file."""
    for formato in ("csv", "excel", "parquet"):
        es_problema(cliente.get(f"/api/consumos/mensuales/nadie?formato={formato}"), 404, "nadie")
        ruta = f"/api/consumos/rango?propietario_id=nadie&formato={formato}"
        es_problema(cliente.get(ruta), 404, "nadie")


def test_una_lista_vacia_tiene_cabecera(cliente: httpx.Client) -> None:
    """A list without rows is a file with its columns and no row."""
    ruta = "/api/anomalias/últimas?estado=descartada&tipo=modelo_online&formato="
    texto = cliente.get(ruta + "csv").text
    assert texto.startswith("id,propietario_id,")
    assert texto.count("\r\n") == 1
    tabla = pq.read_table(io.BytesIO(cliente.get(ruta + "parquet").content))
    assert (tabla.num_rows, tabla.column_names[0]) == (0, "id")


MALOS = ("=1+1", "+cmd", "-2+3", "@SUM(A1)", '=HYPERLINK("x")', 'a";"b', "ñandú,1")


@pytest.fixture(scope="module")
def con_formulas(servicios: EmbeddedServices, datos: Datos) -> Iterator[httpx.Client]:
    """Give a client of the API over customers whose names are formulas."""
    hora = hora_absoluta(datos.hasta) - 1
    n = len(MALOS)
    lecturas = Lecturas(list(MALOS), datos.lecturas.hora_utc[:n] * 0 + hora,
                        datos.lecturas.consumo_kwh[:n] * 0 + 1.5)  # fmt: skip
    with base_nueva(servicios, migrada=True) as settings:
        llenar(settings, lecturas, hora + 1)
        with servir(settings) as http:
            yield http


@pytest.mark.parametrize(("formato", "separador"), [("csv", ","), ("excel", ";")])
def test_ningun_nombre_se_ejecuta_en_una_hoja_de_calculo(
    con_formulas: httpx.Client, formato: str, separador: str
) -> None:
    """A customer's name that a spreadsheet would run comes with an apostrophe, and only it does."""
    contenido = con_formulas.get(f"/api/clientes?formato={formato}").content
    filas = _filas(contenido.decode("utf-8-sig"), separador)
    nombres = {f["propietario_id"] for f in filas}
    assert nombres == {f"'{n}" if n[0] in "=+-@" else n for n in MALOS}
    assert contenido.startswith(b"\xef\xbb\xbf") == (formato == "excel")
    assert {f["consumo_kwh"] for f in filas} == {"1,5" if formato == "excel" else "1.5"}


def test_en_parquet_y_json_el_nombre_va_tal_cual(con_formulas: httpx.Client) -> None:
    """Programs get the name as it is, and every such customer can be asked for."""
    contenido = con_formulas.get("/api/clientes?formato=parquet").content
    tabla = pq.read_table(io.BytesIO(contenido))
    assert set(tabla["propietario_id"].to_pylist()) == set(MALOS)
    for nombre in MALOS:
        cuerpo = lee(con_formulas, f"/api/consumos/últimas24h/{quote(nombre, safe='')}")
        assert [e["propietario_id"] for e in cuerpo["elementos"]] == [nombre]


class _Dentro(BaseModel):
    texto: str | None = None
    cuando: datetime | None = None


class _Fila(BaseModel):
    nombre: str
    numero: float | None
    cuenta: int
    vale: bool
    dia: date
    lista: list[str]
    dentro: _Dentro | None = None
    graves: PorSeveridad


def _fila(i: int) -> _Fila:
    return _Fila(
        nombre=f"-{i}",
        numero=None if i % 2 else -0.5,
        cuenta=-i,
        vale=bool(i % 2),
        dia=date(2026, 1, 15),
        lista=["=a", "b"],
        dentro=_Dentro(texto="@x", cuando=datetime(2026, 1, 15, tzinfo=UTC)) if i % 2 else None,
        graves=PorSeveridad(critica=i),
    )


def test_cada_tramo_sale_antes_de_leer_el_siguiente() -> None:
    """However long a list is, a page of it is held: a piece goes before the next page is read."""
    leidos: list[int] = []

    def tramos() -> Iterator[list[_Fila]]:
        for tramo in range(3):
            leidos.append(tramo)
            yield [_fila(i) for i in range(5)]

    columnas = columns(_Fila)
    for trozos in (
        csv_pieces(columnas, tramos(), excel=False),
        parquet_pieces(columnas, tramos()),
    ):
        leidos.clear()
        assert next(trozos)
        assert leidos == [0]
        assert next(trozos)
        assert leidos == [0, 1]


def test_tipos_y_modelos_dentro_de_otros() -> None:
    """Models inside a row become columns; a number stays one, minus sign and all."""
    filas = [_fila(i) for i in range(4)]
    columnas = columns(_Fila)
    assert [c.nombre for c in columnas][-6:] == [
        "dentro_texto", "dentro_cuando", "graves_baja", "graves_media", "graves_alta",
        "graves_critica",
    ]  # fmt: skip
    texto = b"".join(csv_pieces(columnas, [filas], excel=False)).decode()
    leida = _filas(texto)[0]
    assert (leida["numero"], leida["cuenta"], leida["vale"]) == ("-0.5", "0", "false")
    assert (leida["nombre"], leida["lista"], leida["dentro_texto"]) == ("'-0", "'=a|b", "")
    assert _filas(texto)[3]["graves_critica"] == "3"
    assert _filas(texto)[3]["cuenta"] == "-3"
    tabla = pq.read_table(io.BytesIO(b"".join(parquet_pieces(columnas, [filas, filas]))))
    assert tabla["dia"].to_pylist() == [date(2026, 1, 15)] * 8
    assert tabla["dentro_cuando"].to_pylist()[:2] == [None, datetime(2026, 1, 15, tzinfo=UTC)]
    assert tabla["lista"].to_pylist()[0] == ["=a", "b"]


def test_las_columnas_de_una_anomalia() -> None:
    """A file of anomalies has the fields of JSON, the verdict's beside them."""
    nombres = [c.nombre for c in columns(Anomalia)]
    assert {"veredicto_motivo", "veredicto_quien", "archivada"} <= set(nombres)
    assert len(nombres) == len(set(nombres))
