-- Of each customer-service account: when its messages were last read to the end, and what stands against it since.
ALTER TABLE kf_sync
  ADD COLUMN read_at timestamptz,
  ADD COLUMN failure jsonb,
  ADD COLUMN failing_since timestamptz,
  -- In a row; 0 after a page that was read.
  ADD COLUMN failures integer NOT NULL DEFAULT 0;
