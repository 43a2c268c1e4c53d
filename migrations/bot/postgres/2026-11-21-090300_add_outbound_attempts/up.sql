-- When a message was last tried, and whether trying again is pointless. The pause before the next
-- attempt counts from the last one; without it, an old message would get its retries back to back.
--
-- What an older release recorded as "sent" stays sent: it kept no trace by which a permanent
-- failure could be told from a message that was sent at the second attempt.

ALTER TABLE outbound_messages
    ADD COLUMN last_attempt BIGINT,
    ADD COLUMN failed_at BIGINT;

-- What taking this migration back had put aside.
UPDATE outbound_messages SET last_attempt = kept.value::bigint FROM bot_recovered_values AS kept
WHERE kept.table_name = 'outbound_messages' AND kept.column_name = 'last_attempt'
    AND kept.row_key = outbound_messages.id::text;
UPDATE outbound_messages SET sent = FALSE, sent_timestamp = NULL, failed_at = kept.value::bigint
FROM bot_recovered_values AS kept
WHERE kept.table_name = 'outbound_messages' AND kept.column_name = 'failed_at'
    AND kept.row_key = outbound_messages.id::text;
DELETE FROM bot_recovered_values
WHERE table_name = 'outbound_messages' AND column_name IN ('last_attempt', 'failed_at');
