-- The schema of the catalogue. Run inside one transaction, with search_path set to the catalogue's own schema.
-- Every media item is one row for as long as the catalogue lives. The row is the truth; the queue can be rebuilt from
-- the rows at any time.

-- 1. Media items ------------------------------------------------------------------------------------------------------

-- Every two characters that follow each other, as one number: (first << 15) # second. Two pairs may share a number, so a
-- search compares the text itself as well. Numbers, because an index of texts depends on the locale. Linear time. In
-- plpgsql, which keeps the plan: a function in SQL is parsed and planned again in every statement that writes a text.
CREATE FUNCTION bigrams(value text) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  chars text[] := string_to_array(value, NULL);
BEGIN
  RETURN ARRAY(SELECT (ascii(first) << 15) # ascii(second)
    FROM unnest(chars[1:cardinality(chars) - 1], chars[2:]) AS pair (first, second));
END $$;

CREATE TABLE media (
  -- m_ and 32 hex digits of sha256 over account, NUL and media_id; see id_of().
  id              text PRIMARY KEY,
  account         text NOT NULL,
  -- What the producer handed in. All of it is NULL once the item is erased.
  media_id        text,
  kind            text CHECK (kind IN ('image', 'voice', 'video', 'shortvideo', 'thumb', 'file')),
  variant         text,
  parent_id       text,
  open_id         text,
  msg_id          text,
  pic_url         text,
  -- What WeChat recognised in a voice, or the title of a forwarded item; at most 2,000 characters.
  text            text,
  labels          jsonb,
  -- The trace of the item (W3C Trace Context).
  traceparent     text,
  sent_at         timestamptz,
  -- WeChat deletes the file at expires_at. No attempt begins after closes_at.
  expires_at      timestamptz,
  closes_at       timestamptz,

  status          text NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'archived', 'dead', 'expired', 'erased')),
  -- Of pending rows: 0 waits for next_attempt_at, 1 is due, 2 is claimed: it has a job in the queue. Else NULL.
  stage           smallint,
  -- The fencing token. It grows by one at each claim and at each redrive. The outcome of an attempt counts only while
  -- the row has the generation of its job, so a late worker changes nothing.
  generation      integer NOT NULL DEFAULT 0,
  claimed_at      timestamptz,
  running_since   timestamptz,
  next_attempt_at timestamptz,
  waiting_reason  text,
  -- Attempts that got a response of WeChat or the store. Waiting for a hold or a quota is not counted.
  attempts        integer NOT NULL DEFAULT 0,

  bucket          text,
  object_key      text,
  size_bytes      bigint,
  -- In the order of bytes, so that an index finds a beginning of it in every locale.
  sha256          text COLLATE "C",
  content_type    text,
  declared_type   text,
  file_name       text,
  source          text,
  length_verified boolean,
  -- A multipart upload that is neither completed nor aborted, and where it is: when it is aborted, bucket and
  -- object_key of the row may have changed.
  upload_id       text,
  upload_key      text,
  upload_bucket   text,

  -- What a search looks through: the text and the file name, a line each, in lower case (A to Z only, so that it is the
  -- same in every locale) and without zero-width characters and direction marks. NULL where there is neither: a file
  -- name that begins with the media id says nothing new, and most items have such a name. No function of ours: it would
  -- be parsed again in every statement that changes a row, which makes archiving a third slower.
  search_text     text COLLATE "C" GENERATED ALWAYS AS (
                    nullif(translate(
                      lower((coalesce(text, '') || coalesce(E'\n' || CASE WHEN starts_with(file_name, media_id) THEN NULL
                        ELSE file_name END, '')) COLLATE "C"),
                      U&'\200B\200C\200D\200E\200F\202A\202B\202C\202D\202E\2060\2066\2067\2068\2069\FEFF', ''),
                      '')) STORED,

  failure         jsonb,
  failure_code    text NOT NULL GENERATED ALWAYS AS (coalesce(failure ->> 'code', '')) STORED,
  errcode         integer GENERATED ALWAYS AS ((failure ->> 'errcode')::integer) STORED,
  -- When the row became dead or expired; set by a trigger, see acknowledgement.
  closed_at       timestamptz,
  -- How often the item was redriven, and the last time: {at, by, reason, redrive}.
  redrives        integer,
  last_redrive    jsonb,

  created_at      timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  archived_at     timestamptz,
  -- The expires_at of which media.at_risk was written.
  at_risk_for     timestamptz,

  -- Erasure. An item has the status erased from the moment of the request, so that claims, attempts and repeats pass it
  -- by. While erase_due_at is set, an object of it may be left, and the row keeps what it takes to find that object.
  -- erased_at is set when nothing is left.
  erased_at       timestamptz,
  erasing_since   timestamptz,
  -- The next attempt to remove what is left. A process that works on the item moves it ahead.
  erase_due_at    timestamptz,
  -- What is left, and why.
  erase_unfinished jsonb,
  -- The row of erasure that asked for it. Removed at the end: it would tell which items belonged to one person.
  erasure         text,
  -- bucket/key of every object that the row named earlier; kept by a trigger.
  former_objects  text[],

  CHECK (status = 'erased' OR (media_id IS NOT NULL AND kind IS NOT NULL AND closes_at IS NOT NULL)),
  CHECK ((status = 'pending') = (stage IS NOT NULL))
)
-- A row is updated a few times in its first seconds and rarely after: each page keeps room for that.
WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- The dispatcher takes the earliest deadline of an account first.
CREATE INDEX media_due ON media (account, expires_at, id) WHERE stage = 1;
CREATE INDEX media_claimed ON media (account, claimed_at) WHERE stage = 2;
CREATE INDEX media_later ON media (next_attempt_at) WHERE stage = 0;

-- The sweeper closes rows whose time is over; the dashboard shows rows that are near it.
CREATE INDEX media_open ON media (closes_at) WHERE status = 'pending';
CREATE INDEX media_backlog ON media (expires_at) WHERE status = 'pending';
-- A list of pending items begins at one end; the oldest pending item is at the other end. Sorting what media_backlog
-- finds took as long as the backlog is large.
CREATE INDEX media_pending ON media (sent_at DESC, id DESC) WHERE status = 'pending';
CREATE INDEX media_upload ON media (updated_at) WHERE upload_id IS NOT NULL;

-- Lists: newest first, with (sent_at, id) as the cursor; for pollers (updated_at, id).
CREATE INDEX media_sent ON media (sent_at DESC, id DESC);
CREATE INDEX media_account_sent ON media (account, sent_at DESC, id DESC);
CREATE INDEX media_updated ON media (updated_at, id);
CREATE INDEX media_open_id ON media (open_id, sent_at DESC, id DESC) WHERE open_id IS NOT NULL;
CREATE INDEX media_errcode ON media (errcode, sent_at DESC, id DESC) WHERE errcode IS NOT NULL;
CREATE INDEX media_closed ON media (status, sent_at DESC, id DESC) WHERE status IN ('dead', 'expired');
CREATE INDEX media_closed_account ON media (account, status, sent_at DESC, id DESC) WHERE status IN ('dead', 'expired');
-- Rare kinds. Pending rows are left out, so that accepting pays nothing: there are few of them.
CREATE INDEX media_kind ON media (kind, sent_at DESC) WHERE status IN ('archived', 'dead', 'expired');
CREATE INDEX media_erased ON media (updated_at, id) WHERE status = 'erased';
CREATE INDEX media_msg_id ON media (msg_id) WHERE msg_id IS NOT NULL;
CREATE INDEX media_media_id ON media (media_id);
CREATE INDEX media_sha256 ON media (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX media_archived ON media (archived_at) WHERE archived_at IS NOT NULL;
CREATE INDEX media_parent ON media (parent_id) WHERE parent_id IS NOT NULL;
-- Rows without labels cost nothing here. With three labels an insert takes a quarter longer, and a search among
-- 100,000 rows takes 16 ms instead of 400.
-- With the account, so that a count for one account does not read the rows of all.
CREATE INDEX media_labels ON media USING gin (labels jsonb_path_ops, (ARRAY[account])) WHERE labels IS NOT NULL;

-- Search. Rows without a text and a file name of their own cost nothing here. A rare word is found by its pairs of
-- characters. Of a common word the newest rows are wanted, which are found sooner by reading rows in order.
CREATE INDEX media_search ON media USING gin (bigrams(search_text), (ARRAY[account]))
  -- New pairs wait in a list that each search reads and that one insert empties: 512 kB, so that neither takes long.
  WITH (gin_pending_list_limit = 512) WHERE search_text IS NOT NULL;
CREATE INDEX media_search_sent ON media (sent_at DESC) WHERE search_text IS NOT NULL;

-- Dead letters by account and failure; checks that run up to once a second; erasures.
CREATE INDEX media_failed ON media (status, account, failure_code, (coalesce(errcode, 0)), updated_at)
  WHERE status IN ('dead', 'expired');
-- How many items of an account closed since they were last acknowledged.
CREATE INDEX media_closed_at ON media (status, account, closed_at) WHERE status IN ('dead', 'expired');
CREATE INDEX media_store_refused ON media (updated_at) WHERE status = 'pending' AND failure_code = 'store_refused';
CREATE INDEX media_erase_due ON media (erase_due_at) WHERE erase_due_at IS NOT NULL;
CREATE INDEX media_erasure ON media (erasure) WHERE erasure IS NOT NULL;

-- A trigger, so that no statement can make a row lose an object that erasing must find.
CREATE FUNCTION keep_former_object() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  former text := OLD.bucket || '/' || OLD.object_key;
BEGIN
  IF former <> ALL (coalesce(NEW.former_objects, '{}')) THEN
    NEW.former_objects := array_append(NEW.former_objects, former);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER media_former_objects BEFORE UPDATE ON media FOR EACH ROW
  WHEN (OLD.object_key IS NOT NULL AND OLD.bucket IS NOT NULL AND NEW.status <> 'erased'
    AND (OLD.object_key IS DISTINCT FROM NEW.object_key OR OLD.bucket IS DISTINCT FROM NEW.bucket))
  EXECUTE FUNCTION keep_former_object();

-- The log of attempts. It has no foreign key: an attempt is written in the statement that updates its item.
CREATE TABLE attempt (
  media      text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at   timestamptz NOT NULL,
  generation integer NOT NULL,
  outcome    text NOT NULL,
  code       text,
  errcode    integer,
  bytes      bigint,
  PRIMARY KEY (media, started_at, generation)
);

-- 2. Counts by status, and their history ------------------------------------------------------------------------------

-- Statistics read these and never scan the items. Each count is spread over 16 shards by the process id of the session,
-- so that concurrent commits do not wait for one row. The count is the sum over the shards.
CREATE TABLE media_count (
  account      text NOT NULL,
  status       text NOT NULL,
  failure_code text NOT NULL,
  errcode      integer NOT NULL,
  shard        smallint NOT NULL,
  n            bigint NOT NULL,
  PRIMARY KEY (account, status, failure_code, errcode, shard)
) WITH (fillfactor = 50);

-- What happened in each minute, written by the triggers that count. The times are those of the statements, but never
-- ahead of the database's clock, so that a process with a wrong clock writes nothing into the future. Each session has
-- rows of its own (shard: its process id), so that no commit waits for another one. A background step merges the rows of
-- a minute into one (shard 0), and minutes older than two days into hours. Hours are kept for good: about 1 MB for an
-- account and year.
CREATE TABLE history_minute (
  at             timestamptz NOT NULL,
  account        text NOT NULL,
  shard          integer NOT NULL,
  -- Rows that were inserted.
  received       integer NOT NULL,
  archived       integer NOT NULL,
  dead           integer NOT NULL,
  expired        integer NOT NULL,
  -- Of the archived objects.
  bytes          bigint NOT NULL,
  -- By how much the number of pending items changed. The backlog at any time is the number of now minus the changes
  -- since then.
  pending_change integer NOT NULL,
  PRIMARY KEY (at, account, shard)
) WITH (fillfactor = 50);
CREATE INDEX history_minute_unmerged ON history_minute (at) WHERE shard <> 0;

CREATE TABLE history_hour (
  at             timestamptz NOT NULL,
  account        text NOT NULL,
  received       integer NOT NULL,
  archived       integer NOT NULL,
  dead           integer NOT NULL,
  expired        integer NOT NULL,
  bytes          bigint NOT NULL,
  pending_change integer NOT NULL,
  PRIMARY KEY (at, account)
);

-- Only closed rows are counted by failure: the failure of a pending row changes at each attempt.
CREATE FUNCTION count_code(status text, code text) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN status IN ('dead', 'expired') THEN code ELSE '' END $$;
CREATE FUNCTION count_errcode(status text, errcode integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN status IN ('dead', 'expired') THEN coalesce(errcode, 0) ELSE 0 END $$;

-- accept() and archive() below run these with the rights of the schema's owner. pg_temp comes last on the search path
-- of every function from here on, so that a caller's temporary table cannot take the place of ours.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- The two functions below also write the events of the rows, so that an event is in the statement that changes the row.
CREATE FUNCTION record_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  WITH told AS (
    INSERT INTO event_outbox (type, at, account, media)
    SELECT 'media.' || status, least(created_at, clock_timestamp()), account, id
    FROM inserted WHERE status IN ('archived', 'dead', 'expired') ORDER BY id),
  history AS (
    INSERT INTO history_minute AS h (at, account, shard, received, archived, dead, expired, bytes, pending_change)
    SELECT date_trunc('minute', least(created_at, clock_timestamp())), account, pg_backend_pid(), count(*),
           count(*) FILTER (WHERE status = 'archived'), count(*) FILTER (WHERE status = 'dead'),
           count(*) FILTER (WHERE status = 'expired'),
           coalesce(sum(size_bytes) FILTER (WHERE status = 'archived'), 0), count(*) FILTER (WHERE status = 'pending')
    FROM inserted GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (at, account, shard) DO UPDATE SET
      received = h.received + excluded.received, archived = h.archived + excluded.archived,
      dead = h.dead + excluded.dead, expired = h.expired + excluded.expired, bytes = h.bytes + excluded.bytes,
      pending_change = h.pending_change + excluded.pending_change)
  INSERT INTO media_count AS c (account, status, failure_code, errcode, shard, n)
  SELECT account, status, count_code(status, failure_code), count_errcode(status, errcode),
         pg_backend_pid() % 16, count(*)
  FROM inserted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (account, status, failure_code, errcode, shard) DO UPDATE SET n = c.n + excluded.n;
  RETURN NULL;
END $$;
CREATE TRIGGER media_inserted AFTER INSERT ON media
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION record_inserted();

CREATE FUNCTION record_moved() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  WITH told AS (
    INSERT INTO event_outbox (type, at, account, media)
    SELECT CASE WHEN NEW.status = 'pending' THEN 'media.redriven' ELSE 'media.' || NEW.status END,
           least(NEW.updated_at, clock_timestamp()), NEW.account, NEW.id),
  history AS (
    INSERT INTO history_minute AS h (at, account, shard, received, archived, dead, expired, bytes, pending_change)
    SELECT date_trunc('minute', least(NEW.updated_at, clock_timestamp())), NEW.account, pg_backend_pid(), 0,
           (NEW.status = 'archived')::integer, (NEW.status = 'dead')::integer, (NEW.status = 'expired')::integer,
           CASE WHEN NEW.status = 'archived' THEN coalesce(NEW.size_bytes, 0) ELSE 0 END,
           (NEW.status = 'pending')::integer - (OLD.status = 'pending')::integer
    -- The erasure of a closed row is no event of the history.
    WHERE NEW.status <> 'erased' OR OLD.status = 'pending'
    ON CONFLICT (at, account, shard) DO UPDATE SET
      archived = h.archived + excluded.archived, dead = h.dead + excluded.dead, expired = h.expired + excluded.expired,
      bytes = h.bytes + excluded.bytes, pending_change = h.pending_change + excluded.pending_change)
  INSERT INTO media_count AS c (account, status, failure_code, errcode, shard, n)
  SELECT * FROM (VALUES
    (OLD.account, OLD.status, count_code(OLD.status, OLD.failure_code), count_errcode(OLD.status, OLD.errcode),
     (pg_backend_pid() % 16)::smallint, -1::bigint),
    (NEW.account, NEW.status, count_code(NEW.status, NEW.failure_code), count_errcode(NEW.status, NEW.errcode),
     (pg_backend_pid() % 16)::smallint, 1::bigint)) AS moved (account, status, failure_code, errcode, shard, n)
  ORDER BY 1, 2, 3, 4
  ON CONFLICT (account, status, failure_code, errcode, shard) DO UPDATE SET n = c.n + excluded.n;
  RETURN NULL;
END $$;
CREATE TRIGGER media_moved AFTER UPDATE ON media
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION record_moved();

-- Up to when an operator has seen the dead or expired items of an account. Items that closed later are still to be seen.
CREATE TABLE acknowledgement (
  account text NOT NULL,
  status  text NOT NULL CHECK (status IN ('dead', 'expired')),
  until   timestamptz NOT NULL,
  PRIMARY KEY (account, status)
);

-- closed_at must be later than every acknowledgement that could not see the row, whatever the clocks say, or the item
-- would never be seen. So transactions that close rows share a lock, which an acknowledgement takes alone: it waits
-- for those that it cannot see yet, and those that come later find its row here.
CREATE FUNCTION set_closed_at() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  seen_until timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(TG_RELID::integer, 1);
  SELECT until INTO seen_until FROM acknowledgement a WHERE a.account = NEW.account AND a.status = NEW.status;
  NEW.closed_at := greatest(least(NEW.updated_at, clock_timestamp()), seen_until + interval '1 microsecond');
  RETURN NEW;
END $$;
CREATE TRIGGER media_closed_at BEFORE UPDATE ON media FOR EACH ROW
  WHEN (NEW.status IN ('dead', 'expired') AND OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION set_closed_at();
CREATE TRIGGER media_inserted_closed BEFORE INSERT ON media FOR EACH ROW
  WHEN (NEW.status IN ('dead', 'expired')) EXECUTE FUNCTION set_closed_at();

-- 3. Accounts ---------------------------------------------------------------------------------------------------------

-- One row for each account that was ever configured.
CREATE TABLE account (
  account            text PRIMARY KEY,
  last_callback_at   timestamptz,
  -- How far this side's clock was from the timestamp that WeChat signed last; positive: ahead of it.
  clock_skew_seconds integer,
  clock_skew_at      timestamptz,
  -- The quota of media/get as WeChat reported it last.
  quota              jsonb,

  held_until         timestamptz,
  held_since         timestamptz,
  hold               jsonb,
  -- After held_until one item of the account is attempted for all: its id, and until when the others wait for it.
  probe              text,
  probe_until        timestamptz,

  -- The access token, encrypted before it gets here, and the lease of the process that gets a new one.
  token_ciphertext   text,
  token_fingerprint  text,
  token_issued_at    timestamptz,
  token_expires_at   timestamptz,
  token_lease        text,
  token_lease_until  timestamptz
);

-- Callbacks of an account by UTC day. Written every few seconds, kept for a month.
CREATE TABLE callback_count (
  account text NOT NULL,
  day     date NOT NULL,
  refused boolean NOT NULL,
  -- The type of the message, or why it was refused: a bounded vocabulary.
  what    text NOT NULL,
  n       bigint NOT NULL,
  PRIMARY KEY (account, day, refused, what)
);

-- Secrets that WeChat hands over once and that cannot be asked for again: the verify ticket of a third-party platform
-- and the refresh tokens of its accounts. Encrypted before they get here.
CREATE TABLE encrypted_secret (
  name       text PRIMARY KEY,
  ciphertext text NOT NULL,
  updated_at timestamptz NOT NULL
);

-- WeCom customer service. A callback says only that there are messages; a row records that, and how far they were read.
CREATE TABLE kf_cursor (
  account          text NOT NULL,
  open_kfid        text NOT NULL,
  cursor           text,
  -- Set by a callback; cleared when all messages that it announced are read.
  requested_at     timestamptz,
  -- The token of the callback, encrypted. Valid for ten minutes; without it WeCom limits the calls strictly.
  token_ciphertext text,
  -- Not read before this time: another process reads, or a read has failed.
  not_before       timestamptz,
  -- When the messages were last read to the end.
  read_at          timestamptz,
  failure          jsonb,
  failing_since    timestamptz,
  -- Failures in a row.
  failures         integer NOT NULL DEFAULT 0,
  PRIMARY KEY (account, open_kfid)
);
CREATE INDEX kf_cursor_requested ON kf_cursor (requested_at) WHERE requested_at IS NOT NULL;

-- 4. The hold of the store --------------------------------------------------------------------------------------------

-- Always one row. While the store refuses everything, all archiving waits until one probe succeeds.
CREATE TABLE store_hold (
  singleton             boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  -- NULL: the store is not held.
  since                 timestamptz,
  -- The time of the next probe.
  until                 timestamptz,
  failure               jsonb,
  -- Probes that failed since the hold began.
  probes                integer NOT NULL DEFAULT 0,
  -- The process that probes now. Its lease lapses if it dies.
  probe_holder          text,
  probe_until           timestamptz,
  -- When the last successful probe began.
  last_probe_success_at timestamptz,
  released_at           timestamptz
);
INSERT INTO store_hold DEFAULT VALUES;

-- 5. Audit log --------------------------------------------------------------------------------------------------------

-- Who did what to what, and why. An entry is written in the transaction of the change and never changed. The reason of
-- an erasure is kept; the person is not named.
CREATE TABLE audit_log (
  seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL,
  -- The name of the API key, or the part of the program.
  actor  text NOT NULL,
  action text NOT NULL,
  -- The id of an item, an account, a redrive or an erasure; else the name of the part of the installation.
  target text NOT NULL,
  -- The accounts that it is about; NULL: the whole installation. A key that is bound to accounts sees an entry if it
  -- may see all of them, also after the item is erased.
  accounts text[] CHECK (cardinality(accounts) > 0),
  reason text,
  -- More facts about the action. No person, no secret.
  detail jsonb
);
CREATE INDEX audit_log_target ON audit_log (target, seq);
CREATE INDEX audit_log_actor ON audit_log (actor, seq);
CREATE INDEX audit_log_action ON audit_log (action, seq);
CREATE INDEX audit_log_at ON audit_log (at);
CREATE INDEX audit_log_accounts ON audit_log USING gin (accounts) WHERE accounts IS NOT NULL;
-- A file that a key opens is recorded once an hour; `at` is then the beginning of the hour.
CREATE UNIQUE INDEX audit_log_open ON audit_log (target, actor, at) WHERE action = 'open';

CREATE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'entries of the audit log are never changed';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION refuse_audit_log_change();

-- 6. Redrives ---------------------------------------------------------------------------------------------------------

-- Dead letters that become pending again, a page at a time, in the order of media_closed. The cursor moves in the
-- transaction that changes the items: after a crash no item is left out and none is redriven twice.
CREATE TABLE redrive (
  id              text PRIMARY KEY,
  state           text NOT NULL CHECK (state IN ('running', 'stopped', 'done')),
  filter          jsonb NOT NULL,
  -- The items, where the filter named a person or items: their ids instead of the names, and only until it ends.
  items           text[],
  -- Items per second.
  rate            integer NOT NULL CHECK (rate > 0),
  actor           text NOT NULL,
  reason          text,
  -- The most items that it may redrive. Items that died after created_at are not among them.
  total           bigint NOT NULL,
  done            bigint NOT NULL DEFAULT 0,
  skipped         bigint NOT NULL DEFAULT 0,
  created_at      timestamptz NOT NULL,
  -- WeChat still had the files of messages sent after this time when the redrive was created; they go first.
  available_after timestamptz NOT NULL,
  phase           smallint NOT NULL DEFAULT 0,
  cursor_sent_at  timestamptz,
  cursor_id       text,
  -- The next page is not taken before this time: this keeps the rate across processes.
  next_page_at    timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  ended_at        timestamptz
);
CREATE INDEX redrive_running ON redrive (next_page_at) WHERE state = 'running';
CREATE INDEX redrive_created ON redrive (created_at);

-- 7. Erasures ---------------------------------------------------------------------------------------------------------

-- Requests to erase many items. A row holds no name of a person once its items are marked.
CREATE TABLE erasure (
  id                 text PRIMARY KEY,
  account            text NOT NULL,
  actor              text NOT NULL,
  reason             text,
  -- The openId, encrypted; only until its last item is marked.
  open_id_ciphertext text,
  -- Until then a process marks its items.
  due_at             timestamptz,
  total              bigint NOT NULL DEFAULT 0,
  -- What the marked items were, by kind: [{kind, count, files, bytes}].
  removed            jsonb NOT NULL DEFAULT '[]',
  problem            text,
  created_at         timestamptz NOT NULL,
  marked_at          timestamptz,
  finished_at        timestamptz,
  CHECK (marked_at IS NULL OR open_id_ciphertext IS NULL)
);
CREATE INDEX erasure_open ON erasure (due_at) WHERE finished_at IS NULL;
CREATE INDEX erasure_created ON erasure (created_at DESC);

-- 8. Verifications ----------------------------------------------------------------------------------------------------

-- Comparisons of the catalogue with the bucket: requested over the API, done by the sweeper a page at a time.
CREATE TABLE verification (
  id         text PRIMARY KEY,
  kind       text NOT NULL CHECK (kind IN ('verify', 'adopt', 'orphans')),
  state      text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'stopped')),
  options    jsonb NOT NULL,
  actor      text NOT NULL,
  reason     text,
  -- The end of the last page. A page counts only if it moves the cursor, so that two processes at work count it once.
  cursor     text,
  done       bigint NOT NULL DEFAULT 0,
  -- NULL where counting would cost a listing of the bucket.
  total      bigint,
  bytes      bigint NOT NULL DEFAULT 0,
  counts     jsonb NOT NULL DEFAULT '{}',
  -- Why it makes no progress, if it does not.
  problem    text,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  updated_at timestamptz NOT NULL,
  ended_at   timestamptz
);
CREATE INDEX verification_open ON verification (created_at) WHERE state IN ('waiting', 'running');
CREATE INDEX verification_created ON verification (created_at DESC);

CREATE TABLE verification_finding (
  verification text NOT NULL REFERENCES verification ON DELETE CASCADE,
  seq          bigint GENERATED ALWAYS AS IDENTITY,
  at           timestamptz NOT NULL,
  what         text NOT NULL,
  media        text,
  object_key   text,
  detail       text,
  PRIMARY KEY (verification, seq)
);

-- 9. Alerts -----------------------------------------------------------------------------------------------------------

-- One open row for each alert, so that many processes send it once.
CREATE TABLE alert (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind          text NOT NULL,
  -- An account or a process; empty: the whole service.
  target        text NOT NULL,
  since         timestamptz NOT NULL,
  -- When a process last found the condition to be true.
  seen_at       timestamptz NOT NULL,
  count         bigint NOT NULL,
  detail        jsonb NOT NULL,
  last_sent_at  timestamptz,
  ended_at      timestamptz,
  end_sent_at   timestamptz,
  -- The process that sends it, and until when the others leave it alone.
  claimed_by    text,
  claimed_until timestamptz
);
CREATE UNIQUE INDEX alert_open ON alert (kind, target) WHERE ended_at IS NULL;
CREATE INDEX alert_unsent ON alert (since) WHERE end_sent_at IS NULL;

-- 10. Events ----------------------------------------------------------------------------------------------------------

-- What has happened, in the statement of the change. Transactions commit in another order than they write, so a number
-- that is given here could become visible after a greater one. Rows wait here until they are committed; then one
-- statement at a time moves them to "event" and gives them their positions. docs/decisions/event-order.md has the reasons.
CREATE TABLE event_outbox (
  -- In this order the events of one item or account happened: its row is locked by then.
  seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  type    text NOT NULL,
  at      timestamptz NOT NULL,
  -- NULL: it is about the store.
  account text,
  media   text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0.2);

-- The events by position: 1, 2, 3 … without gaps, in the order in which they became visible. No reader can miss one by
-- having read a later one. An event names the item and nothing of its content; readers see the item as it is then.
-- Eight partitions in a ring: the oldest is emptied as a whole, because deleting millions of rows takes hours.
CREATE TABLE event (
  slot         smallint NOT NULL,
  position     bigint NOT NULL,
  id           uuid NOT NULL,
  type         text NOT NULL,
  at           timestamptz NOT NULL,
  sequenced_at timestamptz NOT NULL,
  account      text,
  media        text
) PARTITION BY LIST (slot);
CREATE TABLE event_0 PARTITION OF event FOR VALUES IN (0);
CREATE TABLE event_1 PARTITION OF event FOR VALUES IN (1);
CREATE TABLE event_2 PARTITION OF event FOR VALUES IN (2);
CREATE TABLE event_3 PARTITION OF event FOR VALUES IN (3);
CREATE TABLE event_4 PARTITION OF event FOR VALUES IN (4);
CREATE TABLE event_5 PARTITION OF event FOR VALUES IN (5);
CREATE TABLE event_6 PARTITION OF event FOR VALUES IN (6);
CREATE TABLE event_7 PARTITION OF event FOR VALUES IN (7);
CREATE INDEX event_position ON event (position);

-- The end of the feed. Each statement that gives positions locks this row, so that positions become visible in their order.
CREATE TABLE event_head (
  singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  -- Of the last event; 0: there was none.
  position     bigint NOT NULL DEFAULT 0,
  sequenced_at timestamptz NOT NULL DEFAULT 'epoch',
  -- Events up to this position are older than EVENT_RETENTION, or removed.
  expired      bigint NOT NULL DEFAULT 0,
  -- The partition that is written, and since when.
  slot         smallint NOT NULL DEFAULT 0,
  slot_since   timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO event_head DEFAULT VALUES;

-- Empties a partition. A function of the schema's owner, because the role of the program may lack the right to TRUNCATE.
-- It waits at most two seconds for readers: behind it new readers wait too. The lock comes before the check: between the
-- two, another process could have emptied the partition and written new events to it.
CREATE FUNCTION empty_event_slot(slot smallint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
BEGIN
  IF slot NOT BETWEEN 0 AND 7 THEN
    RAISE EXCEPTION 'there is no partition %', slot;
  END IF;
  EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', 'event_' || slot);
  IF EXISTS (
    SELECT FROM event_head h WHERE h.slot = empty_event_slot.slot
      OR EXISTS (SELECT FROM event e WHERE e.slot = empty_event_slot.slot AND e.position > h.expired)) THEN
    RAISE EXCEPTION 'the partition % holds events that are kept', slot;
  END IF;
  EXECUTE format('TRUNCATE %I', 'event_' || slot);
END $$;
REVOKE EXECUTE ON FUNCTION empty_event_slot FROM PUBLIC;

CREATE FUNCTION record_account_hold() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO event_outbox (type, at, account)
  VALUES (CASE WHEN NEW.held_until IS NULL THEN 'account.released' ELSE 'account.held' END, clock_timestamp(),
    NEW.account);
  RETURN NULL;
END $$;
CREATE TRIGGER account_inserted_held AFTER INSERT ON account FOR EACH ROW
  WHEN (NEW.held_until IS NOT NULL) EXECUTE FUNCTION record_account_hold();
CREATE TRIGGER account_hold_changed AFTER UPDATE ON account FOR EACH ROW
  WHEN ((OLD.held_until IS NULL) <> (NEW.held_until IS NULL)) EXECUTE FUNCTION record_account_hold();

CREATE FUNCTION record_store_hold() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO event_outbox (type, at)
  VALUES (CASE WHEN NEW.since IS NULL THEN 'store.released' ELSE 'store.held' END, clock_timestamp());
  RETURN NULL;
END $$;
CREATE TRIGGER store_hold_changed AFTER UPDATE ON store_hold FOR EACH ROW
  WHEN ((OLD.since IS NULL) <> (NEW.since IS NULL)) EXECUTE FUNCTION record_store_hold();

-- 11. Webhooks --------------------------------------------------------------------------------------------------------

CREATE TABLE webhook_endpoint (
  -- whe_ and 24 hex digits; of the endpoint of WEBHOOK_URL: configured.
  id                    text PRIMARY KEY,
  url                   text NOT NULL,
  description           text,
  -- NULL: all.
  types                 text[] CHECK (cardinality(types) > 0),
  accounts              text[] CHECK (cardinality(accounts) > 0),
  -- The signing secret, encrypted with each of a few secrets of the configuration before it gets here: {name: text}.
  secret                jsonb NOT NULL,
  -- The secret before the last rotation. It signs too until then.
  previous_secret       jsonb,
  previous_secret_until timestamptz,
  -- The position in the feed up to which deliveries were made.
  position              bigint NOT NULL,
  -- Events that were removed before deliveries were made of them.
  missed                bigint NOT NULL DEFAULT 0,
  disabled_at           timestamptz,
  disabled_reason       text,
  -- The first failure since the last success.
  failing_since         timestamptz,
  last_success_at       timestamptz,
  -- {at, reason, status}.
  last_failure          jsonb,
  created_at            timestamptz NOT NULL,
  created_by            text NOT NULL,
  updated_at            timestamptz NOT NULL,
  -- Its deliveries are removed in steps, then the row.
  deleted_at            timestamptz,
  CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
) WITH (fillfactor = 50);

-- One sending of one event to one endpoint. It has no body: the row is read anew for each attempt. It has what the feed
-- has of the event, because it may be sent again after the event is removed.
CREATE TABLE webhook_delivery (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint     text NOT NULL,
  position     bigint NOT NULL,
  event        uuid NOT NULL,
  type         text NOT NULL,
  at           timestamptz NOT NULL,
  account      text,
  media        text,
  state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  -- Attempts that ended, since it was made or sent again.
  attempts     smallint NOT NULL DEFAULT 0,
  -- The next attempt; while one runs, the end of its lease.
  due_at       timestamptz,
  lease        text,
  leased_until timestamptz,
  -- The last attempt.
  attempted_at timestamptz,
  duration_ms  integer,
  status       smallint,
  reason       text,
  created_at   timestamptz NOT NULL,
  ended_at     timestamptz,
  CHECK ((state = 'pending') = (due_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint, due_at, id) WHERE state = 'pending';
CREATE INDEX webhook_delivery_leased ON webhook_delivery (endpoint, leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX webhook_delivery_state ON webhook_delivery (endpoint, state, id);
CREATE INDEX webhook_delivery_ended ON webhook_delivery (ended_at) WHERE ended_at IS NOT NULL;

-- 12. Processes of the service ----------------------------------------------------------------------------------------

-- The worker registry: every live process, what it reports about itself, and how its clock compares. The times are those
-- of the database's clock, so that a process with a wrong clock does not count as alive too long and ends no other.
CREATE TABLE process (
  id             text PRIMARY KEY,
  -- `host (program, pid)`.
  name           text NOT NULL,
  -- all, server, worker or sweep.
  program        text NOT NULL,
  version        text NOT NULL,
  started_at     timestamptz NOT NULL,
  -- It runs a consumer, and so has a share of the concurrency of every account.
  is_worker      boolean NOT NULL,
  -- The items that it works on now.
  in_hand        integer NOT NULL,
  heartbeat_at   timestamptz NOT NULL,
  -- It has shut down. The row stays for some minutes, because a check asks whether a worker was there lately.
  left_at        timestamptz,
  -- Its clock compared with the database's; positive: ahead. NULL: not measured yet.
  clock_ahead_ms bigint,
  -- Its conditions: [{code, since, count, detail}].
  conditions     jsonb NOT NULL
);

-- Named leases, for work that one process at a time does. Rows and never session locks: the lease of a killed holder
-- lapses.
CREATE TABLE lease (
  name   text PRIMARY KEY,
  holder text NOT NULL,
  until  timestamptz NOT NULL
);

-- Sessions that were ended and login links that were used, until they expire. Only a digest of each, so that a reader of
-- this table cannot sign in with it.
CREATE TABLE revoked_credential (
  digest     bytea PRIMARY KEY,
  expires_at timestamptz NOT NULL
);

-- The identity of the catalogue; it stays the same when the database is moved or restored. Two catalogues must not share
-- one queue in Redis.
CREATE TABLE catalogue (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  id        uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO catalogue DEFAULT VALUES;

-- 13. Functions for producers -----------------------------------------------------------------------------------------

-- The service itself and producers in any language insert references by the same rule. The functions mean the same in
-- every session, whatever standard_conforming_strings or DateStyle are there: their texts hold no backslashes.

-- Inserts references, or merges them into the rows with the same id: sent_at the earliest, empty fields filled, erased
-- rows left alone. "refs" is an array of objects with the columns named below, each id once, already validated. A
-- channel other than '' is notified of new work. A row that another transaction inserts at the same moment has no
-- status in the result.
CREATE FUNCTION accept(refs json, accepted_at timestamptz, channel text)
RETURNS TABLE (id text, account text, status text, created boolean)
LANGUAGE sql SET search_path FROM CURRENT AS $$
  WITH given AS (
    SELECT * FROM json_to_recordset(refs) AS given (
      id text, account text, media_id text, kind text, variant text, parent_id text, open_id text, msg_id text,
      pic_url text, text text, labels jsonb, traceparent text, sent_at timestamptz, expires_at timestamptz, closes_at timestamptz,
      failure jsonb)
  ), written AS (
    INSERT INTO media AS m (id, account, media_id, kind, variant, parent_id, open_id, msg_id, pic_url,
      text, labels, traceparent, sent_at, expires_at, closes_at, failure, status, stage, created_at, updated_at)
    SELECT given.*, CASE WHEN failure IS NULL THEN 'pending' ELSE 'dead' END,
      CASE WHEN failure IS NULL THEN 1 END, accepted_at, accepted_at
    FROM given ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
      sent_at = least(m.sent_at, excluded.sent_at),
      expires_at = least(m.expires_at, excluded.expires_at),
      closes_at = least(m.closes_at, excluded.closes_at),
      variant = coalesce(m.variant, excluded.variant),
      parent_id = coalesce(m.parent_id, excluded.parent_id),
      open_id = coalesce(m.open_id, excluded.open_id),
      msg_id = coalesce(m.msg_id, excluded.msg_id),
      pic_url = coalesce(m.pic_url, excluded.pic_url),
      text = coalesce(m.text, excluded.text),
      labels = coalesce(m.labels, excluded.labels),
      traceparent = coalesce(m.traceparent, excluded.traceparent),
      updated_at = accepted_at
    WHERE m.status <> 'erased' AND (
      excluded.sent_at < m.sent_at OR
      (m.variant, m.parent_id, m.open_id, m.msg_id, m.pic_url, m.text, m.labels, m.traceparent) IS DISTINCT FROM
      (coalesce(m.variant, excluded.variant), coalesce(m.parent_id, excluded.parent_id),
       coalesce(m.open_id, excluded.open_id), coalesce(m.msg_id, excluded.msg_id),
       coalesce(m.pic_url, excluded.pic_url), coalesce(m.text, excluded.text),
       coalesce(m.labels, excluded.labels), coalesce(m.traceparent, excluded.traceparent)))
    RETURNING m.id, m.status, m.xmax = 0 AS created
  ), notified AS (
    SELECT pg_notify(channel, '')
    WHERE channel <> '' AND EXISTS (SELECT FROM written WHERE written.created AND written.status = 'pending')
  )
  -- A look-up by key, not a join: for a join the planner reads the whole table (2.9 against 1.0 ms at 15,000 rows).
  SELECT given.id, given.account,
         coalesce(written.status, (SELECT m.status FROM media m WHERE m.id = given.id)), coalesce(written.created, false)
  FROM given LEFT JOIN written ON written.id = given.id
  -- A CTE that is not read is not run: this reads "notified".
  WHERE (SELECT count(*) FROM notified) >= 0
$$;

-- The id of an item's row: m_ and the first 32 hex digits of sha256(account, NUL, media_id), in UTF-8.
CREATE FUNCTION id_of(account text, media_id text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'm_' || left(encode(sha256(
    convert_to(account, 'UTF8') || decode('00', 'hex') || convert_to(media_id, 'UTF8')), 'hex'), 32)
$$;

-- Inserts one reference from any language and returns its id. It takes part in the caller's transaction: after a
-- rollback it was never requested. A role needs USAGE on the schema and EXECUTE on this function, nothing else.
CREATE FUNCTION archive(
  account text, media_id text, kind text, sent_at timestamptz DEFAULT now(), variant text DEFAULT NULL,
  parent_id text DEFAULT NULL, open_id text DEFAULT NULL, msg_id text DEFAULT NULL, pic_url text DEFAULT NULL,
  labels jsonb DEFAULT NULL, media_lifetime interval DEFAULT '72 hours',
  text text DEFAULT NULL, traceparent text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  new_id text := id_of(account, media_id);
  sent timestamptz := coalesce(sent_at, now());
  wrong text := CASE
    WHEN (char_length(account) BETWEEN 1 AND 128) IS NOT TRUE THEN 'account: 1 to 128 characters'
    WHEN (char_length(media_id) BETWEEN 1 AND 512) IS NOT TRUE THEN 'media_id: 1 to 512 characters'
    WHEN kind IS NULL OR kind NOT IN ('image', 'voice', 'video', 'shortvideo', 'thumb', 'file')
      THEN 'kind: image, voice, video, shortvideo, thumb or file'
    WHEN variant NOT IN ('16k', 'jssdk') THEN 'variant: 16k or jssdk'
    WHEN char_length(parent_id) NOT BETWEEN 1 AND 64 THEN 'parent_id: 1 to 64 characters'
    WHEN char_length(open_id) NOT BETWEEN 1 AND 128 THEN 'open_id: 1 to 128 characters'
    WHEN char_length(msg_id) NOT BETWEEN 1 AND 128 THEN 'msg_id: 1 to 128 characters'
    WHEN char_length(pic_url) NOT BETWEEN 1 AND 2048
      OR pic_url !~ '^https?://([A-Za-z0-9-]+[.])*[A-Za-z][A-Za-z0-9-]*(:[0-9]{1,4})?([/?#][^[:space:]]*)?$'
      THEN 'pic_url: a link of http or https to a host by its name, at most 2048 characters'
    WHEN traceparent !~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
      OR traceparent ~ '^00-0{32}-' OR traceparent ~ '-0{16}-..$'
      THEN 'traceparent: as in W3C Trace Context, version 00'
    WHEN char_length(text) NOT BETWEEN 1 AND 2000 THEN 'text: 1 to 2000 characters'
    WHEN sent NOT BETWEEN '2011-01-01Z' AND '2100-01-01Z' THEN 'sent_at: between 2011 and 2100'
    WHEN media_lifetime IS NULL OR media_lifetime NOT BETWEEN '1 second' AND '30 days'
      THEN 'media_lifetime: from 1 second to 30 days'
  END;
BEGIN
  IF wrong IS NULL AND jsonb_typeof(labels) IS DISTINCT FROM 'object' AND labels IS NOT NULL THEN
    wrong := 'labels: an object of texts';
  ELSIF wrong IS NULL AND labels IS NOT NULL AND (
      SELECT count(*) > 8 OR bool_or(jsonb_typeof(label.value) <> 'string'
        OR char_length(label.key) NOT BETWEEN 1 AND 64 OR char_length(label.value #>> '{}') NOT BETWEEN 1 AND 256)
      FROM jsonb_each(labels) AS label) THEN
    wrong := 'labels: at most 8, names of 1 to 64 and values of 1 to 256 characters';
  END IF;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION '%', wrong USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- An id made of another name of the account would be another item.
  PERFORM FROM account AS known WHERE known.account = archive.account;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'account: no archiver of this database has it; give the appId (WeCom: corpId-agentId)'
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  PERFORM FROM accept(json_build_array(json_build_object(
    'id', new_id, 'account', account, 'media_id', media_id, 'kind', kind, 'variant', variant,
    'parent_id', parent_id, 'open_id', open_id, 'msg_id', msg_id, 'pic_url', pic_url, 'text', text,
    'labels', labels, 'traceparent', traceparent, 'sent_at', sent, 'expires_at', sent + media_lifetime, 'closes_at', sent + media_lifetime + interval '2 hours',
    'failure', CASE WHEN kind = 'file' AND starts_with(media_id, 'msg:')
      THEN '{"code": "not_downloadable", "class": "permanent_media"}'::json END
  )), now(), current_schema() || '_due');
  RETURN new_id;
END $$;
REVOKE EXECUTE ON FUNCTION archive FROM PUBLIC;
