"""What a utility's own homes and its analysts' verdicts add to the base version's cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from detection.cases.model import CaseModel
from detection.domain import HORAS_POR_DIA, Historia
from serving.base_version import load_base
from serving.local_time import load_calendario
from training import case_fit, case_population, own_cases
from training.case_population import ATAQUE, INOCENTE, REVISADO, made_home
from training.history import InMemoryHistory
from training.own_cases import learn_own_cases, reviewed_series

UTC = load_calendario("UTC")
DIAS, SEMILLA = 310, 5
CLIENTES = [f"CLI_{k}" for k in range(6)]


class _Anotada(InMemoryHistory):
    """A history that remembers who was asked for."""

    def load_range(self, propietario_id: Sequence[str], desde: int, hasta: int) -> Historia:
        self.leidos = [*getattr(self, "leidos", []), *propietario_id]
        return super().load_range(propietario_id, desde, hasta)


@pytest.fixture(scope="module")
def historia() -> tuple[_Anotada, int]:
    """Give six homes of 310 days, and the hour after the last."""
    casas = []
    for k, nombre in enumerate(CLIENTES):
        rng = np.random.default_rng(k)
        forma = 0.1 + 0.5 * np.exp(-(((np.arange(24) - rng.integers(17, 23)) / 3.0) ** 2))
        semanas = np.round(rng.uniform(0.5, 1.5) * forma * rng.gamma(4.0, 0.25, (7, 7, 24)), 3)
        casas.append(made_home((SEMILLA, k), nombre, "hechos", semanas, UTC, dias=DIAS))
    horas = casas[0].desde_hora + np.arange(DIAS * HORAS_POR_DIA)
    quien = np.repeat(np.arange(len(casas)), horas.size)
    kwh = np.concatenate([c.kwh for c in casas])
    return _Anotada(CLIENTES, quien, np.tile(horas, len(casas)), kwh), int(horas[-1]) + 1


@pytest.fixture
def pequeno(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be learnt from three homes, to which little happens, with few trees."""
    monkeypatch.setattr(case_population, "MENU", case_population.MENU[::6])
    monkeypatch.setattr(case_fit, "ARBOLES", 6)
    monkeypatch.setattr(own_cases, "HOGARES_MAXIMOS", 3)


def _base() -> CaseModel:
    casos = load_base().casos
    assert casos is not None
    return casos


def _learn(
    historia: tuple[_Anotada, int],
    veredictos: Mapping[tuple[str, int], bool] | None = None,
    juzgan: Sequence[str] = (),
    desde_el_final: int = 0,
) -> CaseModel:
    almacen, hasta = historia
    return learn_own_cases(
        almacen, _base(), UTC, hasta_hora=hasta - desde_el_final, veredictos=veredictos or {},
        juzgan=set(juzgan), semilla=SEMILLA,
    ).modelo  # fmt: skip


def test_sin_un_ano_son_los_de_la_version_de_base(historia: tuple[_Anotada, int]) -> None:
    """Fewer days than a year asks for teach nothing, and neither do fewer homes than three."""
    assert _learn(historia, desde_el_final=20 * HORAS_POR_DIA) is not None
    assert _learn(historia, desde_el_final=20 * HORAS_POR_DIA).arboles is _base().arboles
    assert _learn(historia, juzgan=CLIENTES[:4]).arboles is _base().arboles


@pytest.mark.usefixtures("pequeno")
def test_lo_propio_se_suma_a_lo_de_base(historia: tuple[_Anotada, int]) -> None:
    """Both versions' trees say the score, twice the same; and who judges teaches nothing."""
    almacen, hasta = historia
    almacen.leidos = []
    juzga, confirmado = CLIENTES[0], CLIENTES[1]
    hora = hasta - 50 * HORAS_POR_DIA
    una, otra = (
        _learn(historia, {(confirmado, hora): True}, juzgan=[juzga]) for _ in range(2)
    )  # fmt: skip
    assert {juzga, confirmado}.isdisjoint(almacen.leidos)
    assert len(set(almacen.leidos)) == 3
    base = _base()
    assert una.arboles.trees.hoja.shape[0] == base.arboles.trees.hoja.shape[0] + 6
    assert una.inocentes is base.inocentes
    u = una.umbrales
    assert u.cierra < u.abre < u.alta < u.critica
    assert all(suyo >= de_base for suyo, de_base in zip(u, base.umbrales, strict=True))
    assert u == otra.umbrales
    x = np.random.default_rng(1).normal(size=(50, base.arboles.trees.n_rasgos)).astype(np.float32)
    np.testing.assert_array_equal(una.arboles.scores(x), otra.arboles.scores(x))
    assert (una.arboles.scores(x) != base.arboles.scores(x)).all()


@pytest.mark.usefixtures("pequeno")
def test_un_veredicto_cuenta_como_un_caso(historia: tuple[_Anotada, int]) -> None:
    """From its first hour to its last it is an attack, or nothing; a single hour is no case."""
    almacen, hasta = historia
    horas = range(hasta - 40 * HORAS_POR_DIA, hasta - 5 * HORAS_POR_DIA, 7)
    dicho = {(CLIENTES[0], h): True for h in horas} | {(CLIENTES[1], h): False for h in horas}
    dicho[CLIENTES[2], hasta - 9] = True
    series = list(reviewed_series(almacen, UTC, dicho, set()))
    assert {(s.hogar.propietario_id, s.clase, s.tipo) for s in series} == {
        (CLIENTES[0], ATAQUE, REVISADO), (CLIENTES[1], INOCENTE, REVISADO),
    }  # fmt: skip
    assert len(series) == 2
    assert {s.inicio_hora for s in series} == {horas[0]}
    assert list(reviewed_series(almacen, UTC, dicho, {CLIENTES[0], CLIENTES[1]})) == []
    sin, con = _learn(historia, juzgan=CLIENTES[:2]), _learn(historia, dicho, juzgan=CLIENTES[1:2])
    x = np.random.default_rng(2).normal(size=(50, sin.arboles.trees.n_rasgos)).astype(np.float32)
    assert (sin.arboles.scores(x) != con.arboles.scores(x)).any()
