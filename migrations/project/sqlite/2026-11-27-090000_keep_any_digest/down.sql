-- A text keeps its length.
SELECT 1;
