"""The version that comes with the product: whole, small, with its licence, out of public homes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detection.domain import HORAS_POR_DIA, Lecturas
from serving.base_version import CARPETA, load_base
from serving.local_time import load_calendario
from training.base_version import LICENCIA, case_homes, join_readings, to_common_end
from training.public_homes import CALIFORNIA, SUIZA, PublicSet, es_desarrollo, read_homes

BYTES_MAXIMOS = 5_000_000


def test_el_paquete_de_base_esta_entero_y_es_pequeno() -> None:
    """It loads as any version does, knows of cases, and takes less than five megabytes."""
    modelo = load_base()
    assert modelo.mezcla is not None
    assert modelo.casos is not None
    assert sum(f.stat().st_size for f in CARPETA.iterdir()) < BYTES_MAXIMOS


def test_el_paquete_de_base_dice_de_donde_sale() -> None:
    """The licence that Switzerland's homes ask for, and every source, lie beside it."""
    texto = (CARPETA / LICENCIA).read_text()
    for dicho in ("CC BY-SA 4.0", "MIT", "Apache-2.0", "CC BY 4.0", "Suiza", "Londres"):
        assert dicho in texto
    assert "Australia" not in texto


def _write_set(datos: Path, conjunto: PublicSet, dias: int, ids: list[str]) -> None:
    rng = np.random.default_rng(dias)
    marcas = pd.date_range("2018-01-01", periods=dias * HORAS_POR_DIA, freq="h")
    (datos / conjunto.carpeta).mkdir()
    pd.concat(
        pd.DataFrame(
            {
                "propietario_id": p,
                "timestamp": marcas,
                "consumo_kwh": np.round(rng.gamma(2.0, 0.2, marcas.size), 3),
            }
        )
        for p in ids
    ).to_parquet(datos / conjunto.carpeta / conjunto.fichero)


def test_solo_se_lee_la_mitad_de_desarrollo(tmp_path: Path) -> None:
    """Weeks give a made year, a year gives itself and its mirror; the test half gives nothing."""
    suizos, californianos = [f"CH-{k}" for k in range(8)], [f"US-CA-0{k}" for k in range(1, 9)]
    _write_set(tmp_path, SUIZA, 49, suizos)
    _write_set(tmp_path, CALIFORNIA, 330, californianos)
    hogares = [h for c in (SUIZA, CALIFORNIA) for h in read_homes(tmp_path, c)]
    esperados = [p for p in (*suizos, *californianos) if es_desarrollo(p)]
    assert [h.propietario_id for h in hogares] == esperados
    casas = list(case_homes(hogares))
    hechos = [h for h in casas if h.hecho]
    assert {h.propietario_id for h in hechos} == {p for p in suizos if es_desarrollo(p)}
    assert sum(h.espejo for h in casas) == sum(map(es_desarrollo, californianos))
    for hogar in casas:
        medianoche = hogar.calendario.local(np.array([hogar.desde_hora]))[0] % HORAS_POR_DIA
        assert medianoche == 0
        assert hogar.kwh.size >= 300 * HORAS_POR_DIA


@pytest.mark.parametrize("zona", ["Europe/Madrid", "Etc/GMT+8"])
def test_todos_acaban_la_misma_noche_de_domingo(zona: str) -> None:
    """Whatever year and zone they are of, the day of the week and the local hour stay."""
    calendario = load_calendario(zona)
    hora = np.arange(430_000, 430_000 + 24 * 40)
    juntas = to_common_end(
        Lecturas(["A"] * hora.size, hora, np.arange(float(hora.size))), calendario
    )
    local = calendario.local(hora)
    de_semana = (juntas.hora_utc + 3 * HORAS_POR_DIA) % (7 * HORAS_POR_DIA)
    assert de_semana[-1] == 7 * HORAS_POR_DIA - 1
    quien = juntas.consumo_kwh.astype(np.int64)
    np.testing.assert_array_equal(de_semana, (local[quien] + 72) % (7 * HORAS_POR_DIA))
    assert len(join_readings([juntas, juntas])) == 2 * len(juntas)
