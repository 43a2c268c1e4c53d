-- What the service has to remember beside the bot's data: how far it has read each event stream,
-- in the same transaction as what the events changed, and when each job last ran.

CREATE TABLE event_positions (
    stream TEXT PRIMARY KEY NOT NULL,
    incarnation TEXT NOT NULL,
    sequence BIGINT NOT NULL
);

CREATE TABLE job_runs (
    job TEXT PRIMARY KEY NOT NULL,
    last_run BIGINT NOT NULL
);

-- What taking this migration back had put aside.
INSERT INTO event_positions (stream, incarnation, sequence)
SELECT p.row_key, i.value, p.value::bigint FROM bot_recovered_values AS p
JOIN bot_recovered_values AS i ON i.table_name = p.table_name AND i.row_key = p.row_key
WHERE p.table_name = 'event_positions' AND p.column_name = 'sequence' AND i.column_name = 'incarnation';
DELETE FROM bot_recovered_values WHERE table_name = 'event_positions';
