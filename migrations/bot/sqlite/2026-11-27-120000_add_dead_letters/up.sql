-- Events that the database refuses for what they say, such as a name that a constraint forbids. Each is kept
-- with its payload until a person has it applied again or drops it; then the row says who did so, and when.

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    happened_at INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    code TEXT,
    reason TEXT NOT NULL,
    outcome TEXT CHECK (outcome IN ('APPLIED', 'DROPPED')),
    settled_at INTEGER,
    settled_by TEXT
);
CREATE INDEX idx_dead_letters_outcome ON dead_letters (outcome, id);

-- What taking this migration back had put aside.
INSERT INTO dead_letters (id, stream, sequence, subject, payload, happened_at, failed_at, code, reason,
    outcome, settled_at, settled_by)
SELECT CAST(row_key AS INTEGER), json_extract(value, '$.stream'), json_extract(value, '$.sequence'), json_extract(value, '$.subject'), json_extract(value, '$.payload'),
    json_extract(value, '$.happened_at'), json_extract(value, '$.failed_at'), json_extract(value, '$.code'), json_extract(value, '$.reason'),
    json_extract(value, '$.outcome'), json_extract(value, '$.settled_at'), json_extract(value, '$.settled_by')
FROM bot_recovered_values WHERE table_name = 'dead_letters' AND column_name = '*' ORDER BY CAST(row_key AS INTEGER);
DELETE FROM bot_recovered_values WHERE table_name = 'dead_letters' AND column_name = '*';
