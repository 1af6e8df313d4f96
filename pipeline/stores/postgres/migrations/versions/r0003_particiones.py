"""Both tables of readings by months, one view over them, and which days lie in the archive.

Revision: 0003, after 0002. The rows are copied into partitions: of ten million, some minutes.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

# By the instant, since the identity holds it and not the local date; months in UTC, so that they
# stay when ZONA_HORARIA changes. The second CHECK lets a query by fecha leave out the other
# months as well (no zone is more than a day from UTC); the first one spares ATTACH its look at
# every row. Made apart and then attached: CREATE ... PARTITION OF would stop all readers.
FUNCION = """
CREATE FUNCTION crear_particion(padre TEXT, mes DATE) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
    nombre TEXT := padre || to_char(mes, '_YYYY_MM');
    siguiente DATE := (mes + INTERVAL '1 month')::date;
    desde TIMESTAMPTZ := mes::timestamp AT TIME ZONE 'UTC';
    hasta TIMESTAMPTZ := siguiente::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('consumo particiones', 0));
    IF EXISTS (SELECT FROM pg_inherits
               WHERE inhparent = padre::regclass AND inhrelid = to_regclass(nombre)) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE %1$I (LIKE %2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
         CONSTRAINT mes_timestamp CHECK (timestamp_consumo >= %3$L AND timestamp_consumo < %4$L),
         CONSTRAINT mes_fecha CHECK (fecha >= %5$L AND fecha <= %6$L))',
        nombre, padre, desde, hasta, mes - 1, siguiente);
    EXECUTE format('ALTER TABLE %1$I ATTACH PARTITION %2$I FOR VALUES FROM (%3$L) TO (%4$L)',
        padre, nombre, desde, hasta);
    RETURN true;
END $$;
COMMENT ON FUNCTION crear_particion IS
    'Crea la partición de un mes (UTC) si falta, y dice si faltaba';
"""

APARTAR = """
ALTER TABLE {tabla} RENAME TO {tabla}_entera;
ALTER TABLE {tabla}_entera DROP CONSTRAINT {tabla}_pkey, DROP CONSTRAINT {tabla}_identidad;
DROP INDEX {prefijo}_propietario, {prefijo}_fecha, {prefijo}_propietario_fecha;
"""
# An id is unique because one sequence gives it to both tables; the key needs the instant since
# each partition keeps its own index.
PARTIDA = """
CREATE TABLE {tabla} (
    LIKE {tabla}_entera INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
    CONSTRAINT {tabla}_pkey PRIMARY KEY (id, timestamp_consumo),
    CONSTRAINT {tabla}_identidad UNIQUE (propietario_id, timestamp_consumo)
) PARTITION BY RANGE (timestamp_consumo);
COMMENT ON TABLE {tabla} IS '{comentario}';
"""
ENTERA = """
CREATE TABLE {tabla} (
    LIKE {tabla}_entera INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
    CONSTRAINT {tabla}_pkey PRIMARY KEY (id),
    CONSTRAINT {tabla}_identidad UNIQUE (propietario_id, timestamp_consumo)
);
COMMENT ON TABLE {tabla} IS '{comentario}';
"""
INDICES = """
CREATE INDEX {prefijo}_propietario ON {tabla}(propietario_id);
CREATE INDEX {prefijo}_fecha ON {tabla}(fecha);
CREATE INDEX {prefijo}_propietario_fecha ON {tabla}(propietario_id, fecha);
"""
PARTICIONES = """
SELECT crear_particion('{tabla}', mes::date) FROM generate_series(
    (SELECT date_trunc('month', min(timestamp_consumo) AT TIME ZONE 'UTC') FROM {tabla}_entera),
    (SELECT max(timestamp_consumo) AT TIME ZONE 'UTC' FROM {tabla}_entera), '1 month') AS mes;
"""
COPIAR = """
INSERT INTO {tabla} SELECT * FROM {tabla}_entera;
"""
SECUENCIA = """
ALTER SEQUENCE consumos_diarios_id_seq OWNED BY consumos_diarios.id;
"""
TIRAR = """
DROP TABLE {tabla}_entera;
"""
ID_ARCHIVO = """
ALTER TABLE consumos_diarios_archivo ALTER id SET DEFAULT nextval('consumos_diarios_id_seq');
"""

TABLAS = (
    {
        "tabla": "consumos_diarios",
        "prefijo": "idx",
        "comentario": "Lecturas horarias con su veredicto; una fila por cliente e instante",
    },
    {
        "tabla": "consumos_diarios_archivo",
        "prefijo": "idx_archivo",
        "comentario": "Lecturas retiradas de consumos_diarios por el archivador, tal como estaban",
    },
)

# The nightly job makes those of later months, and a save the one that it lacks.
ADELANTE = """
SELECT crear_particion('consumos_diarios', mes::date) FROM generate_series(
    date_trunc('month', now() AT TIME ZONE 'UTC'),
    now() AT TIME ZONE 'UTC' + INTERVAL '2 months', '1 month') AS mes;
"""

VIDA = """
CREATE VIEW consumos_historia AS
    SELECT * FROM consumos_diarios UNION ALL SELECT * FROM consumos_diarios_archivo;
COMMENT ON VIEW consumos_historia IS
    'Todas las lecturas, archivadas o no; cada una está en una sola de las dos tablas';

CREATE TABLE dias_archivados (
    fecha DATE PRIMARY KEY,
    en_archivo BOOLEAN NOT NULL,
    retenido_hasta DATE
);
COMMENT ON TABLE dias_archivados IS 'Qué días locales viven en el archivo';
COMMENT ON COLUMN dias_archivados.fecha IS 'Día en la hora local de ZONA_HORARIA';
COMMENT ON COLUMN dias_archivados.en_archivo IS
    'Las lecturas del día, también las que lleguen tarde, van a consumos_diarios_archivo';
COMMENT ON COLUMN dias_archivados.retenido_hasta IS
    'Día restaurado: el archivador no lo vuelve a llevar hasta pasada esta fecha';

ALTER TABLE log_archivado ADD operacion VARCHAR(20) NOT NULL DEFAULT 'archivar',
    ADD desde DATE, ADD hasta DATE;
COMMENT ON COLUMN log_archivado.operacion IS 'archivar, restaurar o eliminar';
COMMENT ON COLUMN log_archivado.desde IS 'Primer día pedido; nulo = desde el primero que haya';
COMMENT ON COLUMN log_archivado.hasta IS 'Último día pedido';
COMMENT ON COLUMN log_archivado.estado IS 'en curso, completado, interrumpido o fallido';
COMMENT ON COLUMN log_archivado.registros_movidos IS 'Filas llevadas de una tabla a la otra';
COMMENT ON COLUMN log_archivado.espacio_liberado_mb IS
    'Lo que ha encogido la tabla de la que salieron, medido, MB';
"""


def upgrade() -> None:
    """Put both tables into partitions, with what the archiver needs beside them."""
    op.execute(FUNCION)
    for nombres in TABLAS:
        for orden in (APARTAR, PARTIDA, PARTICIONES, COPIAR, INDICES):
            op.execute(orden.format(**nombres))
    op.execute(SECUENCIA)
    for nombres in TABLAS:
        op.execute(TIRAR.format(**nombres))
    op.execute(ID_ARCHIVO)
    op.execute(ADELANTE)
    op.execute(VIDA)


def downgrade() -> None:
    """Bring both tables back whole."""
    op.execute("DROP VIEW consumos_historia")
    op.execute("DROP TABLE dias_archivados")
    op.execute("ALTER TABLE log_archivado DROP operacion, DROP desde, DROP hasta")
    for nombres in TABLAS:
        for orden in (APARTAR, ENTERA, COPIAR, INDICES):
            op.execute(orden.format(**nombres))
    op.execute(SECUENCIA)
    for nombres in TABLAS:
        op.execute(TIRAR.format(**nombres))
    op.execute("ALTER TABLE consumos_diarios_archivo ALTER id DROP DEFAULT")
    op.execute("DROP FUNCTION crear_particion")
