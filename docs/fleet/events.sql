-- For the PostgreSQL output of telegraf.conf: psql maskd -f events.sql, as the user that Telegraf logs in as.
-- maskd delivers at least once, and COPY, with which Telegraf writes, knows no ON CONFLICT: so a trigger drops repeats.
-- Telegraf makes the other tables itself.

CREATE TABLE maskd_event (
    "time" timestamp NOT NULL,
    site text NOT NULL DEFAULT '',
    device text NOT NULL,
    camera text NOT NULL,
    type text NOT NULL,
    track text NOT NULL,
    id text NOT NULL,
    seq bigint NOT NULL,
    status text NOT NULL,
    compliant boolean NOT NULL,
    confidence double precision NOT NULL,
    duration_s double precision NOT NULL
);

-- By the first word of its comment Telegraf knows a tag from a field.
COMMENT ON COLUMN maskd_event.site IS 'tag';
COMMENT ON COLUMN maskd_event.device IS 'tag';
COMMENT ON COLUMN maskd_event.camera IS 'tag';
COMMENT ON COLUMN maskd_event.type IS 'tag';
COMMENT ON COLUMN maskd_event.track IS 'tag';

-- With TimescaleDB: SELECT create_hypertable('maskd_event', 'time'); it wants the time in every unique index.
CREATE UNIQUE INDEX maskd_event_once ON maskd_event (site, device, seq, id, "time");

CREATE FUNCTION maskd_event_drop_repeat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM maskd_event
        WHERE site = NEW.site AND device = NEW.device AND seq = NEW.seq AND id = NEW.id AND "time" = NEW."time"
    ) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER maskd_event_drop_repeat BEFORE INSERT ON maskd_event
    FOR EACH ROW EXECUTE FUNCTION maskd_event_drop_repeat();

-- Events that have not come: numbers of a device between its first and its last that no row has.
CREATE VIEW maskd_event_gap AS
SELECT site, device, previous + 1 AS first_missing, seq - 1 AS last_missing, "time" AS noticed
FROM (
    SELECT site, device, seq, "time", lag(seq) OVER (PARTITION BY site, device ORDER BY seq) AS previous
    FROM maskd_event
) AS numbered
WHERE seq > previous + 1;
