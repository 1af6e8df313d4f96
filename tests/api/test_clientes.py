"""/api/clientes: who there is, who is suspicious and why, and how each uses energy."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest
from apoyo_api import Datos, es_problema
from apoyo_rutas import HORA, MADRID, de_cliente, lee, local, todo


def test_se_busca_segun_se_escribe(cliente: httpx.Client, datos: Datos) -> None:
    """Every beginning of a name finds it, in small letters too, and so does a part of it."""
    nombre = datos.clientes[2]
    for largo in range(1, len(nombre) + 1):
        hallados = lee(cliente, "/api/clientes", buscar=nombre[:largo])["elementos"]
        assert nombre in {c["propietario_id"] for c in hallados}
    assert [
        c["propietario_id"]
        for c in lee(cliente, "/api/clientes", buscar=nombre.lower())["elementos"]
    ] == [nombre]
    parte = lee(cliente, "/api/clientes", buscar=nombre[-3:])["elementos"]
    assert nombre in {c["propietario_id"] for c in parte}
    assert lee(cliente, "/api/clientes", buscar="%")["elementos"] == []
    assert lee(cliente, "/api/clientes", buscar="' OR ''='")["elementos"] == []
    es_problema(cliente.get("/api/clientes?buscar=" + "x" * 21), 422, "buscar")
    es_problema(cliente.get("/api/clientes?buscar=%00"), 422, "buscar")


def test_sin_texto_estan_todos_con_su_ultima_lectura(cliente: httpx.Client, datos: Datos) -> None:
    """Without a text every customer comes once, in order, each at its latest reading."""
    todos = todo(cliente, "/api/clientes", limite=4)
    assert [c["propietario_id"] for c in todos] == datos.clientes
    for c in todos:
        suyas = de_cliente(datos, c["propietario_id"])
        ultima = max(suyas)
        assert (local(c["ultima_lectura"]), c["consumo_kwh"]) == (ultima, suyas[ultima])


@pytest.mark.parametrize(
    ("orden", "campo"),
    [
        ("sospecha", "evidencia"), ("energia", "energia_en_juego_kwh"), ("anomalias", "anomalias"),
        ("visita", "rinde_visita_kwh"),
    ],
)  # fmt: skip
def test_el_orden_por_sospecha(cliente: httpx.Client, datos: Datos, orden: str, campo: str) -> None:
    """The ranking falls in what it is sorted by, and its figures are those of the anomalies."""
    filas = lee(cliente, "/api/clientes/ranking", orden=orden, limite=50)["elementos"]
    valores = [f[campo] for f in filas]
    assert valores == sorted(valores, reverse=True)
    assert [f["puesto"] for f in filas] == list(range(1, len(filas) + 1))
    estados = {c["propietario_id"]: c for c in todo(cliente, "/api/clientes")}
    for f in filas:
        suyas = todo(
            cliente, f"/api/anomalias/cliente/{f['propietario_id']}", limite=1000,
            desde="2026-10-24",
        )  # fmt: skip
        assert f["anomalias"] == len(suyas)
        assert f["criticas"] == sum(a["severidad"] == "crítica" for a in suyas)
        assert f["score_maximo"] == max(a["score_anomalia"] for a in suyas)
        frecuencias = Counter(t for a in suyas for t in a["tipos_anomalia"])
        cuentas = [frecuencias[t] for t in f["tipos_anomalia"]]
        assert cuentas == sorted(frecuencias.values(), reverse=True)
        assert local(f["ultima_anomalia"]) == max(local(a["timestamp_consumo"]) for a in suyas)
        en_juego = sum(abs(a["diferencia_kwh"] or 0) for a in suyas)
        assert f["energia_en_juego_kwh"] == pytest.approx(en_juego, rel=1e-3, abs=1e-3)
        assert f["energia_en_juego_eur"] == pytest.approx(0.15 * en_juego, rel=1e-3, abs=0.02)
        assert 0 < f["probabilidad"] <= 1
        rinde = f["probabilidad"] * en_juego
        assert f["rinde_visita_kwh"] == pytest.approx(rinde, rel=1e-3, abs=1e-2)
        assert f["es_sospechoso"] == estados[f["propietario_id"]]["es_sospechoso"]
        assert 1 <= len(f["motivos"]) <= 3
        assert len(set(f["motivos"])) == len(f["motivos"])
    assert len(filas) == len({f["propietario_id"] for f in filas}) <= len(datos.clientes)


def test_el_perfil_separa_laborables_de_fines_de_semana(
    cliente: httpx.Client, datos: Datos
) -> None:
    """A profile's hours are the means of the last 28 days, workdays apart from weekends."""
    quien = datos.clientes[1]
    perfil = lee(cliente, f"/api/clientes/{quien}/perfil")
    suyas = de_cliente(datos, quien)
    hasta = local(perfil["hasta"])
    assert hasta == max(suyas) + HORA
    assert len(perfil["franjas"]) == 48
    for franja in perfil["franjas"]:
        kwh = [
            k
            for m, k in suyas.items()
            if 0 < (hasta - m) // HORA <= 28 * 24
            and m.astimezone(MADRID).hour == franja["hora"]
            and (m.astimezone(MADRID).weekday() >= 5) == (franja["clase"] == "fin_de_semana")
        ]
        assert franja["lecturas"] == len(kwh)
        assert franja["media_kwh"] == pytest.approx(sum(kwh) / len(kwh), abs=1e-6)
        assert franja["p10_kwh"] <= franja["p50_kwh"] <= franja["p90_kwh"]
        assert 0 <= franja["banda_inferior_kwh"] <= franja["media_kwh"]
    for parte in ("ahora", "antes", "pares"):
        assert len({(p["clase"], p["hora"]) for p in perfil[parte]}) == len(perfil[parte]) > 40
    assert 0 < perfil["clientes_pares"] < len(datos.clientes)


def test_el_perfil_de_antes_de_la_primera_lectura_esta_vacio(
    cliente: httpx.Client, datos: Datos
) -> None:
    """A profile up to a day before the customer's first reading is empty, not an error."""
    perfil = lee(cliente, f"/api/clientes/{datos.clientes[0]}/perfil", hasta="2024-01-01")
    assert perfil["franjas"] == perfil["ahora"] == perfil["pares"] == []
    assert local(perfil["hasta"]).isoformat() == "2024-01-02T00:00:00+01:00"


def test_junto_a_los_demas(cliente: httpx.Client, datos: Datos) -> None:
    """Beside its peers a customer's hours are its own readings, and the correlation is one."""
    quien = datos.clientes[1]
    dias = {"desde": "2026-11-02", "hasta": "2026-11-08"}
    cuerpo = lee(cliente, f"/api/clientes/{quien}/pares", **dias)
    suyas = de_cliente(datos, quien)
    horas = [h for h in cuerpo["elementos"] if h["consumo_kwh"] is not None]
    assert len(horas) > 100
    assert all(h["consumo_kwh"] == suyas[local(h["timestamp"])] for h in horas)
    assert -1 <= cuerpo["correlacion"] <= 1
    es_problema(
        cliente.get(f"/api/clientes/{quien}/pares?desde=2026-09-01&hasta=2026-11-08"), 422, "desde"
    )
    vacio = lee(cliente, f"/api/clientes/{quien}/pares", desde="2024-01-01", hasta="2024-01-02")
    assert (vacio["elementos"], vacio["correlacion"]) == ([], None)
