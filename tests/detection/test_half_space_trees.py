"""The online model as flat arrays is River's, to the last bit, wherever a stream is cut."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from apoyo_river import from_river, new_river, river_trees, score_stream, to_river
from numpy.typing import NDArray
from river.anomaly import HalfSpaceTrees

from detection.models.half_space_trees import MAX_HEIGHT, MAX_WINDOW, TreeStructure, build_trees
from detection.models.partition_states import PartitionStates

RASGOS = tuple(f"rasgo_{(7 * j) % 13}" for j in range(13))
"""Out of alphabetical order, in which River draws them."""
VENTANA = 250


@pytest.fixture(scope="module")
def arboles() -> TreeStructure:
    return build_trees(RASGOS, arboles=10, altura=8, ventana=VENTANA, semilla=42)


def _lecturas(arboles: TreeStructure, n: int, semilla: int) -> NDArray[np.float32]:
    """Return rows in [0, 1]: a crowd that drifts, loners, and values exactly on thresholds."""
    rng = np.random.default_rng(semilla)
    f = len(arboles.rasgos)
    x = rng.beta(2, 6, (n, f)).astype(np.float32)
    x = (0.7 * x + 0.3 * np.linspace(0, 1, n)[:, None]).astype(np.float32)
    solas = rng.random(n) < 0.05
    x[solas] = rng.random((int(solas.sum()), f), np.float32)
    for j in range(f):
        cortes = arboles.corte[arboles.rasgo == j]
        filo = rng.random(n) < 0.2 if cortes.size else np.zeros(n, bool)
        corte = rng.choice(cortes, n) if cortes.size else np.zeros(n, np.float32)
        lado = rng.integers(0, 3, n)
        corte = np.where(lado == 0, np.nextafter(corte, np.float32(-1)), corte)
        corte = np.where(lado == 1, np.nextafter(corte, np.float32(2)), corte)
        x[filo, j] = corte[filo].astype(np.float32)
    x[rng.random((n, f)) < 0.01] = 0.0
    x[rng.random((n, f)) < 0.01] = 1.0
    return np.clip(x, 0.0, 1.0)


def _river(
    modelo: HalfSpaceTrees, rasgos: tuple[str, ...], x: NDArray, aprende: NDArray
) -> NDArray:
    """Return River's scores, NaN where it says that its first window is not full."""
    salida = np.empty(len(x))
    for i, fila in enumerate(x.tolist()):
        lectura = dict(zip(rasgos, fila, strict=True))
        salida[i] = np.nan if modelo._first_window else modelo.score_one(lectura)
        if aprende[i]:
            modelo.learn_one(lectura)
    return salida


def _seguir(
    estados: PartitionStates, particion: int, x: NDArray, aprende: NDArray | None = None
) -> NDArray:
    fila = np.full(len(x), estados.row(particion), np.int64)
    return score_stream(estados, fila, x, np.ones(len(x), bool) if aprende is None else aprende)


def _igual(a: PartitionStates, fila_a: int, b: PartitionStates, fila_b: int) -> None:
    for nombre in ("masa_l", "masa_r", "cuenta", "listo"):
        np.testing.assert_array_equal(getattr(a, nombre)[fila_a], getattr(b, nombre)[fila_b])


def _frio(arboles: TreeStructure, particion: int = 0) -> PartitionStates:
    estados = PartitionStates(arboles)
    estados.add(particion)
    return estados


@pytest.mark.parametrize("semilla", [0, 1, -7, 42, 20_261_124, 2**32 - 1, 2**32, 3**70])
@pytest.mark.parametrize(
    ("rasgos", "numero", "altura"),
    [(("a",), 1, 1), (("b", "a"), 4, 3), (RASGOS, 10, 8), (("ñ", "Z", "a", "z"), 2, 11)],
)
def test_los_arboles_son_los_que_river_sortea(
    rasgos: tuple[str, ...], numero: int, altura: int, semilla: int
) -> None:
    """Each node looks at River's feature and cuts at River's threshold, whatever the seed."""
    pedido: dict[str, Any] = {"arboles": numero, "altura": altura, "ventana": 9, "semilla": semilla}
    nuestros, suyos = build_trees(rasgos, **pedido), river_trees(rasgos, **pedido)
    np.testing.assert_array_equal(nuestros.rasgo, suyos.rasgo)
    np.testing.assert_array_equal(nuestros.umbral, suyos.umbral)
    assert nuestros.huella() == suyos.huella()


@pytest.mark.parametrize("parte", [1.0, 0.7])
def test_cada_score_es_el_de_river(arboles: TreeStructure, parte: float) -> None:
    """100 000 readings score as River scores them, learning from all or from a part of them."""
    x = _lecturas(arboles, 100_000, 1)
    aprende = np.random.default_rng(2).random(len(x)) < parte
    estados = _frio(arboles)
    scores = _seguir(estados, 0, x, aprende)
    modelo = new_river(arboles)
    np.testing.assert_array_equal(scores, _river(modelo, RASGOS, x, aprende))
    listos = scores[~np.isnan(scores)]
    assert np.isnan(scores).sum() == np.searchsorted(np.cumsum(aprende), VENTANA) + 1
    assert listos.min() >= 0.0
    assert listos.max() <= 1.0
    assert np.unique(listos).size > 1_000
    _igual(estados, 0, from_river(modelo, RASGOS)[1], 0)


@pytest.mark.parametrize(
    ("numero", "altura", "ventana", "rasgos", "n"),
    [
        (1, 1, 1, ("a",), 200),
        (3, 2, 7, ("b", "a"), 2_000),
        (25, 5, 33, ("z", "a", "m"), 3_000),
        (2, 11, 1_000, RASGOS, 3_000),
        (2, 2, MAX_WINDOW, ("b", "a"), MAX_WINDOW + 500),
    ],
)
def test_cualquier_forma_de_modelo(
    numero: int, altura: int, ventana: int, rasgos: tuple[str, ...], n: int
) -> None:
    """Trees of any number, height and window score as River's, up to full 16-bit masses."""
    arboles = build_trees(rasgos, arboles=numero, altura=altura, ventana=ventana, semilla=5)
    x = _lecturas(arboles, n, 3)
    aprende = np.ones(n, bool)
    scores = _seguir(_frio(arboles), 0, x)
    np.testing.assert_array_equal(scores, _river(new_river(arboles), rasgos, x, aprende))
    assert np.isnan(scores).sum() == ventana


@pytest.mark.parametrize("corte", [1, 249, 250, 251, 5_123])
def test_de_river_a_matrices_a_mitad(arboles: TreeStructure, corte: int) -> None:
    """A River model taken over in mid-stream goes on as River itself does."""
    x = _lecturas(arboles, corte + 2_000, 4)
    aprende = np.ones(len(x), bool)
    modelo = new_river(arboles)
    _river(modelo, RASGOS, x[:corte], aprende[:corte])
    tomados, estados = from_river(modelo, RASGOS)
    assert tomados.huella() == arboles.huella()
    np.testing.assert_array_equal(
        _seguir(estados, 0, x[corte:]), _river(modelo, RASGOS, x[corte:], aprende[corte:])
    )


@pytest.mark.parametrize("corte", [0, 1, 249, 250, 251, 5_123])
def test_de_matrices_a_river_a_mitad(arboles: TreeStructure, corte: int) -> None:
    """A state given to River in mid-stream goes on there as it does here, and comes back equal."""
    x = _lecturas(arboles, corte + 2_000, 5)
    estados = _frio(arboles, 7)
    _seguir(estados, 7, x[:corte])
    modelo = to_river(estados, estados.row(7))
    vueltos, estado = from_river(modelo, RASGOS)
    assert vueltos.huella() == arboles.huella()
    _igual(estados, estados.row(7), estado, 0)
    # Values that are no float32 too: the model is River's own, with River's own thresholds.
    lectura = dict.fromkeys(RASGOS, 0.1)
    entero = new_river(arboles)
    _river(entero, RASGOS, x[:corte], np.ones(corte, bool))
    assert modelo.score_one(lectura) == entero.score_one(lectura)
    np.testing.assert_array_equal(
        _seguir(estados, 7, x[corte:]), _river(modelo, RASGOS, x[corte:], np.ones(2_000, bool))
    )
    _igual(estados, estados.row(7), from_river(modelo, RASGOS)[1], 0)


@pytest.mark.parametrize("corte", [0, 100, 250, 3_333])
def test_lo_guardado_sigue_donde_estaba(arboles: TreeStructure, corte: int) -> None:
    """A state that was stored and read again scores what comes next as if nothing had been."""
    x = _lecturas(arboles, corte + 3_000, 6)
    antes = _frio(arboles, 2)
    _seguir(antes, 2, x[:corte])
    guardado = antes.dump(2)
    despues = PartitionStates(arboles, 1)
    despues.add(9)
    _seguir(despues, 9, x[:77])
    for crudo in (guardado, memoryview(guardado)):
        fila = despues.add(9, crudo)
        _igual(antes, antes.row(2), despues, fila)
    assert despues.dump(9) == guardado
    np.testing.assert_array_equal(_seguir(despues, 9, x[corte:]), _seguir(antes, 2, x[corte:]))


@pytest.mark.parametrize("trozo", [1, 97, 1_000])
def test_el_corte_en_lotes_no_cambia_nada(arboles: TreeStructure, trozo: int) -> None:
    """Any cut into batches gives the scores of the whole."""
    x = _lecturas(arboles, 3_000, 7)
    estados = _frio(arboles)
    partes = [_seguir(estados, 0, x[d : d + trozo]) for d in range(0, len(x), trozo)]
    np.testing.assert_array_equal(np.concatenate(partes), _seguir(_frio(arboles), 0, x))


def test_las_particiones_no_se_estorban(arboles: TreeStructure) -> None:
    """Each partition scores as it would alone, while others come, grow the arrays and go."""
    rng = np.random.default_rng(8)
    x = _lecturas(arboles, 12_000, 8)
    particion = rng.choice([0, 3, 11, 200], len(x))
    aprende = rng.random(len(x)) < 0.9
    estados = PartitionStates(arboles, 1)
    scores = []
    for lote in np.split(np.arange(len(x)), 8):
        for p in np.unique(particion[lote]).tolist():
            if estados.row(p) < 0:
                estados.add(p)
        scores.append(score_stream(estados, estados.rows(particion[lote]), x[lote], aprende[lote]))
        de_paso = 500 + len(scores)
        estados.add(de_paso)
        estados.forget(de_paso)
    juntos = np.concatenate(scores)
    for p in (0, 3, 11, 200):
        suyas = particion == p
        solo = _seguir(_frio(arboles), 0, x[suyas], aprende[suyas])
        np.testing.assert_array_equal(juntos[suyas], solo)
    assert estados.partitions() == [0, 3, 11, 200]
    assert len(estados) == 4


def test_filas_y_olvido(arboles: TreeStructure) -> None:
    """A partition keeps its row; one that is forgotten is unknown, and cold when it returns."""
    estados = PartitionStates(arboles, 2)
    filas = {p: estados.add(p) for p in (5, 0, 64, 2)}
    assert len(set(filas.values())) == 4
    assert estados.rows(np.array([64, 1, 0, -1, 5, 10**6], np.int32)).tolist() == [
        filas[64], -1, filas[0], -1, filas[5], -1,
    ]  # fmt: skip
    assert [estados.row(p) for p in (2, 3, -1, 10**6)] == [filas[2], -1, -1, -1]
    _seguir(estados, 5, _lecturas(arboles, 600, 9))
    estados.forget(5)
    estados.forget(5)
    assert estados.row(5) == -1
    with pytest.raises(KeyError):
        estados.dump(5)
    with pytest.raises(ValueError, match="partición"):
        estados.add(-1)
    fila = estados.add(6)
    assert fila == filas[5]
    _igual(estados, fila, _frio(arboles), 0)


def test_anadir_otra_vez_empieza_denew_river(arboles: TreeStructure) -> None:
    """Adding a partition that is in memory replaces its state, in the same row."""
    estados = _frio(arboles, 1)
    fila = estados.row(1)
    _seguir(estados, 1, _lecturas(arboles, 600, 10))
    assert estados.listo[fila]
    assert estados.add(1, None) == fila
    _igual(estados, fila, _frio(arboles), 0)


def test_una_instantanea_devuelve_todo(arboles: TreeStructure) -> None:
    """What a discarded draft learnt is undone exactly, in its rows and in no others."""
    x = _lecturas(arboles, 2_000, 11)
    estados = PartitionStates(arboles, 4)
    for p in (0, 1, 2):
        estados.add(p)
        _seguir(estados, p, x[: 400 + 200 * p])
    antes = [estados.dump(p) for p in (0, 1, 2)]
    filas = estados.rows(np.array([2, 0, 2, 77, 0]))
    copia = estados.snapshot(filas)
    for p in (0, 1, 2):
        _seguir(estados, p, x)
    ajena = estados.dump(1)
    estados.add(30)
    for p in range(40, 44):
        estados.add(p)
    estados.restore(copia)
    assert [estados.dump(p) for p in (0, 2)] == [antes[0], antes[2]]
    assert estados.dump(1) == ajena
    assert ajena != antes[1]
    estados.restore(copia)
    assert estados.dump(0) == antes[0]
    _igual(estados, estados.row(30), _frio(arboles), 0)


def test_bytes_danados_son_un_arranque_en_frio(arboles: TreeStructure) -> None:
    """Any byte changed, missing or added is noticed, and the partition starts cold."""
    estados = _frio(arboles)
    _seguir(estados, 0, _lecturas(arboles, 1_100, 12))
    guardado = estados.dump(0)
    assert estados.decode(guardado) is not None
    for k in range(len(guardado)):
        roto = bytearray(guardado)
        roto[k] ^= 0xFF
        assert estados.decode(bytes(roto)) is None, f"byte {k}"
    for largo in (*range(0, 64), len(guardado) // 2, len(guardado) - 1):
        assert estados.decode(guardado[:largo]) is None
    assert estados.decode(guardado + b"\0") is None
    fila = estados.add(4, guardado[:-1])
    _igual(estados, fila, _frio(arboles), 0)


def test_cuentas_que_no_salen_son_un_arranque_en_frio(arboles: TreeStructure) -> None:
    """Well-formed bytes whose masses no stream could have left are refused as damaged."""
    estados = _frio(arboles)
    _seguir(estados, 0, _lecturas(arboles, 1_100, 13))
    guardado = estados.dump(0)
    cuerpo = zlib.decompress(guardado[16:])
    hojas = len(arboles.rasgo) * 2**arboles.altura

    def forjar(donde: int, formato: str, valor: Any) -> bytes:
        otro = bytearray(cuerpo)
        struct.pack_into(formato, otro, donde, valor)
        return guardado[:16] + zlib.compress(bytes(otro), 1)

    def masa(k: int) -> int:
        return int(struct.unpack_from("<H", cuerpo, 9 + 2 * k)[0])

    assert estados.decode(forjar(0, "<q", 100)) is not None
    for falso in (
        forjar(0, "<q", 99),
        forjar(0, "<q", -1),
        forjar(0, "<q", VENTANA),
        forjar(8, "<?", False),
        forjar(9, "<H", masa(0) + 1),
        forjar(9 + 2 * (2 * hojas - 1), "<H", masa(2 * hojas - 1) + 1),
        guardado[:16] + zlib.compress(cuerpo + b"\0", 1),
        guardado[:16] + zlib.compress(cuerpo[:-1], 1),
    ):
        assert estados.decode(falso) is None


def test_la_huella_cambia_con_todo(arboles: TreeStructure) -> None:
    """Two models that could score differently never share a fingerprint, nor a stored state."""
    rasgo, umbral = arboles.rasgo.copy(), arboles.umbral.copy()
    rasgo[9, 254] = (rasgo[9, 254] + 1) % 13
    umbral[0, 0] = np.nextafter(umbral[0, 0], 1)
    otros = [
        replace(arboles, rasgo=rasgo),
        replace(arboles, umbral=umbral),
        replace(arboles, ventana=251),
        replace(arboles, semilla=43),
        replace(arboles, rasgos=(*RASGOS[:-1], "otro")),
        replace(arboles, rasgos=RASGOS[::-1]),
        build_trees(RASGOS, arboles=10, altura=7, ventana=VENTANA, semilla=42),
        build_trees(RASGOS, arboles=9, altura=8, ventana=VENTANA, semilla=42),
    ]
    huellas = {a.huella() for a in (arboles, *otros)}
    assert len(huellas) == 1 + len(otros)
    assert all(len(h) == 12 and int(h, 16) >= 0 for h in huellas)
    iguales = build_trees(RASGOS, arboles=10, altura=8, ventana=VENTANA, semilla=42)
    assert iguales.huella() == arboles.huella()
    guardado = _frio(arboles).dump(0)
    assert all(PartitionStates(otro).decode(guardado) is None for otro in otros)


def test_lo_que_no_esta_listo_no_cuenta(arboles: TreeStructure) -> None:
    """Rows of NaN and partitions that are not in memory have no score and teach nothing."""
    x = _lecturas(arboles, 2_000, 14)
    vacias = np.random.default_rng(14).random(len(x)) < 0.3
    con_huecos = x.copy()
    con_huecos[vacias] = np.nan
    estados = _frio(arboles)
    scores = _seguir(estados, 0, con_huecos)
    assert np.isnan(scores[vacias]).all()
    solo = _frio(arboles)
    np.testing.assert_array_equal(scores[~vacias], _seguir(solo, 0, x[~vacias]))
    antes = [estados.dump(0), estados.masa_l.copy()]
    nadie = np.full(len(x), -1, np.int64)
    assert np.isnan(score_stream(estados, nadie, x, np.ones(len(x), bool))).all()
    assert estados.dump(0) == antes[0]
    np.testing.assert_array_equal(estados.masa_l, antes[1])


def test_lo_imposible_se_rechaza() -> None:
    """Parameters out of range are refused by name."""
    for numero, altura, ventana in (
        (0, 8, 250), (10, 0, 250), (10, MAX_HEIGHT + 1, 250), (10, 8, 0),
        (10, 8, MAX_WINDOW + 1),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="no cabe"):
            build_trees(RASGOS, arboles=numero, altura=altura, ventana=ventana, semilla=1)
    for rasgos in ((), ("a", "a")):
        with pytest.raises(ValueError, match="rasgos"):
            build_trees(rasgos, arboles=10, altura=8, ventana=250, semilla=1)
