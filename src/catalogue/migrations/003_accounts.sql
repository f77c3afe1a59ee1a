-- What became of the callbacks of an account, by UTC day; written every few seconds, kept for a month.
CREATE TABLE callback_count (
  account text NOT NULL,
  day     date NOT NULL,
  refused boolean NOT NULL,
  -- The type of the message, or why it was refused: a bounded vocabulary.
  what    text NOT NULL,
  n       bigint NOT NULL,
  PRIMARY KEY (account, day, refused, what)
);

ALTER TABLE account
  ADD COLUMN held_since timestamptz,
  -- How far this side's clock was from the timestamp that WeChat signed last; positive: ahead of it.
  ADD COLUMN clock_skew_seconds integer,
  ADD COLUMN clock_skew_at timestamptz;
