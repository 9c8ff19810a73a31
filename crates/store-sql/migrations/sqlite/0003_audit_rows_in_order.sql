-- Events are appended. In a table ordered by its key SQLite moves neighbours about for every few rows;
-- in one ordered by arrival it fills the last page. The indexes carry a short row number instead of
-- the key.
CREATE TABLE audit_rows_in_order (
    writer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    event TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (writer, seq)
) STRICT;

INSERT INTO audit_rows_in_order (writer, seq, at, request_id, event, mac)
SELECT writer, seq, at, request_id, event, mac FROM audit_rows ORDER BY at, writer, seq;

DROP TABLE audit_rows;

ALTER TABLE audit_rows_in_order RENAME TO audit_rows;

CREATE INDEX audit_rows_by_time ON audit_rows (at);

CREATE INDEX audit_rows_by_request ON audit_rows (request_id);
