"""The report of a case: two pages of PDF out of what the stores say, always the same bytes.

Nothing in it depends on when, where or by whom it is made: its date is the last day that the case
was looked at, its fonts come with Typst, and the fingerprint printed on it is that of the facts.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from datetime import date
from itertools import dropwhile
from pathlib import Path
from typing import Any

from detection.domain import MESES, ROTULOS
from detection.number_format import kwh_dia, numero, porcentaje
from pipeline.evidence.facts import CaseDay, CaseFacts
from pipeline.stores.case_records import CasoDetalle, CasoResumen, MovimientoCaso

PLANTILLA = "report.typ"
DIAS_GRAFICA = 240
"""Days that are drawn: each is wide enough to be seen."""
FILAS_TABLA = 60
ANTES_TABLA = 14
"""Rows of the table, in three columns of twenty, and how many of them are of before the onset."""
DETECTORES, EXPLICACIONES, MOVIMIENTOS = 3, 4, 5
"""Rows of each, at most: what fits on two pages."""
FRASE_DETECTOR, FRASE_MAXIMA = 140, 170
"""Characters of a sentence, at most: two lines of the table, and of the page."""
_ACCIONES = {
    "asignacion": "lo asignó",
    "comentario": "comentó",
    "visita": "anotó una visita",
    "veredicto": "dio su veredicto",
    "resultado": "anotó lo hallado",
    "deshacer": "deshizo un cambio",
}


def make_report(hechos: CaseFacts) -> bytes:
    """Return the PDF of a case; of the same facts, the same bytes."""
    import typst

    pdf = typst.compile(
        (Path(__file__).parent / PLANTILLA).read_bytes(),
        ignore_system_fonts=True,
        sys_inputs={"datos": json.dumps(_document(hechos), ensure_ascii=False)},
        pdf_standards="a-2b",
    )
    assert isinstance(pdf, bytes)
    return pdf


def facts_fingerprint(hechos: CaseFacts) -> str:
    """Return SHA-256, hex, of all that the report is made of."""
    todo = {
        "caso": hechos.caso.model_dump(mode="json"),
        "dias": [[str(d.fecha), d.consumo_kwh, d.hace_un_ano_kwh] for d in hechos.dias],
        "detectores": [uno.model_dump(mode="json") for uno in hechos.detectores],
        "contra": [[una.tipo, una.frase, una.apartada] for una in hechos.contra],
        "perfiles": [hechos.perfil_antes, hechos.perfil_ahora],
        "vecinos": hechos.vecinos.model_dump(mode="json"),
    }
    texto = json.dumps(todo, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(texto.encode()).hexdigest()


def _document(hechos: CaseFacts) -> dict[str, Any]:
    """Return what the template shows: texts as people read them, and numbers to draw."""
    caso = hechos.caso
    return {
        "id": caso.id,
        "cliente": caso.propietario_id,
        "hasta": _date_parts(caso.hasta),
        "fecha": _day(caso.hasta),
        "estado": caso.estado,
        "frase": _short(caso.frase.rstrip(".") + "."),
        "tipo": ROTULOS.get(caso.tipo, caso.tipo),
        "cifras": _figures(caso),
        "grafica": _chart(caso, hechos.dias),
        "perfil": _profile_chart(hechos),
        "pensado": _evidence_chart(hechos),
        "detectores": [
            {
                "nombre": ROTULOS.get(uno.detector, uno.detector),
                "horas": numero(uno.horas, 0),
                "score": "" if uno.score_medio is None else numero(uno.score_medio, 2),
                "frase": _short(uno.frase, FRASE_DETECTOR),
            }
            for uno in hechos.detectores[:DETECTORES]
        ],
        "contra": [
            {"frase": _short(una.frase), "apartada": una.apartada}
            for una in hechos.contra[:EXPLICACIONES]
        ],
        "vecinos": neighbours_sentence(hechos),
        "tabla": _table(caso, hechos.dias),
        "movimientos": [_move(uno) for uno in caso.historial[-MOVIMIENTOS:]],
        "version": caso.version_modelo,
        "huella": facts_fingerprint(hechos),
    }


def _figures(caso: CasoResumen) -> list[dict[str, str]]:
    """Return the four figures below the title: what, how much, and its range."""
    cierre = "sigue" if caso.fecha_cierre is None else f"acabó el {caso.fecha_cierre:%d/%m/%Y}"
    return [
        {
            "que": "Probabilidad",
            "cuanto": porcentaje(caso.probabilidad),
            "nota": "de que haya algo que hallar",
        },
        {
            "que": "Consumo al día",
            "cuanto": f"{kwh_dia(caso.consumo_antes_kwh)} → "
            f"{kwh_dia(caso.consumo_despues_kwh)} kWh",
            "nota": f"{numero(caso.dias, 0)} días; {cierre}",
        },
        {
            "que": "En juego hasta ahora",
            "cuanto": f"{numero(caso.energia_en_juego_kwh, 0)} kWh",
            "nota": f"entre {numero(caso.energia_minima_kwh, 0)} y "
            f"{numero(caso.energia_maxima_kwh, 0)}; "
            f"{_euros(caso.energia_en_juego_eur)}, entre {_euros(caso.energia_minima_eur)} y "
            f"{_euros(caso.energia_maxima_eur)}",
        },
        {
            "que": "Cabe recuperar",
            "cuanto": _euros(caso.recuperable_eur),
            "nota": "lo que hay en juego por su probabilidad",
        },
    ]


def _chart(caso: CasoResumen, dias: Sequence[CaseDay]) -> dict[str, Any]:
    """Return the days to draw, where the change began among them, and the marks of the axes."""
    # Nothing is drawn of the time before the first reading.
    vistos = list(dropwhile(lambda d: d.consumo_kwh is None, dias))[-DIAS_GRAFICA:]
    primero = vistos[0].fecha if vistos else caso.hasta
    valores = [
        v for d in vistos for v in (d.consumo_kwh, d.maximo_kwh, d.hace_un_ano_kwh) if v is not None
    ]
    techo, marcas = _axis(valores)
    return {
        "consumo": [d.consumo_kwh for d in vistos],
        "referencia": [d.referencia_kwh for d in vistos],
        "minimo": [d.minimo_kwh for d in vistos],
        "maximo": [d.maximo_kwh for d in vistos],
        "hace_un_ano": [d.hace_un_ano_kwh for d in vistos],
        "inicio": (caso.fecha_inicio - primero).days,
        "rotulo_inicio": _day(caso.fecha_inicio),
        "techo": techo,
        "marcas_y": marcas,
        "marcas_x": [
            {"en": i, "texto": _short_day(d.fecha)}
            for i, d in enumerate(vistos)
            if _is_marked(d.fecha, len(vistos))
        ],
    }


def _profile_chart(hechos: CaseFacts) -> dict[str, Any]:
    """Return the mean of each hour of the day, before and of late."""
    antes, ahora = hechos.perfil_antes, hechos.perfil_ahora
    techo, marcas = _axis([v for v in (*antes, *ahora) if v is not None])
    return {"antes": antes, "ahora": ahora, "techo": techo, "marcas_y": marcas}


def _evidence_chart(hechos: CaseFacts) -> dict[str, Any]:
    """Return what was thought at the end of each of the latest days, as they are drawn."""
    evidencia = hechos.caso.evidencia
    return {
        "probabilidad": [dia.probabilidad for dia in evidencia],
        "desde": _short_day(evidencia[0].fecha) if evidencia else "",
        "hasta": _short_day(evidencia[-1].fecha) if evidencia else "",
    }


def _axis(valores: Sequence[float]) -> tuple[float, list[dict[str, Any]]]:
    """Return the top of an axis from 0 on, and its marks."""
    maximo = max(valores, default=1.0) or 1.0
    paso = _nice_step(maximo)
    techo = paso * math.ceil(maximo / paso - 1e-9)
    marcas = [
        {"en": paso * k, "texto": numero(paso * k, 0 if paso >= 1 else 1 if paso >= 0.1 else 2)}
        for k in range(round(techo / paso) + 1)
    ]
    return techo, marcas


def _is_marked(fecha: date, dias: int) -> bool:
    """Return whether a day has a mark: Mondays, every other one, or the first of a month."""
    if dias > 120:
        return fecha.day == 1
    return fecha.weekday() == 0 and (dias <= 60 or fecha.isocalendar().week % 2 == 0)


def _nice_step(maximo: float) -> float:
    """Return the distance of marks that cut 0 to a maximum into three to five parts.

    Examples
    --------
    >>> [_nice_step(x) for x in (0.9, 4.2, 88.0, 130.0)]
    [0.2, 1.0, 20.0, 50.0]
    """
    unidad = 10.0 ** math.floor(math.log10(maximo))
    return next(unidad * k for k in (0.2, 0.5, 1, 2) if maximo / (unidad * k) <= 5)


def _table(caso: CasoDetalle, dias: Sequence[CaseDay]) -> dict[str, Any]:
    """Return the rows of the table: some days before the onset, and the latest since."""
    antes = [d for d in dias if d.fecha < caso.fecha_inicio][-ANTES_TABLA:]
    despues = [d for d in dias if d.fecha >= caso.fecha_inicio]
    caben = FILAS_TABLA - len(antes)
    faltan = max(0, len(despues) - caben)
    probabilidad = {dia.fecha: dia.probabilidad for dia in caso.evidencia}
    filas = [
        {
            "fecha": f"{d.fecha:%d/%m/%Y}",
            "kwh": _or_dash(d.consumo_kwh),
            "normal": _or_dash(d.referencia_kwh),
            "prob": porcentaje(probabilidad[d.fecha]) if d.fecha in probabilidad else "",
            "dentro": d.fecha >= caso.fecha_inicio,
            "fuera": _is_outside(d),
        }
        for d in [*antes, *despues[faltan:]]
    ]
    return {"filas": filas, "faltan": faltan}


def _is_outside(dia: CaseDay) -> bool:
    if dia.consumo_kwh is None or dia.minimo_kwh is None or dia.maximo_kwh is None:
        return False
    return not dia.minimo_kwh <= dia.consumo_kwh <= dia.maximo_kwh


def neighbours_sentence(hechos: CaseFacts) -> str:
    """Return in a sentence whether comparable customers changed too; '' = nobody to compare."""
    propio, otros = hechos.vecinos.propio, hechos.vecinos.elementos
    if propio is None or not otros:
        return ""
    razones = sorted((o.despues_kwh + 0.1) / (o.antes_kwh + 0.1) for o in otros)
    suya = (propio.despues_kwh + 0.1) / (propio.antes_kwh + 0.1)
    media = razones[len(razones) // 2]
    tantos = sum(r >= suya if suya >= 1 else r <= suya for r in razones)
    cuantos = {0: "ninguno cambió", 1: "uno cambió"}.get(tantos, f"{tantos} cambiaron")
    return _short(
        f"De los {len(otros)} clientes que más se le parecen, {cuantos} tanto o más en los mismos "
        f"días: el de en medio gasta un {_change(media)} que antes, y este, un {_change(suya)}."
    )


def _change(razon: float) -> str:
    return f"{numero(abs(razon - 1) * 100, 0)} % {'más' if razon >= 1 else 'menos'}"


def _move(movimiento: MovimientoCaso) -> dict[str, str]:
    """Return what a person did, and when."""
    hecho = movimiento.despues
    que = _ACCIONES[movimiento.accion]
    match movimiento.accion:
        case "asignacion":
            que += f" a {hecho.get('asignado_a') or 'nadie'}"
        case "visita" if hecho.get("visita"):
            que += f" del {date.fromisoformat(hecho['visita']['fecha']):%d/%m/%Y}"
        case "veredicto" if hecho.get("veredicto"):
            que += f", {hecho['veredicto']['veredicto']}"
        case "resultado" if hecho.get("resultado"):
            que += ", había algo" if hecho["resultado"]["hallado"] else ", no había nada"
    texto = f": «{_short(movimiento.texto)}»" if movimiento.texto else ""
    return {
        "cuando": f"{movimiento.cuando:%d/%m/%Y %H:%M}",
        "que": f"{movimiento.quien} {que}{texto}",
    }


def _short(texto: str, maximo: int = FRASE_MAXIMA) -> str:
    """Return a text of one line, cut where it is too long, with its units beside their numbers."""
    plano = " ".join(texto.split())
    cabe = plano if len(plano) <= maximo else plano[: maximo - 1].rstrip() + "…"
    return re.sub(r"(?<=\d) (?=%|€|kWh|h\b)", "\u00a0", cabe)


def _day(fecha: date) -> str:
    return f"{fecha.day} de {MESES[fecha.month - 1]} de {fecha.year}"


def _short_day(fecha: date) -> str:
    return f"{fecha.day} {MESES[fecha.month - 1][:3]}"


def _euros(valor: float | None) -> str:
    return "—" if valor is None else f"{numero(valor, 0)} €"


def _date_parts(fecha: date) -> list[int]:
    return [fecha.year, fecha.month, fecha.day]


def _or_dash(valor: float | None) -> str:
    return "—" if valor is None else numero(valor, 1)
