-- Move members' positions forward: one call is one transaction. Never back, never past the log.
--
-- p_ids: the channels, each once; with repeats in it the planner takes the wrong index for the repeat check (100 x).
-- The other arrays are parallel, one element a member, each member once. What is read is also delivered. Locks member rows only, in
-- (channel, user) order; one that somebody else holds is busy, unless p_wait. A receipt row is written for each move.
--
-- Others are shown the same, but that it stands still while one of a chat blocks the other; receipts follow what is shown.
--
-- Returns a row for each element (ord from 1). Outcomes: 1 in force, 4 not a member, 5 busy. For 1: the positions after and
-- whether they moved; and what others are shown, after and before.
CREATE OR REPLACE FUNCTION advance_positions(
    p_ids uuid[],
    p_channel_ids uuid[],
    p_user_ids uuid[],
    p_delivered_seqs integer[],
    p_read_seqs integer[],
    p_at timestamptz,
    p_wait boolean
)
RETURNS TABLE (
    ord integer, outcome smallint, delivered_seq integer, read_seq integer, moved boolean,
    shown_delivered integer, shown_read integer, shown_delivered_before integer, shown_read_before integer
)
LANGUAGE plpgsql
AS $body$
#variable_conflict use_column
DECLARE
    v_channels uuid[];
    v_users uuid[];
    v_ords integer[];
    v_delivered integer[];
    v_read integer[];
    v_moved boolean[];
    v_shown_delivered integer[];
    v_shown_read integer[];
    v_shown_delivered_before integer[];
    v_shown_read_before integer[];
BEGIN
    IF p_wait THEN
        SELECT array_agg(l.channel_id), array_agg(l.user_id) INTO v_channels, v_users FROM (
            SELECT b.channel_id, b.user_id FROM members b
            JOIN unnest(p_channel_ids, p_user_ids) AS d (channel_id, user_id)
                ON d.channel_id = b.channel_id AND d.user_id = b.user_id
            WHERE b.channel_id = ANY (p_ids) AND b.left_seq IS NULL
            ORDER BY b.channel_id, b.user_id FOR UPDATE OF b
        ) l;
    ELSE
        SELECT array_agg(l.channel_id), array_agg(l.user_id) INTO v_channels, v_users FROM (
            SELECT b.channel_id, b.user_id FROM members b
            JOIN unnest(p_channel_ids, p_user_ids) AS d (channel_id, user_id)
                ON d.channel_id = b.channel_id AND d.user_id = b.user_id
            WHERE b.channel_id = ANY (p_ids) AND b.left_seq IS NULL
            ORDER BY b.channel_id, b.user_id FOR UPDATE OF b SKIP LOCKED
        ) l;
    END IF;

    SELECT
        array_agg(x.ord), array_agg(x.channel_id), array_agg(x.user_id), array_agg(x.delivered), array_agg(x.read),
        array_agg(x.delivered > x.delivered_seq OR x.read > x.read_seq),
        array_agg(CASE WHEN x.blocked THEN x.shown_delivered_seq ELSE x.delivered END),
        array_agg(CASE WHEN x.blocked THEN x.shown_read_seq ELSE x.read END),
        array_agg(x.shown_delivered_seq), array_agg(x.shown_read_seq)
    INTO
        v_ords, v_channels, v_users, v_delivered, v_read, v_moved,
        v_shown_delivered, v_shown_read, v_shown_delivered_before, v_shown_read_before
    FROM (
        SELECT
            d.ord::integer AS ord, b.channel_id, b.user_id, b.delivered_seq, b.read_seq,
            b.shown_delivered_seq, b.shown_read_seq,
            c.kind = 1 AND EXISTS (
                SELECT FROM members o
                WHERE o.channel_id = ANY (p_ids) AND o.channel_id = d.channel_id AND o.blocks
            ) AS blocked,
            greatest(b.delivered_seq, least(greatest(d.delivered, d.read), c.last_seq)) AS delivered,
            greatest(b.read_seq, least(d.read, c.last_seq)) AS read
        FROM unnest(p_channel_ids, p_user_ids, p_delivered_seqs, p_read_seqs) WITH ORDINALITY
            AS d (channel_id, user_id, delivered, read, ord)
        JOIN unnest(v_channels, v_users) AS l (channel_id, user_id)
            ON l.channel_id = d.channel_id AND l.user_id = d.user_id
        JOIN members b ON b.channel_id = ANY (p_ids) AND b.channel_id = d.channel_id
            AND b.user_id = d.user_id AND b.left_seq IS NULL
        JOIN channels c ON c.id = ANY (p_ids) AND c.id = d.channel_id
    ) x;

    UPDATE members b SET
        delivered_seq = x.delivered, read_seq = x.read,
        shown_delivered_seq = x.shown_delivered, shown_read_seq = x.shown_read
    FROM unnest(
        v_channels, v_users, v_delivered, v_read, v_moved, v_shown_delivered, v_shown_read,
        v_shown_delivered_before, v_shown_read_before
    ) AS x (
        channel_id, user_id, delivered, read, moved, shown_delivered, shown_read,
        shown_delivered_before, shown_read_before
    )
    WHERE b.channel_id = ANY (v_channels) AND b.channel_id = x.channel_id AND b.user_id = x.user_id
        AND (x.moved OR x.shown_delivered > x.shown_delivered_before OR x.shown_read > x.shown_read_before);

    INSERT INTO receipts AS r (channel_id, user_id, kind, up_to_seq, at)
    SELECT c.id, x.user_id, x.kind, x.up_to_seq, p_at
    FROM channels c
    JOIN (
        SELECT y.channel_id, y.user_id, 1::smallint AS kind, y.after AS up_to_seq
        FROM unnest(v_channels, v_users, v_shown_delivered, v_shown_delivered_before)
            AS y (channel_id, user_id, after, before)
        WHERE y.after > y.before
        UNION ALL
        SELECT y.channel_id, y.user_id, 2::smallint, y.after
        FROM unnest(v_channels, v_users, v_shown_read, v_shown_read_before)
            AS y (channel_id, user_id, after, before)
        WHERE y.after > y.before
    ) x ON x.channel_id = c.id
    WHERE c.id = ANY (v_channels)
    ON CONFLICT DO NOTHING;

    RETURN QUERY
        SELECT
            d.ord::integer,
            (CASE WHEN x.ord IS NOT NULL THEN 1 WHEN b.user_id IS NOT NULL THEN 5 ELSE 4 END)::smallint,
            x.delivered, x.read, x.moved,
            x.shown_delivered, x.shown_read, x.shown_delivered_before, x.shown_read_before
        FROM unnest(p_channel_ids, p_user_ids) WITH ORDINALITY AS d (channel_id, user_id, ord)
        LEFT JOIN unnest(
            v_ords, v_delivered, v_read, v_moved, v_shown_delivered, v_shown_read,
            v_shown_delivered_before, v_shown_read_before
        ) AS x (
            ord, delivered, read, moved, shown_delivered, shown_read,
            shown_delivered_before, shown_read_before
        ) ON x.ord = d.ord
        LEFT JOIN members b ON b.channel_id = ANY (p_ids) AND b.channel_id = d.channel_id
            AND b.user_id = d.user_id AND b.left_seq IS NULL
        ORDER BY d.ord;
END
$body$;
