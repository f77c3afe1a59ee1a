-- Which catalogue this is, wherever it was moved or restored to: two of them must not share one queue in Redis.
CREATE TABLE catalogue (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id  uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO catalogue DEFAULT VALUES;
