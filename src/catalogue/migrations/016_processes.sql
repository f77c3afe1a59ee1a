-- Every process that lives, not the workers alone: what it reports of itself, and how its clock compares. The times are
-- those of the database's clock, so that no process with a wrong clock counts as alive for good, or ends the others.
DROP TABLE worker;
CREATE TABLE process (
  id             text PRIMARY KEY,
  -- `host (program, pid)`.
  name           text NOT NULL,
  -- It runs a consumer, and so has a share of every account's concurrency.
  takes_media    boolean NOT NULL,
  seen_at        timestamptz NOT NULL,
  -- It said goodbye. The row stays for some minutes: whether a worker has been there lately is asked for.
  left_at        timestamptz,
  -- Its clock against the database's; positive: ahead. NULL: not measured yet.
  clock_ahead_ms bigint,
  -- Its conditions: `[{code, since, count, detail}]`.
  conditions     jsonb NOT NULL
);
