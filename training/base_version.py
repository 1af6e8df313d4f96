"""``python -m training.base_version``: the version that everybody has from the first day.

It is learnt from the public households whose licences allow it (``public_homes.CON_LICENCIA``), the
development half of them: the hourly part as ``consumo entrenar`` would learn it, were they all
customers of one utility, a household of a year several customers, so that all seasons are there;
the cases from their years, where there are years, and from years made of their weeks. The same
files give the same bytes again on the same machine.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.cases.model import CaseModel
from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Calendario, Lecturas, Veredictos, hora_absoluta, stack
from detection.scoring_model import ScoringModel
from detection.simulation.draws import index_of
from detection.simulation.household_years import whole_weeks
from serving.local_time import load_calendario
from serving.model_package import save_paquete
from serving.settings import Settings
from training.blend_fit import learn_mezcla
from training.calibrate import LECTURAS_POR_LOTE
from training.case_fit import learn_cases, make_lessons
from training.case_population import CaseHome, made_home, mirrored
from training.evaluation.version_metrics import METRICAS
from training.fit import Aprendido, learn
from training.history import SEMILLA_ENTRENAMIENTO as SEMILLA
from training.history import InMemoryHistory, partition_of, partitions_for
from training.public_homes import (
    CON_LICENCIA,
    DIAS_MINIMOS,
    PARTE_PRESENTE,
    PublicHome,
    read_case_home,
    read_homes,
)

CLIENTES_POR_PARTICION = 133 / 6
"""As many as a partition has live, whatever the population: the online model depends on it."""
TRAMO_DIAS = 60
"""Of the stretches of a household of a year, each a customer to the hourly part: about what the
others have."""
TRAMO_MINIMO_DIAS = 42
"""Of the last stretch; shorter ones are left out."""
SEMANAS_MINIMAS = 4
"""Whole ones that a year is made of, at least. By hand, 2026-11-30."""
LICENCIA = "LICENCIA.md"
_SEMANA_H = 7 * HORAS_POR_DIA
_LUNES_H = hora_absoluta(datetime(2026, 3, 2, tzinfo=UTC))
"""A Monday's midnight: what versions are learnt from ends there, whatever year it is of."""

_LOG = logging.getLogger("entrenamiento")

TEXTO_LICENCIA = """\
# Licencia y fuentes de la versión de base

Esta carpeta es una versión de `consumo-detector` aprendida de hogares públicos. No contiene
ninguna lectura suya: son árboles de decisión, umbrales y distribuciones.

**Licencia de esta carpeta: Creative Commons Atribución-CompartirIgual 4.0 Internacional
(CC BY-SA 4.0)**, <https://creativecommons.org/licenses/by-sa/4.0/deed.es>. La exige la de los
hogares suizos. El resto del producto conserva la suya (`LICENSE`, en la raíz).

| Hogares | Fuente | Licencia |
|---|---|---|
| Suiza | Hogares suizos, siete semanas por hogar | CC BY-SA 4.0 |
| California | Hogares de CityLearn, un año | MIT |
| Bélgica | Hogares de OpenGrid, un año | Apache-2.0 |
| Londres | Low Carbon London (UK Power Networks), un año | CC BY 4.0 |

Cambios respecto a las fuentes: de cada conjunto se toma la mitad de desarrollo; con las semanas
suizas se componen años; los fraudes, las plantaciones y los sucesos inocentes son simulados.

Se vuelve a hacer, con los mismos bytes en la misma máquina, con
`python -m training.base_version --datos CARPETA --salida CARPETA` (`make base`).
"""


def learn_from_readings(
    lecturas: Lecturas, zona: str, base: ScoringModel | None = None
) -> Aprendido:
    """Return what ``consumo entrenar`` learns from the history of some clean households.

    As in a young installation the verdicts beside the history are the rules'; no analyst has
    confirmed or discarded anything.

    ``base``: the version that it starts from; None = none.
    """
    calendario = load_calendario(zona)
    orden = np.lexsort((np.array(lecturas.propietario_id), lecturas.hora_utc))
    lecturas = lecturas.elegir(orden)
    historia = InMemoryHistory.of(lecturas, _rules_verdicts(lecturas, calendario))
    settings = Settings(_env_file=None, zona_horaria=zona)
    return learn(settings, historia, {}, semilla=SEMILLA, base=base)


def partition_by_name(propietario_id: Sequence[str]) -> NDArray[np.int32]:
    """Return the partition (n,) of each reading's customer, about 22 of them in each."""
    ids, cliente = np.unique(np.array(propietario_id), return_inverse=True)
    cuantas = partitions_for(ids.size, CLIENTES_POR_PARTICION)
    propia = np.array([partition_of(p, cuantas) for p in ids.tolist()], np.int32)
    return np.asarray(propia[cliente])


def _rules_verdicts(lecturas: Lecturas, calendario: Calendario) -> Veredictos:
    """Return what the rules alone say, without what explains it, which would fill the memory."""
    detector = DetectorConsumo(calendario)
    particion = partition_by_name(lecturas.propietario_id)
    partes = []
    for inicio in range(0, len(lecturas), LECTURAS_POR_LOTE):
        filas = np.arange(inicio, min(inicio + LECTURAS_POR_LOTE, len(lecturas)))
        v = detector.score(lecturas.elegir(filas), particion[filas])
        nada = np.empty((filas.size, 0), np.float32)
        partes.append(replace(v, scores=nada, medidas=nada[:, :, None]))
    return stack(partes)


def to_common_end(lecturas: Lecturas, calendario: Calendario) -> Lecturas:
    """Return readings by local hour, moved by whole weeks so that their last whole one ends last.

    An hour that October repeats is there once.
    """
    local = calendario.local(lecturas.hora_utc)
    ids, cliente = np.unique(np.array(lecturas.propietario_id), return_inverse=True)
    _, primeras = np.unique(local * ids.size + cliente, return_index=True)
    semanas = -((int(local.max()) + 1 - _LUNES_H) // _SEMANA_H)
    hora = local + semanas * _SEMANA_H
    filas = np.sort(primeras[hora[primeras] < _LUNES_H])
    return Lecturas(ids[cliente[filas]].tolist(), hora[filas], lecturas.consumo_kwh[filas])


def join_readings(partes: Sequence[Lecturas]) -> Lecturas:
    """Return the readings of several populations as one."""
    return Lecturas(
        [p for parte in partes for p in parte.propietario_id],
        np.concatenate([parte.hora_utc for parte in partes]),
        np.concatenate([parte.consumo_kwh for parte in partes]),
    )


def _as_one_utility(hogares: Sequence[PublicHome]) -> Lecturas:
    """Return the stretches of households, each a customer, all ending in one night."""
    partes = []
    for hogar in hogares:
        calendario = load_calendario(hogar.conjunto.zona)
        tramo = (hogar.hora_utc - hogar.hora_utc[0]) // (TRAMO_DIAS * HORAS_POR_DIA)
        for k in range(int(tramo[-1]) + 1):
            suyas = np.flatnonzero(tramo == k)
            if suyas.size < PARTE_PRESENTE * TRAMO_MINIMO_DIAS * HORAS_POR_DIA:
                continue
            nombre = f"{hogar.propietario_id}#{k}" if k else hogar.propietario_id
            lecturas = Lecturas([nombre] * suyas.size, hogar.hora_utc[suyas], hogar.kwh[suyas])
            partes.append(to_common_end(lecturas, calendario))
    return join_readings(partes)


def case_homes(hogares: Sequence[PublicHome]) -> Iterator[CaseHome]:
    """Give the homes that cases are learnt from: years as metered, or made of weeks."""
    utc = load_calendario("UTC")
    for hogar in hogares:
        calendario = load_calendario(hogar.conjunto.zona)
        if hogar.hora_utc[-1] - hogar.hora_utc[0] >= DIAS_MINIMOS * HORAS_POR_DIA:
            if (real := read_case_home(hogar, calendario)) is not None:
                yield from (real, mirrored(real))
            continue
        semanas = whole_weeks(calendario.local(hogar.hora_utc), hogar.kwh)
        if semanas.shape[0] >= SEMANAS_MINIMAS:
            clave = (SEMILLA, index_of(hogar.propietario_id))
            yield made_home(clave, hogar.propietario_id, hogar.conjunto.nombre, semanas, utc)


def learn_base_cases(hogares: Sequence[PublicHome]) -> CaseModel:
    """Return what public households teach of cases."""
    return learn_cases(make_lessons(list(case_homes(hogares)), SEMILLA), SEMILLA)


def learn_public(hogares: Sequence[PublicHome]) -> Aprendido:
    """Return the version that public households teach.

    Its figures are those of a blend that half of the households have taught, judged on others; the
    blend that is kept has learnt from all of them.
    """
    casos = learn_base_cases(hogares)
    _LOG.info("umbrales de los casos: %s", casos.umbrales)
    lecturas = _as_one_utility(hogares)
    aprendido = learn_from_readings(lecturas, "UTC")
    modelo = replace(aprendido.modelo, mezcla=None)
    mezcla = learn_mezcla(lecturas, modelo, load_calendario("UTC"), semilla=SEMILLA)
    return replace(aprendido, modelo=replace(modelo, mezcla=mezcla, casos=casos))


def learn_base(datos: Path) -> tuple[ScoringModel, dict[str, bytes]]:
    """Return what public households in a folder teach, and the side files of its package.

    None of these holds a reading: the households' data are not ours to give away.
    """
    hogares = [h for conjunto in CON_LICENCIA for h in read_homes(datos, conjunto)]
    _LOG.info("%d hogares públicos", len(hogares))
    aprendido = learn_public(hogares)
    metricas = aprendido.metricas.to_json().encode()
    return aprendido.modelo, {METRICAS: metricas, LICENCIA: TEXTO_LICENCIA.encode()}


def main(argv: Sequence[str] | None = None) -> int:
    """Learn the base version and write its package."""
    parser = argparse.ArgumentParser(
        "python -m training.base_version",
        description="Aprende la versión de base de los hogares públicos y la escribe como paquete.",
    )
    parser.add_argument("--datos", type=Path, required=True, help="carpeta de los hogares públicos")
    parser.add_argument("--salida", type=Path, required=True, help="carpeta del paquete")
    opciones = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    modelo, extras = learn_base(opciones.datos)
    save_paquete(modelo, opciones.salida, extras=extras)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
