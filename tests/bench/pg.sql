-- The tables of the benchmarks on PostgreSQL, and what they have to become.
-- Read by run_pg.sh with psql; nothing of kvferry is used here.

-- A string as msgpack has it.
CREATE FUNCTION mp(t text) RETURNS bytea LANGUAGE sql STABLE AS $$
SELECT CASE WHEN octet_length(t) < 32 THEN set_byte('\x00', 0, 160 + octet_length(t))
            WHEN octet_length(t) < 256 THEN '\xd9'::bytea || set_byte('\x00', 0, octet_length(t))
            ELSE '\xda'::bytea || set_byte('\x00', 0, octet_length(t) / 256)
                               || set_byte('\x00', 0, octet_length(t) % 256)
       END || convert_to(t, 'UTF8')
$$;

-- A row of commits as the value of its entry (docs/tables.md), and its key.
CREATE FUNCTION entry_value(c commits) RETURNS bytea LANGUAGE sql STABLE AS $$
SELECT '\x88'::bytea
    || mp('repository_id') || mp(c.repository_id) || mp('id') || mp(c.id)
    || mp('committer') || mp(c.committer) || mp('message') || mp(c.message)
    || mp('creation_date') || mp(c.creation_date::text)
    || mp('meta_range_id') || mp(c.meta_range_id)
    || mp('metadata') || mp(c.metadata::text) || mp('parents') || mp(c.parents::text)
$$;

CREATE FUNCTION entry_key(c commits) RETURNS bytea LANGUAGE sql STABLE AS $$
SELECT convert_to(c.repository_id || '/' || CASE WHEN c.id < 'a' THEN '''' ELSE '' END || c.id, 'UTF8')
$$;
