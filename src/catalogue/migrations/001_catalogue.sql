-- The catalogue: one row per media, for ever. The row is the truth; the queue can be rebuilt from it.
-- Run inside one transaction with search_path set to the catalogue's schema.

CREATE TABLE media (
  id              text PRIMARY KEY,
  account         text NOT NULL,
  media_id        text,
  kind            text CHECK (kind IN ('image', 'voice', 'video', 'shortvideo', 'thumb', 'file')),
  variant         text,
  parent_id       text,
  open_id         text,
  msg_id          text,
  pic_url         text,
  labels          jsonb,
  sent_at         timestamptz,
  expires_at      timestamptz,
  closes_at       timestamptz,

  status          text NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'archived', 'dead', 'expired', 'erased')),
  -- Where a pending row stands: 0 waits for next_attempt_at, 1 is due, 2 is in the queue (fed). NULL otherwise.
  stage           smallint,
  -- Grows by one at each feeding; outcomes are guarded by it, so that a late worker changes nothing.
  round           integer NOT NULL DEFAULT 0,
  fed_at          timestamptz,
  running_since   timestamptz,
  next_attempt_at timestamptz,
  waiting_reason  text,
  tries           integer NOT NULL DEFAULT 0,

  bucket          text,
  object_key      text,
  upload_id       text,
  size_bytes      bigint,
  sha256          text,
  content_type    text,
  declared_type   text,
  file_name       text,
  source          text,
  length_verified boolean,

  failure         jsonb,
  failure_code    text NOT NULL GENERATED ALWAYS AS (coalesce(failure ->> 'code', '')) STORED,
  errcode         integer GENERATED ALWAYS AS ((failure ->> 'errcode')::integer) STORED,

  created_at      timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  archived_at     timestamptz,
  erased_at       timestamptz,

  CHECK (status = 'erased' OR (media_id IS NOT NULL AND kind IS NOT NULL AND closes_at IS NOT NULL)),
  CHECK ((status = 'pending') = (stage IS NOT NULL))
)
-- Rows are rewritten a few times in their first seconds and rarely after: leave room on the page for that.
WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- The feeder: earliest deadline first inside an account.
CREATE INDEX media_due ON media (account, expires_at, id) WHERE stage = 1;
CREATE INDEX media_fed ON media (account, fed_at) WHERE stage = 2;
CREATE INDEX media_later ON media (next_attempt_at) WHERE stage = 0;
-- The sweeper closes what has run out; the dashboard shows what is about to.
CREATE INDEX media_open ON media (closes_at) WHERE status = 'pending';
CREATE INDEX media_oldest ON media (created_at) WHERE status = 'pending';
CREATE INDEX media_backlog ON media (expires_at) WHERE status = 'pending';

-- Lists: newest first, keyset by (sent_at, id); pollers by (updated_at, id).
CREATE INDEX media_sent ON media (sent_at DESC, id DESC);
CREATE INDEX media_account_sent ON media (account, sent_at DESC, id DESC);
CREATE INDEX media_updated ON media (updated_at, id);
CREATE INDEX media_open_id ON media (open_id, sent_at DESC, id DESC) WHERE open_id IS NOT NULL;
CREATE INDEX media_errcode ON media (errcode, sent_at DESC, id DESC) WHERE errcode IS NOT NULL;
CREATE INDEX media_closed ON media (status, sent_at DESC, id DESC) WHERE status IN ('dead', 'expired');
CREATE INDEX media_msg_id ON media (msg_id) WHERE msg_id IS NOT NULL;
CREATE INDEX media_media_id ON media (media_id);
CREATE INDEX media_sha256 ON media (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX media_archived ON media (archived_at) WHERE archived_at IS NOT NULL;
-- Multiparts to be aborted, should their try not come back.
CREATE INDEX media_upload ON media (updated_at) WHERE upload_id IS NOT NULL;
CREATE INDEX media_failed ON media (status, account, failure_code, (coalesce(errcode, 0)), updated_at)
  WHERE status IN ('dead', 'expired');

-- The log of tries. No foreign key: a try is written in the statement that settles its media.
CREATE TABLE attempt (
  media      text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at   timestamptz NOT NULL,
  round      integer NOT NULL,
  outcome    text NOT NULL,
  code       text,
  errcode    integer,
  bytes      bigint,
  PRIMARY KEY (media, started_at, round)
);

-- One row per account that was ever configured: token, hold, last callback.
CREATE TABLE account (
  account           text PRIMARY KEY,
  last_callback_at  timestamptz,
  held_until        timestamptz,
  hold              jsonb,
  token_sealed      text,
  token_fingerprint text,
  token_issued_at   timestamptz,
  token_expires_at  timestamptz,
  token_lease       text,
  token_lease_until timestamptz
);

-- Leases of the program's own loops (sweep): columns, never session locks, so that a killed holder just lapses.
CREATE TABLE lease (
  name   text PRIMARY KEY,
  holder text NOT NULL,
  until  timestamptz NOT NULL
);

-- Counts by status, so that statistics never scan. Spread over shards: concurrent commits would else queue for one row.
CREATE TABLE media_tally (
  account      text NOT NULL,
  status       text NOT NULL,
  failure_code text NOT NULL,
  errcode      integer NOT NULL,
  shard        smallint NOT NULL,
  n            bigint NOT NULL,
  PRIMARY KEY (account, status, failure_code, errcode, shard)
) WITH (fillfactor = 50);

-- Only the failures of rows that are closed are told apart; a pending row's failure changes with every try.
CREATE FUNCTION tally_code(status text, code text) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN status IN ('dead', 'expired') THEN code ELSE '' END $$;
CREATE FUNCTION tally_errcode(status text, errcode integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN status IN ('dead', 'expired') THEN coalesce(errcode, 0) ELSE 0 END $$;

CREATE FUNCTION tally_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO media_tally AS t (account, status, failure_code, errcode, shard, n)
  SELECT account, status, tally_code(status, failure_code), tally_errcode(status, errcode),
         pg_backend_pid() % 16, count(*)
  FROM inserted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (account, status, failure_code, errcode, shard) DO UPDATE SET n = t.n + excluded.n;
  RETURN NULL;
END $$;

CREATE FUNCTION tally_moved() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO media_tally AS t (account, status, failure_code, errcode, shard, n)
  SELECT * FROM (VALUES
    (OLD.account, OLD.status, tally_code(OLD.status, OLD.failure_code), tally_errcode(OLD.status, OLD.errcode),
     (pg_backend_pid() % 16)::smallint, -1::bigint),
    (NEW.account, NEW.status, tally_code(NEW.status, NEW.failure_code), tally_errcode(NEW.status, NEW.errcode),
     (pg_backend_pid() % 16)::smallint, 1::bigint)) AS moved (account, status, failure_code, errcode, shard, n)
  ORDER BY 1, 2, 3, 4
  ON CONFLICT (account, status, failure_code, errcode, shard) DO UPDATE SET n = t.n + excluded.n;
  RETURN NULL;
END $$;

CREATE TRIGGER media_tally_inserted AFTER INSERT ON media
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION tally_inserted();
CREATE TRIGGER media_tally_moved AFTER UPDATE ON media
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tally_moved();
