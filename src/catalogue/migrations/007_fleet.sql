-- The workers that live, so that an account's concurrency can be shared out among them.
CREATE TABLE worker (
  id      text PRIMARY KEY,
  seen_at timestamptz NOT NULL
);

-- What the platform last said of the account's quota of media/get.
ALTER TABLE account ADD COLUMN quota jsonb;
