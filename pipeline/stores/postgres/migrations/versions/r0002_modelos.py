"""What the models need: the online model of each partition, the challenger's shadow.

Revision: 0002, after 0001.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

# EXTERNAL: a state is arrays of numbers, which compress little and cost time with every batch.
# Every batch replaces its partitions' rows and no index knows what changes: with half of a page
# free, the new row lies beside the old one and the index is left alone (HOT).
ONLINE = """
CREATE TABLE modelo_online (
    topic TEXT COLLATE "C" NOT NULL,
    particion INT NOT NULL,
    registro TEXT NOT NULL,
    siguiente_offset BIGINT NOT NULL,
    estado BYTEA NOT NULL,
    guardado TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, particion),
    CONSTRAINT modelo_online_particion CHECK (particion >= 0),
    CONSTRAINT modelo_online_offset CHECK (siguiente_offset >= 0)
) WITH (fillfactor = 50);
ALTER TABLE modelo_online ALTER estado SET STORAGE EXTERNAL;

COMMENT ON TABLE modelo_online IS
    'Modelo online de cada partición de Kafka, tras sus lecturas anteriores a una posición';
COMMENT ON COLUMN modelo_online.topic IS 'Topic de Kafka';
COMMENT ON COLUMN modelo_online.particion IS 'Partición del topic';
COMMENT ON COLUMN modelo_online.registro IS
    'Identidad del topic en Kafka: uno creado de nuevo tiene otra y empieza en la posición 0';
COMMENT ON COLUMN modelo_online.siguiente_offset IS
    'Posición de la primera lectura que el modelo no ha visto';
COMMENT ON COLUMN modelo_online.estado IS 'El modelo, en binario';
COMMENT ON COLUMN modelo_online.guardado IS 'Instante en que se guardó';
"""

SOMBRA = """
CREATE TABLE comparacion_sombra (
    propietario_id VARCHAR(20) COLLATE "C" NOT NULL,
    timestamp_consumo TIMESTAMPTZ NOT NULL,
    version_campeon TEXT NOT NULL,
    version_aspirante TEXT NOT NULL,
    score_campeon DECIMAL(3,2) NOT NULL,
    score_aspirante DECIMAL(3,2) NOT NULL,
    severidad_campeon VARCHAR(20) NOT NULL,
    severidad_aspirante VARCHAR(20) NOT NULL,
    CONSTRAINT comparacion_sombra_score_campeon CHECK (score_campeon BETWEEN 0 AND 1),
    CONSTRAINT comparacion_sombra_score_aspirante CHECK (score_aspirante BETWEEN 0 AND 1),
    CONSTRAINT comparacion_sombra_severidad_campeon
        CHECK (severidad_campeon IN ('normal', 'baja', 'media', 'alta', 'crítica')),
    CONSTRAINT comparacion_sombra_severidad_aspirante
        CHECK (severidad_aspirante IN ('normal', 'baja', 'media', 'alta', 'crítica')),
    CONSTRAINT comparacion_sombra_identidad
        UNIQUE (propietario_id, timestamp_consumo, version_aspirante)
);
CREATE INDEX idx_sombra_aspirante ON comparacion_sombra(version_aspirante);

COMMENT ON TABLE comparacion_sombra IS
    'Lecturas en que importa qué habría dicho el modelo aspirante; no cambia ningún veredicto';
COMMENT ON COLUMN comparacion_sombra.propietario_id IS 'Cliente, de 1 a 20 caracteres';
COMMENT ON COLUMN comparacion_sombra.timestamp_consumo IS 'Instante en que empieza la lectura';
COMMENT ON COLUMN comparacion_sombra.version_campeon IS 'Versión que emitió el veredicto';
COMMENT ON COLUMN comparacion_sombra.version_aspirante IS 'Versión que puntuó en la sombra';
COMMENT ON COLUMN comparacion_sombra.score_campeon IS 'Puntuación del veredicto, de 0 a 1';
COMMENT ON COLUMN comparacion_sombra.score_aspirante IS 'Puntuación en la sombra, de 0 a 1';
COMMENT ON COLUMN comparacion_sombra.severidad_campeon IS 'Severidad del veredicto';
COMMENT ON COLUMN comparacion_sombra.severidad_aspirante IS 'Severidad en la sombra';
"""


def upgrade() -> None:
    """Create the two tables with their comments."""
    op.execute(ONLINE)
    op.execute(SOMBRA)


def downgrade() -> None:
    """Drop the two tables."""
    op.execute("DROP TABLE comparacion_sombra, modelo_online")
