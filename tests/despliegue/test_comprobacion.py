"""Nothing starts with the passwords of the examples, nor with the API open to all by accident."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest
from apoyo_compose import load_servicios

PROPIAS = {"POSTGRES_PASSWORD": "z8#Kq-larga", "MONGO_PASSWORD": "otra-distinta"}
RESUELVE = "localhost"
NO_RESUELVE = "consumo-demo.invalid."
"""RFC 2606: a name that no resolver knows."""


def comprobar(
    variables: Mapping[str, str], *, demo: bool = False, espera_s: float = 0.0
) -> subprocess.CompletedProcess[str]:
    """Return how the check ends with such a ``.env``."""
    servicio = load_servicios(variables)["comprobacion"]
    orden = list(servicio["command"])
    assert orden[-2] == "consumo-demo."
    orden[0] = sys.executable
    orden[-2:] = [RESUELVE if demo else NO_RESUELVE, str(espera_s)]
    return subprocess.run(
        orden, env={"PATH": os.environ["PATH"], **servicio["environment"]},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_con_contrasenas_propias_no_se_espera_a_nadie() -> None:
    """Passwords of one's own pass at once, demo or not."""
    inicio = time.monotonic()
    r = comprobar(PROPIAS, espera_s=60)
    assert (r.returncode, r.stderr) == (0, "")
    assert time.monotonic() - inicio < 30


@pytest.mark.parametrize(
    ("mala", "cual"),
    [
        ({}, "POSTGRES_PASSWORD y MONGO_PASSWORD"),
        ({"POSTGRES_PASSWORD": "password"}, "POSTGRES_PASSWORD"),
        ({"MONGO_PASSWORD": "Password123"}, "MONGO_PASSWORD"),
        ({"MONGO_PASSWORD": "contraseña1"}, "MONGO_PASSWORD"),
        ({"POSTGRES_PASSWORD": "corta12"}, "POSTGRES_PASSWORD"),
    ],
    ids=["sin .env", "la de ejemplo", "con números", "en español", "corta"],
)
def test_sin_el_perfil_demo_las_de_ejemplo_no_valen(mala: dict[str, str], cual: str) -> None:
    """A default or short password stops the start with one line that says which and what to do."""
    r = comprobar({**PROPIAS, **mala} if mala else {})
    assert r.returncode == 1
    assert r.stderr.startswith(f"error: {cual}: contraseña de ejemplo")
    assert "--profile demo" in r.stderr
    assert len(r.stderr.strip().splitlines()) == 1
    assert not any(valor in r.stderr for valor in mala.values() if valor != "password")


def test_con_el_perfil_demo_valen() -> None:
    """Where the demo's container is on the network, the specification's passwords pass."""
    assert comprobar({}, demo=True).returncode == 0


@pytest.mark.parametrize("demo", [False, True])
def test_la_api_no_se_abre_a_otras_maquinas_sin_claves(demo: bool) -> None:
    """The specification's API_HOST=0.0.0.0 needs keys, or a word that none are wanted."""
    abierta = {**PROPIAS, "API_HOST": "0.0.0.0"}
    r = comprobar(abierta, demo=demo)
    assert r.returncode == 1
    assert "API_HOST=0.0.0.0" in r.stderr
    assert len(r.stderr.strip().splitlines()) == 1
    clave = f"ana:lectura:{'0' * 64}"
    permisos = {"API_CLAVES": clave, "API_CLAVES_LECTURA": clave, "API_SIN_CLAVES": "true"}
    for variable, valor in permisos.items():
        assert comprobar({**abierta, variable: valor}, demo=demo).returncode == 0
