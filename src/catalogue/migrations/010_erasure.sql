-- Erasing. A media is `erased` from the moment it is asked for, out of reach of feeder, tries and repeats. While
-- erase_due is set something of it is left somewhere, and the row keeps what it takes to find that; erased_at says
-- that nothing is.
ALTER TABLE media
  -- bucket/key of every object that the row named before the one it names now.
  ADD COLUMN former_objects text[],
  ADD COLUMN erasing_since  timestamptz,
  -- When what is left is tried again; moved ahead by whoever is at it.
  ADD COLUMN erase_due      timestamptz,
  -- What is left, and why.
  ADD COLUMN erase_left     jsonb,
  -- The record below that asked for it; forgotten once it is done, for it says whose the media were together.
  ADD COLUMN erasure        text;
CREATE INDEX media_erase_due ON media (erase_due) WHERE erase_due IS NOT NULL;
CREATE INDEX media_erasure ON media (erasure) WHERE erasure IS NOT NULL;
CREATE INDEX media_parent ON media (parent_id) WHERE parent_id IS NOT NULL;

-- In the database, so that no statement, of the release before this one neither, lets a row forget an object.
CREATE FUNCTION media_remembers() RETURNS trigger LANGUAGE plpgsql AS $$
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
  EXECUTE FUNCTION media_remembers();

-- What was asked to be erased together. Holds no name of a person once the media are marked.
CREATE TABLE erasure (
  id          text PRIMARY KEY,
  account     text NOT NULL,
  actor       text NOT NULL,
  reason      text,
  -- The openId, sealed; only until its last media is marked.
  subject     text,
  -- Until then somebody marks its media.
  due         timestamptz,
  total       bigint NOT NULL DEFAULT 0,
  problem     text,
  created_at  timestamptz NOT NULL,
  marked_at   timestamptz,
  finished_at timestamptz,
  CHECK (marked_at IS NULL OR subject IS NULL)
);
CREATE INDEX erasure_open ON erasure (due) WHERE finished_at IS NULL;
