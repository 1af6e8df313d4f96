"""What a version is worth on a frozen set: the figures, and the table in words."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, SEVERIDADES, TIPOS, Calendario, Veredictos
from detection.number_format import numero, porcentaje
from detection.params import Params
from detection.scoring_model import ScoringModel
from training.evaluation.metrics import HALLADA_DESDE, Ganancia, ScoreTable, measure_gain
from training.history import SEMILLA_ENTRENAMIENTO
from training.holdout import Conjunto

MIL = 1000

METRICAS = "metricas.json"
"""Side file of a package that holds them."""


@dataclass(frozen=True, slots=True)
class Metricas:
    """Figures of one version on one set; the same version and set give the same figures."""

    version: str  # what made the verdicts
    conjunto_sha256: str  # of the set that they were made on
    # Average precision of the blend over the judged readings, 0 to 1 (area under the
    # precision-recall curve as a step function).
    precision_media: float
    # The same of each detector's score alone; one that is not ready says 0.
    precision_sola: Mapping[str, float]
    # The same of the blend without each detector; empty = not measured.
    precision_sin: Mapping[str, float]
    # By kind of attack: share of its customers with an anomaly of severidad media or more in the
    # judged days.
    hallados_clientes: Mapping[str, float]
    # By kind of attack: share of its readings with such an anomaly.
    hallados_lecturas: Mapping[str, float]
    # By severidad: anomalies of exactly that one per 1 000 clean customers and day.
    falsas_alarmas: Mapping[str, float]
    # clientes_limpios, dias_limpios: customers with clean judged readings, and the days (24 of
    # them) of all of these.
    clientes_limpios: int
    dias_limpios: float
    clientes_atacados: Mapping[str, int]  # by kind of attack
    # lecturas_juzgadas, lecturas_atacadas: in the average precision: all, and the positive ones.
    lecturas_juzgadas: int
    lecturas_atacadas: int

    @property
    def precision_azar(self) -> float:
        """Return the average precision of scores that know nothing: the share of positives."""
        return self.lecturas_atacadas / max(self.lecturas_juzgadas, 1)

    def to_json(self) -> str:
        """Return the figures as JSON, keys sorted."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2, sort_keys=True)

    def figures(self) -> dict[str, float]:
        """Return every number by a flat name, as a registry wants them."""
        planas = {
            "precision_media": self.precision_media,
            "precision_media_azar": self.precision_azar,
        }
        for nombre in (
            "precision_sola", "precision_sin", "hallados_clientes", "hallados_lecturas",
            "falsas_alarmas",
        ):  # fmt: skip
            for clave, valor in getattr(self, nombre).items():
                planas[f"{nombre}.{clave.replace('í', 'i')}"] = valor
        return planas


def score_conjunto(
    conjunto: Conjunto,
    modelo: ScoringModel | None,
    calendario: Calendario,
    sin: Collection[str] = (),
) -> Veredictos:
    """Return the verdicts of a version on a set, reading after reading; None = rules alone.

    ``sin``: detectors without a vote.
    """
    detector = DetectorConsumo(calendario, sin=sin)
    detector.use(modelo)
    return detector.score(conjunto.lecturas, conjunto.particion)


def evaluate(
    conjunto: Conjunto,
    modelo: ScoringModel | None,
    calendario: Calendario,
    *,
    dejar_fuera: bool = True,
) -> Metricas:
    """Return the figures of a version on a set; None = the rules alone.

    ``dejar_fuera``: also score without each detector in turn: as many passes again as there are
    detectors.
    """
    veredictos = score_conjunto(conjunto, modelo, calendario)
    sin = {}
    if dejar_fuera:
        con_voto = ~np.isnan(veredictos.scores).all(axis=0)
        for k in np.flatnonzero(con_voto).tolist():
            otros = score_conjunto(conjunto, modelo, calendario, sin=(str(TIPOS[k]),))
            sin[str(TIPOS[k])] = _precision(conjunto, otros.score_centesimas)
    return measure(conjunto, veredictos, sin)


def measure(
    conjunto: Conjunto, veredictos: Veredictos, precision_sin: Mapping[str, float]
) -> Metricas:
    """Return the figures of verdicts on a set."""
    tipo = np.array(conjunto.tipo)
    ids, cliente = np.unique(np.array(conjunto.lecturas.propietario_id), return_inverse=True)
    ataque = np.zeros(ids.size, tipo.dtype)
    ataque[cliente[tipo != ""]] = tipo[tipo != ""]
    alarma = veredictos.severidad >= HALLADA_DESDE
    en_plazo = conjunto.lecturas.hora_utc >= conjunto.corte_hora
    hallado = np.zeros(ids.size, np.bool_)
    hallado[cliente[alarma & en_plazo]] = True
    limpia = conjunto.juzgada & (ataque[cliente] == "")
    dias = int(limpia.sum()) / HORAS_POR_DIA
    tipos = [str(t) for t in np.unique(ataque) if t]
    scores = np.nan_to_num(veredictos.scores, nan=0.0)
    return Metricas(
        version=veredictos.version_modelo,
        conjunto_sha256=conjunto.sha256,
        precision_media=_precision(conjunto, veredictos.score_centesimas),
        precision_sola={str(t): _precision(conjunto, scores[:, k]) for k, t in enumerate(TIPOS)},
        precision_sin=dict(precision_sin),
        hallados_clientes={t: float(hallado[ataque == t].mean()) for t in tipos},
        hallados_lecturas={t: float(alarma[tipo == t].mean()) for t in tipos},
        falsas_alarmas={
            str(s): MIL * int((limpia & (veredictos.severidad == k)).sum()) / max(dias, 1.0)
            for k, s in enumerate(SEVERIDADES)
            if k > 0
        },
        clientes_limpios=np.unique(cliente[limpia]).size,
        dias_limpios=dias,
        clientes_atacados={t: int((ataque == t).sum()) for t in tipos},
        lecturas_juzgadas=int(conjunto.juzgada.sum()),
        lecturas_atacadas=int((conjunto.juzgada & (tipo != "")).sum()),
    )


def gain_between(conjunto: Conjunto, antes: Veredictos, ahora: Veredictos) -> Ganancia:
    """Return what the second verdicts on a set gain over the first. Seeded.

    A twin and the customer that it is a twin of are one customer.
    """
    verdad, origen = truth(conjunto), conjunto.origen[conjunto.juzgada]
    tablas = [
        ScoreTable(v.score_centesimas[conjunto.juzgada], verdad, origen) for v in (antes, ahora)
    ]
    return measure_gain(tablas[0], tablas[1], SEMILLA_ENTRENAMIENTO)


def truth(conjunto: Conjunto) -> NDArray[np.bool_]:
    """Return which of the judged readings are under attack, in the order of the set."""
    return np.array([t != "" for t in conjunto.tipo])[conjunto.juzgada]


def _precision(conjunto: Conjunto, scores: NDArray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth(conjunto), scores[conjunto.juzgada]))


def permutation_importance(
    conjunto: Conjunto, modelo: ScoringModel, calendario: Calendario, semilla: int
) -> dict[str, float]:
    """Return, by feature, the average precision that the forest alone loses when it is shuffled.

    Shuffled among the judged readings of the set (L. Breiman, "Random Forests", Machine Learning
    45, 2001, section 10). Of two features that say the same, neither seems to matter.
    """
    from sklearn.metrics import average_precision_score

    detector = DetectorConsumo(calendario)
    rasgos = detector.measure(conjunto.lecturas, conjunto.particion).rasgos[conjunto.juzgada]
    listo = ~np.isnan(rasgos).any(axis=1)
    rasgos, verdad = rasgos[listo], truth(conjunto)[listo]
    base = float(average_precision_score(verdad, modelo.bosque.scores(rasgos)))
    rng = np.random.default_rng(semilla)
    importancia = {}
    for k, nombre in enumerate(modelo.rasgos):
        barajados = rasgos.copy()
        barajados[:, k] = rng.permutation(barajados[:, k])
        peor = float(average_precision_score(verdad, modelo.bosque.scores(barajados)))
        importancia[nombre] = base - peor
    return importancia


def informe_texto(metricas: Metricas, params: Params | None = None) -> str:
    """Return the figures as a Spanish text: what each detector adds, what is found, the budget."""
    m = metricas
    lineas = [
        f"Aspirante: {m.clientes_limpios} clientes limpios y "
        f"{sum(m.clientes_atacados.values())} gemelos con un ataque; "
        f"{m.lecturas_atacadas} de {m.lecturas_juzgadas} lecturas atacadas",
        f"Precisión media de la mezcla: {numero(m.precision_media, 3)} "
        f"(al azar: {numero(m.precision_azar, 3)})",
        "",
        f"{'detector':<24}{'solo':>8}{'sin él':>10}{'aporta':>10}",
        *(_detector_line(m, nombre) for nombre in m.precision_sola),
        "",
        f"{'ataque':<24}{'clientes':>10}{'hallados':>10}{'lecturas':>10}",
        *(
            f"{t:<24}{n:>10}{porcentaje(m.hallados_clientes[t]):>10}"
            f"{porcentaje(m.hallados_lecturas[t]):>10}"
            for t, n in m.clientes_atacados.items()
        ),
        "",
        f"{'falsas alarmas':<24}{'por 1000 clientes y día':>26}{'presupuesto':>14}",
    ]
    presupuesto = (params or Params()).presupuesto
    for (severidad, tasa), limite in zip(m.falsas_alarmas.items(), presupuesto, strict=True):
        aviso = "" if tasa <= limite else "  supera"
        lineas.append(f"{severidad:<24}{numero(tasa, 1):>26}{numero(limite, 1):>14}{aviso}")
    return "\n".join(lineas)


def _detector_line(m: Metricas, nombre: str) -> str:
    sola = numero(m.precision_sola[nombre], 3)
    if nombre not in m.precision_sin:
        return f"{nombre:<24}{sola:>8}{'–':>10}{'–':>10}"
    sin = m.precision_sin[nombre]
    aporta = m.precision_media - sin
    signo = "+" if aporta >= 0 else "−"
    return f"{nombre:<24}{sola:>8}{numero(sin, 3):>10}{signo + numero(abs(aporta), 3):>10}"
