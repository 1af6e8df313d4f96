"""All figures of labelled verdicts together: as data, and as tables for a terminal.

The same report for a file (``consumo evaluar``) and for the red team (``make calidad``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import SEVERIDADES, take
from detection.number_format import numero
from training.evaluation.metrics import (
    AVISA_DESDE,
    HALLADA_DESDE,
    Casos,
    Cifra,
    Eventos,
    ScoreTable,
    false_alarms,
    figure_by_customer,
    find_eventos,
    interval_of,
    precision_at,
    rank_customers,
    to_centesimas,
)

NOMBRE_MEZCLA = "mezcla"
AZAR = "al azar"
PRIMEROS = (10, 50, 100)

Datos = dict[str, Any]

_SIN_OPINION: Datos = {
    "roc_auc": asdict(Cifra(None)),
    "precision_media": asdict(Cifra(None)),
    "primeros_k": None,
    "ventaja_roc_auc": asdict(Cifra(None)),
    "ventaja_precision_media": asdict(Cifra(None)),
}
"""Of who was ready on no reading: a figure would be chance's, not its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Opiniones:
    """What was said of labelled readings (n,), in their order."""

    score_centesimas: NDArray[np.uint8]  # (n,), 0 to 100: the blend's
    severidad: NDArray[np.uint8]  # (n,)
    # (n,): scores of every detector alone and of the baselines, high = more anomalous, NaN = not
    # ready.
    otras: Mapping[str, NDArray[np.floating]]


def make_informe(casos: Casos, opiniones: Opiniones, semilla: int, semivida_dias: float) -> Datos:
    """Return all figures, of numbers, texts and None alone: it may be written as JSON.

    ``semivida_dias``: half-life of the evidence that ranks customers.
    """
    j = casos.juzgada
    verdad, cliente = casos.atacada[j], casos.hogares[casos.cliente[j]]
    tabla = ScoreTable(opiniones.score_centesimas[j], verdad, cliente)
    roc, media = tabla.intervalos(semilla)
    presentes = np.unique(casos.cliente)
    ranking = _rank(casos, opiniones.score_centesimas, semivida_dias)
    return {
        "lecturas_juzgadas": int(j.sum()),
        "lecturas_atacadas": int(verdad.sum()),
        "clientes": int(presentes.size),
        "clientes_atacados": int(casos.atacado[presentes].sum()),
        "por_lectura": {
            "roc_auc": asdict(roc),
            "precision_media": asdict(media),
            "precision_azar": float(verdad.mean()) if verdad.size else None,
        },
        "por_cliente": _by_customer(
            ranking, casos.atacado[presentes], casos.hogares[presentes], semilla
        ),
        "tipos": _by_type(casos, opiniones, semilla),
        "eventos": {
            str(SEVERIDADES[s]): _events(find_eventos(casos, opiniones.severidad >= s))
            for s in (HALLADA_DESDE, AVISA_DESDE)
        },
        "falsas_alarmas": _alarms(casos, opiniones.severidad, semilla),
        "comparacion": _compare(casos, opiniones, tabla, ranking, semilla, semivida_dias),
        "curvas": {
            NOMBRE_MEZCLA: tabla.curvas(),
            **{
                n: ScoreTable(s[j], verdad, cliente).curvas()
                for n, s in opiniones.otras.items()
                if not np.isnan(s[j]).all()
            },
        },
        "distribucion": _distribution(casos, opiniones.score_centesimas),
        "retrasos": find_eventos(casos, opiniones.severidad >= AVISA_DESDE)
        .retraso_horas[:10_000].clip(max=1e9).tolist(),
    }  # fmt: skip


def _rank(
    casos: Casos, score_centesimas: NDArray[np.integer], semivida_dias: float
) -> NDArray[np.float64]:
    """Return what the customers that have readings are ranked by, in the order of their numbers."""
    presentes, quien = np.unique(casos.cliente, return_inverse=True)
    return rank_customers(quien, casos.hora_utc, score_centesimas, presentes.size, semivida_dias)


def _by_customer(
    ranking: NDArray[np.float64],
    atacado: NDArray[np.bool_],
    hogar: NDArray[np.int64],
    semilla: int,
) -> Datos:
    todos = np.arange(ranking.size)
    numeros, quien = np.unique(hogar, return_inverse=True)
    roc, media = ScoreTable(ranking, atacado, quien).intervalos(semilla)
    k = int(atacado.sum())

    def en_cabeza(veces: NDArray[np.int64]) -> NDArray[np.float64]:
        filas = [np.repeat(todos, cuantas[quien]) for cuantas in veces]
        partes = (precision_at(ranking[f], atacado[f], atacado[f].sum(), semilla) for f in filas)
        return np.array([np.nan if parte is None else parte for parte in partes])

    return {
        "roc_auc": asdict(roc),
        "precision_media": asdict(media),
        "precision_azar": float(atacado.mean()) if atacado.size else None,
        "primeros_k": {"k": k, **asdict(figure_by_customer(en_cabeza, numeros.size, semilla))},
        "primeros": {str(n): precision_at(ranking, atacado, n, semilla) for n in PRIMEROS},
    }


def _events(eventos: Eventos) -> Datos:
    return {
        "eventos": len(eventos),
        "hallados": eventos.hallados,
        "retraso_mediana_h": eventos.retraso(0.5),
        "retraso_p90_h": eventos.retraso(0.9),
        "kwh_antes": float(eventos.perdida_kwh.sum()),
        "kwh_total": float(eventos.total_kwh.sum()),
    }


def _by_type(casos: Casos, opiniones: Opiniones, semilla: int) -> Datos:
    de_cliente = np.array(casos.tipo_cliente)
    eventos = find_eventos(casos, opiniones.severidad >= AVISA_DESDE)
    salida = {}
    for tipo in casos.tipos:
        suyas = casos.de_tipo(tipo)
        if not (suyas & casos.atacada).any():
            continue
        tabla = ScoreTable(
            opiniones.score_centesimas[suyas], casos.atacada[suyas], casos.cliente[suyas]
        )
        roc, media = tabla.intervalos(semilla)
        salida[tipo] = {
            "clientes": int((de_cliente == tipo).sum()),
            "lecturas": int((suyas & casos.atacada).sum()),
            "roc_auc": asdict(roc),
            "precision_media": asdict(media),
            "precision_azar": float(casos.atacada[suyas].mean()),
            **_events(take(eventos, de_cliente[eventos.cliente] == tipo)),
        }
    return salida


def _alarms(casos: Casos, severidad: NDArray[np.uint8], semilla: int) -> Datos:
    """Return false alarms of each severidad, and of those that call people."""
    de_cada = {
        str(s): asdict(false_alarms(casos, severidad == k, semilla))
        for k, s in enumerate(SEVERIDADES)
        if k > 0
    }
    return {
        **de_cada,
        "alta_o_crítica": asdict(false_alarms(casos, severidad >= AVISA_DESDE, semilla)),
    }


def _compare(
    casos: Casos,
    opiniones: Opiniones,
    mezcla: ScoreTable,
    ranking: NDArray[np.float64],
    semilla: int,
    semivida_dias: float,
) -> Datos:
    """Return the blend beside what could stand in for it, and by how much it is better."""
    j = casos.juzgada
    verdad, cliente = casos.atacada[j], casos.hogares[casos.cliente[j]]
    atacado = casos.atacado[np.unique(casos.cliente)]
    k = int(atacado.sum())
    valores, remuestras = _both(mezcla, semilla)
    salida = {NOMBRE_MEZCLA: {
        **_figures(valores, remuestras),
        "primeros_k": precision_at(ranking, atacado, k, semilla),
    }}  # fmt: skip
    for nombre, score in opiniones.otras.items():
        if np.isnan(score[j]).all():
            salida[nombre] = dict(_SIN_OPINION)
            continue
        suyos, suyas = _both(ScoreTable(score[j], verdad, cliente), semilla)
        suyo = _rank(casos, to_centesimas(score), semivida_dias)
        ventajas = [
            None if a is None or b is None else a - b for a, b in zip(valores, suyos, strict=True)
        ]
        salida[nombre] = {
            **_figures(suyos, suyas),
            "primeros_k": precision_at(suyo, atacado, k, semilla),
            # Over the same resamples.
            **_figures(ventajas, remuestras - suyas, "ventaja_"),
        }
    return salida


def _both(tabla: ScoreTable, semilla: int) -> tuple[list[float | None], NDArray[np.float64]]:
    return [tabla.roc_auc(), tabla.precision_media()], tabla.resample(semilla)


def _figures(
    valores: Sequence[float | None], remuestras: NDArray[np.float64], que: str = ""
) -> Datos:
    area, media = map(interval_of, valores, remuestras)
    return {f"{que}roc_auc": asdict(area), f"{que}precision_media": asdict(media)}


def _distribution(casos: Casos, score_centesimas: NDArray[np.uint8]) -> dict[str, list[int]]:
    j = casos.juzgada
    return {
        nombre: np.bincount(score_centesimas[j & (casos.atacada == si)], minlength=101).tolist()
        for nombre, si in (("limpias", False), ("atacadas", True))
    }


def say_cifra(cifra: Mapping[str, Any] | float | None, decimales: int = 3) -> str:
    """Return a figure and its interval as a Spanish reader writes them.

    Examples
    --------
    >>> say_cifra({"valor": 0.5, "desde": 0.25, "hasta": 0.75}, 2), say_cifra(None)
    ('0,50 (0,25 a 0,75)', '–')
    """
    if isinstance(cifra, Mapping):
        valor = say_cifra(cifra["valor"], decimales)
        if cifra["desde"] is None:
            return valor
        desde, hasta = (say_cifra(cifra[cual], decimales) for cual in ("desde", "hasta"))
        return f"{valor} ({desde} a {hasta})"
    return "–" if cifra is None else numero(float(cifra), decimales).replace("-", "−")


def _say_precision(medidas: Datos) -> str:
    """Return an average precision beside what scores that know nothing would reach."""
    azar = say_cifra(medidas["precision_azar"])
    return f"{say_cifra(medidas['precision_media'])}; al azar, {azar}"


def summary_rows(informe: Datos) -> list[tuple[str, str]]:
    """Return what each main figure is, and it."""
    lectura, cliente = informe["por_lectura"], informe["por_cliente"]
    # People are called from ``alta`` on: found and false are of the same alarms.
    alta, k = informe["eventos"]["alta"], informe["por_cliente"]["primeros_k"]
    return [
        ("ROC-AUC por lectura", say_cifra(lectura["roc_auc"])),
        ("precisión media por lectura", _say_precision(lectura)),
        ("ROC-AUC por cliente", say_cifra(cliente["roc_auc"])),
        ("precisión media por cliente", _say_precision(cliente)),
        (f"atacados entre los {k['k']} primeros clientes", say_cifra(k, 2)),
        *(
            (f"atacados entre los {n} primeros", say_cifra(valor, 2))
            for n, valor in cliente["primeros"].items()
            if valor is not None
        ),
        (f"de {alta['eventos']} ataques, hallados", say_cifra(alta["hallados"], 2)),
        ("horas hasta hallarlos, mediana", say_cifra(alta["retraso_mediana_h"], 0)),
        ("horas hasta hallarlos, percentil 90", say_cifra(alta["retraso_p90_h"], 0)),
        ("kWh perdidos antes de hallarlos", numero(alta["kwh_antes"], 0)),
        ("kWh perdidos en todos los ataques", numero(alta["kwh_total"], 0)),
        *(
            (f"falsas alarmas {severidad.replace('_', ' ')}, por cliente y mes", say_cifra(c, 2))
            for severidad, c in informe["falsas_alarmas"].items()
        ),
    ]


CABECERA_RESUMEN = ("medida (intervalo del 95 % al sortear clientes)", "valor")
CABECERA_TIPOS = (
    *("tipo", "clientes", "ROC-AUC", "precisión media", "al azar", "hallados", "horas, mediana"),
    "horas, p90",
)
CABECERA_COMPARACION = (
    *("qué", "ROC-AUC", "precisión media", "primeros k", "ventaja de la mezcla"),
)


def type_rows(informe: Datos) -> list[tuple[str, ...]]:
    """Return the rows under ``CABECERA_TIPOS``: each kind against the clean customers."""
    return [
        (
            tipo, str(t["clientes"]), say_cifra(t["roc_auc"]),
            say_cifra(t["precision_media"]["valor"]), say_cifra(t["precision_azar"]),
            say_cifra(t["hallados"], 2), say_cifra(t["retraso_mediana_h"], 0),
            say_cifra(t["retraso_p90_h"], 0),
        )
        for tipo, t in informe["tipos"].items()
    ]  # fmt: skip


def comparison_rows(informe: Datos) -> list[tuple[str, ...]]:
    """Return the rows under ``CABECERA_COMPARACION``: the blend, and what could stand in for it.

    The last one is what scores that know nothing would reach.
    """
    filas = [
        (
            nombre, say_cifra(c["roc_auc"]), say_cifra(c["precision_media"]),
            say_cifra(c["primeros_k"], 2),
            say_cifra(c["ventaja_precision_media"]) if "ventaja_precision_media" in c else "",
        )
        for nombre, c in informe["comparacion"].items()
    ]  # fmt: skip
    azar = (informe[cual]["precision_azar"] for cual in ("por_lectura", "por_cliente"))
    por_lectura, por_cliente = azar
    return [*filas, (AZAR, "0,500", say_cifra(por_lectura), say_cifra(por_cliente, 2), "")]


def make_tablas(informe: Datos) -> list[Any]:
    """Return the report as tables of rich."""
    from rich.table import Table

    titulo = (
        f"{numero(informe['lecturas_juzgadas'], 0)} lecturas juzgadas, "
        f"{numero(informe['lecturas_atacadas'], 0)} atacadas; {informe['clientes']} clientes, "
        f"{informe['clientes_atacados']} atacados"
    )
    salida = []
    for nombre, cabecera, filas in (
        (titulo, CABECERA_RESUMEN, summary_rows(informe)),
        ("Por tipo de ataque, frente a los clientes limpios", CABECERA_TIPOS, type_rows(informe)),
        ("Frente a cada detector solo y a lo más sencillo", CABECERA_COMPARACION,
         comparison_rows(informe)),
    ):  # fmt: skip
        tabla = Table(title=nombre, title_justify="left", title_style="bold", show_edge=False)
        tabla.add_column(cabecera[0], no_wrap=True)
        for columna in cabecera[1:]:
            tabla.add_column(columna, justify="right")
        for fila in filas:
            tabla.add_row(*fila)
        salida.append(tabla)
    return salida
