"""One message out of all that is to be told: a subject, and a text by a template."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, TemplateAssertionError
from jinja2.meta import find_undeclared_variables
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
NOMBRES = frozenset({"asunto", "sistema", "nuevos", "peores", "mas", "enlace"})
"""What a template is given."""


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
            arbol = entorno.parse(fuente)
            self._plantilla = entorno.from_string(arbol)
            desconocido = _unknown_name(arbol, entorno)
        except (OSError, UnicodeDecodeError, TemplateError) as error:
            raise self._wrong(error) from error
        if desconocido:
            raise ConfiguracionError(f"{self._cual()}: {desconocido}")

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

    def _cual(self) -> str:
        return f"AVISOS_PLANTILLA ({self._ruta or 'la del producto'})"

    def _wrong(self, error: Exception) -> ConfiguracionError:
        que = describe_os(error) if isinstance(error, OSError) else _what_is_wrong(error)
        return ConfiguracionError(f"{self._cual()}: {que}")


def _unknown_name(arbol: nodes.Template, entorno: Environment) -> str:
    """Return which name a template asks for that it is not given, and where; '' = none.

    Jinja writes nothing in its place, and an alert that says nothing is found out too late.
    """
    ajenos = find_undeclared_variables(arbol) - NOMBRES - entorno.globals.keys()
    for uno in arbol.find_all(nodes.Name):
        if uno.name in ajenos:
            hay = ", ".join(sorted(NOMBRES))
            return f"línea {uno.lineno}: «{uno.name}» no existe; hay {hay}"
    return ""


def _what_is_wrong(error: Exception) -> str:
    """Return in which line of a template something is wrong, and what, in Spanish."""
    if isinstance(error, UnicodeDecodeError):
        linea = error.object[: error.start].count(b"\n") + 1
        return f"línea {linea}: no está en UTF-8"
    # Of Jinja's English the only thing that is the user's own: the last thing that it quotes.
    citado = re.findall(r"'(\S+)'", str(error))
    cual = f" («{citado[-1]}»)" if citado else ""
    if isinstance(error, TemplateSyntaxError):
        existe = not isinstance(error, TemplateAssertionError)
        que = "no está bien escrita" if existe else "usa un filtro o una prueba que no existe"
        return f"línea {error.lineno}: {que}{cual}"
    # Jinja gives the frames of a template its own lines.
    pasos = traceback.extract_tb(error.__traceback__)
    lineas = [paso.lineno for paso in pasos if paso.filename == "<template>"]
    if isinstance(error, SecurityError):
        que = f"pide algo que a una plantilla no se le permite{cual}"
    elif isinstance(error, TemplateError):
        que = f"usa algo que no existe{cual}"
    else:
        que = "hace algo que no se puede, como dividir entre cero o sumar un texto"
    return f"línea {lineas[-1]}: {que}" if lineas else que


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
