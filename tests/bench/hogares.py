"""What is found in real households that are attacked: the goal table.

``make calidad`` learns on the development half of the households, as ``consumo entrenar`` does, and
scores the test half, which nothing was chosen on: seven weeks of Switzerland (``calidad_corta``),
then most of a year of four countries (``calidad_larga``), there both halves. ``--desarrollo``
never touches the test half; ``--solo`` is one of both parts. ``--rapido`` is a fixed small part of
the development half, for CI. A half's figures are compared with ``calidad_dorada.json`` and may
only get better; ``--escribir`` writes it.

One operating point for everything: an attack is found, late or never, and an alarm is false, by
readings of severidad alta or crítica; a customer by ``es_sospechoso``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.calidad_corta import POBLACIONES, full, learning_and_judging
from bench.calidad_larga import (
    innocents_in_seven_weeks,
    long_figures,
    quick_figures,
    quick_long,
)
from bench.hogares_largos import PAISES, Surtido
from bench.hogares_reales import hay_datos
from bench.pasada_larga import CON_PAIS, VERSIONES, run_vistas, score_with_base
from bench.tablas_largas import innocent_table, long_tables

from detection.number_format import numero
from serving.base_version import load_base
from serving.cli import FALLO, HECHO, Parser, entero, run
from training.evaluation.baselines import Z_SEMANAL
from training.evaluation.report import say_cifra

DORADA = Path(__file__).with_name("calidad_dorada.json")
TOLERANCIA = 0.005
"""By which a figure may fall short of the golden one, of 1: another version of numpy or
scikit-learn breaks ties otherwise; a reading in two hundred is not what a change is made for."""
TOLERANCIA_ALARMAS = 0.05
"""The same of false alarms per customer and month."""
CORTA, LARGA = "corta", "larga"


@dataclass(frozen=True, slots=True)
class Meta:
    """A goal: where its figure is, and what it should be."""

    nombre: str
    clave: str
    objetivo: float
    mayor: bool = True


METAS = (
    Meta("ROC-AUC por lectura", "roc_auc", 0.955),
    Meta("precisión media por lectura", "precision_media", 0.88),
    Meta("atacados entre los k primeros clientes", "primeros_k", 0.88),
    Meta("ROC-AUC del tipo nunca visto, media", "tipo_no_visto", 0.90),
    Meta("falsas alarmas altas y críticas por cliente y mes", "alarmas", 0.2, mayor=False),
    Meta("horas hasta hallar una plantación, mediana", "horas_cannabis", 24.0, mayor=False),
    Meta("horas hasta hallar los picos, mediana", "horas_picos", 1.0, mayor=False),
    Meta("ROC-AUC del tipo peor", "peor_tipo", 0.85),
)
METAS_LARGAS = (
    Meta("un año: ROC-AUC por lectura", "largo_roc_auc", 0.93),
    Meta("días sospechoso, de 28 a 210 tras el comienzo", "largo_duradero", 0.92),
    Meta("lo mismo, si empezó antes que las lecturas", "largo_de_siempre", 0.8),
    Meta("días sospechoso de un cliente limpio", "largo_limpios", 0.02, mayor=False),
    Meta("alarmas altas y críticas al mes de un cliente limpio", "largo_alarmas", 0.2, mayor=False),
    Meta("sucesos inocentes: hogares sospechosos", "largo_inocentes", 0.05, mayor=False),
    Meta("sucesos inocentes: hogares con una alta", "largo_inocentes_alta", 0.1, mayor=False),
)


def worse(nuevas: Mapping[str, Any], doradas: Mapping[str, Any]) -> list[str]:
    """Return, in Spanish, what has got worse than the golden figures by more than the tolerance."""
    salida = []
    for meta in (*METAS, *METAS_LARGAS):
        antes, ahora = (_value(d.get(meta.clave)) for d in (doradas, nuevas))
        if antes is None:
            continue
        margen = TOLERANCIA if meta.mayor else max(TOLERANCIA_ALARMAS, 0.05 * antes)
        peor = ahora is None or (ahora < antes - margen if meta.mayor else ahora > antes + margen)
        if peor:
            salida.append(f"{meta.nombre}: {say_cifra(ahora)}, y estaba en {say_cifra(antes)}")
    return salida


def _value(cifra: Any) -> float | None:
    return cifra.get("valor") if isinstance(cifra, Mapping) else cifra


def load_golden(parte: str) -> dict[str, Any]:
    """Return the golden figures of ``rapido`` or ``completo``, empty where there are none."""
    if not DORADA.is_file():
        return {}
    return dict(json.loads(DORADA.read_text(encoding="utf-8")).get(parte, {}))


def _write_golden(parte: str, cifras: Mapping[str, Any]) -> None:
    todas = json.loads(DORADA.read_text(encoding="utf-8")) if DORADA.is_file() else {}
    # The year's tables are long, and no figure of theirs is compared but those of the goals.
    todas[parte] = _rounded({c: v for c, v in cifras.items() if c not in {"largo", "inocentes"}})
    texto = json.dumps(todas, ensure_ascii=False, indent=2, sort_keys=True)
    DORADA.write_text(f"{texto}\n", encoding="utf-8")


def _rounded(valor: Any) -> Any:
    if isinstance(valor, Mapping):
        return {k: _rounded(v) for k, v in valor.items()}
    if isinstance(valor, list):
        return [_rounded(v) for v in valor]
    return round(valor, 4) if isinstance(valor, float) else valor


def goal_table(cifras: Mapping[str, Any]) -> Any:
    """Return the issue's table: what there is without us, the goal, what was reached."""
    from rich.table import Table

    tabla = Table(title="Metas", title_justify="left", title_style="bold", show_edge=False)
    for columna in ("medida", "|z| semanal", "meta", "logrado", ""):
        tabla.add_column(columna, justify="left" if columna == "medida" else "right")
    ingenuo = cifras.get("comparacion", {}).get(Z_SEMANAL, {})
    for meta in (*METAS, *METAS_LARGAS):
        if meta.clave not in cifras:
            continue
        cifra = cifras[meta.clave]
        valor = _value(cifra)
        horas = meta.clave.startswith("horas")
        if valor is None:
            llega = "sin medir" if meta.clave == "tipo_no_visto" else "no"
        else:
            llega = (
                "sí" if (valor >= meta.objetivo) is meta.mayor or valor == meta.objetivo else "no"
            )
        tabla.add_row(
            meta.nombre, say_cifra(ingenuo.get(meta.clave)),
            f"{'≥' if meta.mayor else '≤'} {numero(meta.objetivo, 0 if horas else 3)}",
            say_cifra(cifra, 0 if horas else 3), llega,
        )  # fmt: skip
    for tipo, area in cifras.get("tipos_no_vistos", {}).items():
        tabla.add_row(f"  sin haber visto {tipo}", "", "", say_cifra(area), "")
    return tabla


def _parser() -> Parser:
    parser = Parser("hogares.py", "Mide qué se halla en hogares reales con ataques simulados.")
    parser.add_argument("--rapido", action="store_true", help="una parte pequeña y fija")
    parser.add_argument("--desarrollo", action="store_true", help="sin tocar la mitad de prueba")
    parser.add_argument("--prueba", action="store_true",
                        help="de la parte larga, solo la mitad de prueba")  # fmt: skip
    parser.add_argument("--solo", choices=(CORTA, LARGA),
                        help="siete semanas de Suiza, o un año de cuatro países")  # fmt: skip
    parser.add_argument("--con-base", choices=[pais.nombre for pais in PAISES], metavar="PAÍS",
                        help="solo la parte larga de un país, con la versión de base tal "
                        "cual")  # fmt: skip
    parser.add_argument("--con-propios", action="store_true",
                        help="con --con-base, solo la mitad de prueba: los casos aprenden "
                        "también de un año de la de desarrollo, como de clientes")  # fmt: skip
    parser.add_argument("--escribir", action="store_true", help=f"escribe {DORADA.name}")
    parser.add_argument("--poblaciones", type=entero(1, 50), default=POBLACIONES, metavar="N",
                        help="veces que se sortean los ataques de siete semanas")  # fmt: skip
    parser.add_argument("--sorteos", type=entero(1, 10), default=1, metavar="N",
                        help="sorteos de los de un año, cada uno con la mitad de todo")  # fmt: skip
    parser.add_argument("--procesos", type=entero(1, 64), default=min(os.cpu_count() or 1, 4),
                        metavar="N", help="procesos a la vez en la parte larga")  # fmt: skip
    parser.add_argument("--sin-familias", action="store_true",
                        help="no repetir el entrenamiento sin cada tipo de ataque")  # fmt: skip
    parser.add_argument("--informe", type=Path, metavar="I.html", help="dónde escribir el informe")
    parser.add_argument("--json", type=Path, metavar="J.json", help="dónde escribir las cifras")
    return parser


def quick_part() -> dict[str, Any]:
    """Return the figures of the small fixed part: the version that everybody has from the start.

    Nothing is learnt: what a few homes teach hangs on the last bits of the machine's arithmetic.
    """
    return quick_long(load_base())


def _short(opciones: Any) -> tuple[dict[str, Any], list[Any]]:
    cifras, tablas, aprendido = full(
        opciones.poblaciones, desarrollo=opciones.desarrollo,
        familias=not opciones.sin_familias, informe_html=opciones.informe,
    )  # fmt: skip
    _, juzgan = learning_and_judging(opciones.desarrollo)
    cifras["inocentes"] = innocents_in_seven_weeks(
        set(juzgan.lecturas.propietario_id), opciones.desarrollo, aprendido.modelo
    )
    return cifras, [*tablas, innocent_table(cifras["inocentes"], "Suiza, siete semanas")]


def _long(opciones: Any) -> tuple[dict[str, Any], list[Any]]:
    """Return the figures of the year, and those of the goals: of the last half, country unseen."""
    mitades = [
        m for m, falta in ((True, opciones.prueba), (False, opciones.desarrollo)) if not falta
    ]
    largo: dict[str, Any] = {}
    cifras: dict[str, Any] = {"largo": largo}
    tablas = []
    surtido = Surtido(sorteos=opciones.sorteos)
    if opciones.con_base is not None:
        if opciones.con_propios:
            mitades = [False]
        vistas = score_with_base(
            opciones.con_base, mitades, surtido, opciones.procesos, propios=opciones.con_propios
        )
    else:
        vistas = run_vistas(mitades, VERSIONES, surtido, opciones.procesos)
    for (mitad, version), vista in vistas.items():
        suyas = long_figures(vista)
        nombre = f"{'desarrollo' if mitad else 'prueba'}, {version}"
        largo[nombre] = suyas
        tablas += long_tables(suyas, nombre)
        if version != CON_PAIS:
            cifras |= quick_figures(suyas)
    return cifras, tablas


def main(argv: Sequence[str]) -> int:
    """Measure, print beside the goals, and compare with the golden figures."""
    from rich.console import Console

    opciones = _parser().parse_args(argv)
    consola = Console(highlight=False, width=132)
    if not hay_datos():
        consola.print("faltan los hogares suizos (variable CONSUMO_SHARED): no se mide nada")
        return HECHO
    faltan = [pais.nombre for pais in PAISES if not hay_datos(pais.fuente)]
    if faltan:
        consola.print(f"faltan los hogares de un año de {', '.join(faltan)}: no se miden")
    empezo = time.perf_counter()
    parte = "rapido" if opciones.rapido else "desarrollo" if opciones.desarrollo else "completo"
    tablas: list[Any] = []
    cifras: dict[str, Any] = {}
    if opciones.rapido:
        cifras = quick_part()
    else:
        solo = LARGA if opciones.con_base is not None else opciones.solo
        for cual, medir in ((CORTA, _short), (LARGA, _long)):
            if solo in {None, cual}:
                suyas, nuevas = medir(opciones)
                cifras |= suyas
                tablas += nuevas
    for tabla in (*tablas, goal_table(cifras)):
        consola.print(tabla)
        consola.print()
    consola.print(f"{numero(time.perf_counter() - empezo, 0)} s")
    if opciones.json is not None:
        opciones.json.write_text(
            json.dumps(_rounded(cifras), ensure_ascii=False, indent=1), "utf-8"
        )
    # Of other homes or draws the golden figures say nothing.
    como_siempre = (
        not faltan
        and opciones.con_base is None
        and (opciones.poblaciones, opciones.sorteos) == (POBLACIONES, 1)
    )
    doradas = load_golden(parte) if como_siempre else {}
    peores = worse(cifras, {c: v for c, v in doradas.items() if c in cifras})
    for frase in peores:
        consola.print(f"peor que antes: {frase}")
    if peores:
        return FALLO
    if opciones.escribir and como_siempre:
        _write_golden(parte, doradas | cifras)
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
