"""One contract, every adapter: what the stores promise once there are versions of a model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from contracts.fakes import Anomalia, Fila, explicar, filas_de, hacer_lote
from contracts.sondas import Anomalias, Historial

from detection.domain import SEVERIDADES, hora_absoluta, nombres_de_tipos
from pipeline.stores.ports import Guardado, PuntoOnline

# Far ahead: MongoDB itself forgets hours of the past, whenever it comes round to it.
H = hora_absoluta(datetime(2050, 1, 15, 2, tzinfo=UTC))
NADA = hacer_lote([])


def _variado(n: int, semilla: int, version: str, claves: list | None = None) -> tuple:
    """Return a batch of n readings whose verdicts are all over the place."""
    azar = np.random.default_rng(semilla)
    claves = claves or [(f"C{i % 7}", H + i) for i in range(n)]
    return hacer_lote(
        claves,
        [1 + i / 8 for i in range(n)],
        score=azar.integers(0, 101, n).tolist(),
        severidad=azar.integers(0, 5, n).tolist(),
        tipos=azar.integers(0, 256, n).tolist(),
        sospechoso=(azar.random(n) < 0.5).tolist(),
        esperado=np.where(azar.random(n) < 0.3, np.nan, azar.random(n)).tolist(),
        version=version,
    )


def _guardadas(guardado: Guardado) -> list[tuple]:
    """Return the verdicts that stood, as rows."""
    return [
        (
            int(guardado.score_centesimas[k]),
            str(SEVERIDADES[guardado.severidad[k]]),
            tuple(nombres_de_tipos(int(guardado.tipos[k]))),
            bool(guardado.es_sospechoso[k]),
            None if np.isnan(guardado.esperado_kwh[k]) else float(str(guardado.esperado_kwh[k])),
            guardado.version_modelo[k],
        )
        for k in range(guardado.conservadas.size)
    ]


def _veredicto(fila: Fila) -> tuple:
    return (
        fila.score_centesimas,
        fila.severidad,
        fila.tipos,
        fila.es_sospechoso,
        fila.esperado_kwh,
        fila.version_modelo,
    )


# ---- The same reading again ----


def test_la_misma_lectura_conserva_su_veredicto(historial: Historial) -> None:
    """Same kWh, other opinion: every column stays, and the stored verdicts come back in order."""
    primera = _variado(40, 1, "v1")
    assert historial.store.save(*primera).conservadas.size == 0
    antes = historial.filas()
    for _ in range(2):
        segunda = _variado(40, 2, "v2")
        guardado = historial.store.save(*segunda)
        assert historial.filas() == antes
        assert guardado.repetida.all()
        assert guardado.conservadas.tolist() == list(range(40))
        assert _guardadas(guardado) == [_veredicto(f) for f in filas_de(*primera).values()]
    dtypes = {campo: getattr(guardado, campo).dtype for campo in ("conservadas", "tipos")}
    assert dtypes == {"conservadas": np.int64, "tipos": np.uint8}
    assert guardado.score_centesimas.dtype == guardado.severidad.dtype == np.uint8
    assert (guardado.es_sospechoso.dtype, guardado.esperado_kwh.dtype) == (np.bool_, np.float32)


@pytest.mark.parametrize(
    "otro",
    [
        {"score": [11]},
        {"severidad": [1]},
        {"tipos": [128]},
        {"sospechoso": [True]},
        {"esperado": [1.5]},
        {"esperado": [np.nan]},
        {"version": "v2"},
    ],
    ids=lambda otro: next(iter(otro)),
)
def test_cualquier_diferencia_del_veredicto_se_dice(historial: Historial, otro: dict) -> None:
    """Each part of a verdict alone makes it another one; the same verdict is not reported."""
    lote = hacer_lote([("A", H)])
    historial.store.save(*lote)
    assert historial.store.save(*lote).conservadas.size == 0
    guardado = historial.store.save(*hacer_lote([("A", H)], **otro))
    assert guardado.conservadas.tolist() == [0]
    assert _guardadas(guardado) == [_veredicto(filas_de(*lote)["A", H])]
    assert historial.filas() == filas_de(*lote)


def test_un_lote_mezcla_nuevas_iguales_y_corregidas(historial: Historial) -> None:
    """Each reading of a batch is treated by itself, and only the kept ones are reported."""
    primera = _variado(30, 1, "v1")
    historial.store.save(*primera)
    claves = [(f"C{i % 7}", H + i) for i in range(45)]
    orden = np.random.default_rng(5).permutation(45)
    kwh = [1 + i / 8 + (9 if i % 3 == 0 else 0) for i in orden.tolist()]
    segunda = hacer_lote([claves[i] for i in orden], kwh, score=[33] * 45, version="v2")
    guardado = historial.store.save(*segunda)
    assert guardado.repetida.tolist() == [i < 30 for i in orden]
    iguales = [p for p, i in enumerate(orden.tolist()) if i < 30 and i % 3]
    assert guardado.conservadas.tolist() == iguales
    viejas, nuevas = filas_de(*primera), filas_de(*segunda)
    assert _guardadas(guardado) == [_veredicto(viejas[claves[orden[p]]]) for p in iguales]
    de_antes = {claves[orden[p]] for p in iguales}
    assert historial.filas() == {
        clave: viejas[clave] if clave in de_antes else fila for clave, fila in nuevas.items()
    }


def test_una_correccion_que_vuelve_es_la_misma(historial: Historial) -> None:
    """There and back: each other kWh is a correction, the one that is stored is none."""
    for kwh, version, queda in ((1, "v1", "v1"), (2, "v2", "v2"), (2, "v3", "v2"), (1, "v4", "v4")):
        historial.store.save(*hacer_lote([("A", H)], [kwh], version=version))
        fila = historial.filas()["A", H]
        assert (fila.consumo_kwh, fila.version_modelo) == (kwh, queda)


# ---- Online models ----


def _punto(particion: int, offset: int, estado: bytes, registro: str = "log-1") -> PuntoOnline:
    return PuntoOnline(particion, offset, estado, registro)


def test_el_modelo_online_vuelve_como_se_guardo(historial: Historial) -> None:
    """Each partition's offset and state come back, whatever is in them and however asked for."""
    estados = [bytes(range(256)), b"", b"\\x00'\0"]
    puntos = [_punto(7, 2**40, estados[0]), _punto(0, 0, estados[1]), _punto(2, 70, estados[2])]
    historial.store.save(*hacer_lote([("A", H)]), puntos)
    assert historial.puntos() == {punto.particion: punto for punto in puntos}
    cargar = historial.store.load_online
    assert cargar("log-1", [0, 1, 2]) == [(0, estados[1]), None, (70, estados[2])]
    assert cargar("log-1", [7, 0, 7]) == [(2**40, estados[0]), (0, estados[1]), (2**40, estados[0])]
    assert cargar("log-1", []) == []


def test_de_otro_registro_no_hay_modelo(historial: Historial) -> None:
    """The offsets of a topic that was made anew are others: what the old one left is not given."""
    assert historial.store.load_online("log-1", [0]) == [None]
    historial.store.save(*NADA, [_punto(0, 5, b"viejo"), _punto(1, 5, b"nuevo", "log-2")])
    assert historial.store.load_online("log-2", [0, 1]) == [None, (5, b"nuevo")]
    assert historial.store.load_online("log-1", [0, 1]) == [(5, b"viejo"), None]
    assert historial.store.load_online("log", [0, 1]) == [None, None]


@pytest.mark.parametrize("lote", ["nuevo", "repetido", "vacío"])
def test_los_puntos_van_con_cualquier_lote(historial: Historial, lote: str) -> None:
    """New, seen before or empty: the points of a batch are stored with it."""
    batch = hacer_lote([("A", H)] if lote != "vacío" else [])
    if lote == "repetido":
        historial.store.save(*batch, [_punto(1, 5, b"viejo")])
    guardado = historial.store.save(*batch, [_punto(1, 7, b"nuevo")])
    assert len(guardado.repetida) == len(batch[0])
    assert historial.store.load_online("log-1", [1]) == [(7, b"nuevo")]
    assert historial.filas() == filas_de(*batch)


@pytest.mark.parametrize("lote", ["nuevo", "repetido", "vacío"])
def test_un_modelo_mas_nuevo_no_se_cambia_por_uno_viejo(historial: Historial, lote: str) -> None:
    """A batch that comes late is stored, but of its models only those that are not older."""
    batch = hacer_lote([("A", H)] if lote != "vacío" else [])
    if lote == "repetido":
        historial.store.save(*batch)
    historial.store.save(*NADA, [_punto(p, 50, b"de ahora") for p in range(4)])
    tarde = [_punto(p, offset, b"tarde") for p, offset in enumerate((49, 51, 0, 50))]
    historial.store.save(*batch, tarde)
    assert historial.puntos() == {
        0: _punto(0, 50, b"de ahora"),
        1: tarde[1],
        2: _punto(2, 50, b"de ahora"),
        3: tarde[3],
    }
    assert historial.filas() == filas_de(*batch)


def test_otro_registro_reemplaza_desde_cualquier_posicion(historial: Historial) -> None:
    """A topic made anew begins at 0 again, and its model is not held off by the old one's."""
    historial.store.save(*NADA, [_punto(p, 1000, b"viejo") for p in range(4)])
    puntos = [_punto(p, 1000 * p, b"renacido", "log-2") for p in range(3)]
    historial.store.save(*NADA, puntos)
    assert historial.puntos() == {**dict(enumerate(puntos)), 3: _punto(3, 1000, b"viejo")}
    historial.store.save(*NADA, [_punto(1, 999, b"tarde", "log-2")])
    assert historial.puntos()[1] == puntos[1]


@pytest.mark.parametrize("mezcla", [False, True], ids=["copia", "mezcla"])
@pytest.mark.parametrize("falla", ["el lote", "un punto"])
def test_un_lote_y_sus_puntos_van_juntos(historial: Historial, falla: str, mezcla: bool) -> None:
    """If one cannot be stored none of it is, by either way of writing."""
    if mezcla:  # After a repeated batch, the next one is not copied but merged.
        for _ in range(2):
            historial.store.save(*hacer_lote([("A", H)]))
    else:
        historial.store.save(*NADA, [_punto(0, 5, b"antes")])
    antes = historial.filas(), historial.puntos()
    lote = hacer_lote([("A", H), ("B", H)], [9.0, -1.0 if falla == "el lote" else 1.0])
    puntos = [_punto(0, 8, b"nunca"), _punto(1, -1 if falla == "un punto" else 8, b"nunca")]
    with pytest.raises(historial.imposible):
        historial.store.save(*lote, puntos)
    assert (historial.filas(), historial.puntos()) == antes


# ---- What training reads ----


def test_los_clientes_de_unas_horas(historial: Historial) -> None:
    """Customers with a reading in [from, to), sorted by code point, each once."""
    claves = [("b", H), ("b", H + 1), ("B", H + 9), ("ñ", H + 10), ("a", H - 1), ("c", H + 20)]
    claves += [("d", H - 5), ("d", H + 15)]
    historial.store.save(*hacer_lote(claves))
    assert historial.store.customers(H, H + 10) == ["B", "b"]
    assert historial.store.customers(H - 1, H + 11) == ["B", "a", "b", "ñ"]
    assert historial.store.customers(H + 2, H + 9) == []
    assert historial.store.customers(H, H) == []


def test_las_filas_de_unas_horas(historial: Historial) -> None:
    """Rows in [from, to) of the customers asked for, by customer and hour."""
    lote = _variado(60, 4, "v1", [(f"C{i % 4}", H + (i * 7) % 60) for i in range(60)])
    historial.store.save(*lote)
    historia = historial.store.load_range(["C3", "X", "C0"], H + 10, H + 40)
    filas = filas_de(*lote)
    esperadas = [
        (indice, hora, filas[cliente, hora])
        for indice, cliente in ((0, "C3"), (2, "C0"))
        for hora in range(H + 10, H + 40)
        if (cliente, hora) in filas
    ]
    assert len(esperadas) > 10
    assert list(zip(historia.indice, historia.hora_utc, strict=True)) == [
        (indice, hora) for indice, hora, _ in esperadas
    ]
    assert historia.consumo_kwh.tolist() == [f.consumo_kwh for *_, f in esperadas]
    assert historia.score_centesimas.tolist() == [f.score_centesimas for *_, f in esperadas]
    assert [tuple(nombres_de_tipos(t)) for t in historia.tipos.tolist()] == [
        f.tipos for *_, f in esperadas
    ]
    assert len(historial.store.load_range([], H, H + 9)) == 0
    assert len(historial.store.load_range(["C0"], H, H)) == 0


# ---- The shadow ----


def test_la_sombra_guarda_solo_lo_que_importa(historial: Historial) -> None:
    """An anomaly of either, or scores 0.10 apart; quiet agreement is not worth a row."""
    claves = [("A", H), ("A", H + 1), ("A", H + 2), ("A", H + 3), ("a\tb\\\n", H)]
    campeon = hacer_lote(claves, score=[10, 10, 49, 10, 95], severidad=[0, 0, 0, 0, 4])
    _, aspirante = hacer_lote(
        claves, score=[19, 20, 50, 0, 95], severidad=[0, 0, 1, 0, 4], version="v2"
    )
    for _ in range(2):
        assert historial.store.save_shadow(*campeon, aspirante) == 4
        assert historial.sombra("v2") == {
            ("normal", "normal"): 2,
            ("normal", "baja"): 1,
            ("crítica", "crítica"): 1,
        }
    assert historial.sombra("v1") == {}
    assert historial.filas() == {}
    calla = hacer_lote([("A", H)])
    assert historial.store.save_shadow(*calla, calla[1]) == 0
    assert historial.store.save_shadow(*NADA, NADA[1]) == 0


def test_cada_aspirante_tiene_su_sombra(historial: Historial) -> None:
    """Two challengers over the same reading do not disturb each other; a second look replaces."""
    campeon = hacer_lote([("A", H)], score=[70], severidad=[2])
    for version, severidad in (("v2", 1), ("v3", 3), ("v2", 4)):
        _, aspirante = hacer_lote([("A", H)], score=[90], severidad=[severidad], version=version)
        historial.store.save_shadow(*campeon, aspirante)
    assert historial.sombra("v2") == {("media", "crítica"): 1}
    assert historial.sombra("v3") == {("media", "alta"): 1}


def test_una_correccion_retira_la_sombra_que_ya_no_importa(historial: Historial) -> None:
    """What agrees quietly now has no row; another challenger's and another reading's stay."""
    claves = [("A", H), ("A", H + 1), ("B", H), ("\t\\N", H), ("B", H - 1)]
    campeon = hacer_lote(claves, [9.0] * 5, score=[95] * 5, severidad=[4] * 5)
    for version in ("v2", "v3"):
        _, aspirante = hacer_lote(claves, score=[85] * 5, severidad=[3] * 5, version=version)
        historial.store.save_shadow(*campeon, aspirante)
    # In another order; ("C", H) has never had a row.
    claves = [("C", H), *claves[3::-1]]
    corregidas = hacer_lote(claves, score=[10] * 5)
    scores = [10, 10, 40, 10, 55]
    _, aspirante = hacer_lote(claves, score=scores, severidad=[0, 0, 0, 0, 1], version="v2")
    for _ in range(2):
        assert historial.store.save_shadow(*corregidas, aspirante) == 2
        assert historial.sombra("v2") == {
            ("crítica", "alta"): 1,
            ("normal", "normal"): 1,
            ("normal", "baja"): 1,
        }
        assert historial.sombra("v3") == {("crítica", "alta"): 5}


# ---- Anomalies of verdicts that were kept ----


def _fila(anomalia: Anomalia) -> Fila:
    return replace(anomalia.fila, hora_local=-1)


def _guardar(anomalias: Anomalias, lote: tuple, ahora: int = H) -> None:
    lecturas, veredictos = lote
    repetida = np.zeros(len(lecturas), np.bool_)
    anomalias.store.save(lecturas, veredictos, explicar(veredictos), repetida, ahora)


@pytest.mark.parametrize("estado", ["abierta", "confirmada", "descartada"])
def test_restaurar_no_toca_lo_que_ya_concuerda(anomalias: Anomalias, estado: str) -> None:
    """An anomaly that says the stored verdict stays as it is: estado, explanation, times."""
    lote = _variado(30, 3, "v1")
    _guardar(anomalias, lote, H + 10)
    primera = next(iter(anomalias.anomalias()))
    anomalias.poner_estado(primera, estado)
    antes = anomalias.anomalias(), anomalias.horarios()
    for _ in range(2):
        anomalias.store.restore(*lote, explicar(lote[1], "Otra frase."), H + 10)
        assert (anomalias.anomalias(), anomalias.horarios()) == antes


def test_restaurar_repone_lo_que_falta(anomalias: Anomalias) -> None:
    """After a crash between the stores, exactly the anomalies of the stored verdicts appear.

    They are open and explained; the last hours are there too.
    """
    lote = _variado(30, 3, "v1")
    frases = explicar(lote[1], "Repuesta.")
    anomalias.store.restore(*lote, frases, H + 10)
    filas = {c: f for c, f in filas_de(*lote).items() if f.severidad != "normal"}
    hay = anomalias.anomalias()
    assert hay.keys() == filas.keys()
    for clave, anomalia in hay.items():
        assert _fila(anomalia) == replace(filas[clave], hora_local=-1)
        assert (anomalia.estado, anomalia.hora) == ("abierta", filas[clave].hora_local % 24)
        assert [e.frase for e in anomalia.explicacion] == ["Repuesta."]
        assert abs((anomalia.timestamp_deteccion - datetime.now(UTC)).total_seconds()) < 60
    ahora = H + 10
    jovenes = {c: f.consumo_kwh for c, f in filas_de(*lote).items() if c[1] > ahora - 48}
    assert anomalias.horarios() == jovenes
    anomalias.store.restore(*lote, frases, H + 10)
    assert anomalias.anomalias() == hay


@pytest.mark.parametrize("estado", ["abierta", "confirmada", "descartada"])
def test_restaurar_retira_la_abierta_de_una_lectura_normal(
    anomalias: Anomalias, estado: str
) -> None:
    """The stored verdict is normal: an open anomaly goes, what a person dealt with stays."""
    claves = [("A", H), ("B", H)]
    _guardar(anomalias, hacer_lote(claves, severidad=[3, 3], score=[85, 85]))
    anomalias.poner_estado(("A", H), estado)
    anomalias.store.restore(*hacer_lote([("A", H)]), [()], H + 1000)
    hay = anomalias.anomalias()
    assert hay.keys() == ({("B", H)} if estado == "abierta" else {("A", H), ("B", H)})
    if estado != "abierta":
        assert (hay["A", H].estado, hay["A", H].fila.severidad) == (estado, "normal")


@pytest.mark.parametrize("estado", ["abierta", "confirmada", "descartada"])
def test_restaurar_termina_una_correccion_a_medias(anomalias: Anomalias, estado: str) -> None:
    """A correction that reached the history only gets through, and what a person said stays."""
    _guardar(anomalias, hacer_lote([("A", H)], [9.0], severidad=[4], score=[95]))
    anomalias.poner_estado(("A", H), estado)
    antes = anomalias.anomalias()["A", H]
    corregida = hacer_lote([("A", H)], [2.5], severidad=[1], score=[55], version="v2")
    anomalias.store.restore(*corregida, explicar(corregida[1], "Corregida."), H)
    despues = anomalias.anomalias()["A", H]
    assert _fila(despues) == replace(filas_de(*corregida)["A", H], hora_local=-1)
    assert (despues.estado, despues.timestamp_deteccion) == (estado, antes.timestamp_deteccion)
    assert [e.frase for e in despues.explicacion] == ["Corregida."]
    assert anomalias.horarios() == {("A", H): 2.5}


def test_restaurar_nada_no_hace_nada(anomalias: Anomalias) -> None:
    """An empty batch is no error and touches nothing."""
    _guardar(anomalias, hacer_lote([("A", H)], severidad=[4], score=[95]))
    antes = anomalias.anomalias()
    anomalias.store.restore(*NADA, [], H)
    assert anomalias.anomalias() == antes
