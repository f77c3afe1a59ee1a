-- Sessions that were ended, and login links that were used, until they would have expired by themselves. A digest of
-- each, not the text: whoever reads this table can sign in with nothing of it.
CREATE TABLE revoked_credential (
  digest bytea PRIMARY KEY,
  expires_at timestamptz NOT NULL
);
