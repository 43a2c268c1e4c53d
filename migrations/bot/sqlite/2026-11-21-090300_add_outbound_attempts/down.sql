-- The older release knows a permanent failure as "sent, with an error", and does not send it again.
-- Both times are put aside; going up once more brings them back.

INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'outbound_messages', CAST(id AS TEXT), 'last_attempt', CAST(last_attempt AS TEXT), 'no column for it'
FROM outbound_messages WHERE last_attempt IS NOT NULL
UNION ALL
SELECT 'outbound_messages', CAST(id AS TEXT), 'failed_at', CAST(failed_at AS TEXT), 'no column for it'
FROM outbound_messages WHERE failed_at IS NOT NULL;
UPDATE outbound_messages SET sent = 1, sent_timestamp = failed_at WHERE failed_at IS NOT NULL;

ALTER TABLE outbound_messages DROP COLUMN failed_at;
ALTER TABLE outbound_messages DROP COLUMN last_attempt;
