-- WeCom customer service: a callback only says that there are messages; this remembers it, and how far they were read.
CREATE TABLE kf_sync (
  account   text NOT NULL,
  open_kfid text NOT NULL,
  cursor    text,
  -- Set by a callback, cleared once all has been read that it spoke of.
  wanted_at timestamptz,
  -- The callback's token, sealed: good for ten minutes; without it WeCom limits the calls strictly.
  token     text,
  -- Not before this: held by the process that reads, or a pause after a failure.
  not_until timestamptz,
  PRIMARY KEY (account, open_kfid)
);
CREATE INDEX kf_sync_wanted ON kf_sync (wanted_at) WHERE wanted_at IS NOT NULL;
