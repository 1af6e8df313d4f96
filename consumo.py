"""The front door: ``consumo <verb>``. Each verb's module is imported only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from serving.cli import HECHO, MAL_USO, never_fail_to_print, run

VERBOS: dict[str, tuple[str, str]] = {
    "demo": (
        "pipeline.embedded.demo.command",
        "todo en esta máquina, con datos y servicios embebidos",
    ),
    "servicios": ("pipeline.embedded.services", "solo los servicios embebidos, vacíos"),
    "generador": ("pipeline.generator.service", "el servicio que genera lecturas sintéticas"),
    "api": ("api.app", "la API REST, con su documentación en /docs"),
    "tablero": ("dashboard.command", "el tablero web, sobre la API"),
    "producir": ("pipeline.producer", "envía lecturas a Kafka, sintéticas o de un archivo"),
    "leer": ("pipeline.preview", "dice qué hay en un archivo de contadores, sin enviar nada"),
    "consumir": ("pipeline.consumer", "lee Kafka, detecta anomalías y las guarda"),
    "casos": ("pipeline.jobs.cases", "los casos abiertos, primero donde más se recupera"),
    "contexto": (
        "pipeline.jobs.context",
        "guarda lo que la distribuidora sabe de sus clientes: dónde están, qué potencia tienen…",
    ),
    "agregar": ("pipeline.aggregator", "suma las lecturas por cliente y mes en MongoDB"),
    "archivar": ("pipeline.archivador", "lleva al archivo las lecturas y anomalías antiguas"),
    "restaurar": ("pipeline.restaurador", "lista el archivo, devuelve días de él o los elimina"),
    "mantenimiento": ("pipeline.jobs.nightly", "el trabajo de cada noche, en su orden"),
    "entrenar": ("training.fit", "aprende un modelo aspirante de la historia y lo registra"),
    "promover": ("training.promotion", "compara al aspirante con el campeón y lo pone si es mejor"),
    "deriva": ("training.drift", "compara los datos recientes con los del entrenamiento"),
    "evaluar": (
        "training.evaluation.command",
        "pasa el detector por un archivo y, con etiquetas, lo mide",
    ),
    "reentrenar": ("training.retrain", "si hay deriva o el campeón es viejo, entrena y promueve"),
    "migrar": ("pipeline.stores.postgres.migrate_command", "pone al día las tablas de PostgreSQL"),
    "avisos": (
        "pipeline.alerts.command",
        "avisa de casos nuevos y de lo que se para, por correo, webhook o chat",
    ),
    "salud": (
        "pipeline.jobs.health",
        "comprueba cada parte, y si el consumidor da señales y va al día",
    ),
}
"""Verb -> module with ``main(argv)``, and what it does, for the help."""


def _ayuda() -> str:
    verbos = "\n".join(f"  {verbo:<14}{texto}" for verbo, (_, texto) in VERBOS.items())
    return (
        "uso: consumo VERBO [opciones]\n\n"
        "Detecta fraude, plantaciones y otras anomalías en el consumo eléctrico horario.\n\n"
        f"verbos:\n{verbos}\n\n"
        "«consumo VERBO --help» explica cada uno.\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    never_fail_to_print()
    argumentos = list(sys.argv[1:] if argv is None else argv)
    if argumentos and argumentos[0] in {"-h", "--help", "ayuda"}:
        sys.stdout.write(_ayuda())
        return HECHO
    if not argumentos or argumentos[0] not in VERBOS:
        que = f"«{argumentos[0]}» no es un verbo" if argumentos else "falta el verbo"
        sys.stderr.write(f"{_ayuda()}\nerror: {que}\n")
        return MAL_USO
    modulo, _ = VERBOS[argumentos[0]]
    return run(import_module(modulo).main, argumentos[1:])


if __name__ == "__main__":
    sys.exit(main())
