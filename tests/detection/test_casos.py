"""Cases: what is remembered of days, and that a case is the same however its readings come."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import MADRID, hogar, horas
from apoyo_modelos import modelo_de_casos

from detection.cases.case import CaseThresholds, case_score, daily_kwh, goes_on
from detection.cases.model import CaseModel
from detection.cases.records import (
    CAMPOS_ESTADO,
    CaseGoingOn,
    CaseMemory,
    CustomerStates,
    DayPages,
    date_of,
)
from detection.cases.story import case_sentence
from detection.detector import DetectorConsumo
from detection.domain import TIPOS_INOCENTES, Historia, Lecturas
from detection.memory.daily import CANTIDADES, DESCONOCIDO, LEVELS, level_code, summarize_day
from detection.memory.day_memory import (
    AFTER,
    BEFORE,
    DIAS_MEMORIA,
    NO_DAY,
    OPEN_BIT,
    decode_evidence,
    encode_evidence,
)
from serving.base_version import load_base

CLIENTES = 3
UMBRALES = modelo_de_casos().umbrales


@pytest.fixture(scope="module")
def modelo() -> CaseModel:
    """Give a model; which one does not matter."""
    return modelo_de_casos()


def _detector(modelo: CaseModel | None) -> DetectorConsumo:
    detector = DetectorConsumo(MADRID)
    detector.case_model = modelo
    return detector


def _lecturas(dias: int, semilla: int = 0) -> Lecturas:
    """Return customers hour by hour; one uses a third from the middle on, some hours come late."""
    n = 24 * dias
    kwh = np.stack([hogar(n, semilla + c) for c in range(CLIENTES)])
    kwh[1, n // 2 :] *= 0.3
    hora = np.repeat(horas(n), CLIENTES)
    cliente = np.tile(np.arange(CLIENTES), n)
    rng = np.random.default_rng(semilla)
    turno = np.arange(hora.size, dtype=float)
    tarde = rng.random(hora.size) < 0.02
    turno[tarde] += rng.integers(1, 60 * CLIENTES, tarde.sum())
    orden = np.argsort(turno, kind="stable")
    return Lecturas(
        [f"CLI_{c}" for c in cliente[orden].tolist()], hora[orden], kwh.T.ravel()[orden]
    )


def _run(detector: DetectorConsumo, lecturas: Lecturas, lotes: list[int]) -> list[np.ndarray]:
    partes, i, k = [], 0, 0
    while i < len(lecturas):
        j = min(i + lotes[k % len(lotes)], len(lecturas))
        v = detector.score(lecturas.elegir(np.arange(i, j)))
        partes.append([v.score_centesimas, v.tipos, v.es_sospechoso, v.caso])
        i, k = j, k + 1
    return [np.concatenate(columna) for columna in zip(*partes, strict=True)]


def _days(detector: DetectorConsumo) -> list[np.ndarray]:
    filas = [detector.ring.row(f"CLI_{c}") for c in range(CLIENTES)]
    return [columna[filas] for columna in detector.days.columns()]


def test_los_casos_no_dependen_de_como_se_corten_los_lotes(modelo: CaseModel) -> None:
    lecturas = _lecturas(120)
    de_una_vez, a_trozos = _detector(modelo), _detector(modelo)
    unos = _run(de_una_vez, lecturas, [len(lecturas)])
    otros = _run(a_trozos, lecturas, [1, 7, 400, 33, 2_000])
    assert unos[2].any()
    for uno, otro in zip([*unos, *_days(de_una_vez)], [*otros, *_days(a_trozos)], strict=True):
        np.testing.assert_array_equal(uno, otro)


def test_las_lecturas_tardias_dejan_los_mismos_dias_que_a_su_hora(modelo: CaseModel) -> None:
    lecturas = _lecturas(100)
    fin = np.full(CLIENTES, lecturas.hora_utc.max() + 24 * 6)
    ultimas = Lecturas([f"CLI_{c}" for c in range(CLIENTES)], fin, np.full(CLIENTES, 0.5))
    tarde, a_su_hora = _detector(modelo), _detector(modelo)
    _run(tarde, lecturas, [300])
    _run(a_su_hora, lecturas.elegir(np.argsort(lecturas.hora_utc, kind="stable")), [300])
    for detector in (tarde, a_su_hora):
        detector.score(ultimas)
    for uno, otro in zip(_days(tarde)[:1], _days(a_su_hora)[:1], strict=True):
        np.testing.assert_array_equal(uno, otro)


def test_las_mismas_lecturas_otra_vez_no_cambian_ningun_dia(modelo: CaseModel) -> None:
    lecturas = _lecturas(60)
    detector = _detector(modelo)
    _run(detector, lecturas, [500])
    antes = [columna.copy() for columna in _days(detector)]
    ultimas = np.arange(len(lecturas) - 200, len(lecturas))
    detector.score(lecturas.elegir(ultimas))
    for uno, otro in zip(antes, _days(detector), strict=True):
        np.testing.assert_array_equal(uno, otro)


def test_lo_guardado_y_vuelto_a_cargar_sigue_igual(modelo: CaseModel) -> None:
    """As after a crash: hours and days come back from the store, and all goes on as before."""
    lecturas = _lecturas(130)
    corte = len(lecturas) * 3 // 4
    seguido = _detector(modelo)
    nombres = [f"CLI_{c}" for c in range(CLIENTES)]
    propia = np.array([seguido.ring.add(p) for p in nombres], np.int64)
    paginas = {}
    v = None
    for i in range(0, corte, 1_000):
        lote = lecturas.elegir(np.arange(i, min(i + 1_000, corte)))
        v = seguido.score(lote)
        memoria, _ = seguido.take_days(nombres, propia)
        estados = memoria.estados
        de_pagina = memoria.paginas
        for k, (p, mes) in enumerate(
            zip(de_pagina.propietario_id, de_pagina.mes.tolist(), strict=True)
        ):
            paginas[p, mes] = de_pagina.dias[k]
    assert v is not None
    vuelto = _detector(modelo)
    _load_hours(seguido, vuelto, nombres)
    columnas = seguido.days.columns()
    estados = CustomerStates(
        nombres,
        np.stack([getattr(columnas, c)[propia] for c in CAMPOS_ESTADO], axis=1),
        columnas.niveles[propia],
    )
    claves = list(paginas)
    vuelto.load_days(
        CaseMemory(
            estados,
            DayPages(
                [p for p, _ in claves],
                np.array([mes for _, mes in claves], np.int32),
                np.stack([paginas[clave] for clave in claves]),
            ),
        )
    )
    assert vuelto.without_days(nombres) == []
    resto = lecturas.elegir(np.arange(corte, len(lecturas)))
    for uno, otro in zip(_run(seguido, resto, [700]), _run(vuelto, resto, [450]), strict=True):
        np.testing.assert_array_equal(uno, otro)


def _load_hours(de: DetectorConsumo, a: DetectorConsumo, nombres: list[str]) -> None:
    for p in nombres:
        a.ring.add(p)
    for nombre in ("valores", "veredictos", "ultimo_valor", "ultimo_veredicto"):
        getattr(a.ring, nombre)[:] = getattr(de.ring, nombre)[: getattr(a.ring, nombre).shape[0]]
    for nombre in ("ganancia_dia", "cuenta_dia"):
        getattr(a.ring, nombre)[:] = getattr(de.ring, nombre)[: getattr(a.ring, nombre).shape[0]]
    a.partitions.add(0, de.partitions.dump(0))


def test_sin_dias_guardados_se_hacen_de_las_horas(modelo: CaseModel) -> None:
    lecturas = _lecturas(90)
    orden = np.lexsort((lecturas.hora_utc, np.array(lecturas.propietario_id)))
    seguido, hecho = _detector(None), _detector(None)
    v = seguido.score(lecturas)
    nombres = [f"CLI_{c}" for c in range(CLIENTES)]
    indice = np.array([int(lecturas.propietario_id[i][-1]) for i in orden], np.int64)
    historia = Historia.of(indice, lecturas.elegir(orden), v.elegir(orden))
    hecho.load(nombres, historia)
    assert hecho.without_days(nombres) == nombres
    hecho.fill_days(nombres, historia)
    assert hecho.without_days(nombres) == []
    siguiente = Lecturas(
        nombres, np.full(CLIENTES, lecturas.hora_utc.max() + 48), np.ones(CLIENTES)
    )
    for detector in (seguido, hecho):
        detector.score(siguiente)
    for uno, otro in zip(_days(seguido)[:4], _days(hecho)[:4], strict=True):
        np.testing.assert_array_equal(uno, otro)


def test_un_caso_abierto_no_ensena_al_modelo_en_linea(modelo: CaseModel) -> None:
    lecturas = _lecturas(120)
    con_casos, sin_casos = _detector(modelo), _detector(None)
    sospechoso = _run(con_casos, lecturas, [900])[2]
    _run(sin_casos, lecturas, [900])
    assert sospechoso.any()
    assert con_casos.partitions.dump(0) != sin_casos.partitions.dump(0)


def test_la_memoria_de_un_cliente_son_doce_kilobytes_y_medio() -> None:
    detector = _detector(None)
    assert detector.ring.bytes_per_customer() + detector.days.bytes_per_customer() <= 12_500


@pytest.mark.parametrize("kwh", [0.0, 0.01, 0.3, 5.0, 80.0, 1_000.0])
def test_un_nivel_vuelve_de_su_byte_con_menos_del_tres_por_ciento_de_error(kwh: float) -> None:
    assert LEVELS[level_code(kwh)] == pytest.approx(kwh, rel=0.03, abs=0.001)


def test_de_un_dia_con_pocas_horas_no_se_sabe_nada() -> None:
    dia = np.full(24, 0.4, np.float32)
    fila = np.empty(CANTIDADES, np.uint8)
    dia[:5] = np.nan
    summarize_day(dia, fila)
    assert (fila == DESCONOCIDO).all()
    dia[4] = 0.4
    summarize_day(dia, fila)
    assert (fila != DESCONOCIDO).all()


@pytest.mark.parametrize("ventaja", [-9.0, -7.875, -0.125, 0.0, 0.4, 7.875, 20.0])
@pytest.mark.parametrize("abierto", [False, True])
def test_la_evidencia_cabe_en_un_byte(ventaja: float, abierto: bool) -> None:
    byte = encode_evidence(ventaja, abierto)
    assert bool(byte & OPEN_BIT) is abierto
    assert decode_evidence(byte) == pytest.approx(np.clip(ventaja, -7.875, 7.875), abs=0.0626)
    assert np.isnan(decode_evidence(np.uint8(0)))


def _niveles(antes: list[float], despues: list[float]) -> np.ndarray:
    return np.array([[level_code(x) for x in fila] for fila in (antes, despues)], np.uint8)


def test_siguen_con_el_caso_las_horas_que_se_parecen_a_lo_de_ahora() -> None:
    niveles = _niveles([0.4] * 6 + [1.0] * 2, [0.4] * 6 + [0.02] * 2)
    assert goes_on(niveles, 20, 0.01)
    assert not goes_on(niveles, 20, 0.9)
    assert not goes_on(niveles, 10, 0.01)
    igual = _niveles([0.4] * 8, [0.4] * 8)
    assert goes_on(igual, 10, 0.4)
    igual[BEFORE] = DESCONOCIDO
    assert goes_on(igual, 10, 0.4)


def test_la_puntuacion_de_un_caso_sube_con_su_evidencia() -> None:
    severidades = np.array([50, 65, 80, 90], np.int64)
    ventajas = np.arange(-2.0, 8.0, 0.05)
    puntos = [case_score(x, UMBRALES, severidades) for x in ventajas]
    assert puntos == sorted(puntos)
    assert puntos[0] == 50
    assert max(puntos) <= 99
    assert case_score(UMBRALES.alta, UMBRALES, severidades) == 80
    assert case_score(UMBRALES.critica, UMBRALES, severidades) == 90


def test_la_frase_dice_desde_cuando_cuanto_y_a_que_horas() -> None:
    a, d = [0.4] * 6 + [1.0] * 2, [0.4] * 6 + [0.02] * 2
    assert case_sentence(20_000, 20_010, _niveles(a, d)) == (
        "Desde el 4 de octubre gasta 7,4 kWh al día y no 13; sobre todo de 18 a 24 h"
    )
    mitad = [x / 2 for x in a]
    assert case_sentence(20_000, 20_100, _niveles(a, mitad)).startswith(
        "Desde el 4 de octubre de 2024 gasta 6,5 kWh al día y no 13"
    )
    sin_antes = _niveles(a, d)
    sin_antes[BEFORE] = DESCONOCIDO
    assert "sin días anteriores" in case_sentence(20_000, 20_010, sin_antes)
    assert np.isnan(daily_kwh(sin_antes[BEFORE]))
    assert daily_kwh(sin_antes[AFTER]) == pytest.approx(7.4, rel=0.05)


def test_lo_que_dura_mas_que_la_memoria_sigue_siendo_sospechoso(modelo: CaseModel) -> None:
    """A case stays open after the days before it are forgotten, until it is back at them."""
    dias = DIAS_MEMORIA + 120
    n = 24 * dias
    kwh = hogar(n, 3)
    kwh[24 * 60 :] *= 0.2
    kwh[24 * (dias - 40) :] *= 5.0
    detector = _detector(modelo)
    fila = detector.ring.add("CLI_0")
    abierto = np.zeros(dias, np.bool_)
    for dia in range(dias):
        de_hoy = slice(24 * dia, 24 * dia + 24)
        v = detector.score(Lecturas(["CLI_0"] * 24, horas(n)[de_hoy], kwh[de_hoy]))
        abierto[dia] = v.es_sospechoso[-1]
        if dia == 80:
            # Whatever this model says of it: one that has been open since then.
            columnas = detector.days.columns()
            hoy = int(columnas.hoy[fila])
            columnas.inicio[fila] = hoy - 20
            columnas.apertura[fila] = hoy - 1
            columnas.evidencia[fila, (hoy - 1) % DIAS_MEMORIA] |= OPEN_BIT
            detector.case_model = CaseModel(modelo.arboles, CaseThresholds(9.0, -9.0, 10.0, 11.0))
        if dia == 60 + DIAS_MEMORIA + 20:
            detector.case_model = CaseModel(modelo.arboles, CaseThresholds(9.0, 0.0, 10.0, 11.0))
    assert detector.days.columns().inicio[fila] != NO_DAY
    assert abierto[82 : dias - 41].all()
    assert not abierto[-1]


def _de_uno(dias: int) -> Lecturas:
    """Return a customer hour by hour that uses a third from day 60 on."""
    kwh = hogar(24 * dias, 1)
    kwh[24 * 60 :] *= 0.3
    return Lecturas(["CLI_1"] * kwh.size, horas(kwh.size), kwh)


def _con_base() -> DetectorConsumo:
    detector = DetectorConsumo(MADRID)
    detector.use(load_base())
    return detector


def test_lo_descartado_es_desde_entonces_lo_de_siempre() -> None:
    """A discarded case ends at once, its level is the reference, and nothing comes of its hours."""
    lecturas, corte = _de_uno(160), 24 * 120
    antes, sigue = (lecturas.elegir(np.arange(*d)) for d in ((corte,), (corte, len(lecturas))))
    detector, otro = _con_base(), _con_base()
    for uno in (detector, otro):
        _run(uno, antes, [len(antes)])
    days, fila = detector.days.columns(), detector.ring.row("CLI_1")
    inicio = int(days.inicio[fila])
    assert days.evidencia[fila, (days.hoy[fila] - 1) % DIAS_MEMORIA] & OPEN_BIT
    detector.accept_levels({"CLI_1": date_of(inicio), "NADIE": date_of(inicio)})
    assert days.primero[fila] == inicio
    assert not _run(detector, sigue, [500])[2].any()
    assert _run(otro, sigue, [500])[2].any()
    como_estaba = [columna[fila].copy() for columna in days]
    detector.accept_levels({"CLI_1": date_of(inicio)})
    for columna, era in zip(days, como_estaba, strict=True):
        np.testing.assert_array_equal(columna[fila], era)


def test_lo_recien_descartado_no_vuelve_y_lo_posterior_no_se_toca() -> None:
    """Right after its opening too; and what began after a discarded onset stays open."""
    lecturas, detector, k = _de_uno(120), _con_base(), 24 * 60
    _run(detector, lecturas.elegir(np.arange(k)), [k])
    days, fila = detector.days.columns(), detector.ring.row("CLI_1")
    while k < len(lecturas) and days.apertura[fila] == NO_DAY:
        detector.score(lecturas.elegir(np.arange(k, k + 24)))
        k += 24
    inicio = int(days.inicio[fila])
    assert days.apertura[fila] != NO_DAY
    detector.accept_levels({"CLI_1": date_of(inicio - 5)})
    assert days.apertura[fila] != NO_DAY, "another one was discarded"
    detector.accept_levels({"CLI_1": date_of(inicio)})
    assert days.apertura[fila] == NO_DAY
    assert not _run(detector, lecturas.elegir(np.arange(k, len(lecturas))), [500])[2].any()


@pytest.mark.parametrize("aceptado", [None, 40])
def test_un_caso_que_ya_no_esta_descartado_se_juzga_de_nuevo(aceptado: int | None) -> None:
    """Its onset and opening are its own, and each day since says what it said, as far as it can.

    Nothing counts from before the onset of an earlier case whose level was accepted.
    """
    detector = _con_base()
    _run(detector, _de_uno(120), [24 * 120])
    days, fila = detector.days.columns(), detector.ring.row("CLI_1")
    antes = [columna[fila].copy() for columna in days]
    inicio, apertura, primero, hoy = (
        int(c[fila]) for c in (days.inicio, days.apertura, days.primero, days.hoy)
    )
    caso = CaseGoingOn("CLI_1", date_of(inicio), date_of(apertura), "fraude")
    assert detector.accepted([caso]) == []
    detector.accept_levels({"CLI_1": date_of(inicio)})
    assert detector.accepted([caso, caso._replace(fecha_inicio=date_of(inicio - 1))]) == [caso]
    days.primero[fila] = primero  # as where its days are made anew
    detector.reopen(caso, None if aceptado is None else date_of(inicio - aceptado))
    assert detector.accepted([caso]) == []
    assert days.primero[fila] == (primero if aceptado is None else inicio - aceptado)
    assert (days.inicio[fila], days.apertura[fila]) == (inicio, apertura)
    abiertos = days.evidencia[fila, np.arange(inicio, hoy) % DIAS_MEMORIA] & OPEN_BIT != 0
    assert abiertos.tolist() == [dia >= apertura for dia in range(inicio, hoy)]
    if aceptado is None:
        cuales = np.arange(apertura, hoy) % DIAS_MEMORIA
        era = dict(zip(days._fields, antes, strict=True))
        np.testing.assert_array_equal(days.evidencia[fila, cuales], era["evidencia"][cuales])
        np.testing.assert_array_equal(days.niveles[fila], era["niveles"])


def test_uno_de_clase_inocente_vuelve_como_lo_que_es() -> None:
    """It is of its kind again, and nobody is suspicious for it."""
    detector = _con_base()
    _run(detector, _de_uno(50), [24 * 50])
    days, fila = detector.days.columns(), detector.ring.row("CLI_1")
    hoy = int(days.hoy[fila])
    detector.accept_levels({"CLI_1": date_of(hoy - 20)})
    caso = CaseGoingOn("CLI_1", date_of(hoy - 20), date_of(hoy - 3), "ausencia")
    detector.reopen(caso, None)
    assert days.apertura[fila] == NO_DAY
    assert (days.inocente_inicio[fila], days.inocente_apertura[fila]) == (hoy - 20, hoy - 3)
    assert TIPOS_INOCENTES[days.inocente_tipo[fila]] == "ausencia"
    (contado,) = detector.take_days(["CLI_1"], np.array([fila]))[1]
    assert contado.clave == f"CLI_1_{date_of(hoy - 3)}"
