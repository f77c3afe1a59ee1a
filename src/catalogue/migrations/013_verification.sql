-- Where the multipart of upload_id stands: by the time it is aborted the row may name another key, or another bucket.
ALTER TABLE media
  ADD COLUMN upload_key    text,
  ADD COLUMN upload_bucket text;

-- Comparing the catalogue with the bucket: asked for over the API, done by the sweeper, a page at a time.
CREATE TABLE verification (
  id         text PRIMARY KEY,
  kind       text NOT NULL CHECK (kind IN ('verify', 'adopt', 'orphans')),
  state      text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'stopped')),
  options    jsonb NOT NULL,
  actor      text NOT NULL,
  reason     text,
  -- The last place that was looked at; a page counts only if it moves this on, so that two at work count once.
  cursor     text,
  done       bigint NOT NULL DEFAULT 0,
  -- Unknown where counting would cost a listing.
  total      bigint,
  bytes      bigint NOT NULL DEFAULT 0,
  counts     jsonb NOT NULL DEFAULT '{}',
  -- Why it stands still, if it does.
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
