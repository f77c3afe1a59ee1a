-- What somebody was, or is to be, told about: one open row for each trouble, so that a fleet says it once.
CREATE TABLE incident (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind          text NOT NULL,
  -- An account, a process; empty: all of it.
  target        text NOT NULL,
  since         timestamptz NOT NULL,
  -- When it was last found to be so.
  seen_at       timestamptz NOT NULL,
  count         bigint NOT NULL,
  detail        jsonb NOT NULL,
  last_said_at  timestamptz,
  ended_at      timestamptz,
  end_said_at   timestamptz,
  -- The process that is saying it, and until when the others leave it alone.
  claimed_by    text,
  claimed_until timestamptz
);
CREATE UNIQUE INDEX incident_open ON incident (kind, target) WHERE ended_at IS NULL;
CREATE INDEX incident_unsaid ON incident (since) WHERE end_said_at IS NULL;

-- Looked at twice a minute: what they hold is little, whatever the table holds.
CREATE INDEX media_expired ON media (updated_at) WHERE status = 'expired';
CREATE INDEX media_store_refused ON media (updated_at) WHERE status = 'pending' AND failure_code = 'store_refused';
