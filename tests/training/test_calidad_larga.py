"""The bench of a year counts what it says it counts, and never looks at the other half."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from bench.calidad_larga import (
    BANDAS,
    attack_figures,
    few_attacked,
    innocent_figures,
    long_figures,
    quick_figures,
    roc_and_precision,
)
from bench.hogares_largos import (
    ATAQUE,
    CASOS,
    CASOS_DE_SIEMPRE,
    DE_SIEMPRE,
    INOCENTE,
    LIMPIO,
    PAISES,
    HogarLargo,
    Mundo,
    Pais,
    Serie,
    Surtido,
    make_mundo,
    read_year,
    teaching_homes,
)
from bench.hogares_reales import Fuente, es_desarrollo, hay_datos
from bench.pasada_larga import JUZGA_DESDE_DIA, Vista, score_mundo
from bench.tablas_largas import long_tables

from detection.domain import hora_absoluta
from detection.simulation.attack_courses import SIN_FIN
from detection.simulation.innocent_events import INOCENTES
from detection.simulation.synthesis import generate, make_customer
from serving.local_time import load_calendario

DIAS = 100
PAIS = Pais(
    "Inventado", Fuente("nada", "nada.parquet", "UTC", "Europe/Madrid"),
    datetime(2025, 2, 28, 23, tzinfo=UTC), dias=DIAS, inicio_dias=(60, 80),
)  # fmt: skip
DESDE = hora_absoluta(PAIS.desde)


def hogar(indice: int) -> HogarLargo:
    """Return a household of the generator that has lost an afternoon."""
    kwh = generate(
        [make_customer(3, indice)], DESDE, DESDE + DIAS * 24, load_calendario("Europe/Madrid")
    ).consumo_kwh
    kwh[24 * 30 + 12 : 24 * 30 + 20] = np.nan
    return HogarLargo(f"ES-{indice:02d}", kwh)


@pytest.fixture(scope="module")
def mundo() -> Mundo:
    return make_mundo(PAIS, [hogar(i) for i in range(1, 5)], Surtido())


def test_dos_vecinos_tienen_todo(mundo: Mundo) -> None:
    """Of every attack and event one of two neighbours has one, never both in one draw."""
    assert {s.hogar for s in mundo.series} == {f"ES-{i:02d}" for i in range(1, 5)}
    de_cada = {(s.clase, s.tipo) for s in mundo.series if s.clase != LIMPIO}
    esperados = {(ATAQUE, c.nombre) for c in CASOS}
    esperados |= {(DE_SIEMPRE, c.nombre) for c in CASOS_DE_SIEMPRE}
    esperados |= {(INOCENTE, t) for t in INOCENTES}
    # Before summer there is nothing to cool.
    assert esperados - de_cada <= {(INOCENTE, "aire_acondicionado")}
    assert de_cada <= esperados
    dos = make_mundo(PAIS, [hogar(i) for i in range(1, 5)], Surtido(sorteos=2))
    assert len(dos.series) > 1.9 * len(mundo.series)


def test_en_cada_particion_los_mismos_hogares_limpios(mundo: Mundo) -> None:
    """Whoever does something has its own household, as it is, in its partition; nobody twice."""
    ids = [s.propietario_id for s in mundo.series]
    assert len(ids) == len(set(ids))
    assert max(map(len, ids)) <= 20
    limpias = [(s.hogar, s.particion) for s in mundo.series if s.clase == LIMPIO]
    otras = [(s.hogar, s.particion) for s in mundo.series if s.clase != LIMPIO]
    assert len(set(limpias)) == len(limpias)
    assert sorted(limpias) == sorted(otras)


def test_antes_del_comienzo_nada_cambia(mundo: Mundo) -> None:
    """What is not touched is the household's own; from the first reading, from the first."""
    propio = {s.hogar: s.kwh for s in mundo.series if s.clase == LIMPIO}
    for s in mundo.series:
        np.testing.assert_array_equal(s.kwh[~s.tocada], propio[s.hogar][~s.tocada])
        primera = DESDE + int(np.argmax(s.tocada)) if s.tocada.any() else SIN_FIN
        assert primera >= s.inicio_hora
        if s.clase == DE_SIEMPRE:
            assert s.inicio_hora == DESDE
        elif s.clase != LIMPIO:
            assert 60 * 24 <= s.inicio_hora - DESDE < 80 * 24


def test_quien_mas_hay_no_cambia_a_nadie(mundo: Mundo) -> None:
    """A household's attacks and events are drawn by its name."""
    menos = make_mundo(PAIS, [hogar(1), hogar(2)], Surtido(sorteos=2))
    de_todos = {(s.hogar, s.clase, s.tipo): s for s in mundo.series}
    iguales = [
        (s, de_todos[s.hogar, s.clase, s.tipo])
        for s in menos.series
        if (s.hogar, s.clase, s.tipo) in de_todos and s.tipo != "cambio_inquilino"
    ]
    assert len(iguales) > 30
    assert all(np.array_equal(a.kwh, b.kwh, equal_nan=True) for a, b in iguales)


def test_una_pasada_entera(mundo: Mundo) -> None:
    """The rules alone find a plantation; all figures can be had, and shown."""
    pocas = [
        s for s in mundo.series
        if s.tipo in {"", "cannabis", "ausencia"} and s.particion in {
            t.particion for t in mundo.series if t.tipo in {"cannabis", "ausencia"}
        }
    ]  # fmt: skip
    vista = score_mundo(replace(mundo, series=pocas), None)
    assert vista.leidas[:, 30].max() == 16, "eight hours of that day were lost"
    assert vista.leidas[:, 31].min() >= 23
    assert not vista.sospechoso[:, :2].any(), "of nobody is enough known yet"
    cifras = long_figures(vista)
    plantacion = cifras["tipos"]["cannabis"]["por_edad"][1]
    assert plantacion["sospechoso"] > 0.5
    assert cifras["limpios"]["altas_al_mes"] < 5.0
    assert quick_figures(cifras)["largo_roc_auc"] > 0.8
    assert len(long_tables(cifras, "prueba")) == 4


def vista_de(series: list[Serie], sospechoso: np.ndarray, altas: np.ndarray | None = None) -> Vista:
    n, dias = sospechoso.shape
    nada = np.zeros((n, 101), np.int64)
    return Vista(
        series, ["X"] * n, np.full(n, DESDE), sospechoso,
        np.zeros((n, dias), np.uint8) if altas is None else altas,
        np.full((n, dias), 24, np.uint8), np.full((n, dias), -1, np.int8),
        sospechoso.astype(np.float32), nada, nada,
    )  # fmt: skip


def serie(clase: str, tipo: str, inicio: float, fin: float = 1e6, particion: int = 0) -> Serie:
    nada = np.empty(0)
    return Serie(
        f"{tipo}{particion}", "H", clase, tipo, "sostenido", DESDE + int(inicio * 24),
        DESDE + int(fin * 24), nada, nada.astype(bool), particion,
    )  # fmt: skip


def test_los_dias_desde_el_comienzo() -> None:
    """Day 0 is the one on which it begins; days after its end are nobody's."""
    sospechoso = np.zeros((1, 330), np.bool_)
    sospechoso[0, 100:110] = True
    uno = vista_de([serie(ATAQUE, "cannabis", 100.5, 200.0)], sospechoso)
    tipo = attack_figures(uno)["tipos"]["cannabis"]
    de_cada = [b["sospechoso"] for b in tipo["por_edad"]]
    assert de_cada == [1.0, 3 / 7, 0.0, 0.0, 0.0, 0.0, None]
    assert len(de_cada) == len(BANDAS)
    assert tipo["duradero"] == 0.0
    corto = vista_de([serie(ATAQUE, "cannabis", 100.5, 105.0)], sospechoso)
    assert attack_figures(corto)["tipos"]["cannabis"]["por_edad"][1]["sospechoso"] is None


def test_un_suceso_inocente_junto_a_los_mismos_dias_sin_el() -> None:
    """Alarms while it lasts and two weeks after it, beside those of the twin without it."""
    sospechoso = np.zeros((2, 330), np.bool_)
    altas = np.zeros((2, 330), np.uint8)
    sospechoso[0, 93] = altas[0, 50] = altas[1, 85] = 1
    series = [serie(INOCENTE, "ausencia", 70.0, 80.0), serie(LIMPIO, "", 1e6)]
    cifras = innocent_figures(vista_de(series, sospechoso, altas))["ausencia"]
    assert cifras["con"] == {"sospechosos": 1.0, "con_alta": 0.0, "dias": pytest.approx(1 / 24)}
    assert cifras["sin"] == {"sospechosos": 0.0, "con_alta": 1.0, "dias": 0.0}


def test_pocos_atacados_entre_muchos() -> None:
    """Who knows all has only attacked ones first; who knows nothing, as many as there are."""
    series = [serie(LIMPIO, "", 1e6), serie(INOCENTE, "obras", 70.0), serie(ATAQUE, "picos", 70.0)]
    sospechoso = np.zeros((3, 330), np.bool_)
    nada = few_attacked(vista_de(series, sospechoso), 20)
    assert nada["50"]["valor"] == pytest.approx(0.02, abs=0.01)
    sospechoso[2, 70:] = True
    todo = few_attacked(vista_de(series, sospechoso), 20)
    assert (todo["10"]["valor"], todo["20"]["valor"], todo["50"]["valor"]) == (1.0, 1.0, 0.4)


def test_las_cifras_de_lo_contado() -> None:
    """Area with ties by halves, and precision as if a tenth of the readings were attacked."""
    tocadas, limpias = np.zeros(101, np.int64), np.zeros(101, np.int64)
    tocadas[[90, 10]] = 5
    limpias[[10, 5]] = 50
    roc, media = roc_and_precision(tocadas, limpias)
    assert roc == pytest.approx(0.5 * 1.0 + 0.5 * (0.5 + 0.25))
    assert media == pytest.approx(0.5 * 1.0 + 0.5 * 0.1 / (0.1 + 0.9 * 0.5))
    assert roc_and_precision(tocadas, 0 * limpias) == (None, None)


def test_de_la_mitad_de_prueba_no_se_aprende(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who teaches is of the development half, and not of the country that is left out."""
    monkeypatch.setenv("CONSUMO_SHARED", str(shared))
    if not all(hay_datos(p.fuente) for p in PAISES) or not hay_datos():
        pytest.skip("faltan hogares de un año en la carpeta compartida")
    ensenan = set(teaching_homes("California").lecturas.propietario_id)
    assert all(map(es_desarrollo, ensenan))
    assert {p[:2] for p in ensenan} == {"CH", "AU", "BE", "UK"}
    lecturas = teaching_homes().lecturas
    assert int(lecturas.hora_utc.max()) + 1 == hora_absoluta(datetime(2026, 3, 2, tzinfo=UTC))
    for pais in PAISES:
        mitades = [{h.propietario_id for h in read_year(pais, d)} for d in (True, False)]
        assert all(mitades)
        assert not mitades[0] & mitades[1]


def test_lo_que_cuenta_empieza_cuando_se_ha_aprendido() -> None:
    """Clean customers are judged from the day on which attacks may begin."""
    assert PAISES[0].inicio_dias[0] == JUZGA_DESDE_DIA
