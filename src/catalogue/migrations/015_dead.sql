-- Dead letters of the last days are counted for the list of checks, once a second at most.
CREATE INDEX media_dead ON media (updated_at) WHERE status = 'dead';
