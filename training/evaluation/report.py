"""All figures of labelled verdicts together: as data, and as tables for a terminal.

The same report for a file (``consumo evaluar``) and for the red team (``make calidad``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import SEVERIDADES
from detection.number_format import numero
from training.evaluation.metrics import (
    Casos,
    Cifra,
    Eventos,
    Tabla,
    by_customer,
    false_alarms,
    find_eventos,
    interval,
    precision_at,
    rank_customers,
    to_centesimas,
)

MEZCLA = "mezcla"
AZAR = "al azar"
PRIMEROS = (10, 50, 100)
MEDIA, ALTA = 2, 3
"""Indices of severidad: from ``media`` on an event counts as found, from ``alta`` on people are
called."""

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
    """What was said of labelled readings (n,), in their order.

    Parameters
    ----------
    score_centesimas : ndarray (n,), 0 to 100
        The blend's.
    severidad : ndarray (n,), uint8
    otras : mapping of str to ndarray (n,)
        Scores of every detector alone and of the baselines, high = more anomalous, NaN = not
        ready.
    """

    score_centesimas: NDArray[np.uint8]
    severidad: NDArray[np.uint8]
    otras: Mapping[str, NDArray[np.floating]]


def make_informe(casos: Casos, opiniones: Opiniones, semilla: int, semivida_dias: float) -> Datos:
    """Return all figures, of numbers, texts and None alone: it may be written as JSON.

    Parameters
    ----------
    semivida_dias : float
        Half-life of the evidence that ranks customers.
    """
    j = casos.juzgada
    verdad, cliente = casos.atacada[j], casos.hogares[casos.cliente[j]]
    tabla = Tabla(opiniones.score_centesimas[j], verdad, cliente)
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
            for s in (MEDIA, ALTA)
        },
        "falsas_alarmas": _alarms(casos, opiniones.severidad, semilla),
        "comparacion": _compare(casos, opiniones, tabla, ranking, semilla, semivida_dias),
        "curvas": {
            MEZCLA: tabla.curvas(),
            **{
                n: Tabla(s[j], verdad, cliente).curvas()
                for n, s in opiniones.otras.items()
                if not np.isnan(s[j]).all()
            },
        },
        "distribucion": _distribution(casos, opiniones.score_centesimas),
        "retrasos": find_eventos(casos, opiniones.severidad >= MEDIA)
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
    """Return how well attacked customers rank."""
    todos = np.arange(ranking.size)
    numeros, quien = np.unique(hogar, return_inverse=True)
    roc, media = Tabla(ranking, atacado, quien).intervalos(semilla)
    k = int(atacado.sum())

    def en_cabeza(veces: NDArray[np.int64]) -> float | None:
        filas = np.repeat(todos, veces[quien])
        suyos = atacado[filas]
        return precision_at(ranking[filas], suyos, int(suyos.sum()), semilla)

    return {
        "roc_auc": asdict(roc),
        "precision_media": asdict(media),
        "precision_azar": float(atacado.mean()) if atacado.size else None,
        "primeros_k": {"k": k, **asdict(by_customer(en_cabeza, numeros.size, semilla))},
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
    """Return each kind of attack against all clean customers."""
    de_cliente = np.array(casos.tipo_cliente)
    eventos = find_eventos(casos, opiniones.severidad >= MEDIA)
    salida = {}
    for tipo in casos.tipos:
        suyas = casos.de_tipo(tipo)
        if not (suyas & casos.atacada).any():
            continue
        tabla = Tabla(opiniones.score_centesimas[suyas], casos.atacada[suyas], casos.cliente[suyas])
        roc, media = tabla.intervalos(semilla)
        salida[tipo] = {
            "clientes": int((de_cliente == tipo).sum()),
            "lecturas": int((suyas & casos.atacada).sum()),
            "roc_auc": asdict(roc),
            "precision_media": asdict(media),
            "precision_azar": float(casos.atacada[suyas].mean()),
            **_events(eventos.elegir(de_cliente[eventos.cliente] == tipo)),
        }
    return salida


def _alarms(casos: Casos, severidad: NDArray[np.uint8], semilla: int) -> Datos:
    """Return false alarms of each severidad, and of those that call people."""
    de_cada = {
        str(s): asdict(false_alarms(casos, severidad == k, semilla))
        for k, s in enumerate(SEVERIDADES)
        if k > 0
    }
    return {**de_cada, "alta_o_crítica": asdict(false_alarms(casos, severidad >= ALTA, semilla))}


def _compare(
    casos: Casos,
    opiniones: Opiniones,
    mezcla: Tabla,
    ranking: NDArray[np.float64],
    semilla: int,
    semivida_dias: float,
) -> Datos:
    """Return the blend beside what could stand in for it, and by how much it is better."""
    j = casos.juzgada
    verdad, cliente = casos.atacada[j], casos.hogares[casos.cliente[j]]
    atacado = casos.atacado[np.unique(casos.cliente)]
    k = int(atacado.sum())
    nuestras = mezcla.resample(semilla)
    salida = {MEZCLA: {
        "roc_auc": asdict(interval(mezcla.roc_auc(), nuestras[0])),
        "precision_media": asdict(interval(mezcla.precision_media(), nuestras[1])),
        "primeros_k": precision_at(ranking, atacado, k, semilla),
    }}  # fmt: skip
    for nombre, score in opiniones.otras.items():
        if np.isnan(score[j]).all():
            salida[nombre] = dict(_SIN_OPINION)
            continue
        tabla = Tabla(score[j], verdad, cliente)
        suyas = tabla.resample(semilla)
        suyo = _rank(casos, to_centesimas(score), semivida_dias)
        salida[nombre] = {
            "roc_auc": asdict(interval(tabla.roc_auc(), suyas[0])),
            "precision_media": asdict(interval(tabla.precision_media(), suyas[1])),
            "primeros_k": precision_at(suyo, atacado, k, semilla),
            "ventaja_roc_auc": asdict(
                _gain(mezcla.roc_auc(), tabla.roc_auc(), nuestras[0], suyas[0])
            ),
            "ventaja_precision_media": asdict(
                _gain(mezcla.precision_media(), tabla.precision_media(), nuestras[1], suyas[1])
            ),
        }
    return salida


def _gain(
    nuestro: float | None,
    suyo: float | None,
    nuestros: Sequence[float | None],
    suyos: Sequence[float | None],
) -> Cifra:
    """Return by how much ours is better, with the interval over the same resamples."""
    if nuestro is None or suyo is None:
        return Cifra(None)
    pares = zip(nuestros, suyos, strict=True)
    return interval(nuestro - suyo, [a - b for a, b in pares if a is not None and b is not None])


def _distribution(casos: Casos, score_centesimas: NDArray[np.uint8]) -> dict[str, list[int]]:
    """Return how many judged readings have each hundredth of score, 0 to 100."""
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
    media, k = informe["eventos"]["media"], informe["por_cliente"]["primeros_k"]
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
        (f"de {media['eventos']} ataques, hallados", say_cifra(media["hallados"], 2)),
        ("horas hasta hallarlos, mediana", say_cifra(media["retraso_mediana_h"], 0)),
        ("horas hasta hallarlos, percentil 90", say_cifra(media["retraso_p90_h"], 0)),
        ("kWh perdidos antes de hallarlos", numero(media["kwh_antes"], 0)),
        ("kWh perdidos en todos los ataques", numero(media["kwh_total"], 0)),
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
