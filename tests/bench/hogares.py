"""What is found in real households that are attacked: the goal table, on the test half.

``make calidad`` learns on the development half of the Swiss households, clean, and scores the test
half, attacked, with a version that has never seen them. Then once more with a blend that was learnt
without each kind of attack in turn. ``--rapido`` is a fixed small part of the development
half, for CI: it never touches the test half. Both are compared with ``calidad_dorada.json``, whose
figures may only get better; ``--escribir`` writes it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.hogares_reales import FUENTES, SUIZA, Hogares, hay_datos, read_hogares

from detection.detector import DetectorConsumo
from detection.domain import Calendario
from detection.number_format import numero
from detection.params import Params
from detection.scoring_model import ScoringModel
from serving.cli import FALLO, HECHO, Parser, entero, run
from serving.settings import Settings
from training.blend_fit import Ejemplos, fit_arboles, fit_mezcla, make_ejemplos, without
from training.evaluation.attacked_homes import Poblacion, attack_homes
from training.evaluation.baselines import Z_SEMANAL, alone, pyod_scores, weekly_z
from training.evaluation.metrics import Casos, ScoreTable
from training.evaluation.report import Datos, Opiniones, make_informe, make_tablas, say_cifra
from training.fit import Aprendido, learn
from training.history import SEMILLA_ENTRENAMIENTO as SEMILLA
from training.history import InMemoryHistory, by_lot, partitions_for

DORADA = Path(__file__).with_name("calidad_dorada.json")
TOLERANCIA = 0.005
"""By which a figure may fall short of the golden one, of 1: another version of numpy or
scikit-learn breaks ties otherwise; a reading in two hundred is not what a change is made for."""
TOLERANCIA_ALARMAS = 0.05
"""The same of false alarms per customer and month."""
POBLACIONES = 12
"""Times that the attacks are drawn on the same households: one draw has three or four cases of a
kind. By hand, 2026-11-29: on held-out development households the median delay of eighty spikes is
0 h; that of fourteen, as four draws have, is up to 17 h (95 % of resamples of the eighty)."""
PROPORCION = 0.25
"""Of the households that is attacked: with it plain |z| reaches what the goals were set against
(ROC-AUC 0.56, average precision 0.15)."""
PARTICIONES, HOGARES_POR_TOPIC = 6, 133
"""As many customers in a partition, whatever the population: the online model depends on it."""
RAPIDO_APRENDEN, RAPIDO_JUZGAN, RAPIDO_POBLACIONES = 24, 40, 2
"""Development households of the small part, and times that they are attacked."""


@dataclass(frozen=True, slots=True)
class Meta:
    """A goal: where its figure is, and what it should be."""

    nombre: str
    clave: str
    objetivo: float
    mayor: bool = True


METAS = (
    Meta("ROC-AUC por lectura", "roc_auc", 0.95),
    Meta("precisión media por lectura", "precision_media", 0.82),
    Meta("atacados entre los k primeros clientes", "primeros_k", 0.88),
    Meta("ROC-AUC del tipo nunca visto, media", "tipo_no_visto", 0.85),
    Meta("falsas alarmas altas y críticas por cliente y mes", "alarmas", 0.5, mayor=False),
    Meta("horas hasta hallar una plantación, mediana", "horas_cannabis", 24.0, mayor=False),
    Meta("horas hasta hallar los picos, mediana", "horas_picos", 1.0, mayor=False),
    Meta("ROC-AUC del tipo peor", "peor_tipo", 0.85),
)


def train_on(hogares: Hogares) -> tuple[Aprendido, Ejemplos]:
    """Return a version learnt on clean households, and what its blend learnt from."""
    ids = np.array(hogares.lecturas.propietario_id)
    _, cliente = np.unique(ids, return_inverse=True)
    orden = np.lexsort((cliente, hogares.lecturas.hora_utc))
    limpias = hogares.lecturas.elegir(orden)
    historia = InMemoryHistory.of(limpias, DetectorConsumo(hogares.calendario).score(limpias))
    settings = Settings(_env_file=None, zona_horaria=hogares.calendario.zona)
    aprendido = learn(settings, historia, {}, dias=90, semilla=SEMILLA, con_mezcla=False)
    modelo = aprendido.modelo
    # So few households that the blend learns from those, too, that would judge the version: here
    # the test half does.
    ejemplos = make_ejemplos(limpias, modelo, hogares.calendario, SEMILLA)
    modelo = replace(modelo, mezcla=fit_mezcla(ejemplos, SEMILLA))
    return replace(aprendido, modelo=modelo), ejemplos


@dataclass(frozen=True, slots=True)
class Puntuada:
    """An attacked population with what was said of it."""

    poblacion: Poblacion
    opiniones: Opiniones


def score(
    poblacion: Poblacion,
    calendario: Calendario,
    modelo: ScoringModel | None,
    aprende: NDArray[np.float32],
) -> Puntuada:
    """Return a population scored by a version, from its first reading on, and by the baselines."""
    detector = DetectorConsumo(calendario)
    detector.use(modelo)
    crudos = detector.measure(poblacion.lecturas, poblacion.particion(_partitions(poblacion)))
    v, lecturas = crudos.veredictos, poblacion.lecturas
    z = weekly_z(poblacion.cliente, lecturas.hora_utc, lecturas.consumo_kwh, calendario)
    otras: dict[str, NDArray[Any]] = {
        **alone(v.scores),
        Z_SEMANAL: z,
        **pyod_scores(aprende, crudos.rasgos, SEMILLA),
    }
    return Puntuada(poblacion, Opiniones(v.score_centesimas, v.severidad, otras))


def _partitions(poblacion: Poblacion) -> int:
    return partitions_for(len(poblacion.clientes), HOGARES_POR_TOPIC / PARTICIONES)


def pool(puntuadas: Iterable[Puntuada]) -> tuple[Casos, Opiniones]:
    """Return populations as one; a household that is in several is one household."""
    todas = list(puntuadas)
    poblaciones = [p.poblacion for p in todas]
    desplaza = np.cumsum([0, *(len(p.clientes) for p in poblaciones)])
    nombres = [nombre for p in poblaciones for nombre in p.clientes]
    casos = Casos(
        np.concatenate([p.cliente + d for p, d in zip(poblaciones, desplaza, strict=False)]),
        np.concatenate([p.lecturas.hora_utc for p in poblaciones]),
        np.concatenate([p.atacada for p in poblaciones]),
        np.concatenate([p.juzgada for p in poblaciones]),
        np.concatenate([p.perdida_kwh for p in poblaciones]),
        [t for p in poblaciones for t in p.ataque],
        np.unique(np.array(nombres), return_inverse=True)[1].astype(np.int64),
    )
    opiniones = [p.opiniones for p in todas]
    return casos, Opiniones(
        np.concatenate([o.score_centesimas for o in opiniones]),
        np.concatenate([o.severidad for o in opiniones]),
        {n: np.concatenate([o.otras[n] for o in opiniones]) for n in opiniones[0].otras},
    )


def measure(puntuadas: Iterable[Puntuada]) -> Datos:
    """Return all figures of populations together."""
    casos, opiniones = pool(puntuadas)
    return make_informe(casos, opiniones, SEMILLA, Params().sospecha_semivida_dias)


def populations(hogares: Iterable[Hogares], cuantas: int) -> Iterator[tuple[Poblacion, Calendario]]:
    """Give attacked populations, each household list ``cuantas`` times with other attacks."""
    for k, h in enumerate(hogares):
        for vez in range(cuantas):
            semilla = SEMILLA + 100 * k + vez
            yield (
                attack_homes(h.lecturas, h.calendario, semilla, proporcion=PROPORCION),
                h.calendario,
            )


def unseen(
    modelo: ScoringModel, ejemplos: Ejemplos, prueba: Hogares, tipos: Sequence[str]
) -> dict[str, float | None]:
    """Return the ROC-AUC of each kind of attack where the blend's trees were learnt without it.

    The tails, which are of clean readings alone, stay.
    """
    salida: dict[str, float | None] = {}
    if modelo.mezcla is None:
        return salida
    for tipo in tipos:
        arboles = fit_arboles(without(ejemplos, tipo), SEMILLA)
        mezcla = replace(modelo.mezcla, arboles=arboles)
        p = attack_homes(prueba.lecturas, prueba.calendario, SEMILLA, tipos=(tipo,))
        detector = DetectorConsumo(prueba.calendario)
        detector.use(replace(modelo, mezcla=mezcla))
        v = detector.score(p.lecturas, p.particion(_partitions(p)))
        j = p.juzgada
        tabla = ScoreTable(v.score_centesimas[j], p.atacada[j], p.cliente[j])
        salida[tipo] = tabla.roc_auc()
    return salida


def summary(informe: Datos, no_vistos: Mapping[str, float | None]) -> dict[str, Any]:
    """Return the figures of the goal table, those by kind, and what the golden file keeps."""
    tipos = {t: d["roc_auc"]["valor"] for t, d in informe["tipos"].items()}
    areas = [a for a in no_vistos.values() if a is not None]

    def horas(tipo: str) -> float | None:
        valor: float | None = informe["tipos"].get(tipo, {}).get("retraso_mediana_h")
        return valor

    return {
        "roc_auc": informe["por_lectura"]["roc_auc"],
        "precision_media": informe["por_lectura"]["precision_media"],
        "primeros_k": informe["por_cliente"]["primeros_k"],
        "tipo_no_visto": float(np.mean(areas)) if areas else None,
        "alarmas": informe["falsas_alarmas"]["alta_o_crítica"],
        "horas_cannabis": horas("cannabis"),
        "horas_picos": horas("picos"),
        "peor_tipo": min(tipos.values(), default=None),
        "tipos": tipos,
        "tipos_no_vistos": dict(no_vistos),
        "comparacion": {
            n: {"roc_auc": c["roc_auc"]["valor"], "precision_media": c["precision_media"]["valor"]}
            for n, c in informe["comparacion"].items()
        },
    }


def quick() -> Datos:
    """Return the figures of the small part: development households alone, all seeds fixed."""
    (h,) = read_hogares(SUIZA, desarrollo=True)
    ids = sorted(set(h.lecturas.propietario_id))
    orden = by_lot(ids, 0, "rapido")
    aprenden = orden[:RAPIDO_APRENDEN]
    juzgan = orden[RAPIDO_APRENDEN : RAPIDO_APRENDEN + RAPIDO_JUZGAN]
    aprendido, _ = train_on(_only(h, aprenden))
    juzgado = _only(h, juzgan)
    puntuadas = [
        score(p, c, aprendido.modelo, aprendido.muestra.rasgos)
        for p, c in populations([juzgado], RAPIDO_POBLACIONES)
    ]
    return summary(measure(puntuadas), {})


def _only(hogares: Hogares, ids: Sequence[str]) -> Hogares:
    suyos = frozenset(ids)
    filas = np.flatnonzero([p in suyos for p in hogares.lecturas.propietario_id])
    return replace(hogares, lecturas=hogares.lecturas.elegir(filas))


def worse(nuevas: Mapping[str, Any], doradas: Mapping[str, Any]) -> list[str]:
    """Return, in Spanish, what has got worse than the golden figures by more than the tolerance."""
    salida = []
    for meta in METAS:
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
    todas[parte] = _rounded(cifras)
    texto = json.dumps(todas, ensure_ascii=False, indent=2, sort_keys=True)
    DORADA.write_text(f"{texto}\n", encoding="utf-8")


def _rounded(valor: Any) -> Any:
    if isinstance(valor, Mapping):
        return {k: _rounded(v) for k, v in valor.items()}
    return round(valor, 4) if isinstance(valor, float) else valor


def full(poblaciones: int, *, familias: bool, informe_html: Path | None) -> tuple[Datos, list[Any]]:
    """Return the figures on the test half, and the tables to print."""
    (desarrollo,) = read_hogares(SUIZA, desarrollo=True)
    (prueba,) = read_hogares(SUIZA, desarrollo=False)
    aprendido, ejemplos = train_on(desarrollo)
    rasgos = aprendido.muestra.rasgos
    informe = measure(
        score(p, c, aprendido.modelo, rasgos) for p, c in populations([prueba], poblaciones)
    )
    no_vistos = {}
    if familias:
        no_vistos = unseen(aprendido.modelo, ejemplos, prueba, list(informe["tipos"]))
    cifras = summary(informe, no_vistos)
    tablas = make_tablas(informe)
    otras = [f for f in FUENTES if f is not SUIZA and hay_datos(f)]
    if otras:
        hogares = [h for f in otras for h in read_hogares(f, False, SEMILLA)]
        fuera = measure(
            score(p, c, aprendido.modelo, rasgos) for p, c in populations(hogares, poblaciones)
        )
        cifras["otros_paises"] = summary(fuera, {})
        tablas += make_tablas(fuera)[:2]
    if informe_html is not None:
        from training.evaluation.html_report import make_html

        notas = ["Hogares suizos de la mitad de prueba, la cuarta parte de ellos atacada."]
        informe_html.write_text(make_html(informe, "Calidad", notas), encoding="utf-8")
    return cifras, tablas


def goal_table(cifras: Mapping[str, Any]) -> Any:
    """Return the issue's table: what there is without us, the goal, what was reached."""
    from rich.table import Table

    tabla = Table(title="Metas", title_justify="left", title_style="bold", show_edge=False)
    for columna in ("medida", "|z| semanal", "meta", "logrado", ""):
        tabla.add_column(columna, justify="left" if columna == "medida" else "right")
    ingenuo = cifras["comparacion"][Z_SEMANAL]
    for meta in METAS:
        cifra = cifras[meta.clave]
        valor = _value(cifra)
        decimales = 0 if meta.clave.startswith("horas") else 3
        if valor is None:
            llega = "sin medir" if meta.clave == "tipo_no_visto" else "no"
        else:
            llega = (
                "sí" if (valor >= meta.objetivo) is meta.mayor or valor == meta.objetivo else "no"
            )
        tabla.add_row(
            meta.nombre, say_cifra(ingenuo.get(meta.clave)),
            f"{'≥' if meta.mayor else '≤'} {numero(meta.objetivo, 2)}",
            say_cifra(cifra, decimales), llega,
        )  # fmt: skip
    for tipo, area in cifras["tipos_no_vistos"].items():
        tabla.add_row(f"  sin haber visto {tipo}", "", "", say_cifra(area), "")
    return tabla


def main(argv: Sequence[str]) -> int:
    """Measure, print beside the goals, and compare with the golden figures."""
    from rich.console import Console

    parser = Parser("hogares.py", "Mide qué se halla en hogares reales con ataques simulados.")
    parser.add_argument("--rapido", action="store_true", help="una parte pequeña y fija")
    parser.add_argument("--escribir", action="store_true", help=f"escribe {DORADA.name}")
    parser.add_argument("--poblaciones", type=entero(1, 50), default=POBLACIONES, metavar="N",
                        help="veces que se sortean los ataques")  # fmt: skip
    parser.add_argument("--sin-familias", action="store_true",
                        help="no repetir el entrenamiento sin cada tipo de ataque")  # fmt: skip
    parser.add_argument("--informe", type=Path, metavar="I.html", help="dónde escribir el informe")
    opciones = parser.parse_args(argv)
    consola = Console(highlight=False, width=118)
    if not hay_datos():
        consola.print("faltan los hogares suizos (variable CONSUMO_SHARED): no se mide nada")
        return HECHO
    empezo = time.perf_counter()
    parte = "rapido" if opciones.rapido else "completo"
    tablas: list[Any] = []
    if opciones.rapido:
        cifras = quick()
    else:
        cifras, tablas = full(
            opciones.poblaciones, familias=not opciones.sin_familias, informe_html=opciones.informe
        )
    for tabla in (*tablas, goal_table(cifras)):
        consola.print(tabla)
        consola.print()
    consola.print(f"{numero(time.perf_counter() - empezo, 0)} s")
    peores = worse(cifras, load_golden(parte))
    for frase in peores:
        consola.print(f"peor que antes: {frase}")
    if peores:
        return FALLO
    if opciones.escribir:
        _write_golden(parte, cifras)
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
