-- Of a token only its hash stays, so that nobody who reads the file can use one.
--
-- This script makes room; `hash_api_tokens/1` then writes `sha256:` and the hash over each token,
-- its first characters into `preview`, and the same hash over the keys in `bot_recovered_values`.
-- When a token was revoked is not known, so `revoked_at` says when this ran; what an earlier
-- `down.sql` put aside is put back. Dropped pages are overwritten, for they hold tokens.
PRAGMA secure_delete = ON;

CREATE TABLE new_api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash TEXT NOT NULL UNIQUE,
    preview TEXT NOT NULL,
    name TEXT,
    permissions TEXT,
    description TEXT,
    created_at INTEGER NOT NULL,
    last_used INTEGER,
    is_active BOOLEAN NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    revoked_at INTEGER
);
INSERT INTO new_api_tokens
    (id, token_hash, preview, name, permissions, description, created_at, last_used, is_active, revoked_at)
SELECT t.id, t.token, coalesce(p.value, ''), t.name, t.permissions, t.description, t.created_at,
    t.last_used, t.is_active,
    CASE WHEN NOT t.is_active THEN coalesce(CAST(r.value AS INTEGER), unixepoch()) END
FROM api_tokens AS t
LEFT JOIN bot_recovered_values AS p
    ON p.table_name = 'api_tokens' AND p.column_name = 'preview'
    AND p.reason = 'the column is gone' AND p.row_key = t.token
LEFT JOIN bot_recovered_values AS r
    ON r.table_name = 'api_tokens' AND r.column_name = 'revoked_at'
    AND r.reason = 'the column is gone' AND r.row_key = t.token
ORDER BY t.id;
UPDATE bot_recovered_values SET reason = 'the column is back'
WHERE table_name = 'api_tokens' AND reason = 'the column is gone';

-- Ids that were given once are not given again.
DELETE FROM sqlite_sequence WHERE name = 'new_api_tokens';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_api_tokens', seq FROM sqlite_sequence WHERE name = 'api_tokens';
DROP TABLE api_tokens;
ALTER TABLE new_api_tokens RENAME TO api_tokens;
CREATE INDEX idx_api_tokens_active ON api_tokens (is_active, created_at);
