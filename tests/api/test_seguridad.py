"""Who may do what: keys, roles, limits, what every answer carries, what is written down."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from contextlib import closing

import forks
import httpx
import psycopg2
import pytest
from apoyo_api import AHORA, CLAVES, Datos, claves_de_prueba, es_problema, esperar, servir

from api.api_keys import CABECERA_CLAVE, KnownKeys, key_hash, new_key
from api.app import check_exposure, create_api
from detection.errors import ConfiguracionError
from serving.settings import ROLES, Settings

AUDITORIA = "/api/auditoría"


def ajustes(**valores: object) -> Settings:
    return Settings(_env_file=None, **valores)  # type: ignore[arg-type]


# ---- Keys and roles ----


def test_sin_clave_se_lee_y_no_se_cambia_nada(cliente: httpx.Client) -> None:
    """Reading is open; what only a key may do is 401 without one, and says how to send it."""
    assert cliente.get("/api/deriva/historial").status_code == 200
    respuesta = cliente.get(AUDITORIA)
    es_problema(respuesta, 401, CABECERA_CLAVE)
    assert CABECERA_CLAVE in respuesta.headers["www-authenticate"]


@pytest.mark.parametrize("clave", ["", "otra", "clave-de-prueba-administracio", "ñ", "x" * 5000])
def test_una_clave_mala_es_como_ninguna(cliente: httpx.Client, clave: str) -> None:
    """401 says nothing of what is wrong with a key, however close it is."""
    mala = cliente.get(AUDITORIA, headers={CABECERA_CLAVE: clave.encode()})
    ninguna = cliente.get(AUDITORIA)
    sin_id = [{k: v for k, v in r.json().items() if k != "peticion_id"} for r in (mala, ninguna)]
    assert sin_id[0] == sin_id[1]
    assert mala.status_code == 401


@pytest.mark.parametrize("rol", ROLES)
def test_de_quien_es_una_clave(
    cliente: httpx.Client, claves: dict[str, dict[str, str]], rol: str
) -> None:
    """Whoever has a key is told whose it is and what it may do, without using it for anything."""
    respuesta = cliente.get("/api/clave", headers=claves[rol])
    assert respuesta.headers["cache-control"] == "no-store"
    assert respuesta.json() == {
        "nombre": f"{rol}-1", "rol": rol, "puede": list(ROLES[: ROLES.index(rol) + 1]),
    }  # fmt: skip


@pytest.mark.parametrize("clave", ["", "otra", "clave-de-prueba-analist", "ñ"])
def test_una_clave_que_no_sirve_se_sabe_al_momento(cliente: httpx.Client, clave: str) -> None:
    """A wrong key is 401 as soon as it is asked about."""
    respuesta = cliente.get("/api/clave", headers={CABECERA_CLAVE: clave.encode()})
    es_problema(respuesta, 401, "hace falta una clave válida")


@pytest.mark.parametrize(("rol", "estado"), [("lectura", 403), ("analista", 403)])
def test_el_rol_ha_de_bastar(
    cliente: httpx.Client, claves: dict[str, dict[str, str]], rol: str, estado: int
) -> None:
    """A key that is known but may not do this is 403, and the answer names the role."""
    es_problema(cliente.get(AUDITORIA, headers=claves[rol]), estado, "administracion")


def test_quien_administra_lo_puede_todo(
    cliente: httpx.Client, claves: dict[str, dict[str, str]]
) -> None:
    """The role of administration reads the audit."""
    respuesta = cliente.get(AUDITORIA, headers=claves["administracion"])
    assert respuesta.status_code == 200
    assert set(respuesta.json()) == {"elementos", "siguiente"}


def test_con_claves_de_lectura_leer_pide_clave(datos: Datos) -> None:
    """With API_CLAVES_LECTURA every read asks for a key, any key will do; health stays open."""
    de_lectura = f"panel:lectura:{key_hash('solo-leer')}"
    settings = datos.settings.model_copy(update={"api_claves_lectura": de_lectura})
    with servir(settings) as http:
        for ruta in http.get("/openapi.json").json()["paths"]:
            if "{" not in ruta and not ruta.startswith("/salud"):
                respuesta = http.get(ruta)
                assert respuesta.status_code in {401, 405}, ruta
        for clave in ("solo-leer", CLAVES["analista"]):
            assert (
                http.get("/api/deriva/historial", headers={CABECERA_CLAVE: clave}).status_code
                == 200
            )
        es_problema(http.get(AUDITORIA, headers={CABECERA_CLAVE: "solo-leer"}), 403)
        assert http.get("/salud/viva").status_code == 200


def test_una_clave_de_la_lista_de_lectura_solo_lee() -> None:
    """Whatever role a key of API_CLAVES_LECTURA carries, it only reads."""
    clave, linea = new_key("ana", "administracion")
    conocidas = KnownKeys(ajustes(api_claves_lectura=linea))
    hallada = conocidas.find(clave)
    assert hallada is not None
    assert not hallada.puede("analista")
    assert hallada.puede("lectura")


def test_nueva_clave_sirve_y_no_se_guarda() -> None:
    """The verb gives a key of 256 random bits and a line with its hash alone; the line works."""
    r = forks.run(os.environ, "api", "--nueva-clave", "ana", "--rol", "administracion")
    assert r.returncode == 0, r.stderr
    clave, linea = (fila.strip() for fila in r.stdout.splitlines()[1::2])
    assert len(clave) >= 43 + len("consumo_")
    assert clave not in linea
    assert linea == f"ana:administracion:{hashlib.sha256(clave.encode()).hexdigest()}"
    hallada = KnownKeys(ajustes(api_claves=linea)).find(clave)
    assert hallada is not None
    assert hallada.nombre == "ana"


def test_un_nombre_que_no_sirve_se_rechaza() -> None:
    """A name that the setting could not hold is wrong usage, in one line."""
    r = forks.run(os.environ, "api", "--nueva-clave", "a:b")
    assert (r.returncode, r.stdout) == (2, "")
    assert "no sirve de nombre" in r.stderr


@pytest.mark.parametrize(
    "texto",
    ["ana", "ana:jefe:" + "0" * 64, "ana:analista:xyz", "a b:lectura:" + "0" * 64,
     f"ana:lectura:{'0' * 64},ana:lectura:{'1' * 64}"],
)  # fmt: skip
def test_una_lista_de_claves_mala_no_arranca(texto: str) -> None:
    """A list of keys that is no such list is refused at the start, and not shown."""
    with pytest.raises(ValueError, match="api_claves"):
        ajustes(api_claves=texto)


def test_las_huellas_no_se_ensenan() -> None:
    """What prints the settings does not print the hashes."""
    assert "0" * 64 not in repr(ajustes(api_claves=f"ana:lectura:{'0' * 64}"))


@pytest.mark.parametrize("texto", ["*", "tablero.example", "https://a.example/", "https://*.b"])
def test_un_origen_que_no_lo_es_no_arranca(texto: str) -> None:
    """Only whole origins open the API to other pages: no star, no path."""
    with pytest.raises(ValueError, match="no es un origen"):
        ajustes(api_cors_origenes=texto)


# ---- Where it may listen ----


def test_en_red_sin_claves_no_arranca() -> None:
    """Reachable by others and without any key it does not start, and says what to do."""
    with pytest.raises(ConfiguracionError, match="API_SIN_CLAVES=True"):
        check_exposure(ajustes(), "0.0.0.0", KnownKeys(ajustes()))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_en_esta_maquina_no_hacen_falta_claves(host: str) -> None:
    """Only this machine reaches it: it starts without keys."""
    check_exposure(ajustes(), host, KnownKeys(ajustes()))


def test_en_red_sin_claves_a_sabiendas_lo_dice(caplog: pytest.LogCaptureFixture) -> None:
    """With the explicit variable it starts, and the log says that anybody can read."""
    settings = ajustes(api_sin_claves=True)
    check_exposure(settings, "0.0.0.0", KnownKeys(settings))
    assert "SIN CLAVES" in caplog.text
    con_claves = ajustes(api_claves=claves_de_prueba())
    check_exposure(con_claves, "10.0.0.7", KnownKeys(con_claves))
    assert "leer no pide clave" in caplog.text


# ---- Limits ----


def test_quien_pregunta_demasiado_espera(datos: Datos) -> None:
    """Past the limit: 429 with Retry-After, for that key alone; health is always answered."""
    settings = datos.settings.model_copy(update={"api_limite_minuto": 5})
    with servir(settings) as http:
        estados = [http.get("/api/deriva/historial").status_code for _ in range(7)]
        # A minute may begin in between, and then one or two more get through.
        assert estados[:5] == [200] * 5
        assert estados[-1] == 429
        respuesta = http.get("/no-existe")
        es_problema(respuesta, 429)
        assert 1 <= int(respuesta.headers["retry-after"]) <= 120
        con_clave = {CABECERA_CLAVE: CLAVES["lectura"]}
        assert http.get("/api/deriva/historial", headers=con_clave).status_code == 200
        con_mala = {CABECERA_CLAVE: "adivina"}
        assert http.get("/api/deriva/historial", headers=con_mala).status_code == 429
        assert http.get("/api/clave", headers=con_mala).status_code == 429
        assert {http.get("/salud/viva").status_code for _ in range(8)} == {200}


def test_un_cuerpo_enorme_no_entra(
    cliente: httpx.Client, claves: dict[str, dict[str, str]]
) -> None:
    """413 for a body over the limit, whether its size is announced or not."""
    ruta, grande = "/api/modelos/1/promover", b'{"motivo": "' + b"x" * 100_000 + b'"}'
    cabeceras = {**claves["administracion"], "Content-Type": "application/json"}
    es_problema(cliente.post(ruta, content=grande, headers=cabeceras), 413, "65536")
    trozos = iter([grande[:50_000], grande[50_000:]])
    es_problema(cliente.post(ruta, content=trozos, headers=cabeceras), 413, "65536")


# ---- What every answer carries ----


@pytest.mark.parametrize("ruta", ["/salud", "/api/deriva/historial", "/no-existe", AUDITORIA])
def test_cabeceras_de_seguridad_en_todo(cliente: httpx.Client, ruta: str) -> None:
    """Every answer, errors too, forbids sniffing, framing and scripts, and carries its id."""
    cabeceras = cliente.get(ruta).headers
    assert cabeceras["x-content-type-options"] == "nosniff"
    assert cabeceras["x-frame-options"] == "DENY"
    assert "default-src 'none'" in cabeceras["content-security-policy"]
    assert len(cabeceras["x-request-id"]) == 16
    assert "server" not in cabeceras


@pytest.mark.parametrize(
    ("dado", "vale"),
    [("mio-1", True), ("x" * 64, True), ("x" * 65, False), ("con espacio", False),
     ("{inyectado}", False), ("ñ", False)],
)  # fmt: skip
def test_el_id_del_cliente_se_respeta_si_es_sano(
    cliente: httpx.Client, dado: str, vale: bool
) -> None:
    """A sane X-Request-ID comes back; anything else is replaced."""
    devuelto = cliente.get("/salud/viva", headers={"X-Request-ID": dado.encode()}).headers
    assert (devuelto["x-request-id"] == dado) is vale


def test_otras_paginas_no_llaman_salvo_que_se_diga(cliente: httpx.Client, datos: Datos) -> None:
    """CORS is off; an origin that the settings name gets in, and no other."""
    pagina, otra = {"Origin": "https://tablero.example"}, {"Origin": "https://otra.example"}
    assert "access-control-allow-origin" not in cliente.get("/salud/viva", headers=pagina).headers
    settings = datos.settings.model_copy(update={"api_cors_origenes": pagina["Origin"]})
    with servir(settings) as http:
        permitida = http.get("/salud/viva", headers=pagina).headers
        assert permitida["access-control-allow-origin"] == pagina["Origin"]
        assert "access-control-allow-origin" not in http.get("/salud/viva", headers=otra).headers


def test_lo_grande_va_comprimido(cliente: httpx.Client) -> None:
    """Answers of some size are compressed for whoever accepts it."""
    respuesta = cliente.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert respuesta.headers["content-encoding"] == "gzip"
    sin_pedir = cliente.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in sin_pedir.headers


def test_el_registro_dice_cada_peticion_sin_lo_que_se_pidio(
    cliente: httpx.Client, claves: dict[str, dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    """One line a request: id, key's name, route, status, time; never the key nor the query."""
    with caplog.at_level("INFO", "api"):
        r = cliente.get(
            "/api/clientes?buscar=secreto",
            headers={**claves["analista"], "X-Request-ID": "linea-1"},
        )
        assert r.status_code == 200
        # The line is written once the answer is out, and we may have it before that.
        esperar(lambda: "id=linea-1" in caplog.text, "the line")
    # The client of the tests, in the same process, may write down what it asks.
    dichos = [r.getMessage() for r in caplog.records if not r.name.startswith("httpx")]
    (linea,) = (m for m in dichos if "id=linea-1" in m)
    assert "clave=analista-1 metodo=GET ruta=/api/clientes estado=200" in linea
    assert not any("secreto" in m or CLAVES["analista"] in m for m in dichos)


# ---- The audit ----


def test_la_auditoria_solo_admite_altas(datos: Datos) -> None:
    """What was written down stays: the table refuses changes, even from its owner."""
    app = create_api(datos.settings, lambda: AHORA)
    auditoria = app.state.recursos.auditoria
    with closing(auditoria):
        numero = auditoria.write(
            clave="ana (01234567)", rol="analista", accion="prueba", objeto="nada 1",
            detalle={"motivo": "ñ'; DROP\0 TABLE auditoria; --", "ids": ["\ud800"]},
            ip="127.0.0.1", peticion_id="p-1",
        )  # fmt: skip
        ultima = auditoria.latest(1)[0]
        assert (ultima.id, ultima.detalle["motivo"][:1], ultima.rol) == (numero, "ñ", "analista")
        assert ultima.momento.tzinfo is not None
        assert auditoria.latest(5, antes_de=1) == []
    s = datos.settings
    with closing(
        psycopg2.connect(
            host=s.postgres_host, port=s.postgres_port, user=s.postgres_user, dbname=s.postgres_db
        )
    ) as conexion:
        for orden in (
            "UPDATE auditoria SET clave = 'otra'",
            "DELETE FROM auditoria",
            "TRUNCATE auditoria",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege), conexion.cursor() as cursor:
                cursor.execute(orden)
            conexion.rollback()


# ---- Time ----


def test_todas_las_claves_se_comparan_enteras() -> None:
    """Refusing a key takes as long as accepting one, wherever they differ."""
    claves = [new_key(f"c{i}", "lectura") for i in range(200)]
    conocidas = KnownKeys(ajustes(api_claves=",".join(linea for _, linea in claves)))
    candidatas = {"primera": claves[0][0], "última": claves[-1][0], "ninguna": "x" * 51}

    def medir(clave: str) -> float:
        inicio = time.perf_counter()
        conocidas.find(clave)
        return time.perf_counter() - inicio

    # The fastest of many, so that a busy machine does not count.
    mejor = {
        nombre: min(medir(clave) for _ in itertools.repeat(None, 200))
        for nombre, clave in candidatas.items()
    }
    assert max(mejor.values()) < 1.5 * min(mejor.values())
