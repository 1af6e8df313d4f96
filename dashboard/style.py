"""The few rules of style that Streamlit's themes do not reach."""

from __future__ import annotations

from dashboard.theme import Paleta

_REGLAS = """
[data-testid="stStatusWidget"], [data-testid="InputInstructions"],
[data-testid="stElementToolbar"], [data-testid="stDataFrameColumnMenu"],
[data-testid="stAppDeployButton"], [data-testid="stHeaderActionElements"] { display: none; }
[data-testid="stMainBlockContainer"] { max-width: 1240px; padding-top: 2.6rem;
  padding-bottom: 3rem; }
[data-testid="stSidebar"] { min-width: 250px; }
[data-testid="stSkipToContent"] { font-size: 0 !important; }
[data-testid="stSkipToContent"]::after { content: "Ir al contenido"; font-size: 1rem; }
[role="option"][style*="contents"] > span { font-size: 0; }
[role="option"][style*="contents"] > span::after { content: "Sin resultados"; font-size: .9rem; }
h1 { font-size: 1.75rem !important; letter-spacing: -0.01em; padding: 0 0 .1rem !important; }
h2 { font-size: 1.2rem !important; padding: .5rem 0 .1rem !important; }
h3 { font-size: 1.05rem !important; padding: .9rem 0 .3rem !important; }
.kpis { display: grid; grid-template-columns: repeat(auto-fit, minmax(148px, 1fr)); gap: .75rem; }
.kpis.de-tres { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.kpi { border: 1px solid var(--c-borde); border-radius: .6rem; padding: .7rem .9rem; }
.kpi b { display: block; font-size: .84rem; font-weight: 500; color: var(--c-suave); }
.kpi strong { display: block; font-size: clamp(1.25rem, 1.85vw, 1.6rem);
  font-weight: 600; line-height: 1.35; white-space: nowrap; letter-spacing: -0.02em; }
.kpi small { display: block; font-size: .8rem; color: var(--c-suave); }
.kpi .mejor { color: var(--c-bien); } .kpi .peor { color: var(--c-mal); }
.sev { display: inline-flex; align-items: center; gap: .38em; white-space: nowrap; }
.sev i { width: .68em; height: .68em; border-radius: 50%; display: inline-block; flex: none; }
.sev .s-media { border-radius: 1px; transform: rotate(45deg); }
.sev .s-alta { border-radius: 1px; }
.sev .s-critica { border-radius: 0; width: .85em; height: .85em; clip-path: polygon(50% 0, 61% 35%,
  98% 35%, 68% 57%, 79% 91%, 50% 70%, 21% 91%, 32% 57%, 2% 35%, 39% 35%); }
.rotulo { display: inline-block; border: 1px solid var(--c-borde); border-radius: 1rem;
  padding: .02rem .6rem; font-size: .8rem; white-space: nowrap; }
.rotulo.confirmada { color: var(--c-mal); border-color: currentColor; }
.rotulo.descartada { color: var(--c-suave); }
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
.feed div { display: flex; gap: .7rem; padding: .45rem 0; font-size: .9rem; align-items: baseline;
  border-bottom: 1px solid var(--c-borde); flex-wrap: wrap; row-gap: 0; }
.feed div:last-child { border-bottom: 0; }
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
  .kpi { padding: .55rem .7rem; }
  .kpi strong { font-size: 1.25rem; }
  .tabla .ancha { display: none; }
}
"""


def estilo(paleta: Paleta) -> str:
    """Return the style sheet of a theme, as HTML."""
    borde = "#2b3a43" if paleta.oscura else "#d9e1e5"
    colores = {
        "borde": borde, "suave": paleta.suave, "texto": paleta.texto, "bien": paleta.bien,
        "aviso": paleta.aviso, "mal": paleta.mal,
    }  # fmt: skip
    variables = " ".join(f"--c-{nombre}: {color};" for nombre, color in colores.items())
    return f"<style>:root {{ {variables} }}{_REGLAS}</style>"
