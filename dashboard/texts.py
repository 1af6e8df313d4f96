"""Numbers, dates and names as Spanish readers write them.

What is not known is a dash here, which ``detection.texts`` never has to write.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

from detection.domain import MESES, ROTULOS, SEVERIDADES, TIPOS

_SPANISH = str.maketrans(",.-", ".,−")
"""The minus that is as wide as a figure, as the figures' axes have it."""
MISSING = "—"
"""What stands where there is no value."""

WEEKDAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")

ANOMALY_SEVERITIES = tuple(str(severity) for severity in SEVERIDADES[1:])
"""The severities of an anomaly, in rising order."""
REVIEW_STATES = ("abierta", "confirmada", "descartada")

TYPE_NAMES = {str(tipo): tipo.rotulo for tipo in TIPOS}
"""What each detector is called on the screen."""

CASE_TYPES = ROTULOS
"""What each type of case is called on the screen, innocent ones included."""

_READABLE = {
    "precision_media": "Precisión media",
    "precision_media_reglas": "Precisión media (solo reglas)",
    "precision_media_azar": "Precisión media (al azar)",
    "precision_sola": "Precisión por sí solo",
    "precision_sin": "Precisión sin él",
    "hallados_clientes": "Clientes hallados",
    "hallados_lecturas": "Lecturas halladas",
    "falsas_alarmas": "Falsas alarmas por 1.000 clientes y día",
    "importancia": "Importancia",
    "nivel_hora": "Nivel de la hora",
    "desviacion_hora": "Desviación de la hora",
    "salto_hora": "Salto de una hora a otra",
    "nivel_dia": "Nivel del día",
    "nivel_tres_dias": "Nivel de tres días",
    "minimo_dia": "Mínimo del día",
    "maximo_dia": "Máximo del día",
    "nivel_noche": "Nivel de la noche",
    "forma_dia": "Forma del día",
    "planitud_dia": "Planitud del día",
    "racha_igual": "Racha de lecturas iguales",
    "ceros_dia": "Ceros del día",
    "meseta_dia": "Meseta del día",
    "critica": "crítica",
    "score_anomalia": "Puntuación",
    "score_online": "Puntuación del modelo en línea",
    "score_offline": "Puntuación del modelo entrenado",
    **CASE_TYPES,
}
"""What detectors, metrics and features are called on the screen."""


def number(value: float | None, decimals: int = 0) -> str:
    """Return a number with decimal comma and a dot between thousands.

    Examples
    --------
    >>> number(1234.5, 1), number(-0.04, 1), number(None)
    ('1.234,5', '0,0', '—')
    """
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:,.{decimals}f}".translate(_SPANISH)
    return text.lstrip("−") if not text.strip("−0,.") else text


def energy(value: float | None) -> str:
    """Return an amount of energy with as many decimals as it deserves.

    Examples
    --------
    >>> energy(1.234), energy(0.004), energy(123.4), energy(36020.1)
    ('1,23 kWh', '0,004 kWh', '123,4 kWh', '36.020 kWh')
    >>> energy(2_500_000), energy(0)
    ('2.500,0 MWh', '0 kWh')
    """
    if value is None or math.isnan(value):
        return MISSING
    size = abs(value)
    if size >= 1_000_000:
        return f"{number(value / 1000, 1)} MWh"
    decimals = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 0.1 else 3
    return f"{number(value, 0 if value == 0 else decimals)} kWh"


def money(value: float | None) -> str:
    """Return an amount of money, from ten euros on without cents: most are estimates.

    Examples
    --------
    >>> money(7.9), money(12345.6), money(0)
    ('7,90 €', '12.346 €', '0 €')
    """
    if value is None or math.isnan(value):
        return MISSING
    return f"{number(value, 2 if 0 < abs(value) < 10 else 0)} €"


def percent(share: float | None, decimals: int = 0, sign: bool = False) -> str:
    """Return a fraction as a percentage.

    Examples
    --------
    >>> percent(0.1234), percent(0.2, sign=True), percent(-0.051, 1)
    ('12 %', '+20 %', '−5,1 %')
    """
    if share is None or math.isnan(share):
        return MISSING
    plus = "+" if sign and round(share, decimals + 2) > 0 else ""
    return f"{plus}{number(100 * share, decimals)} %"


def probability(share: float | None) -> str:
    """Return a probability; what is not certain is never written as if it were.

    Examples
    --------
    >>> probability(0.97), probability(0.9981), probability(0.002), probability(1.0)
    ('97 %', 'más del 99 %', 'menos del 1 %', '100 %')
    """
    if share is not None and 0.995 <= share < 1:
        return "más del 99 %"
    if share is not None and 0 < share < 0.005:
        return "menos del 1 %"
    return percent(share)


def compared(change: float | None) -> str:
    """Return a change in words.

    Examples
    --------
    >>> compared(0.2), compared(-0.051), compared(0.001), compared(None)
    ('20 % más', '5 % menos', 'lo mismo', '—')
    """
    if change is None or math.isnan(change):
        return MISSING
    if round(change, 2) == 0:
        return "lo mismo"
    return f"{percent(abs(change))} {'más' if change > 0 else 'menos'}"


def parse_instant(text: str | None) -> datetime | None:
    """Return the instant of an ISO 8601 text of the API, in the API's own zone."""
    return datetime.fromisoformat(text) if text else None


def date_time(value: str | datetime | None, year: bool = True) -> str:
    """Return an instant, to the minute.

    Examples
    --------
    >>> date_time("2026-11-03T02:00:00+01:00")
    '3 nov 2026, 02:00'
    """
    instant = parse_instant(value) if isinstance(value, str) else value
    if instant is None:
        return MISSING
    month = MESES[instant.month - 1][:3]
    return f"{instant.day} {month}{f' {instant.year}' * year}, {instant:%H:%M}"


def short_date_time(text: str | None) -> str:
    """Return an instant without its year.

    Examples
    --------
    >>> short_date_time("2026-11-03T02:00:00+01:00")
    '3 nov, 02:00'
    """
    return date_time(text, year=False)


def day(text: str | None) -> str:
    """Return a local day.

    Examples
    --------
    >>> day("2026-11-03")
    '3 nov 2026'
    """
    return date_time(text).partition(",")[0]


def time_ago(seconds: float | None) -> str:
    """Return how long ago something was.

    Examples
    --------
    >>> time_ago(12), time_ago(90), time_ago(7300), time_ago(200_000)
    ('hace 12 s', 'hace 1 min', 'hace 2 h', 'hace 2 días')
    """
    if seconds is None:
        return MISSING
    for size, name in ((86_400, "día"), (3600, "h"), (60, "min")):
        if count := int(seconds // size):
            return f"hace {count} {name}{'s' if name == 'día' and count > 1 else ''}"
    return f"hace {max(0, int(seconds))} s"


def month_name(month: str) -> str:
    """Return the name of a month.

    Examples
    --------
    >>> month_name("2026-01")
    'enero de 2026'
    """
    return f"{MESES[int(month[5:7]) - 1]} de {month[:4]}"


def short_month(month: str) -> str:
    """Return the short name of a month.

    Examples
    --------
    >>> short_month("2026-01")
    'ene 26'
    """
    return f"{MESES[int(month[5:7]) - 1][:3]} {month[2:4]}"


def readable(name: str) -> str:
    """Return what a detector, a metric or a feature is called on the screen.

    Examples
    --------
    >>> readable("nivel_dia"), readable("falsas_alarmas.alta"), readable("otra_cosa")
    ('Nivel del día', 'Falsas alarmas por 1.000 clientes y día: alta', 'Otra cosa')
    """
    group, dot, member = name.partition(".")
    text = _READABLE.get(group) or group.replace("_", " ").strip()
    text = text[:1].upper() + text[1:]
    return f"{text}: {_READABLE.get(member, member.replace('_', ' '))}" if dot else text


def type_names(names: list[str]) -> str:
    """Return what some detectors are called, with commas.

    Examples
    --------
    >>> type_names(["pico_consumo", "fraude"]), type_names([])
    ('Pico de consumo, Posible fraude', 'Varias señales leves')
    """
    return ", ".join(map(readable, names)) or "Varias señales leves"


def count_of(count: int, one: str, many: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> count_of(1, "anomalía", "anomalías"), count_of(1200, "anomalía", "anomalías")
    ('1 anomalía', '1.200 anomalías')
    """
    return f"{number(count)} {one if count == 1 else many}"


_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:])")


def plain(text: str) -> str:
    r"""Return a text so that Markdown shows it as it is: names may hold any sign.

    Examples
    --------
    >>> print(plain("a_b"))
    a\_b
    """
    return _MARKS.sub(r"\\\1", text)


def model_name(version: str | None) -> str:
    """Return the name of what made a verdict, without the fingerprint of the rules.

    Examples
    --------
    >>> model_name("consumo-detector-3+reglas-1a2b"), model_name("reglas-1a2b")
    ('Modelo v3 y reglas', 'Solo reglas')
    >>> model_name("consumo-detector-base+reglas-1a2b")
    'Versión de base y reglas'
    """
    if not version:
        return MISSING
    model = version.partition("+")[0]
    if model.startswith("reglas"):
        return "Solo reglas"
    number = model.rpartition("-")[2]
    if number == "base":
        return "Versión de base y reglas"
    return f"Modelo v{number} y reglas" if number.isdecimal() else version
