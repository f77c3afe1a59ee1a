-- A list of what is pending begins at one end of this index, the age of the oldest is at the other: a list that was
-- sorted from media_backlog took as long as the backlog is large.
CREATE INDEX media_pending ON media (sent_at DESC, id DESC) WHERE status = 'pending';
DROP INDEX media_oldest;
