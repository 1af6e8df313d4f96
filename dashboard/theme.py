"""Colours, light and dark, and the few rules of style that Streamlit's themes do not reach.

Severities stay apart for colour-blind eyes too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a theme; every one is ``#rrggbb``."""

    background: str
    text: str
    muted: str
    grid: str
    primary: str
    second: str
    third: str
    good: str
    warning: str
    bad: str
    severity: dict[str, str]  # colour of each severity, ``normal`` included
    # From little to much, for heat maps; its first colour lies near the background.
    ramp: tuple[str, ...]
    sidebar: str
    border: str


# By hand, 2026-11-24; tests/dashboard/test_charts.py measures how far apart they are for
# normal, protan, deutan and tritan eyes.
LIGHT = Palette(
    background="#ffffff",
    text="#1b2a32",
    muted="#5d6f7a",
    grid="#e6ebee",
    primary="#0b7285",
    second="#8a5a9e",
    third="#94a3ad",
    good="#1b7f79",
    warning="#b36b00",
    bad="#b3261e",
    severity={
        "normal": "#94a3ad",
        "baja": "#6fb3e3",
        "media": "#e0a020",
        "alta": "#d4561a",
        "crítica": "#7a1152",
    },
    ramp=("#f1f6f7", "#bfdde1", "#74b7c1", "#2b8c9c", "#0b5b6b", "#06323c"),
    sidebar="#f4f7f8",
    border="#d9e1e5",
)
DARK = Palette(
    background="#10181d",
    text="#e3eaee",
    muted="#9db0bb",
    grid="#25323a",
    primary="#52bccd",
    second="#c59adb",
    third="#7d909b",
    good="#5cc4bb",
    warning="#f0b458",
    bad="#ff8a7a",
    severity={
        "normal": "#71848f",
        "baja": "#4f8fd0",
        "media": "#f2cf66",
        "alta": "#e8702a",
        "crítica": "#ff8fd0",
    },
    ramp=("#16232a", "#164652", "#1d7284", "#3fa3b3", "#8ccfd8", "#e0f5f7"),
    sidebar="#151f25",
    border="#2b3a43",
)

_RULES = """
[data-testid="stStatusWidget"], [data-testid="InputInstructions"],
[data-testid="stElementToolbar"], [data-testid="stDataFrameColumnMenu"],
[data-testid="stAppDeployButton"], [data-testid="stHeaderActionElements"] { display: none; }
[data-testid="stMainBlockContainer"] { max-width: 1720px; padding: 2.2rem 2.6rem 3rem; }
.st-key-navegador { position: absolute; height: 0; overflow: hidden; }
[data-testid="stSidebar"] { min-width: 250px; }
[role="option"][style*="contents"] > span { font-size: 0; }
[role="option"][style*="contents"] > span::after { content: "Sin resultados"; font-size: .9rem; }
h1 { font-size: 1.75rem !important; letter-spacing: -0.01em; padding: 0 0 .1rem !important; }
h2 { font-size: 1.2rem !important; padding: .5rem 0 .1rem !important; }
[role="dialog"] h2 { padding: 1.4rem 3rem .3rem 1.5rem !important; }
h3 { font-size: 1.05rem !important; padding: .9rem 0 .3rem !important; }
.kpis { display: grid; grid-template-columns: repeat(auto-fit, minmax(148px, 1fr)); gap: .75rem; }
.kpis.de-tres { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.kpi { border: 1px solid var(--c-borde); border-radius: .6rem; padding: .7rem .9rem; }
.kpi b { display: block; font-size: .84rem; font-weight: 500; color: var(--c-suave); }
.kpi strong { display: block; font-size: clamp(1.25rem, 1.85vw, 1.6rem);
  font-weight: 600; line-height: 1.35; white-space: nowrap; letter-spacing: -0.02em; }
.kpi small { display: block; font-size: .8rem; color: var(--c-suave); }
.kpi .mejor { color: var(--c-bien); } .kpi .peor { color: var(--c-mal); }
a.kpi, a.kpi:hover { color: inherit; text-decoration: none; }
a.kpi:hover, a.kpi:focus-visible { border-color: var(--c-fuerte); }
a.abre { color: inherit; text-decoration: none; border-bottom: 1px solid var(--c-borde); }
a.abre:hover { color: var(--c-fuerte); border-color: currentColor; }
a:focus-visible { outline: 2px solid var(--c-fuerte); outline-offset: 1px; border-radius: .3rem; }
.filas { display: flex; flex-direction: column; border: 1px solid var(--c-borde);
  border-radius: .6rem; overflow: hidden; }
a.fila { display: grid; align-items: center; gap: .15rem .9rem; padding: .34rem .8rem;
  grid-template-columns: 1.4rem minmax(112px, .8fr) 150px minmax(0, 3fr) 6.6rem minmax(112px, .8fr);
  color: inherit; text-decoration: none; border-bottom: 1px solid var(--c-borde);
  font-size: .88rem; line-height: 1.3; }
a.fila:last-child { border-bottom: 0; }
a.fila:hover, a.fila:focus-visible { background: var(--c-tinte); }
a.fila > * { min-width: 0; }
a.fila.sin-dibujo { grid-template-columns: 1.4rem minmax(112px, .8fr) minmax(0, 3.4fr) 6.6rem
  minmax(112px, .8fr); }
a.fila.sospechoso { grid-template-columns: minmax(112px, .8fr) minmax(0, 3.4fr) minmax(150px, 1fr);
  align-items: start; }
.fila.sospechoso small { white-space: normal; }
.filas.al-lado { overflow-y: auto; }
a.fila.en-mapa { flex: none; grid-template-columns: .7rem minmax(0, 1fr) 5.6rem; }
.fila.en-mapa i { width: .7rem; height: .7rem; border-radius: 50%; }
.fila .n { color: var(--c-suave); font-size: .8rem; }
.fila b, .fila small { display: block; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.fila small { color: var(--c-suave); font-size: .78rem; }
.fila .frase { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
  overflow: hidden; }
.fila .eur { text-align: right; font-variant-numeric: tabular-nums; }
.fila img { display: block; width: 100%; height: 34px; }
.carriles { font-size: .82rem; }
a.carril, .carril.cabeza { display: grid; grid-template-columns: 8.2rem minmax(0, 1fr) 5.6rem;
  gap: .7rem; align-items: center; color: inherit; text-decoration: none; }
a.carril:hover b, a.carril:focus-visible b { color: var(--c-fuerte); }
.carril b { font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.carril em { font-style: normal; text-align: right; font-variant-numeric: tabular-nums; }
.carril .dias { position: relative; height: 1.15rem; background: var(--c-tinte);
  border-radius: .15rem; margin: .11rem 0; }
.carril .dias i { position: absolute; top: 0; bottom: 0; box-sizing: border-box;
  border-right: 1px solid var(--c-fondo); }
.carril .dias i.hueco { background: var(--c-fondo); }
.carril .dias i.inocente { background-image: repeating-linear-gradient(45deg,
  var(--c-fondo) 0 2px, transparent 2px 5px); }
.carril .dias i.caso { background-color: var(--c-suave); opacity: .45; }
.carril .dias u { position: absolute; top: -3px; bottom: -3px; width: 2px; margin-left: -1px;
  background: var(--c-texto); }
.carril.cabeza .dias { background: none; color: var(--c-suave); font-size: .75rem; }
.carril.cabeza .dias span { position: absolute; white-space: nowrap; border-left: 1px solid
  var(--c-borde); padding-left: .25rem; }
.historia { font-size: 1.2rem; line-height: 1.4; margin: 0; }
.leyenda { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .82rem;
  color: var(--c-suave); align-items: center; }
.leyenda .muestra { width: 1.1em; height: .8em; display: inline-block; border-radius: 2px;
  margin-right: .35em; vertical-align: -.05em; }
[class*="st-key-tecla_"] button::after { font: 600 .72rem/1 monospace; margin-left: .5em;
  padding: .16em .38em; border: 1px solid currentColor; border-radius: .25em; opacity: .65; }
.sev { display: inline-flex; align-items: center; gap: .38em; white-space: nowrap; }
.sev i { width: .68em; height: .68em; border-radius: 50%; display: inline-block; flex: none; }
.sev .s-media { border-radius: 1px; transform: rotate(45deg); }
.sev .s-alta { border-radius: 1px; }
.sev .s-critica { border-radius: 0; width: .85em; height: .85em; clip-path: polygon(50% 0, 61% 35%,
  98% 35%, 68% 57%, 79% 91%, 50% 70%, 21% 91%, 32% 57%, 2% 35%, 39% 35%); }
.rotulo { display: inline-block; border: 1px solid var(--c-borde); border-radius: 1rem;
  padding: .02rem .6rem; font-size: .8rem; white-space: nowrap; }
.rotulo.confirmada, .rotulo.confirmado { color: var(--c-mal); border-color: currentColor; }
.rotulo.descartada, .rotulo.descartado, .rotulo.terminado { color: var(--c-suave); }
.tabla { overflow-x: auto; }
.tabla table { width: 100%; border-collapse: collapse; font-size: .9rem; margin: 0; }
.tabla th { text-align: left; font-weight: 500; color: var(--c-suave); font-size: .8rem; }
.tabla th, .tabla td { padding: .42rem .6rem; border: 0; border-bottom: 1px solid var(--c-borde);
  vertical-align: top; }
.tabla tr:last-child td { border-bottom: 0; }
.tabla .der { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tabla .no-partir { white-space: nowrap; }
.suave { color: var(--c-suave); }
.vacio { text-align: center; padding: 2.2rem 1rem; color: var(--c-suave);
  border: 1px dashed var(--c-borde); border-radius: .6rem; }
.vacio b { display: block; color: var(--c-texto); font-size: 1.02rem; margin-bottom: .25rem; }
.feed { display: flex; flex-direction: column; }
.feed div, .feed a.entrada { display: flex; color: inherit;
  text-decoration: none; gap: .7rem; padding: .45rem 0; font-size: .9rem; align-items: baseline;
  border-bottom: 1px solid var(--c-borde); flex-wrap: wrap; row-gap: 0; }
.feed > :last-child { border-bottom: 0; }
.feed a.entrada:hover { background: var(--c-tinte); }
.feed time { color: var(--c-suave); font-size: .82rem; white-space: nowrap; }
.feed .que { color: var(--c-suave); flex: 1 1 12rem; }
.motivos { margin: .15rem 0 0; padding-left: 1.1rem; font-size: .9rem; }
.motivos li { margin: .12rem 0; }
.salud { display: flex; flex-wrap: wrap; gap: .4rem 1.3rem; font-size: .88rem; }
.salud > span::before { content: "●"; margin-right: .4em; }
.salud .bien::before { color: var(--c-bien); } .salud .mal::before { color: var(--c-mal); }
.salud .aviso::before { color: var(--c-aviso); }
.luz { display: flex; align-items: center; gap: .9rem; }
.luz i { width: 2.6rem; height: 2.6rem; border-radius: 50%; flex: none; }
.luz strong { display: block; font-size: 1.15rem; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 3.2rem .9rem 3rem; }
  .kpis, .kpis.de-tres { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .55rem; }
  .kpi { padding: .4rem .6rem; }
  .kpi strong { font-size: 1.15rem; }
  .kpi small { font-size: .74rem; line-height: 1.3; }
  a.fila { grid-template-columns: minmax(0, 1fr) 84px 5.6rem; gap: .1rem .6rem;
    padding: .4rem .6rem; font-size: .82rem; }
  a.fila.sin-dibujo { grid-template-columns: minmax(0, 1fr) 5.6rem; }
  a.fila.sospechoso { grid-template-columns: minmax(0, 1fr); }
  a.fila.en-mapa { grid-template-columns: .7rem minmax(0, 1fr) 5.6rem; }
  .fila .n { display: none; }
  .fila .cli { order: 1; } .fila .chispa { order: 2; } .fila .eur { order: 3; }
  .fila .que { order: 4; grid-column: 1 / 3; } .fila .quien { order: 5; text-align: right; }
  .fila.sin-dibujo .que { grid-column: 1 / 2; }
  .carril.cabeza .dias span:nth-child(even) { display: none; }
  a.carril, .carril.cabeza { grid-template-columns: 5.4rem minmax(0, 1fr) 3.9rem; gap: .4rem; }
  .carril b, .carril em { font-size: .72rem; }
  .tabla .ancha { display: none; }
}
"""


def palette_of(theme: str | None) -> Palette:
    """Return the colours of a theme that the browser names: 'dark', or anything else for light."""
    return DARK if theme == "dark" else LIGHT


def style_sheet(palette: Palette) -> str:
    """Return the style sheet of a theme, as HTML."""
    colours = {
        "borde": palette.border, "suave": palette.muted, "texto": palette.text,
        "bien": palette.good, "aviso": palette.warning, "mal": palette.bad,
        "fuerte": palette.primary, "fondo": palette.background, "tinte": palette.ramp[0],
    }  # fmt: skip
    variables = " ".join(f"--c-{name}: {colour};" for name, colour in colours.items())
    # What each key presses says so on its button.
    keys = "".join(
        f'.st-key-tecla_{letter} button::after {{ content: "{letter}"; }}' for letter in "jkcdazvo"
    )
    return f"<style>:root {{ {variables} }}{_RULES}{keys}</style>"


def streamlit_theme() -> dict[str, Any]:
    """Return Streamlit's own options for both themes."""
    options: dict[str, Any] = {"theme.baseRadius": "0.6rem", "theme.showWidgetBorder": True}
    for name, p in (("light", LIGHT), ("dark", DARK)):
        colours = {
            "primaryColor": p.primary, "backgroundColor": p.background, "textColor": p.text,
            "secondaryBackgroundColor": p.sidebar, "linkColor": p.primary,
            "borderColor": p.border, "sidebar.backgroundColor": p.sidebar,
        }  # fmt: skip
        options |= {f"theme.{name}.{option}": colour for option, colour in colours.items()}
    return options
