-- A schema of version 1 as that left it, with a ticket in each place: one ready; one delayed for an hour;
-- one under a claim that runs for an hour, and one under a claim that is over; a Done one, a Failed one.
CREATE TABLE layout (version integer NOT NULL);
INSERT INTO layout VALUES (1);
CREATE TABLE tickets (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text COLLATE "C" NOT NULL UNIQUE,
    kind         text COLLATE "C" NOT NULL,
    tube         text COLLATE "C" NOT NULL,
    payload      bytea NOT NULL,
    nice         integer NOT NULL,
    runat        bigint NOT NULL,
    status       smallint NOT NULL,
    place        smallint NOT NULL,
    move         bigint NOT NULL DEFAULT 0,
    attempts     bigint NOT NULL,
    ctime        bigint NOT NULL,
    mtime        bigint NOT NULL,
    error_reason text,
    expires_at   bigint,
    token        bigint,
    lease_until  bigint,
    grp          text COLLATE "C",
    unique_key   text COLLATE "C",
    held_key     text COLLATE "C",
    repeat       text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX tickets_key ON tickets (held_key) WHERE held_key IS NOT NULL;
CREATE INDEX tickets_expiring ON tickets (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE ready (
    tube  text COLLATE "C" NOT NULL,
    kind  text COLLATE "C" NOT NULL,
    nice  integer NOT NULL,
    runat bigint NOT NULL,
    seq   bigint NOT NULL,
    move  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tube, kind, nice, runat, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_cost_delay = 0);
CREATE TABLE waiting (
    tube text COLLATE "C" NOT NULL,
    due  bigint NOT NULL,
    seq  bigint NOT NULL,
    move bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tube, due, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_cost_delay = 0);
CREATE TABLE groups (
    name        text COLLATE "C" PRIMARY KEY,
    closed      boolean NOT NULL,
    pending     bigint NOT NULL,
    done        bigint NOT NULL,
    failed      bigint NOT NULL,
    cancelled   bigint NOT NULL,
    finalizers  text[] NOT NULL,
    expire_in   bigint NOT NULL,
    finished_at bigint,
    expires_at  bigint
);
CREATE INDEX groups_expiring ON groups (expires_at) WHERE expires_at IS NOT NULL;
INSERT INTO tickets (id, kind, tube, payload, nice, runat, status, place, attempts, ctime, mtime, token,
    lease_until)
SELECT id, 'work', 'default', 'kept', 512, now + runat, status, place, attempts, now - 5000000,
    now - 5000000, token, now + lease
FROM (SELECT (extract(epoch from clock_timestamp()) * 1000000)::bigint) AS clock (now), (VALUES
    ('ready', -4000000, 0, 1, 0, NULL::bigint, NULL::bigint),
    ('delayed', 3600000000, 0, 2, 0, NULL, NULL),
    ('claimed', -4000000, 0, 2, 1, 77, 3600000000),
    ('over', -4000000, 0, 2, 1, 78, -1000000),
    ('done', -4000000, 1, 0, 1, 79, -1000000),
    ('failed', -4000000, 2, 0, 1, 80, -1000000))
    AS ticket (id, runat, status, place, attempts, token, lease);
INSERT INTO ready (tube, kind, nice, runat, seq, move)
SELECT tube, kind, nice, runat, seq, move FROM tickets WHERE place = 1;
INSERT INTO waiting (tube, due, seq, move)
SELECT tube, CASE WHEN token IS NULL THEN runat ELSE lease_until END, seq, move
FROM tickets WHERE place = 2;
