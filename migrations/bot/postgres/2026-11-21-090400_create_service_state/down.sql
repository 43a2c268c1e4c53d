-- The positions are put aside, so that going up once more applies no event of a stream twice. The
-- jobs run again at once, which does no harm.

INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'event_positions', stream, 'incarnation', incarnation, 'no table for it' FROM event_positions
UNION ALL
SELECT 'event_positions', stream, 'sequence', sequence::text, 'no table for it' FROM event_positions;

DROP TABLE job_runs;
DROP TABLE event_positions;
