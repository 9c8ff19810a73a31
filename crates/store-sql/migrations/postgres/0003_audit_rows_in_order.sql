-- Rows lie in the order in which they came. One index is in the order in which they are listed.
CREATE INDEX audit_rows_by_time ON audit_rows (at, writer, seq);

CREATE INDEX audit_rows_by_request ON audit_rows (request_id);
