-- A MAC over what the row says. A row without one is no key.
ALTER TABLE api_keys ADD COLUMN seal BYTEA;
