-- Once a hold has lapsed, one media of the account is tried for all: its id, and until when the others wait for it.
ALTER TABLE account
  ADD COLUMN probe text,
  ADD COLUMN probe_until timestamptz;
