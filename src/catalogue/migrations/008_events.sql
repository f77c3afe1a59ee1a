-- Who did what to what, and why: written in the deed's own transaction, never changed. The reason of an erasure is
-- kept; whom it was about is not.
CREATE TABLE event (
  seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL,
  -- The name of the API key, or the part of the program.
  actor  text NOT NULL,
  action text NOT NULL,
  -- An id of a media, an account, a redrive.
  target text NOT NULL,
  reason text
);
CREATE INDEX event_target ON event (target, seq);

CREATE FUNCTION event_is_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are never changed';
END $$;
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON event
  FOR EACH ROW EXECUTE FUNCTION event_is_for_ever();
