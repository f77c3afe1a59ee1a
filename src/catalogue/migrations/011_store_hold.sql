-- The store, where it takes nothing: all archiving waits for one probe of the fleet to get through. Always one row.
CREATE TABLE store_hold (
  one          boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- NULL: it is not held.
  since        timestamptz,
  -- Then it is probed again.
  until        timestamptz,
  why          jsonb,
  -- Probes refused since it began.
  probes       integer NOT NULL DEFAULT 0,
  -- The one that probes now; a prober that died just lapses.
  prober       text,
  prober_until timestamptz,
  -- When the last probe began that got through.
  passed_at    timestamptz,
  released_at  timestamptz
);
INSERT INTO store_hold DEFAULT VALUES;
