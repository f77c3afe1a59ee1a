-- Dead letters, and trying them again.
ALTER TABLE media
  -- When it became dead or expired; of rows from before this column, updated_at has to serve.
  ADD COLUMN closed_at    timestamptz,
  -- How often somebody had it tried again; by whom, when and why last.
  ADD COLUMN redrives     integer,
  ADD COLUMN last_redrive jsonb;

-- In the database, so that it is right whichever release closes the row.
CREATE FUNCTION media_closes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.closed_at := NEW.updated_at;
  RETURN NEW;
END $$;
CREATE TRIGGER media_closed_at BEFORE UPDATE ON media FOR EACH ROW
  WHEN (NEW.status IN ('dead', 'expired') AND OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION media_closes();

-- A redrive of many, worked off a page at a time in the order of media_closed. The cursor moves in the transaction
-- that moves the media, so that whoever goes on after a crash neither leaves one out nor takes one twice.
CREATE TABLE redrive (
  id             text PRIMARY KEY,
  state          text NOT NULL CHECK (state IN ('running', 'stopped', 'done')),
  filter         jsonb NOT NULL,
  rate           integer NOT NULL CHECK (rate > 0),
  actor          text NOT NULL,
  reason         text,
  -- As many as it may take; what died after asked_at is not among them.
  total          bigint NOT NULL,
  done           bigint NOT NULL DEFAULT 0,
  skipped        bigint NOT NULL DEFAULT 0,
  asked_at       timestamptz NOT NULL,
  -- Media sent after this were alive when it was asked for; they go first.
  alive_from     timestamptz NOT NULL,
  leg            smallint NOT NULL DEFAULT 0,
  cursor_sent_at timestamptz,
  cursor_id      text,
  -- Not before this comes the next page: the rate, kept across processes.
  next_at        timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  ended_at       timestamptz
);
CREATE INDEX redrive_running ON redrive (next_at) WHERE state = 'running';
CREATE INDEX redrive_asked ON redrive (asked_at);
