"""Numbers, dates and names as Spanish readers write them."""

from __future__ import annotations

import math
from datetime import date, datetime

_A_LA_ESPANOLA = str.maketrans(",.-", ".,−")
"""The minus that is as wide as a figure, as the figures' axes have it."""
FALTA = "—"
"""What stands where there is no value."""

MESES = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio",
    "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
)  # fmt: skip
DIAS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")

SEVERIDADES = ("baja", "media", "alta", "crítica")
"""The severities of an anomaly, in rising order."""
ESTADOS = ("abierta", "confirmada", "descartada")

NOMBRES_TIPO = {
    "desviacion_estadistica": "Desviación estadística",
    "pico_consumo": "Pico de consumo",
    "consumo_noche_anomalo": "Consumo nocturno anómalo",
    "consumo_constante": "Consumo constante",
    "plantacion_cannabis": "Posible plantación",
    "fraude": "Posible fraude",
    "modelo_online": "Modelo en línea",
    "modelo_offline": "Modelo entrenado",
}
"""What each detector is called on the screen."""

_NOMBRES = {
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
    **NOMBRES_TIPO,
}
"""What metrics and features are called on the screen."""


def numero(valor: float | None, decimales: int = 0) -> str:
    """Return a number with decimal comma and a dot between thousands.

    Examples
    --------
    >>> numero(1234.5, 1), numero(-0.04, 1), numero(None)
    ('1.234,5', '0,0', '—')
    """
    if valor is None or math.isnan(valor):
        return FALTA
    texto = f"{valor:,.{decimales}f}".translate(_A_LA_ESPANOLA)
    return texto.lstrip("−") if not texto.strip("−0,.") else texto


def kwh(valor: float | None) -> str:
    """Return an amount of energy with as many decimals as it deserves.

    Examples
    --------
    >>> kwh(1.234), kwh(0.004), kwh(123.4), kwh(36020.1), kwh(2_500_000)
    ('1,23 kWh', '0,004 kWh', '123,4 kWh', '36.020 kWh', '2.500,0 MWh')
    """
    if valor is None or math.isnan(valor):
        return FALTA
    grande = abs(valor)
    if grande >= 1_000_000:
        return f"{numero(valor / 1000, 1)} MWh"
    decimales = 0 if grande >= 10_000 else 1 if grande >= 100 else 2 if grande >= 0.1 else 3
    return f"{numero(valor, 0 if valor == 0 else decimales)} kWh"


def euros(valor: float | None) -> str:
    """Return an amount of money.

    Examples
    --------
    >>> euros(7.9), euros(12345.6)
    ('7,90 €', '12.346 €')
    """
    if valor is None or math.isnan(valor):
        return FALTA
    return f"{numero(valor, 0 if abs(valor) >= 1000 else 2)} €"


def porcentaje(fraccion: float | None, decimales: int = 0, signo: bool = False) -> str:
    """Return a fraction as a percentage.

    Examples
    --------
    >>> porcentaje(0.1234), porcentaje(0.2, signo=True), porcentaje(-0.051, 1)
    ('12 %', '+20 %', '−5,1 %')
    """
    if fraccion is None or math.isnan(fraccion):
        return FALTA
    mas = "+" if signo and round(fraccion, decimales + 2) > 0 else ""
    return f"{mas}{numero(100 * fraccion, decimales)} %"


def comparado(variacion: float | None) -> str:
    """Return a change in words.

    Examples
    --------
    >>> comparado(0.2), comparado(-0.051), comparado(0.001), comparado(None)
    ('20 % más', '5 % menos', 'lo mismo', '—')
    """
    if variacion is None or math.isnan(variacion):
        return FALTA
    if round(variacion, 2) == 0:
        return "lo mismo"
    return f"{porcentaje(abs(variacion))} {'más' if variacion > 0 else 'menos'}"


def momento(texto: str | None) -> datetime | None:
    """Return the instant of an ISO 8601 text of the API, in the API's own zone."""
    return datetime.fromisoformat(texto) if texto else None


def fecha(valor: date | None, con_ano: bool = True) -> str:
    """Return a day.

    Examples
    --------
    >>> fecha(date(2026, 11, 3)), fecha(date(2026, 11, 3), con_ano=False)
    ('3 nov 2026', '3 nov')
    """
    if valor is None:
        return FALTA
    corto = f"{valor.day} {MESES[valor.month - 1][:3]}"
    return f"{corto} {valor.year}" if con_ano else corto


def fecha_hora(valor: datetime | str | None) -> str:
    """Return an instant, to the minute.

    Examples
    --------
    >>> fecha_hora("2026-11-03T02:00:00+01:00")
    '3 nov 2026, 02:00'
    """
    cuando = momento(valor) if isinstance(valor, str) else valor
    return FALTA if cuando is None else f"{fecha(cuando)}, {cuando:%H:%M}"


def fecha_hora_corta(valor: datetime | str | None) -> str:
    """Return an instant without its year.

    Examples
    --------
    >>> fecha_hora_corta("2026-11-03T02:00:00+01:00")
    '3 nov, 02:00'
    """
    cuando = momento(valor) if isinstance(valor, str) else valor
    return FALTA if cuando is None else f"{fecha(cuando, con_ano=False)}, {cuando:%H:%M}"


def hace(segundos: float | None) -> str:
    """Return how long ago something was.

    Examples
    --------
    >>> hace(12), hace(90), hace(7300), hace(200_000)
    ('hace 12 s', 'hace 1 min', 'hace 2 h', 'hace 2 días')
    """
    if segundos is None:
        return FALTA
    for unidad, nombre in ((86_400, "día"), (3600, "h"), (60, "min")):
        cuantos = int(segundos // unidad)
        if cuantos:
            plural = "s" if nombre == "día" and cuantos > 1 else ""
            return f"hace {cuantos} {nombre}{plural}"
    return f"hace {max(0, int(segundos))} s"


def mes(texto: str) -> str:
    """Return the name of a month.

    Examples
    --------
    >>> mes("2026-01")
    'enero de 2026'
    """
    return f"{MESES[int(texto[5:7]) - 1]} de {texto[:4]}"


def mes_corto(texto: str) -> str:
    """Return the short name of a month.

    Examples
    --------
    >>> mes_corto("2026-01")
    'ene 26'
    """
    return f"{MESES[int(texto[5:7]) - 1][:3]} {texto[2:4]}"


def tipo(nombre: str) -> str:
    """Return what a detector is called on the screen."""
    return legible(nombre)


def tipos(nombres: list[str]) -> str:
    """Return what some detectors are called, with commas.

    Examples
    --------
    >>> tipos(["pico_consumo", "fraude"]), tipos([])
    ('Pico de consumo, Posible fraude', 'Varias señales leves')
    """
    return ", ".join(map(tipo, nombres)) or "Varias señales leves"


def legible(nombre: str) -> str:
    """Return what a metric or a feature is called on the screen.

    Examples
    --------
    >>> legible("nivel_dia"), legible("falsas_alarmas.alta"), legible("otra_cosa")
    ('Nivel del día', 'Falsas alarmas por 1.000 clientes y día: alta', 'Otra cosa')
    """
    grupo, punto, resto = nombre.partition(".")
    texto = _NOMBRES.get(grupo) or grupo.replace("_", " ").strip()
    texto = texto[:1].upper() + texto[1:]
    return f"{texto}: {_NOMBRES.get(resto, resto.replace('_', ' '))}" if punto else texto


def plural(cuantos: int, uno: str, varios: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> plural(1, "anomalía", "anomalías"), plural(1200, "anomalía", "anomalías")
    ('1 anomalía', '1.200 anomalías')
    """
    return f"{numero(cuantos)} {uno if cuantos == 1 else varios}"


def version_modelo(nombre: str | None) -> str:
    """Return the name of what made a verdict, without the fingerprint of the rules.

    Examples
    --------
    >>> version_modelo("consumo-detector-3+reglas-1a2b"), version_modelo("reglas-1a2b")
    ('Modelo v3 y reglas', 'Solo reglas')
    """
    if not nombre:
        return FALTA
    modelo = nombre.partition("+")[0]
    if modelo.startswith("reglas"):
        return "Solo reglas"
    final = modelo.rpartition("-")[2]
    return f"Modelo v{final} y reglas" if final.isdecimal() else nombre
