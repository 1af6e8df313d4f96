"""``consumo evaluar``: the verdicts of the live path, the figures, and one clear line otherwise."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from apoyo_entrenamiento import HASTA, MADRID
from contracts.fakes import FakeHistoryStore

from detection.detector import DetectorConsumo
from detection.domain import SEVERIDADES, Lecturas, instante, nombres_de_tipos
from detection.simulation.synthesis import GeneratedReadings, generate, make_population
from serving.cli import FALLO, HECHO, run
from serving.scorer import BatchOrigin, Scorer
from training.evaluation.command import main
from training.evaluation.file_pass import kafka_partition

DIAS, CLIENTES = 40, 10
DESDE = HASTA - 24 * DIAS
PARTICIONES = 6


@pytest.fixture(scope="module")
def sinteticas() -> GeneratedReadings:
    poblacion = make_population(31, CLIENTES, 3, DESDE, HASTA)
    return generate(poblacion, DESDE, HASTA, MADRID)


@pytest.fixture(scope="module")
def archivo(sinteticas: GeneratedReadings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("evaluar") / "datos.csv", sinteticas, etiquetas=True)


def _write(ruta: Path, sinteticas: GeneratedReadings, *, etiquetas: bool) -> Path:
    lecturas = sinteticas.lecturas()
    with ruta.open("w", newline="") as fichero:
        salida = csv.writer(fichero)
        cabecera = ["propietario_id", "timestamp", "consumo_kwh"]
        salida.writerow(cabecera + (["label", "tipo"] if etiquetas else []))
        for i, etiqueta in enumerate(sinteticas.etiqueta):
            fila = [
                lecturas.propietario_id[i],
                instante(int(lecturas.hora_utc[i])).isoformat(),
                repr(float(lecturas.consumo_kwh[i])),
            ]
            salida.writerow(fila + ([int(etiqueta != "normal"), etiqueta] if etiquetas else []))
    return ruta


def _live(lecturas: Lecturas, lote: int) -> list[tuple[str, str, str, str, bool]]:
    """Return what the scorer says of readings in batches, by customer and hour, with the rules."""
    historia = FakeHistoryStore()
    scorer = Scorer(DetectorConsumo(MADRID), historia)
    filas = []
    siguiente = dict.fromkeys(range(PARTICIONES), 0)
    for i in range(0, len(lecturas), lote):
        trozo = lecturas.elegir(np.arange(i, min(i + lote, len(lecturas))))
        particion = [kafka_partition(p, PARTICIONES) for p in trozo.propietario_id]
        offset = []
        for p in particion:
            offset.append(siguiente[p])
            siguiente[p] += 1
        borrador = scorer.draft(
            trozo,
            BatchOrigin(
                np.array(particion, np.int32), np.array(offset),
                {p: siguiente[p] for p in set(particion)}, "registro",
            ),
        )  # fmt: skip
        scorer.accept(borrador)
        v = borrador.veredictos
        filas += [
            (
                trozo.propietario_id[k],
                instante(int(trozo.hora_utc[k])).isoformat(),
                f"{v.score_centesimas[k] / 100:.2f} {SEVERIDADES[v.severidad[k]]}",
                "|".join(nombres_de_tipos(int(v.tipos[k]))),
                bool(v.es_sospechoso[k]),
            )
            for k in range(len(trozo))
        ]
    return sorted(filas)


def test_los_mismos_veredictos_que_en_vivo(
    sinteticas: GeneratedReadings, archivo: Path, tmp_path: Path
) -> None:
    """Score, severidad, types and suspicion of every reading are those of the live path."""
    salida = tmp_path / "v.parquet"
    argumentos = ["--datos", str(archivo), "--salida", str(salida), "--modelo", "reglas"]
    assert main(argumentos) == HECHO
    tabla = pq.read_table(salida)
    assert tabla.column_names == [
        "propietario_id", "timestamp", "consumo_kwh", "score_anomalia", "severidad",
        "tipos_anomalia", "es_sospechoso",
    ]  # fmt: skip
    suyas = sorted(
        (
            f["propietario_id"],
            instante(round(f["timestamp"].timestamp()) // 3600).isoformat(),
            f"{f['score_anomalia']:.2f} {f['severidad']}",
            "|".join(f["tipos_anomalia"]),
            f["es_sospechoso"],
        )
        for f in tabla.to_pylist()
    )
    todas = sinteticas.lecturas()
    orden = np.lexsort((np.array(todas.propietario_id), todas.hora_utc))
    vivas = _live(todas.elegir(orden), 613)
    assert suyas == vivas
    assert len({f[2] for f in vivas}) > 20


def test_con_etiquetas_da_las_cifras(
    archivo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Table, JSON and a report that opens without the net; attacked customers rank first."""
    informe, cifras = tmp_path / "i.html", tmp_path / "j.json"
    estado = main(
        ["--datos", str(archivo), "--entrenamiento", "21d", "--informe", str(informe),
         "--json", str(cifras)]
    )  # fmt: skip
    assert estado == HECHO
    texto = capsys.readouterr().out
    assert "ROC-AUC por lectura" in texto
    assert "ECOD (PyOD)" in texto
    datos = json.loads(cifras.read_text())
    assert datos["lecturas"] == 24 * DIAS * CLIENTES
    assert sum(datos["severidades"].values()) == datos["lecturas"]
    html = informe.read_text()
    assert "<script" in html
    assert "<script src=" not in html
    assert "<link" not in html


def test_sin_etiquetas_no_hay_informe(sinteticas: GeneratedReadings, tmp_path: Path) -> None:
    """Verdicts are written; a report of nothing is refused in one line."""
    datos = _write(tmp_path / "d.csv", sinteticas, etiquetas=False)
    salida = tmp_path / "v.csv"
    assert main(["--datos", str(datos), "--salida", str(salida), "--modelo", "reglas"]) == HECHO
    with salida.open() as fichero:
        assert sum(1 for _ in fichero) == 1 + 24 * DIAS * CLIENTES


@pytest.mark.parametrize(
    ("contenido", "texto"),
    [
        ("propietario_id,timestamp\nA,2026-01-01T00:00\n", "consumo_kwh"),
        ("propietario_id,timestamp,consumo_kwh\nA,ayer,1.0\n", "2"),
        ("propietario_id,timestamp,consumo_kwh\nA,2026-01-01T00:00,-1.0\n", "2"),
        ("", ""),
    ],
)
def test_un_archivo_malo_se_rechaza_entero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], contenido: str, texto: str
) -> None:
    """One clear line in Spanish with the row, status 1, and no file of verdicts."""
    datos, salida = tmp_path / "malo.csv", tmp_path / "v.csv"
    datos.write_text(contenido)

    def verbo(argv: object) -> int:
        return main(["--datos", str(datos), "--salida", str(salida)])

    assert run(verbo) == FALLO
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error")
    assert texto in error
    assert not salida.exists()


@pytest.mark.parametrize("clase", ["0", "1"])
def test_con_una_sola_clase_no_hay_con_que_comparar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clase: str
) -> None:
    """No figure of ranking where all readings are attacked, or none; it is said why."""
    ruta, cifras = tmp_path / "una.csv", tmp_path / "c.json"
    filas = [
        f"C{c},{instante(DESDE + h).isoformat()},{1 + h % 24 / 24},{clase}"
        for h in range(20 * 24)
        for c in range(2)
    ]
    ruta.write_text("\n".join(["propietario_id,timestamp,consumo_kwh,label", *filas]) + "\n")
    argumentos = ["--datos", str(ruta), "--modelo", "reglas", "--json", str(cifras)]
    assert main(argumentos) == HECHO
    salida = capsys.readouterr().out
    assert f"Toda lectura juzgada es {'atacada' if clase == '1' else 'limpia'}" in salida
    medidas = json.loads(cifras.read_text())["medidas"]
    for grupo in ("por_lectura", "por_cliente"):
        assert medidas[grupo]["precision_media"]["valor"] is None
        assert medidas[grupo]["roc_auc"]["valor"] is None
    assert medidas["por_cliente"]["primeros_k"]["valor"] is None
    assert all(c["precision_media"]["valor"] is None for c in medidas["comparacion"].values())
    assert all(t["precision_media"]["valor"] is None for t in medidas["tipos"].values())


def test_unas_filas_malas_no_impiden_evaluar(
    archivo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures are those of the file without them; they are counted, and the status is 1."""
    malo, cifras = tmp_path / "malo.csv", [tmp_path / "a.json", tmp_path / "b.json"]
    lineas = archivo.read_text().splitlines(keepends=True)
    celdas = lineas[5].split(",")
    mala = ",".join([*celdas[:2], "-1.5", *celdas[3:]])
    malo.write_text("".join([*lineas[:3], *[mala] * 13, *lineas[3:]]))
    base = ["--modelo", "reglas", "--json"]
    assert main(["--datos", str(archivo), *base, str(cifras[0])]) == HECHO
    capsys.readouterr()
    assert main(["--datos", str(malo), *base, str(cifras[1])]) == FALLO
    assert "13 filas no son lecturas y se dejan fuera" in capsys.readouterr().out
    limpio, sucio = (json.loads(c.read_text()) for c in cifras)
    assert sucio.pop("rechazadas") == {
        "consumo_kwh_negativo": {
            "filas": 13, "primeras": [4, 5, 6, 7, 8], "ejemplo": "-1.5 es menor que cero",
        }
    }  # fmt: skip
    assert limpio.pop("rechazadas") == {}
    assert sucio == limpio
