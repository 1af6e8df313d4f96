"""The Dockerfile makes of the repository an image that is small, locked and without secrets."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from apoyo_compose import (
    RAIZ,
    entorno_de_imagen,
    etapas,
    fuentes,
    instruccion,
    make_app,
    run_sql_inicial,
)

from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import Settings

HABITACIONES = {"detection", "serving", "pipeline", "training", "api", "dashboard"}
GUIONES = ("producer", "consumer", "aggregator", "archivador", "restaurador")
"""Those that the specification's commands name."""


def _ignorado(ruta: str) -> bool:
    """Return whether ``.dockerignore`` keeps a path out of the build, the last match deciding."""
    fuera = False
    for linea in (RAIZ / ".dockerignore").read_text(encoding="utf-8").splitlines():
        patron = linea.strip().removeprefix("!").removeprefix("**/")
        if not patron or patron.startswith("#"):
            continue
        partes = Path(ruta).parts
        tramos = ["/".join(partes[: i + 1]) for i in range(len(partes))]
        if "**/" in linea:
            tramos = list(partes)
        if any(fnmatch.fnmatchcase(tramo, patron) for tramo in tramos):
            fuera = not linea.startswith("!")
    return fuera


def test_la_imagen_lleva_todas_las_habitaciones_y_nada_mas() -> None:
    """All our code is copied, and nothing else: no tests, no documents."""
    copiado = {origen for origen, _ in fuentes()}
    assert copiado == HABITACIONES | {"consumo.py"}
    assert all((RAIZ / origen).exists() for origen in copiado)


@pytest.mark.parametrize(
    "ruta",
    [".env", ".env.example", ".git/config", ".consumo/servicios.env", "tests/conftest.py",
     "api/__pycache__/main.cpython-311.pyc", ".venv/bin/python", "README.md", "docker-compose.yml"],
)  # fmt: skip
def test_lo_privado_no_llega_a_la_construccion(ruta: str) -> None:
    """Secrets, data and caches are not even sent to whoever builds."""
    assert _ignorado(ruta)


def test_lo_que_se_copia_llega_a_la_construccion() -> None:
    """Every file of ours that the image copies passes ``.dockerignore``."""
    ficheros = [
        f.relative_to(RAIZ).as_posix()
        for origen, _ in fuentes()
        for f in [RAIZ / origen, *(RAIZ / origen).rglob("*")]
        if "__pycache__" not in f.parts
    ]
    assert len(ficheros) > 100
    assert not [f for f in [*ficheros, "requirements.lock"] if _ignorado(f)]


def test_las_versiones_son_las_del_cerrojo() -> None:
    """Dependencies come from the lock, by hash, as wheels; base images have exact versions."""
    instalar = next(r for o, r in etapas()["constructor"] if o == "RUN" and " install " in r)
    for opcion in (
        "--no-deps",
        "--require-hashes",
        "--only-binary :all:",
        "-r /tmp/requirements.lock",
    ):
        assert opcion in instalar
    bases = [r.split()[0] for pasos in etapas().values() for o, r in pasos if o == "FROM"]
    assert all(re.search(r":\d+\.\d+(\.\d+)?-[a-z-]+$", base) for base in bases)
    python = {base for base in bases if base.startswith("python:")}
    assert len(python) == 1
    assert python.pop().startswith("python:3.11.")


@pytest.mark.parametrize("etapa", ["consumo", "postgres"])
def test_la_imagen_no_es_de_root_ni_lleva_secretos(etapa: str) -> None:
    """What runs is an ordinary user, and no variable of the image is a secret."""
    assert instruccion(etapa, "USER") not in {"", "root", "0"}
    fijadas = [r for pasos in etapas().values() for o, r in pasos if o in {"ENV", "ARG"}]
    assert not re.search("PASSWORD|CLAVE|SECRET|TOKEN", " ".join(fijadas))


def test_nada_pide_un_constructor_moderno() -> None:
    """Debian's Docker builds it too: no heredocs, no mounts, no modes on a copy."""
    texto = (RAIZ / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search(r"--mount|--chmod|<<|^# syntax", texto, re.MULTILINE)


@pytest.mark.parametrize("guion", GUIONES)
def test_los_guiones_de_la_especificacion_estan_donde_se_trabaja(guion: str) -> None:
    """``python producer.py`` finds its script in the image's working folder."""
    assert instruccion("consumo", "WORKDIR") == "/app/pipeline"
    assert (RAIZ / "pipeline" / f"{guion}.py").is_file()


def test_trabajar_en_pipeline_no_tapa_ninguna_biblioteca(tmp_path: Path) -> None:
    """A script that runs in pipeline/ finds the rooms by /app; its own folder is not searched."""
    app = make_app(tmp_path)
    (app / "pipeline" / "enseña.py").write_text("import sys; print(sys.path)")
    entorno = {**entorno_de_imagen(), "PYTHONPATH": str(app)}
    r = subprocess.run(
        [sys.executable, "enseña.py"], cwd=app / "pipeline", env=entorno,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert str(app) in r.stdout
    assert str(app / "pipeline") not in r.stdout


def test_lo_que_la_imagen_compila_existe() -> None:
    """The step that warms the compiled loops runs on the code as it is, and ends well."""
    pasos = [r for o, r in etapas()["constructor"] if o == "RUN" and "warm_up" in r]
    (orden,) = [shlex.split(paso) for paso in pasos]
    assert orden[:2] == ["python", "-c"]
    r = subprocess.run(
        [sys.executable, *orden[1:]], cwd=RAIZ,
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr


def test_lo_que_la_imagen_importa_existe() -> None:
    """Every module that the image precompiles is there (found, not imported: that is slow)."""
    import importlib.util

    paso = next(r for o, r in etapas()["constructor"] if o == "RUN" and "evidently" in r)
    nombres = shlex.split(paso)[-1].removeprefix("import ").split(",")
    assert len(nombres) > 10
    for nombre in nombres:
        partes = nombre.strip().split(".")
        carpeta = importlib.util.find_spec(partes[0])
        assert carpeta is not None, nombre
        if len(partes) > 1:
            raiz = Path(str(carpeta.origin)).parent.joinpath(*partes[1:])
            assert raiz.is_dir() or raiz.with_suffix(".py").is_file(), nombre


def test_el_usuario_de_la_aplicacion_no_es_superusuario(servicios: EmbeddedServices) -> None:
    """The SQL of the PostgreSQL image makes a plain owner of the database, who can do all we do."""
    base, usuario = "t_imagen", "aplicacion"
    servicios.crear_base(base)
    try:
        for _ in range(2):  # Where the role exists already, as with POSTGRES_USER=postgres.
            run_sql_inicial(servicios, base, usuario, "z8'#Kq")
        valores = {k.lower(): v for k, v in servicios.variables().items()}
        settings = Settings.model_validate(
            {**valores, "postgres_db": base, "postgres_user": usuario}
        )
        migrate(settings)
        almacen = PostgresStore(settings)
        almacen.ping()
        almacen.close()
        with psycopg2.connect(
            host=settings.postgres_host, port=settings.postgres_port, user=usuario, dbname=base
        ) as conexion, conexion.cursor() as cursor:  # fmt: skip
            cursor.execute(
                "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
                (usuario,),
            )
            assert cursor.fetchone() == (False, False, False)
        conexion.close()
    finally:
        servicios.borrar_base(base)
