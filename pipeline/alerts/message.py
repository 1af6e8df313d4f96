"""One message out of all that is to be told: a subject, and a text by a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from detection.errors import ConfiguracionError
from pipeline.alerts.findings import CASO, CONSUMIDOR, DERIVA, NOCHE, most_first
from pipeline.stores.alert_records import Alert
from serving.cli import describe_os
from serving.settings import Settings

CASOS_MAXIMOS = 20
"""That a message spells out; of the others it says how many they are."""
PLANTILLA = """\
{%- for aviso in sistema %}
{{ aviso.texto }}
{%- endfor %}
{%- if nuevos %}
{% if sistema %}
{% endif %}{{ "Caso nuevo" if nuevos|length == 1 else "Casos nuevos" }}:
{%- for aviso in nuevos %}
- {{ aviso.texto }}{% if aviso.enlace %} {{ aviso.enlace }}{% endif %}
{%- endfor %}
{%- endif %}
{%- if peores %}
{% if sistema or nuevos %}
{% endif %}{{ "Empeora" if peores|length == 1 else "Empeoran" }}:
{%- for aviso in peores %}
- {{ aviso.texto }}{% if aviso.enlace %} {{ aviso.enlace }}{% endif %}
{%- endfor %}
{%- endif %}
{%- if mas %}

Y {{ mas }} más{% if enlace %}: {{ enlace }}{% endif %}
{%- endif %}
"""
"""The product's own; ``AVISOS_PLANTILLA`` takes its place, with the same names."""


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """What is sent."""

    asunto: str
    texto: str
    grave: bool  # something of ours is broken


class MessageWriter:
    """Writes messages by the product's template, or by the user's.

    ``ConfiguracionError``: the user's cannot be read, or does not give a text.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> cuando = datetime(2026, 11, 30, tzinfo=UTC)
    >>> aviso = Alert("caso:A_2026-11-30", "caso", "A: posible plantación", cuando)
    >>> print(MessageWriter(Settings(_env_file=None)).write([aviso]).texto)
    Caso nuevo:
    - A: posible plantación
    """

    def __init__(self, settings: Settings) -> None:
        self._enlace = settings.avisos_enlace.rstrip("/")
        self._ruta = settings.avisos_plantilla
        # The user's file is data: it reaches nothing but what it is given.
        entorno = SandboxedEnvironment(autoescape=False)  # nosec B701 # plain text, no page
        try:
            fuente = Path(self._ruta).read_text("utf-8") if self._ruta else PLANTILLA
            self._plantilla = entorno.from_string(fuente)
        except (OSError, UnicodeDecodeError, TemplateError) as error:
            raise self._wrong(error) from error

    def write(self, avisos: Sequence[Alert]) -> AlertMessage:
        """Return the message that tells all of these things."""
        en_orden = most_first(avisos)
        sistema = [self._shown(a) for a in en_orden if a.clase != CASO]
        casos = [a for a in en_orden if a.clase == CASO]
        dichos = [self._shown(a) for a in casos[:CASOS_MAXIMOS]]
        asunto = _subject(en_orden)
        try:
            texto = self._plantilla.render(
                asunto=asunto,
                sistema=sistema,
                nuevos=[a for a in dichos if not a["empeora"]],
                peores=[a for a in dichos if a["empeora"]],
                mas=max(0, len(casos) - CASOS_MAXIMOS),
                enlace=self._enlace,
            )
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise self._wrong(error) from error
        grave = any(a.clase == CONSUMIDOR and a.fin is None for a in avisos)
        return AlertMessage(asunto, texto.strip(), grave)

    def _shown(self, aviso: Alert) -> dict[str, Any]:
        """Return what a template knows of a thing."""
        caso = aviso.datos.get("id")
        donde = f"{self._enlace}/caso?caso={quote(caso, safe='')}" if caso else ""
        return {
            **aviso.datos,
            "clase": aviso.clase,
            "texto": aviso.texto,
            "visto": aviso.visto,
            "empeora": aviso.empeora,
            "enlace": donde if self._enlace else "",
        }

    def _wrong(self, error: Exception) -> ConfiguracionError:
        que = describe_os(error) if isinstance(error, OSError) else str(error)
        return ConfiguracionError(f"AVISOS_PLANTILLA ({self._ruta or 'la del producto'}): {que}")


def _subject(avisos: Sequence[Alert]) -> str:
    """Return what a message is about, in a line without anybody's name."""
    partes = []
    for clase, mal, bien in (
        (CONSUMIDOR, "las lecturas no avanzan", "las lecturas avanzan de nuevo"),
        (NOCHE, "la noche falló", ""),
        (DERIVA, "hay deriva", "ya no hay deriva"),
    ):
        suyos = [a for a in avisos if a.clase == clase]
        if suyos:
            partes.append(bien if all(a.fin is not None for a in suyos) else mal)
    nuevos = sum(a.clase == CASO and not a.empeora for a in avisos)
    peores = sum(a.clase == CASO and a.empeora for a in avisos)
    if nuevos:
        partes.append("un caso nuevo" if nuevos == 1 else f"{nuevos} casos nuevos")
    if peores:
        partes.append("un caso empeora" if peores == 1 else f"{peores} casos empeoran")
    return f"Consumo: {', '.join(partes)}"
