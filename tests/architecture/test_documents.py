"""What the documents name is there, and what there is they name."""

from __future__ import annotations

import contextlib
import re
from functools import cache
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

import consumo
from api.app import create_api
from dashboard.navigation import PAGES
from dashboard.variables import load_variables
from detection.domain import TIPOS
from detection.rules.registry import CALIBRACIONES
from detection.simulation.attack_courses import FORMAS
from detection.simulation.attacks import AMPLIADOS, ETIQUETAS, LARGOS, NORMAL
from detection.simulation.innocent_events import INOCENTES
from pipeline.generator import service
from serving.metrics import ApiMetrics, ConsumerMetrics
from serving.settings import ROLES, Settings

RAIZ = Path(__file__).resolve().parents[2]
DOCUMENTOS = (
    *(RAIZ / nombre for nombre in ("README.md", "QUICK_START.md", "CONTRIBUTING.md")),
    *sorted((RAIZ / "docs").glob("*.md")),
)
CODIGO = (
    *("api", "dashboard", "detection", "observability", "pipeline", "serving", "training"),
    "tests",
)
LINEAS_DEL_README = 150
"""What somebody reads who has two minutes."""
PUERTOS = {
    "PostgreSQL": 5432, "MongoDB": 27017, "Kafka": 9092, "MLflow": 5000, "API": 8001,
    "tablero": 8501, "generador": 8000, "Kafka UI": 8080, "ZooKeeper": 2181, "Prometheus": 9090,
    "Grafana": 3000,
}  # fmt: skip
"""Contract 7, as the specification has them."""
GUIONES = {
    "producer": "producir", "consumer": "consumir", "aggregator": "agregar",
    "archivador": "archivar", "restaurador": "restaurar",
}  # fmt: skip
"""What the specification calls by their files, and their verbs."""
AJENOS = {"COUNT", "DOCKER_HOST", "NUMERIC", "SMALLINT", "PYTHONPATH", "PATH"}
"""Names that are not ours: of PostgreSQL, of Docker, of the shell."""
HUECOS = {"CONTENEDOR", "SERVICIO", "VERBO"}
"""What whoever reads puts a name of his own for."""
OTROS_CONSUMO = {"consumo-detector", "consumo-consumer-2"}
"""What is called like a container of ours and is none: the model, and one more consumer."""


@cache
def _texto(ruta: Path) -> str:
    return ruta.read_text(encoding="utf-8")


def _doc(nombre: str) -> str:
    return _texto(RAIZ / "docs" / f"{nombre}.md")


TODO = "\n".join(_texto(documento) for documento in DOCUMENTOS)


def _en_linea(texto: str) -> list[str]:
    """Return the words in backticks outside blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", texto, flags=re.DOTALL))


def _codigo(texto: str) -> str:
    """Return only what a document shows as code: blocks and words in backticks."""
    bloques = re.findall(r"```[a-z]*\n(.*?)```", texto, re.DOTALL)
    return "\n".join([*bloques, *_en_linea(texto)])


def _seccion(texto: str, titulo: str) -> str:
    """Return what stands below a heading of the second level, up to the next one."""
    return texto.split(f"\n## {titulo}\n", 1)[1].split("\n## ", 1)[0]


def _primeras(texto: str) -> list[str]:
    """Return the words in backticks in the first cell of each row of a table."""
    filas = re.findall(r"^\| (`.*?) \|", texto, re.MULTILINE)
    return [palabra for fila in filas for palabra in re.findall(r"`([^`]+)`", fila)]


# --- shape ---


def test_el_readme_se_lee_en_dos_minutos() -> None:
    """README is short; what is longer has a page of its own."""
    assert len(_texto(DOCUMENTOS[0]).splitlines()) <= LINEAS_DEL_README


def test_el_indice_lleva_a_cada_documento() -> None:
    """Each document of docs/ is in its index."""
    nombrados = set(re.findall(r"\]\((\w+\.md)\)", _doc("README")))
    assert nombrados == {d.name for d in DOCUMENTOS if d.parent.name == "docs"} - {"README.md"}


def _ancla(titulo: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", titulo.lower()).replace(" ", "-")


@pytest.mark.parametrize("documento", DOCUMENTOS, ids=lambda d: d.stem)
def test_los_enlaces_llevan_a_algo(documento: Path) -> None:
    """A relative link is a file or a folder, and its anchor a heading there."""
    for destino in re.findall(r"\]\(([^)\s]+)\)", _texto(documento)):
        if "://" in destino:
            continue
        fichero, _, ancla = destino.partition("#")
        ruta = (documento.parent / fichero).resolve() if fichero else documento
        assert ruta.exists(), destino
        if ancla:
            titulos = re.findall(r"^#+ (.+)$", _texto(ruta), re.MULTILINE)
            assert ancla in {_ancla(titulo) for titulo in titulos}, destino


def test_la_imagen_es_pequena() -> None:
    """A clone stays light: the picture of the dashboard is under 300 KB."""
    imagen = RAIZ / "docs" / "imagenes" / "tablero.png"
    assert imagen.read_bytes().startswith(b"\x89PNG")
    assert imagen.stat().st_size < 300_000


# --- files and names ---


@pytest.mark.parametrize("documento", DOCUMENTOS, ids=lambda d: d.stem)
def test_cada_fichero_que_se_nombra_existe(documento: Path) -> None:
    """A path of ours, or a Python file, that a document writes as code is there."""
    habitaciones = "|".join((*CODIGO, "docs", "notebooks", r"\.ci"))
    texto = _codigo(_texto(documento))
    for ruta in re.findall(rf"(?<![\w./-])((?:{habitaciones})/[\w./-]*)", texto):
        assert (RAIZ / ruta.rstrip(".")).exists(), ruta
    for nombre in _en_linea(_texto(documento)):
        if re.fullmatch(r"[\w.-]+\.(?:py|yml|lock|toml|md|example)", nombre):
            donde = (RAIZ, RAIZ / "docs", *(RAIZ / carpeta for carpeta in CODIGO))
            assert any((carpeta / nombre).exists() for carpeta in donde), nombre


@cache
def _codigo_nuestro() -> str:
    ficheros = [RAIZ / "consumo.py", *(f for c in CODIGO for f in (RAIZ / c).rglob("*.py"))]
    return "\n".join(map(_texto, ficheros))


@cache
def _conocidos() -> frozenset[str]:
    """Return every name that our code defines or imports, and every word of its settings files."""
    codigo = _codigo_nuestro()
    definidos = re.findall(r"\b(?:class|def) (\w+)", codigo)
    definidos += re.findall(r"^\s*((?:\w+, )*\w+) ?[:=]", codigo, re.MULTILINE)
    definidos += re.findall(r"^\s*(?:from \S+ )?import (.+)", codigo, re.MULTILINE)
    definidos += re.findall(r"^ +(\w+),$", codigo, re.MULTILINE)
    # Variables of the environment are looked up by their name.
    definidos += re.findall(r"[\"']([A-Z_]+)[\"']", codigo)
    otros = [RAIZ / n for n in (".env.example", "docker-compose.yml", "Dockerfile", "Makefile")]
    otros += (RAIZ / "notebooks").glob("*.ipynb")
    return frozenset(re.findall(r"\w+", "\n".join([*definidos, *map(_texto, otros)])))


@pytest.mark.parametrize("documento", DOCUMENTOS, ids=lambda d: d.stem)
def test_cada_nombre_en_codigo_existe(documento: Path) -> None:
    """A class, constant or variable that a document names is one that the code has."""
    forma = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]*[A-Z])+|[A-Z]{5,}|[A-Z][a-z]+(?:[A-Z][a-z]+)+")
    sueltos = [s for s in _en_linea(_texto(documento)) if not s.endswith(".md")]
    palabras = {t for s in sueltos for t in re.split(r"[.()=:, ]", s) if forma.fullmatch(t)}
    assert palabras - _conocidos() - AJENOS - HUECOS == set()


def test_el_lugar_que_se_dice_es_el_suyo() -> None:
    """Where a document puts a file in brackets behind a name, the name is defined in that file."""
    pares = re.findall(r"`([A-Za-z_]\w*)`[\s,]+(?:\(|en )`([\w/]+\.py)`", TODO)
    assert len(pares) >= 4
    for nombre, ruta in pares:
        definido = rf"^(?:class |def )?{nombre}\b(?::|\(| =)"
        assert re.search(definido, _texto(RAIZ / ruta), re.MULTILINE), f"{nombre}: {ruta}"


# --- variables, verbs, targets ---


def _ejemplo() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", _texto(RAIZ / ".env.example"), re.MULTILINE))


def test_env_example_tiene_todas_las_variables_con_su_valor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every variable of the product is in .env.example with its default, and no other."""
    defectos = {nombre.upper(): str(c.default) for nombre, c in Settings.model_fields.items()}
    for nombre in ("API_URL", "API_CLAVE_TABLERO", *(v for v in _ejemplo() if "TABLERO_" in v)):
        monkeypatch.delenv(nombre, raising=False)
    tablero = load_variables()
    assert _ejemplo() == defectos | {
        # Empty: then it follows API_PORT, which a written address would not.
        "API_URL": "",
        "TABLERO_HOST": tablero.host,
        "TABLERO_PORT": str(tablero.port),
        "API_CLAVE_TABLERO": tablero.clave,
        "TABLERO_TESELAS": tablero.teselas,
        "TABLERO_TESELAS_AUTOR": tablero.teselas_autor,
    }


def test_cada_variable_tiene_una_descripcion_en_espanol() -> None:
    """Each setting says what it is."""
    assert all(campo.description for campo in Settings.model_fields.values())


def test_cada_variable_esta_en_configuracion_y_ninguna_otra() -> None:
    """docs/configuracion.md names every variable; no document shows one that is not."""
    en_tablas = re.findall(r"`([A-Z]+_[A-Z_]+)`", _doc("configuracion"))
    assert set(en_tablas) == set(_ejemplo())
    prefijos = "POSTGRES|MONGO|KAFKA|MLFLOW|API|TABLERO|GENERADOR|METRICAS|MODELOS?"
    puestas = set(re.findall(rf"\b((?:{prefijos})_[A-Z_]+)\b", TODO))
    assert {v for v in puestas if not v.startswith("MONGO_INITDB")} <= set(_ejemplo())


def test_cada_orden_de_make_esta_en_los_documentos_y_al_reves() -> None:
    """docs/desarrollo.md names each target that ``make help`` shows; no document names another."""
    ordenes = set(re.findall(r"^([a-z-]+):.*## ", _texto(RAIZ / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", _codigo(TODO))) - {"help"} <= ordenes
    assert ordenes - {"help"} <= set(re.findall(r"`make ([a-z-]+)", _doc("desarrollo")))


def _filas_de_verbos() -> dict[str, str]:
    return dict(re.findall(r"^\| `consumo ([a-z]+)` \|(.*)\|$", _doc("operacion"), re.MULTILINE))


def test_cada_verbo_que_se_nombra_existe() -> None:
    """``consumo X`` in any document is a verb; each verb has a row of its own, in one table."""
    nombrados = set(re.findall(r"(?:^|[/ `|])consumo ([a-z]+)\b", _codigo(TODO), re.MULTILINE))
    assert nombrados - {"y"} <= set(consumo.VERBOS)
    assert set(_filas_de_verbos()) == set(consumo.VERBOS)


def test_cada_opcion_existe_y_esta_en_la_tabla(capsys: pytest.CaptureFixture[str]) -> None:
    """The row of a verb has all flags of its help; a command that may be copied has no other."""
    pedidas: dict[str, set[str]] = {verbo: set() for verbo in consumo.VERBOS}
    for linea in _codigo(TODO).splitlines():
        for verbo, guion, resto in re.findall(
            r"(?:consumo ([a-z]+)|python (?:pipeline/)?(\w+)\.py)\b([^#&|;]*)", linea
        ):
            quien = verbo or GUIONES.get(guion, "")
            if quien in pedidas:
                pedidas[quien] |= set(re.findall(r"--[a-z-]+", resto))
    for verbo, fila in _filas_de_verbos().items():
        with contextlib.suppress(SystemExit):
            consumo.main([verbo, "--help"])
        ayuda = set(re.findall(r"^ {2}(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
        assert set(re.findall(r"--[a-z-]+", fila)) == ayuda, verbo
        assert pedidas[verbo] <= ayuda, verbo


# --- the API, ports, metrics ---


def _rutas_de(documento: dict[str, object]) -> set[tuple[str, str]]:
    caminos = documento["paths"]
    assert isinstance(caminos, dict)
    return {(metodo.upper(), camino) for camino, suyos in caminos.items() for metodo in suyos}


@cache
def _rutas() -> frozenset[tuple[str, str]]:
    """Return method and path of every route of the API and of the generator."""
    ambas = (create_api(Settings()).openapi(), service.create_generator(Settings()).openapi())
    return frozenset().union(*map(_rutas_de, ambas))


def test_cada_ruta_esta_en_los_documentos_y_al_reves() -> None:
    """Every route of both servers is in some document; no document names another."""
    nombradas = {
        (metodo, camino)
        for metodo, camino in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)", TODO)
    }
    assert nombradas == set(_rutas())
    sueltas = {s.partition("?")[0] for s in _en_linea(TODO) if re.match(r"/\w", s)}
    assert sueltas <= {camino for _, camino in _rutas()} | {"/docs", "/openapi.json"}


def test_las_direcciones_de_los_ejemplos_contestan() -> None:
    """Each address in a ``curl`` of a document has the path of one route."""
    formas = [re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(camino)) for _, camino in _rutas()]
    caminos = re.findall(r"curl[^\n]*?https?://[\w.:]+(/[^\s\"'?`]*)", TODO)
    assert caminos
    for camino in caminos:
        assert any(re.fullmatch(forma, camino) for forma in formas), camino


def test_los_puertos_son_los_del_contrato() -> None:
    """Each port of the contract is in some document; an address of this machine has no other."""
    for quien, puerto in PUERTOS.items():
        assert re.search(rf"\b{puerto}\b", TODO), quien
    hallados = set(re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", TODO))
    assert {int(p) for p in hallados} <= set(PUERTOS.values())


def test_cada_metrica_esta_en_operacion_y_al_reves() -> None:
    """docs/operacion.md names every metric of the API and of a consumer, and no other."""
    textos = (ApiMetrics().texto(), ConsumerMetrics().texto())
    suyas = re.findall(r"^# TYPE (consumo_\w+) ", b"".join(textos).decode(), re.MULTILINE)
    nombradas = re.findall(r"`(consumo_\w+)`", _seccion(_doc("operacion"), "Métricas"))
    assert sorted(nombradas) == sorted(m for m in suyas if not m.endswith("_created"))


# --- what is stored, found and shown ---


def test_cada_tabla_esta_en_datos_y_al_reves() -> None:
    """docs/datos.md names the tables that the migrations make, and no collection is invented."""
    migraciones = (RAIZ / "pipeline/stores/postgres/migrations/versions").glob("*.py")
    texto = "\n".join(map(_texto, migraciones))
    suyas = set(re.findall(r"CREATE (?:TABLE|VIEW) (\w+)", texto))
    assert set(_primeras(_seccion(_doc("datos"), "Tablas de PostgreSQL"))) == suyas
    for coleccion in _primeras(_seccion(_doc("datos"), "Colecciones de MongoDB")):
        assert re.search(rf"[\"']{coleccion}[\"']", _codigo_nuestro()), coleccion


def test_cada_detector_esta_con_su_peso() -> None:
    """The table of docs/detectores.md has every detector, in order, with the weight it has."""
    filas = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d,]+) \|$", _doc("detectores"), re.MULTILINE)
    assert [nombre for nombre, _ in filas] == [str(tipo) for tipo in TIPOS]
    for nombre, peso in filas:
        assert float(peso.replace(",", ".")) == CALIBRACIONES[nombre].peso, nombre


def test_cada_ataque_simulado_esta_explicado() -> None:
    """docs/detectores.md says what each label of the generator is, and which kinds there are."""
    seccion = _seccion(_doc("detectores"), "Lo que simula el generador")
    assert set(_primeras(seccion)) == set(ETIQUETAS) - {NORMAL}
    assert {*AMPLIADOS, *LARGOS, *FORMAS} <= set(_en_linea(seccion))


def test_cada_suceso_inocente_esta_explicado() -> None:
    """docs/detectores.md says what each innocent event does to a meter, in their order."""
    seccion = _seccion(_doc("detectores"), "Los sucesos inocentes")
    assert tuple(_primeras(seccion)) == INOCENTES


def test_cada_pagina_del_tablero_esta_explicada() -> None:
    """docs/tablero.md has the pages by their titles, in their order."""
    filas = re.findall(r"^\| ([A-ZÁÉÍÓÚ][^|]+) \| [^|]+ \|$", _doc("tablero"), re.MULTILINE)
    assert filas == [page.title for page in PAGES]


def test_cada_rol_y_cada_cuaderno_estan_en_su_tabla() -> None:
    """Roles of keys in docs/api.md, notebooks in docs/desarrollo.md."""
    assert tuple(_primeras(_seccion(_doc("api"), "Claves"))) == ROLES
    cuadernos = sorted(c.stem for c in (RAIZ / "notebooks").glob("*.ipynb"))
    assert _primeras(_seccion(_doc("desarrollo"), "Cuadernos")) == cuadernos


def test_una_palabra_una_cosa() -> None:
    """The glossary is in order, has no word twice, and the field's English term of each."""
    filas = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", _doc("glosario"), re.MULTILINE)[1:]
    palabras = [palabra for palabra, _ in filas if not palabra.startswith("---")]
    assert len(set(palabras)) == len(palabras) > 30
    sin_tildes = str.maketrans("áéíóúñ", "aeioun")
    assert palabras == sorted(palabras, key=lambda p: p.lower().translate(sin_tildes))


# --- containers ---


@cache
def _compose() -> dict[str, dict[str, dict[str, object]]]:
    documento = yaml.safe_load(_texto(RAIZ / "docker-compose.yml"))
    assert isinstance(documento, dict)
    return documento


def test_cada_contenedor_esta_en_despliegue_y_al_reves() -> None:
    """The table of docs/despliegue.md has every container; no command names another."""
    servicios = _compose()["services"]
    suyos = {str(servicio["container_name"]) for servicio in servicios.values()}
    nombrados = set(re.findall(r"(?<![\w/.])consumo-[a-z][a-z0-9-]*", _codigo(_doc("despliegue"))))
    assert nombrados - OTROS_CONSUMO <= suyos
    de_paso = {str(servicios[nombre]["container_name"]) for nombre in ("comprobacion", "demo")}
    assert set(_primeras(_doc("despliegue"))) >= suyos - de_paso


def test_las_copias_nombran_volumenes_que_existen_en_cualquier_carpeta() -> None:
    """A volume in a command of a document bears the name that docker-compose.yml gives it."""
    suyos = {v.get("name") for v in (uno or {} for uno in _compose()["volumes"].values())}
    assert None not in suyos, "a volume without a name of its own is called after the folder"
    nombrados = set(re.findall(r"-v (\w[\w-]*):", TODO))
    assert nombrados
    assert nombrados <= suyos


def test_una_mascara_de_tipos_no_tiene_ancho_escrito_a_mano() -> None:
    """No file of ours says uint8 of a mask of types; there are no more types than a SMALLINT holds.

    Keyword, annotation or docstring: what is called ``tipos`` is of ``MASCARA_DTYPE``.
    """
    malo = re.compile(r"\btipos\b[^#\n]*\buint8\b|_MASCARAS\s*=\s*\d")
    for carpeta in ("detection", "serving", "pipeline", "training", "api"):
        for fichero in (RAIZ / carpeta).rglob("*.py"):
            lineas = enumerate(_texto(fichero).splitlines(), 1)
            malas = [n for n, linea in lineas if malo.search(linea)]
            assert not malas, f"{fichero.relative_to(RAIZ)}: {malas}"
    assert len(TIPOS) <= 15
