"""Every page of the registry over the real API: full, empty, half away and away."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import httpx
import pytest
from apoyo_api import CLAVES, base_nueva, servir
from contracts.fakes import hacer_caso
from streamlit.testing.v1 import AppTest

from dashboard.ahead import ask_ahead
from dashboard.client import api_client, forget_answers
from dashboard.navigation import PAGES, page_of
from dashboard.session import ROLE_NAMES, TYPED_KEY
from dashboard.texts import number
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.cases import MongoCaseStore

PLAZO_S = 60
LEJOS = "http://127.0.0.1:9"
"""Nothing listens on the discard port."""
PAGINA = pytest.mark.parametrize("modulo", [p.module for p in PAGES])
CASO = "CLI_00001_2026-11-09"
VISTAS = (
    ("hoy", {"visitas": "3", "azar": "50"}),
    ("caso", {"caso": CASO}),
    ("casos", {"estado": "Nuevo", "orden": "Más antiguos"}),
    ("casos", {"quien": "nadie-1", "desde": "2026-11-01", "tipo": "Posible plantación"}),
    ("calendario", {"dias": "90 días"}),
    ("mapa", {"de": "CLI_00001", "tipo": "Posible plantación"}),
    ("aciertos", {"por": "Mes", "periodo": "Todo"}),
    ("buscar_cliente", {"vista": "Perfil"}),
    ("buscar_cliente", {"vista": "Anomalías"}),
    ("buscar_cliente", {"vista": "Veredictos"}),
    ("anomalias", {"ver": "Distribuciones"}),
    ("anomalias", {"ver": "Incidencias"}),
    ("anomalias", {"periodo": "30 días", "severidad": "Crítica", "orden": "Mayor puntuación"}),
    ("anomalias", {"periodo": "A medida", "desde": "2026-11-19", "hasta": "2026-11-01"}),
    ("avanzado", {"analisis": "Detectores"}),
    ("avanzado", {"analisis": "Detectores", "x": "Posible fraude"}),
    ("avanzado", {"analisis": "Umbrales"}),
    ("mensual", {"por": "Anomalías", "de_mes": "CLI_00002"}),
)
MAQUINA = re.compile(r"\b(None|nan|NaN|null|True|False|undefined)\b|\{['\"]|[a-z]_[a-z]")
"""What would show that a machine's word has reached the screen."""

Abrir = Callable[..., AppTest]


def _guion(modulo: str) -> None:
    """Draw a page inside the frame's own script."""
    from dashboard.navigation import page_of
    from dashboard.session import health_line, key_box

    key_box()
    page_of(modulo).draw()
    health_line()


@pytest.fixture
def abrir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Abrir]:
    """Give a way to open a page over an API."""
    forget_answers()

    def hacer(modulo: str, api: str, clave: str = "", **url: str) -> AppTest:
        monkeypatch.setenv("API_URL", api)
        prueba = AppTest.from_function(_guion, default_timeout=PLAZO_S, kwargs={"modulo": modulo})
        for nombre, valor in url.items():
            prueba.query_params[nombre] = valor
        if clave:
            prueba.session_state[TYPED_KEY] = clave
        return prueba.run()

    yield hacer
    forget_answers()


@pytest.fixture
def pedidas(monkeypatch: pytest.MonkeyPatch, api_llena: str) -> Iterator[list[str]]:
    """Give the paths, with their queries, that the API is asked for from now on."""
    monkeypatch.setenv("API_URL", api_llena)
    rutas: list[str] = []
    ganchos = api_client()._http.event_hooks
    apuntar = ganchos["request"].append
    apuntar(lambda peticion: rutas.append(peticion.url.raw_path.decode()))
    api_client()._http.event_hooks = ganchos
    yield rutas
    api_client()._http.event_hooks = {}


@pytest.mark.parametrize(
    ("modulo", "consulta"),
    [
        *((p.module, {}) for p in PAGES if hasattr(p.view(), "asked_first")),
        *((modulo, consulta) for modulo, consulta in VISTAS if modulo in {"hoy", "caso"}),
        ("buscar_cliente", {"cliente": "CLI_00001"}),
        ("calendario", {"dias": "90 días"}),
        ("avanzado", {"analisis": "Umbrales"}),
    ],
)
def test_lo_que_se_pregunta_antes_lo_pregunta_la_pagina(
    modulo: str, consulta: dict[str, str], abrir: Abrir, api_llena: str, pedidas: list[str]
) -> None:
    """While a browser still loads, the API is asked for what the page then needs, and no more."""
    for respuesta in ask_ahead(f"/{page_of(modulo).url}", urlencode(consulta)):
        respuesta.value()
    antes = set(pedidas)
    forget_answers()
    pedidas.clear()
    _sana(abrir(modulo, api_llena, **consulta))
    assert antes <= set(pedidas)
    assert antes or modulo in {"caso", "calendario", "avanzado"}


def test_de_lo_que_no_es_una_pagina_no_se_pregunta_nada() -> None:
    """An address that nobody knows opens the first page, which asks when it is drawn."""
    assert ask_ahead("/no-existe", "") == []
    assert ask_ahead("/deriva", "") == []


def _texto(pagina: AppTest) -> str:
    """Return all that a page says."""
    partes = []
    for nodo in _nodos(pagina):
        for campo in ("body", "value", "label"):
            valor = getattr(nodo, campo, None)
            if isinstance(valor, str):
                partes.append(valor)
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", "\n".join(partes), flags=re.S)


def _nodos(pagina: AppTest) -> Iterator[object]:
    for clase in ("title", "subheader", "caption", "markdown", "text", "html", "info", "warning",
                  "error", "button", "expander"):  # fmt: skip
        yield from pagina.get(clase)


def _sana(pagina: AppTest) -> str:
    """Check that nothing has broken and return what the page says."""
    assert not pagina.exception, [e.message for e in pagina.exception]
    assert len(pagina.title) == 1
    texto = _texto(pagina)
    visible = re.sub(r"CLI_\d+(_\w+)?|MODELO_EN_SOMBRA=True|API_URL|:material/\w+:", "", texto)
    assert not MAQUINA.search(visible), MAQUINA.search(visible)
    return texto


@PAGINA
def test_con_datos(abrir: Abrir, api_llena: str, modulo: str) -> None:
    """With data every page draws without an exception and without a machine's word."""
    texto = _sana(abrir(modulo, api_llena))
    assert "La API no responde" not in texto
    assert "Algo ha fallado" not in texto


def test_el_caso_de_un_cliente(abrir: Abrir, api_llena: str) -> None:
    """The summary has its sentence, and its own page since when; no other page says a word."""
    frase = "Desde el 3 de noviembre gasta 88 kWh al día y no 8."
    resumen = _sana(abrir("resumen", api_llena))
    assert "desde el 3 nov 2026" in resumen
    assert frase in resumen
    suya = _sana(abrir("buscar_cliente", api_llena, cliente="CLI_00001"))
    assert "Caso abierto desde el 3 nov 2026" in suya
    assert frase in suya
    assert "Calle del &lt;b&gt;Olmo&lt;/b&gt;, 1" in suya
    assert "tarifa 2.0TD" in suya
    otra = _sana(abrir("buscar_cliente", api_llena, cliente="CLI_00003"))
    assert "Caso abierto" not in otra
    assert "tarifa" not in otra


def test_el_caso_dice_lo_que_se_sabe_del_cliente(abrir: Abrir, api_llena: str) -> None:
    """Where it is, what is contracted and how often it is exceeded; who shares what with it."""
    pagina = abrir("caso", api_llena, caso=CASO)
    texto = _sana(pagina)
    assert "Calle del &lt;b&gt;Olmo&lt;/b&gt;, 1 · 0,20 kW contratados · tarifa 2.0TD" in texto
    assert "transformador CT-1" in texto
    assert re.search(r"En \d+ horas del caso gastó más de los 0,20 kW contratados", texto)
    assert "Misma tarifa y una potencia parecida : 1 cliente; lo usual, de " in texto
    assert "Mismo transformador : 1 cliente; lo usual, de " in texto
    assert "Ninguno tiene un caso abierto." in texto


def test_el_mapa_no_pide_nada_fuera_si_no_se_dice(
    abrir: Abrir, api_llena: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A point for each case that has a place, and a row beside it; tiles only from who is named."""
    mapas = []
    for teselas in ("", "https://teselas.example/{z}/{x}/{y}.png"):
        monkeypatch.setenv("TABLERO_TESELAS", teselas)
        monkeypatch.setenv("TABLERO_TESELAS_AUTOR", teselas and "© Quien sea")
        pagina = abrir("mapa", api_llena)
        texto = _sana(pagina)
        assert "CLI_00001" in texto
        assert ("© Quien sea" in texto) is bool(teselas)
        (mapa,) = pagina.get("deck_gl_json_chart")
        mapas.append(json.loads(mapa.proto.json))
    sin, con = (unquote(mapa["mapStyle"]) for mapa in mapas)
    assert "http" not in json.dumps(mapas[0])
    assert sin.startswith("data:application/json,")
    assert json.loads(sin.partition(",")[2])["sources"] == {}
    estilo = json.loads(con.partition(",")[2])
    assert estilo["sources"]["teselas"]["tiles"] == ["https://teselas.example/{z}/{x}/{y}.png"]
    (punto,) = mapas[0]["layers"][0]["data"]
    assert (punto["id"], punto["latitud"]) == (CASO, 40.41)


def test_el_mapa_sin_contexto_dice_como_darlo(abrir: Abrir, servicios: EmbeddedServices) -> None:
    """Cases without a place: one sentence, with the command that loads it."""
    with base_nueva(servicios, migrada=True) as settings:
        with closing(MongoCaseStore(settings)) as casos:
            casos.save([hacer_caso("CLI_00001")])
        with servir(settings) as http:
            texto = _sana(abrir("mapa", str(http.base_url).rstrip("/")))
    assert "«consumo contexto --archivo P.csv»" in texto


@pytest.mark.parametrize(("modulo", "url"), VISTAS, ids=str)
def test_cada_vista_por_su_direccion(
    abrir: Abrir, api_llena: str, modulo: str, url: dict[str, str]
) -> None:
    """The address alone opens every view, with its filters."""
    texto = _sana(abrir(modulo, api_llena, **{"cliente": "CLI_00001"} | url))
    assert "Algo ha fallado" not in texto
    assert "No se puede mostrar" not in texto


@PAGINA
def test_sin_datos(abrir: Abrir, api_vacia: str, modulo: str) -> None:
    """Without any data every page says what to do next."""
    texto = _sana(abrir(modulo, api_vacia))
    assert "Algo ha fallado" not in texto
    if modulo != "modelos":  # It needs MLflow, which this API has not: it says so.
        dicho = r"«consumo |Elija un cliente|Elija un caso|Abra un caso|Quite alguno"
        assert re.search(dicho, texto), texto


@PAGINA
def test_con_la_api_caida(abrir: Abrir, modulo: str) -> None:
    """With the API away every page says so, where it was looked for, and offers another try."""
    pagina = abrir(modulo, LEJOS, cliente="CLI_00001", caso=CASO)
    texto = _sana(pagina)
    assert "La API no responde" in texto
    assert LEJOS in texto
    assert any(b.label == "Reintentar" for b in pagina.button)


def test_reintentar_pregunta_otra_vez(
    abrir: Abrir, api_llena: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the API is back, the button brings the page."""
    pagina = abrir("mensual", LEJOS)
    monkeypatch.setenv("API_URL", api_llena)
    next(b for b in pagina.button if b.label == "Reintentar").click().run()
    assert "Clasificación del mes" in _sana(pagina)


@pytest.mark.parametrize("nombre", ["NO_EXISTE", "<b>x</b>", "../salud", "x" * 50, "ñ/%2F"])
def test_un_cliente_que_no_existe(abrir: Abrir, api_llena: str, nombre: str) -> None:
    """A name from anywhere in the address is looked for, shown as text, and never a crash."""
    pagina = abrir("buscar_cliente", api_llena, cliente=nombre)
    assert not pagina.exception
    assert "<b>x</b>" not in _crudo(pagina)
    assert re.search("No existe el cliente|Elija un cliente", _texto(pagina))


def test_los_filtros_llegan_a_la_api(abrir: Abrir, api_llena: str) -> None:
    """What the address filters by is all that the table has."""
    pagina = abrir("anomalias", api_llena, severidad="Crítica", periodo="30 días")
    tabla = pagina.dataframe[0].value
    assert len(tabla) > 0
    assert set(tabla["Severidad"]) == {"Crítica"}


def test_la_lista_dice_cuantas_hay(abrir: Abrir, api_llena: str) -> None:
    """Above the list stands how many anomalies the filters let through, not just the page's."""
    texto = _texto(abrir("anomalias", api_llena, severidad="Crítica", periodo="30 días"))
    total = _pide(f"{api_llena}/api/anomalias/distribuciones", severidad="crítica")["total"]
    assert re.search(rf"Anomalías\s+{number(total)}\s", texto)
    assert re.search(rf"Críticas\s+{number(total)}\s", texto)


def test_comparar_ensena_la_media_de_cada_uno(abrir: Abrir, api_llena: str) -> None:
    """Each chosen customer's mean day is a card, of whole days only."""
    texto = _texto(abrir("avanzado", api_llena, clientes="CLI_00002"))
    dias = _pide(
        f"{api_llena}/api/consumos/diarios",
        propietario_id="CLI_00002", desde="2026-09-20", hasta="2026-11-19",
    )["elementos"]  # fmt: skip
    media = sum(d["consumo_kwh"] for d in dias) / len(dias)
    assert re.search(rf"CLI_00002\s+{number(media, 1)}\s+kWh al día, {len(dias)} días", texto)


def test_sin_clave_no_hay_formulario(abrir: Abrir, api_llena: str) -> None:
    """Whoever has typed no key is told where to, and has no button to press."""
    pagina = abrir("buscar_cliente", api_llena, cliente=_con_anomalias(api_llena)[0],
                   vista="Anomalías")  # fmt: skip
    assert any("entre con su clave" in i.value for i in pagina.info)
    assert not any(b.label == "Confirmar" for b in pagina.button)


def test_confirmar_y_reabrir(abrir: Abrir, api_llena: str) -> None:
    """A verdict with a reason is stored with who gave it, is seen at once, and can be undone."""
    cliente, una = _con_anomalias(api_llena)
    pagina = abrir("buscar_cliente", api_llena, CLAVES["analista"], cliente=cliente,
                   vista="Anomalías")  # fmt: skip
    _motivo(pagina).set_value("contador manipulado")
    _boton(pagina, "Confirmar").click().run()
    assert not pagina.exception
    assert "contador manipulado" in _texto(pagina)
    guardada = _pide(f"{api_llena}/api/anomalias/{una}")
    assert guardada["estado"] == "confirmada"
    assert guardada["veredicto"]["motivo"] == "contador manipulado"
    assert guardada["veredicto"]["quien"] == "analista-1"
    _motivo(pagina).set_value("era otra cosa")
    _boton(pagina, "Reabrir").click().run()
    assert not pagina.exception
    assert _estado(api_llena, una) == "abierta"


def test_un_motivo_corto_se_dice_y_no_se_pierde(abrir: Abrir, api_llena: str) -> None:
    """Too short a reason: the page says it, nothing changes, and what was typed is still there."""
    cliente, una = _con_anomalias(api_llena)
    pagina = abrir("buscar_cliente", api_llena, CLAVES["analista"], cliente=cliente,
                   vista="Anomalías")  # fmt: skip
    _motivo(pagina).set_value("no")
    _boton(pagina, "Descartar").click().run()
    assert not pagina.exception
    assert any("Escriba el motivo" in e.value for e in pagina.error)
    assert _motivo(pagina).value == "no"
    assert _estado(api_llena, una) == "abierta"


@pytest.mark.parametrize(
    ("clave", "en_la_barra", "por_que"),
    [
        ("otra", "no es válida: la API no la conoce", "corríjala en «Entrar»"),
        ("clavé", "no es válida: la API no la conoce", "corríjala en «Entrar»"),
        (CLAVES["lectura"], "lectura-1 · lectura", "hace falta una de analista"),
    ],
)
def test_una_clave_que_no_puede_se_dice_antes_de_usarla(
    abrir: Abrir, api_llena: str, clave: str, en_la_barra: str, por_que: str
) -> None:
    """A wrong key or a lesser role is said at once; what it may not do cannot be pressed."""
    cliente, una = _con_anomalias(api_llena)
    pagina = abrir("buscar_cliente", api_llena, clave, cliente=cliente, vista="Anomalías")
    texto = _texto(pagina)
    assert en_la_barra in texto
    assert por_que in texto
    assert _boton(pagina, "Confirmar").disabled
    assert _boton(pagina, "Descartar").disabled
    assert _estado(api_llena, una) == "abierta"
    modelos = abrir("modelos", api_llena, clave)
    assert en_la_barra in _texto(modelos)


@pytest.mark.parametrize("rol", ["analista", "administracion"])
def test_de_quien_es_la_clave(abrir: Abrir, api_llena: str, rol: str) -> None:
    """Whoever types a key reads at once whose it is and what role it has."""
    texto = _texto(abrir("anomalias", api_llena, CLAVES[rol]))
    assert f"{rol}-1 · {ROLE_NAMES[rol]}" in texto


def test_con_la_api_caida_la_clave_queda_sin_comprobar(abrir: Abrir) -> None:
    """A key that could not be checked is neither called good nor wrong."""
    texto = _texto(abrir("anomalias", LEJOS, "otra"))
    assert "No se ha podido comprobar la clave" in texto
    assert "no es válida" not in texto


def test_el_motivo_sobrevive_a_un_fallo_y_llega_a_la_auditoria(
    abrir: Abrir, api_llena: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reason whose verdict could not be given is still there when it can, and is audited."""
    cliente, una = _con_anomalias(api_llena)
    pagina = abrir("buscar_cliente", api_llena, CLAVES["analista"], cliente=cliente,
                   vista="Anomalías")  # fmt: skip
    _motivo(pagina).set_value("lo vi en la visita del 12")
    monkeypatch.setenv("API_URL", LEJOS)
    _boton(pagina, "Descartar").click().run()
    assert any("No se ha guardado" in e.value for e in pagina.error) or "no responde" in _texto(
        pagina
    )
    monkeypatch.setenv("API_URL", api_llena)
    pagina.run()
    assert _motivo(pagina).value == "lo vi en la visita del 12"
    _boton(pagina, "Descartar").click().run()
    assert _estado(api_llena, una) == "descartada"
    fila = _pide(f"{api_llena}/api/auditoría", CLAVES["administracion"], limite=1)["elementos"][0]
    assert fila["detalle"]["motivo"] == "lo vi en la visita del 12"
    assert _motivo(pagina).value == ""
    _boton(pagina, "Deshacer").click().run()
    assert _estado(api_llena, una) == "abierta"


def test_un_caso_se_abre_con_su_historia(abrir: Abrir, api_llena: str) -> None:
    """What has changed comes first; whoever has not signed in reads how to, and moves nothing."""
    pagina = abrir("caso", api_llena, caso=CASO)
    texto = _sana(pagina)
    assert "Desde el 3 de noviembre gasta 88 kWh al día y no 8." in texto
    assert re.search(r"En juego\s+216 €\s+de 180 a 240 €", texto)
    assert "entre con su clave de analista" in texto
    assert _boton(pagina, "Asignármelo").disabled
    assert _boton(pagina, "Confirmar").disabled


def test_llevar_un_caso(abrir: Abrir, api_llena: str) -> None:
    """Assigned, commented, and both undone, newest first.

    What is done in dialogs is tried in a browser (tests/e2e/test_tablero.py).
    """
    antes = len(_caso(api_llena)["historial"])
    pagina = abrir("caso", api_llena, CLAVES["analista"], caso=CASO)
    _boton(pagina, "Asignármelo").click().run()
    assert "lo lleva analista-1" in _sana(pagina)
    pagina.text_input(key="comentario").set_value("llamar antes de ir")
    _boton(pagina, "Comentar").click().run()
    assert "comentario: llamar antes de ir" in _sana(pagina)
    movimientos = [m["accion"] for m in _caso(api_llena)["historial"][antes:]]
    assert movimientos == ["asignacion", "comentario"]
    for _ in range(2):
        _boton(pagina, "Deshacer").click().run()
        assert not pagina.exception
    assert _boton(pagina, "Deshacer").disabled
    caso = _caso(api_llena)
    assert (caso["estado"], caso["asignado_a"], caso["comentarios"]) == ("nuevo", None, [])


def test_un_caso_que_otra_persona_ha_movido_no_se_toca(abrir: Abrir, api_llena: str) -> None:
    """What is done falls on the case as it is seen; otherwise the page says what it is now."""
    pagina = abrir("caso", api_llena, CLAVES["analista"], caso=CASO)
    otra = _mueve(api_llena, "administracion", "asignacion", asignado_a="administracion-1")
    _boton(pagina, "Asignármelo").click().run()
    assert any("ha cambiado desde que se mostró" in e.value for e in pagina.error)
    assert _caso(api_llena)["asignado_a"] == "administracion-1"
    _mueve(api_llena, "administracion", "deshacer", anotacion=otra["anotacion"])


def test_cada_grupo_de_aciertos_lleva_a_sus_casos(abrir: Abrir, api_llena: str) -> None:
    """To as many as the row counts, of the days that were chosen in the utility's own zone."""
    hecho = _mueve(api_llena, "analista", "resultado", hallado=True, recuperado_eur=100.0)
    try:
        for por, suyo in (
            ("Mes", {"visita_desde": "2026-11-01", "visita_hasta": "2026-11-30"}),
            ("Versión", {"visita_desde": "2025-11-20", "version": "v1"}),
            ("Tipo", {"visita_desde": "2025-11-20", "tipo": "Posible plantación"}),
        ):
            crudo = _crudo(abrir("aciertos", api_llena, por=por))
            (enlace,) = set(re.findall(r'href="(\./casos\?[^"]+)"', crudo))
            url = dict(parse_qsl(urlsplit(html.unescape(enlace)).query))
            assert url == {"clase": "Todos", "con_resultado": "true", **suyo}
            assert _crudo(abrir("casos", api_llena, **url)).count(f"?caso={CASO}") == 1
        otra = url | {"visita_desde": "2026-11-21"}
        assert f"?caso={CASO}" not in _crudo(abrir("casos", api_llena, **otra))
    finally:
        _mueve(api_llena, "analista", "deshacer", anotacion=hecho["anotacion"])


def test_hoy_es_el_dia_de_la_compania(abrir: Abrir, api_llena: str) -> None:
    """A visit is one of today where the utility is, whatever the dashboard's machine says."""
    pagina = abrir("caso", api_llena, CLAVES["analista"], caso=CASO)
    _boton(pagina, "Visita").click().run()
    assert pagina.date_input[0].value == date(2026, 11, 20)


def test_las_filas_llevan_a_lo_que_ensenan(abrir: Abrir, api_llena: str) -> None:
    """Cases, customers and what arrives live are links to their own pages."""
    for modulo, direccion in (
        ("hoy", f"./caso?caso={CASO}"),
        ("casos", f"./caso?caso={CASO}"),
        ("calendario", f"./caso?caso={CASO}"),
        ("resumen", "./buscar-cliente?cliente=CLI_00001"),
        ("mensual", "./buscar-cliente?cliente=CLI_00001"),
    ):
        pagina = abrir(modulo, api_llena)
        assert f'href="{direccion}' in _crudo(pagina), modulo


@pytest.mark.parametrize("nombre", ["NO_EXISTE_2026-11-09", "<b>x</b>", "x" * 90, "../salud"])
def test_un_caso_que_no_existe(abrir: Abrir, api_llena: str, nombre: str) -> None:
    """A name from anywhere in the address is looked for, shown as text, and never a crash."""
    pagina = abrir("caso", api_llena, caso=nombre)
    assert not pagina.exception
    crudo = "\n".join(h.value for h in pagina.get("html") if isinstance(h.value, str))
    assert "<b>x</b>" not in crudo
    assert re.search("No existe el caso|Elija un caso|No se puede mostrar", _texto(pagina))


def _crudo(pagina: AppTest) -> str:
    """Return the HTML that a page has of its own."""
    return "\n".join(h.value for h in pagina.get("html") if isinstance(h.value, str))


def _pide(url: str, clave: str = "", **consulta: Any) -> Any:
    """Return the JSON of an address; a busy machine has the time that it needs."""
    dado = httpx.get(
        url, params=consulta, headers=_con(clave), timeout=PLAZO_S, trust_env=False
    )  # fmt: skip
    return dado.raise_for_status().json()


def _mueve(api: str, rol: str, movimiento: str, **cuerpo: Any) -> Any:
    """Return what the API says of a movement of the case."""
    dado = httpx.post(
        f"{api}/api/casos/{CASO}/{movimiento}", json=cuerpo, headers=_con(CLAVES[rol]),
        timeout=PLAZO_S, trust_env=False,
    )  # fmt: skip
    return dado.raise_for_status().json()


def _con(clave: str) -> dict[str, str]:
    return {"X-API-Key": clave} if clave else {}


def _caso(api: str) -> dict[str, Any]:
    dado: dict[str, Any] = _pide(f"{api}/api/casos/{CASO}")
    return dado


def _estado(api: str, una: str) -> str:
    return str(_pide(f"{api}/api/anomalias/{una}")["estado"])


def _motivo(pagina: AppTest):  # type: ignore[no-untyped-def]
    return next(t for t in pagina.text_input if t.label == "Motivo")


def _boton(pagina: AppTest, nombre: str):  # type: ignore[no-untyped-def]
    return next(b for b in pagina.button if b.label == nombre)


def _con_anomalias(api: str) -> tuple[str, str]:
    """Return a customer and the anomaly that its page shows first."""
    (suya,) = _pide(f"{api}/api/anomalias/últimas", orden="consumo", limite=1)["elementos"]
    de_ese = _pide(f"{api}/api/anomalias/cliente/{suya['propietario_id']}")["elementos"][0]
    return suya["propietario_id"], de_ese["id"]
