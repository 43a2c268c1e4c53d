-- The letters are put aside, each as one value, so that going up once more brings them back.

INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'dead_letters', id::text, '*', json_build_object('stream', stream, 'sequence', sequence, 'subject', subject,
    'payload', payload, 'happened_at', happened_at, 'failed_at', failed_at, 'code', code, 'reason', reason,
    'outcome', outcome, 'settled_at', settled_at, 'settled_by', settled_by)::text, 'no table for it'
FROM dead_letters;

DROP TABLE dead_letters;
