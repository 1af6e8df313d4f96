"""The gate on figures made by hand: it stays shut unless every criterion is met."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.params import Params
from training.evaluation.metrics import Ganancia
from training.evaluation.version_metrics import Metricas
from training.promotion_policy import Decision, Politica
from training.promotion_policy import apply_gate as decide_con

POLITICA = Politica(0.01, 0.05, (100.0, 40.0, 10.0, 4.0))
ATAQUES = ("congelado", "fraude_proporcional", "plantacion")
SEVERIDADES = ("baja", "media", "alta", "crítica")


def medidas(
    precision: float = 0.70,
    hallados: Mapping[str, float] | None = None,
    falsas: tuple[float, ...] = (50.0, 20.0, 5.0, 2.0),
    clientes: int = 100,
    dias: float = 10_000.0,
    sha: str = "a" * 64,
) -> Metricas:
    """Return figures that the gate reads as given, the others of no consequence."""
    hallados = dict.fromkeys(ATAQUES, 0.8) if hallados is None else hallados
    return Metricas(
        version="v",
        conjunto_sha256=sha,
        precision_media=precision,
        precision_sola={},
        precision_sin={},
        hallados_clientes=hallados,
        hallados_lecturas={},
        falsas_alarmas=dict(zip(SEVERIDADES, falsas, strict=True)),
        clientes_limpios=100,
        dias_limpios=dias,
        clientes_atacados=dict.fromkeys(hallados, clientes),
        lecturas_juzgadas=1000,
        lecturas_atacadas=100,
    )


def apply_gate(
    campeon: Metricas,
    aspirante: Metricas,
    politica: Politica,
    margen: float = 0.0,
    *,
    renovacion: bool = False,
) -> Decision:
    """Return the decision where the gain is known to be what it is, give or take ``margen``."""
    media = aspirante.precision_media - campeon.precision_media
    ganancia = Ganancia(media, media - margen, media + margen)
    return decide_con(campeon, aspirante, ganancia, politica, renovacion=renovacion)


CAMPEON = medidas()
MEJOR = medidas(0.75)


def fallidos(decision: Decision) -> list[str]:
    return [criterio.nombre for criterio in decision.criterios if not criterio.cumple]


def test_quien_es_mejor_en_todo_asciende() -> None:
    """A better challenger within its budget is promoted, and the reason says by how much."""
    decision = apply_gate(CAMPEON, MEJOR, POLITICA)
    assert decision.promueve
    assert "de 0,700 a 0,750 (al azar: 0,100), ganancia +0,050 (+0,050 a +0,050)" in decision.motivo
    assert [c.nombre for c in decision.criterios] == [
        "precisión media",
        *(f"hallados: {ataque}" for ataque in ATAQUES),
        *(f"alarmas de severidad {severidad}" for severidad in SEVERIDADES),
    ]


@pytest.mark.parametrize(
    ("aspirante", "culpable", "dicho"),
    [
        (
            medidas(0.709),
            "precisión media",
            "0,709, al azar: 0,100, se pide +0,009 (+0,009 a +0,009) > +0,010",
        ),
        (
            CAMPEON,
            "precisión media",
            "0,700, al azar: 0,100, se pide +0,000 (+0,000 a +0,000) > +0,010",
        ),
        (
            medidas(0.9, {**dict.fromkeys(ATAQUES, 0.9), "plantacion": 0.74}),
            "hallados: plantacion",
            "0,740, se pide ≥ 0,750",
        ),
        (
            medidas(0.9, falsas=(106.5, 20.0, 5.0, 2.0)),
            "alarmas de severidad baja",
            "106,500, se pide ≤ 106,325 (presupuesto 100)",
        ),
        (
            medidas(0.9, falsas=(50.0, 20.0, 5.0, 5.3)),
            "alarmas de severidad crítica",
            "5,300, se pide ≤ 5,265 (presupuesto 4)",
        ),
    ],
)
def test_un_criterio_que_falla_basta(aspirante: Metricas, culpable: str, dicho: str) -> None:
    """One criterion that is not met keeps the champion, and the reason names it with its limit."""
    decision = apply_gate(CAMPEON, aspirante, POLITICA)
    assert not decision.promueve
    assert fallidos(decision) == [culpable]
    assert decision.motivo == f"no cumple {culpable} ({dicho})"


def test_en_el_limite_justo_se_cumple() -> None:
    """A figure that is its limit, but for the last bits of floating point, meets it."""
    justo = medidas(0.72, dict.fromkeys(ATAQUES, 0.3 + 0.45), (100.0, 40.0, 10.0, 0.1 * 3 + 3.7))
    assert apply_gate(CAMPEON, justo, POLITICA).promueve


def test_fuera_del_presupuesto_basta_con_no_empeorar() -> None:
    """A champion outside the budget: the challenger may be as bad, not worse."""
    campeon = medidas(falsas=(50.0, 60.0, 5.0, 2.0))
    assert apply_gate(campeon, medidas(0.75, falsas=(50.0, 60.0, 5.0, 2.0)), POLITICA).promueve
    peor = apply_gate(campeon, medidas(0.75, falsas=(50.0, 60.5, 5.0, 2.0)), POLITICA)
    assert fallidos(peor) == ["alarmas de severidad media"]
    assert "60,000 (el campeón)" in peor.motivo


def test_lo_que_el_azar_hace_de_un_presupuesto_no_cuenta() -> None:
    """40 per 1 000 on 10 000 customer-days are 400 alarms, give or take twice 20; not more."""
    assert apply_gate(CAMPEON, medidas(0.75, falsas=(50.0, 43.9, 5.0, 2.0)), POLITICA).promueve
    peor = apply_gate(CAMPEON, medidas(0.75, falsas=(50.0, 44.1, 5.0, 2.0)), POLITICA)
    assert fallidos(peor) == ["alarmas de severidad media"]


def test_un_cliente_y_una_alarma_son_azar() -> None:
    """On a small set, losing one attacked customer or raising one alarm in all is no criterion."""
    campeon = medidas(hallados={"plantacion": 1.0}, clientes=4, falsas=(0.0,) * 4, dias=100.0)
    una = medidas(0.9, {"plantacion": 0.75}, (10.0,) * 4, clientes=4, dias=100.0)
    assert apply_gate(campeon, una, POLITICA).promueve
    dos = medidas(0.9, {"plantacion": 0.5}, (10.0, 10.0, 10.0, 20.0), clientes=4, dias=100.0)
    assert fallidos(apply_gate(campeon, dos, POLITICA)) == [
        "hallados: plantacion",
        "alarmas de severidad crítica",
    ]


def test_otros_datos_no_se_comparan() -> None:
    """Figures from two different sets are refused, whatever they say."""
    with pytest.raises(ValueError, match="los mismos datos"):
        apply_gate(CAMPEON, medidas(0.9, sha="b" * 64), POLITICA)


@pytest.mark.parametrize(
    "aspirante",
    [
        medidas(math.nan),
        medidas(0.9, {**dict.fromkeys(ATAQUES, 0.9), "congelado": math.nan}),
        medidas(0.9, {"congelado": 0.9, "plantacion": 0.9}),
        medidas(0.9, falsas=(math.nan, 1.0, 1.0, 1.0)),
        replace(medidas(0.9), falsas_alarmas={"baja": 1.0}),
    ],
)
def test_lo_que_falta_no_cumple(aspirante: Metricas) -> None:
    """A figure that is missing or not a number meets no criterion."""
    decision = apply_gate(CAMPEON, aspirante, POLITICA)
    assert not decision.promueve
    assert "sin medir" in decision.motivo


@pytest.mark.parametrize(
    "campeon",
    [
        medidas(math.nan),
        medidas(hallados={**dict.fromkeys(ATAQUES, 0.1), "congelado": math.nan}),
    ],
)
def test_contra_un_campeon_sin_medir_no_se_asciende(campeon: Metricas) -> None:
    """A champion's figure that is not a number proves nothing."""
    assert not apply_gate(campeon, medidas(0.99), POLITICA).promueve


def test_un_ataque_nuevo_no_se_ha_podido_perder() -> None:
    """A kind that the champion has no figure of asks for nothing."""
    campeon = medidas(hallados={"plantacion": 0.8})
    aspirante = medidas(0.75, {"plantacion": 0.8, "congelado": 0.0})
    decision = apply_gate(campeon, aspirante, POLITICA)
    assert decision.promueve
    assert not any("congelado" in c.nombre for c in decision.criterios)


def test_no_se_pide_lo_que_nadie_puede_fallar() -> None:
    """A kind of which the champion finds no more than the margin is no criterion, not even 0."""
    pocos = {"plantacion": 0.8, "congelado": 0.05}
    decision = apply_gate(medidas(hallados=pocos), medidas(0.75, pocos), POLITICA)
    assert [c.nombre for c in decision.criterios if "hallados" in c.nombre] == [
        "hallados: plantacion"
    ]


def test_una_ganancia_que_puede_ser_azar_no_basta() -> None:
    """What counts is the lower bound of the gain, and the reason shows the interval."""
    assert apply_gate(CAMPEON, MEJOR, POLITICA, margen=0.039).promueve
    decision = apply_gate(CAMPEON, MEJOR, POLITICA, margen=0.041)
    assert fallidos(decision) == ["precisión media"]
    assert "+0,050 (+0,009 a +0,091) > +0,010" in decision.motivo
    assert not apply_gate(CAMPEON, MEJOR, POLITICA, margen=math.nan).promueve, "one customer in all"


def test_a_una_renovacion_le_basta_con_no_ser_peor() -> None:
    """A challenger on newer data may gain nothing, but not lose more than the margin."""
    politica = Politica(presupuesto=POLITICA.presupuesto)
    assert not apply_gate(CAMPEON, CAMPEON, politica).promueve
    igual = apply_gate(CAMPEON, CAMPEON, politica, renovacion=True)
    assert igual.promueve
    assert igual.criterios[0].limite == "+0,000 (+0,000 a +0,000) > −0,020"
    assert apply_gate(CAMPEON, CAMPEON, politica, 0.019, renovacion=True).promueve
    assert not apply_gate(CAMPEON, CAMPEON, politica, 0.021, renovacion=True).promueve
    assert not apply_gate(CAMPEON, medidas(0.679), politica, renovacion=True).promueve


def test_el_presupuesto_es_el_de_los_parametros() -> None:
    """Unless told otherwise the budget is the one in ``Params``."""
    assert Politica().presupuesto == Params().presupuesto


fraccion = st.floats(0.0, 1.0)
cifras = st.builds(
    medidas,
    fraccion,
    st.dictionaries(st.sampled_from(ATAQUES), fraccion),
    st.tuples(*(st.floats(0.0, 300.0) for _ in SEVERIDADES)),
    st.integers(1, 200),
    st.floats(1.0, 1e5),
)


@given(cifras, cifras)
def test_asciende_si_y_solo_si_cumple_todo(campeon: Metricas, aspirante: Metricas) -> None:
    """It never promotes when a criterion fails, and always when all are met."""
    decision = apply_gate(campeon, aspirante, POLITICA)
    assert decision.promueve == (not fallidos(decision))
    if decision.promueve:
        assert aspirante.precision_media > campeon.precision_media + 0.01
        for ataque, suyo in campeon.hallados_clientes.items():
            margen = max(0.05, 1 / aspirante.clientes_atacados[ataque])
            assert aspirante.hallados_clientes[ataque] >= suyo - margen - 1e-9


@given(cifras, cifras)
def test_el_orden_no_decide(campeon: Metricas, aspirante: Metricas) -> None:
    """The decision, its table and its reason do not depend on the order of what was measured."""

    def al_reves(m: Metricas) -> Metricas:
        return replace(
            m,
            **{
                nombre: dict(reversed(list(getattr(m, nombre).items())))
                for nombre in ("hallados_clientes", "clientes_atacados", "falsas_alarmas")
            },
        )

    assert apply_gate(al_reves(campeon), al_reves(aspirante), POLITICA) == apply_gate(
        campeon, aspirante, POLITICA
    )


@given(cifras)
def test_nadie_asciende_contra_si_mismo(medido: Metricas) -> None:
    """The same figures are no gain: two equal models cannot take turns for ever."""
    assert not apply_gate(medido, medido, POLITICA).promueve


@given(cifras, cifras, st.floats(0.0, 0.3))
def test_ser_mejor_no_perjudica(campeon: Metricas, aspirante: Metricas, mas: float) -> None:
    """Who is promoted would also be with a higher precision, more found and fewer alarms."""
    mejor = replace(
        aspirante,
        precision_media=aspirante.precision_media + mas,
        hallados_clientes={t: v + mas for t, v in aspirante.hallados_clientes.items()},
        falsas_alarmas={s: v * (1 - mas) for s, v in aspirante.falsas_alarmas.items()},
    )
    antes = apply_gate(campeon, aspirante, POLITICA).promueve
    assert apply_gate(campeon, mejor, POLITICA).promueve or not antes


def test_el_presupuesto_no_crece_con_lo_desiguales_que_sean_las_alarmas() -> None:
    """136 false alarms do not fit a budget of 60, however few customers they came from.

    What chance makes of a budget is known beforehand: of 60 on 350 customer-days, 26 more. The
    spread of the very alarms that are judged is no part of it.
    """
    politica = Politica(0.01, 0.05, (300.0, 60.0, 10.0, 4.0))
    campeon = medidas(falsas=(50.0, 20.0, 5.0, 2.0), dias=350.0)
    malo = apply_gate(campeon, medidas(0.9, falsas=(50.0, 136.0, 5.0, 2.0), dias=350.0), politica)
    assert fallidos(malo) == ["alarmas de severidad media"]
    assert "136,000, se pide ≤ 86,186 (presupuesto 60)" in malo.motivo
    justo = medidas(0.9, falsas=(50.0, 86.0, 5.0, 2.0), dias=350.0)
    assert apply_gate(campeon, justo, politica).promueve
