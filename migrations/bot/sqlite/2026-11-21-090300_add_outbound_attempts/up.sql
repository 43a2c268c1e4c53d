-- When a message was last tried, and whether trying again is pointless. The pause before the next
-- attempt counts from the last one; without it, an old message would get its retries back to back.
--
-- What an older release recorded as "sent" stays sent: it kept no trace by which a permanent
-- failure could be told from a message that was sent at the second attempt.

ALTER TABLE outbound_messages ADD COLUMN last_attempt INTEGER;
ALTER TABLE outbound_messages ADD COLUMN failed_at INTEGER;

-- What taking this migration back had put aside.
UPDATE outbound_messages SET last_attempt = (SELECT CAST(value AS INTEGER) FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'last_attempt'
    AND row_key = CAST(outbound_messages.id AS TEXT));
UPDATE outbound_messages SET sent = 0, sent_timestamp = NULL,
    failed_at = (SELECT CAST(value AS INTEGER) FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'failed_at'
    AND row_key = CAST(outbound_messages.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'failed_at');
DELETE FROM bot_recovered_values
WHERE table_name = 'outbound_messages' AND column_name IN ('last_attempt', 'failed_at');
