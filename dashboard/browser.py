"""What pages ask of the browser itself: links within a session, keys, a cookie, Spanish.

A plain link would start another session of Streamlit, which knows neither whose key it is nor what
was being looked at. So the pages' own links say where they lead and are followed here; opened in
another tab, copied or sent, they are ordinary addresses. What Streamlit says in English of its own
accord, to the eye or to a screen reader, is said in Spanish.
"""

from __future__ import annotations

import html
import json
from functools import cache
from typing import Any

import streamlit as st

LINK = "data-abre"
"""Attribute of a link that is followed within the session."""
ROW = "data-fila"
"""Attribute of a link that the keys j and k go through."""
_KEY_PREFIX = "tecla_"
"""What the name of a button begins with that a key presses; the key follows."""

_SPANISH = {
    "Skip to main content": "Ir al contenido",
    "Page not found": "Esa página no existe",
    "The page that you have requested does not seem to exist. Running the app's main page.": (
        "No hay ninguna página en esa dirección: se muestra la primera."
    ),
    "Choose an option": "Elija una opción",
    "Sidebar": "Barra lateral",
    "Collapse sidebar": "Plegar la barra lateral",
    "Expand sidebar": "Desplegar la barra lateral",
    "App pages": "Páginas",
    "Show password": "Ver la clave",
    "Hide password": "Ocultar la clave",
    "Close": "Cerrar",
    "Choose date": "Elegir un día",
    "Selected values": "Elegidos",
    "Clear all": "Quitar todos",
    "Open": "Abrir",
    "Zoom In": "Acercar",
    "Zoom Out": "Alejar",
    "Clear selection": "Quitar la elección",
    "Toggle attribution": "De quién es el mapa",
    "Map": "Mapa",
}
"""What Streamlit 1.67 says -> what is said instead."""
_SPANISH_STARTS = {
    "Remove ": "Quitar ",
    "day, ": "día, ",
    "month, ": "mes, ",
    "year, ": "año, ",
    "Show/hide columns: ": "Columnas: ",
    "Download as CSV: ": "Descargar: ",
    "Search: ": "Buscar: ",
    "Fullscreen: ": "Pantalla completa: ",
}
"""The same of what goes on with a name."""

_SCRIPT = """
const PALABRAS = PALABRAS_ES, COMIENZOS = COMIENZOS_ES;
const enEspanol = (dicho) => {
  if (PALABRAS[dicho]) return PALABRAS[dicho];
  const comienzo = Object.keys(COMIENZOS).find((uno) => dicho.startsWith(uno));
  return comienzo ? COMIENZOS[comienzo] + dicho.slice(comienzo.length) : null;
};
const traducir = () => {
  for (const atributo of ["aria-label", "placeholder", "title"]) {
    for (const nodo of document.querySelectorAll(`[${atributo}]`)) {
      const dicho = enEspanol(nodo.getAttribute(atributo));
      if (dicho) nodo.setAttribute(atributo, dicho);
    }
  }
  for (const nodo of document.querySelectorAll(
      "[data-testid=stSkipToContent], [role=dialog] h2, [role=dialog] h2 + div > div")) {
    if (!nodo.children.length && PALABRAS[nodo.textContent])
      nodo.textContent = PALABRAS[nodo.textContent];
  }
};
const escribe = (nodo) => nodo.closest(
  "input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable=true]");
const visible = (nodo) => nodo.offsetParent !== null;
export default function ({ data, setTriggerValue }) {
  if (data.galleta) {
    document.cookie = data.galleta + (location.protocol === "https:" ? "; Secure" : "");
  }
  if (data.adonde) location.assign(data.adonde);
  const clic = (suceso) => {
    const enlace = suceso.target.closest?.("a[data-abre]");
    const otra = suceso.button || suceso.ctrlKey || suceso.metaKey || suceso.shiftKey;
    if (!enlace || otra || suceso.altKey) return;
    suceso.preventDefault();
    setTriggerValue("abre", enlace.getAttribute("href"));
  };
  const tecla = (suceso) => {
    const dialogo = suceso.target.closest?.("[role=dialog]");
    if (dialogo) dialogo.dataset.tocado = 1;
    if (suceso.ctrlKey || suceso.metaKey || suceso.altKey || escribe(suceso.target)) return;
    const cual = suceso.key.toLowerCase();
    const boton = document.querySelector(`.st-key-tecla_${CSS.escape(cual)} button`);
    const filas = [...document.querySelectorAll("a[data-fila]")].filter(visible);
    if (boton && visible(boton)) {
      if (!boton.disabled) boton.click();
    } else if ((cual === "j" || cual === "k") && filas.length) {
      const en = filas.indexOf(document.activeElement);
      const a = cual === "j" ? Math.min(en + 1, filas.length - 1) : Math.max(en - 1, 0);
      filas[a].focus();
      filas[a].scrollIntoView({ block: "nearest" });
    } else if (cual !== "c") {  // Streamlit's own c would offer, in English, to clear a cache.
      return;
    }
    suceso.preventDefault();
    suceso.stopImmediatePropagation();
  };
  let pendiente = 0, primero = null;
  const mirar = () => {
    pendiente = 0;
    traducir();
    // A dialog opens with the cursor in its first field; fields may come one after another.
    const abierto = document.querySelector("[role=dialog]:not([data-tocado])");
    const campo = abierto?.querySelector("input, textarea");
    if (campo && campo !== primero) setTimeout(() => campo.focus(), 60);
    primero = campo;
  };
  const vigia = new MutationObserver(() => { pendiente ||= requestAnimationFrame(mirar); });
  vigia.observe(document.body, { childList: true, subtree: true });
  mirar();
  window.addEventListener("click", clic, true);
  window.addEventListener("keydown", tecla, true);
  return () => {
    vigia.disconnect();
    window.removeEventListener("click", clic, true);
    window.removeEventListener("keydown", tecla, true);
  };
}
"""


@cache
def _component() -> Any:
    script = _SCRIPT.replace("PALABRAS_ES", json.dumps(_SPANISH, ensure_ascii=False))
    script = script.replace("COMIENZOS_ES", json.dumps(_SPANISH_STARTS, ensure_ascii=False))
    return st.components.v2.component("consumo.navegador", js=script)


def followed_link(cookie: str | None = None, away: str | None = None) -> str | None:
    """Return the address of the link that was just followed, relative to the dashboard's.

    ``cookie``: one to be kept by the browser, as ``document.cookie`` wants it. ``away``: an address
    that the browser is to go to.
    """
    with st.container(key="navegador"):
        said = _component()(
            key="_navegador", data={"galleta": cookie, "adonde": away},
            on_abre_change=lambda: None, height=1,
        )  # fmt: skip
    address: str | None = said.abre
    return address


def link(address: str, inner: str, css: str = "", row: bool = False) -> str:
    """Return a link of a page as HTML.

    Parameters
    ----------
    address : str
        Where it leads, relative to the dashboard's address.
    inner : str
        What it shows, as HTML.
    row : bool
        Whether the keys j and k go through it.
    """
    return (
        f'<a {LINK}="1"{f" {ROW}=1" * row} class="{css or "abre"}" '
        f'href="{html.escape(address)}" target="_self">{inner}</a>'
    )


def key_name(letter: str) -> str:
    """Return the name of the button that a key presses."""
    return f"{_KEY_PREFIX}{letter}"
