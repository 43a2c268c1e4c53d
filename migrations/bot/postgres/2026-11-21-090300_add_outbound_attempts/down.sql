-- The older release knows a permanent failure as "sent, with an error", and does not send it again.
-- Both times are put aside; going up once more brings them back.

INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'outbound_messages', id::text, 'last_attempt', last_attempt::text, 'no column for it'
FROM outbound_messages WHERE last_attempt IS NOT NULL
UNION ALL
SELECT 'outbound_messages', id::text, 'failed_at', failed_at::text, 'no column for it'
FROM outbound_messages WHERE failed_at IS NOT NULL;
UPDATE outbound_messages SET sent = TRUE, sent_timestamp = failed_at WHERE failed_at IS NOT NULL;

ALTER TABLE outbound_messages
    DROP COLUMN failed_at,
    DROP COLUMN last_attempt;
