-- What a third-party platform hands over once and wants back for ever: its verify ticket and the refresh tokens of its
-- accounts. Sealed before they get here.
CREATE TABLE kept_secret (
  name       text PRIMARY KEY,
  sealed     text NOT NULL,
  updated_at timestamptz NOT NULL
);
